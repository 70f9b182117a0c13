// What a script adds to the report, which is complete without: a cursor that reads its charts, and tables that sort.
// Every text that it shows stands in the page already; it computes nothing but places.

const MINUS = /−/g;

export function enliven(root) {
  root.querySelectorAll(".readable").forEach(readings);
  root.querySelectorAll("table[data-sortable]").forEach(sorting);
}

function readings(area) {
  const rows = area.dataset.readings.trim().split("\n").map((line) => line.trim().split("|"));
  const times = rows.map((row) => Date.parse(row[0]));
  const slider = area.querySelector(".cursor-range");
  const fields = [...area.querySelectorAll(".reading dd")];
  const charts = [...area.querySelectorAll(".chart")];
  const shown = () => charts.find((chart) => chart.offsetParent !== null) || charts[charts.length - 1];

  function ends() {
    const { first, last } = shown().dataset;
    return [rows.findIndex((row) => row[0] >= first), rows.findLastIndex((row) => row[0] <= last)];
  }

  function read(at) {
    const [from, to] = ends();
    const place = Math.min(Math.max(at, from), to);
    slider.min = from;
    slider.max = to;
    slider.value = place;
    slider.setAttribute("aria-valuetext", rows[place].map(typeset).join(", "));
    fields.forEach((field, number) => { field.textContent = typeset(rows[place][number]); });
    const x = to > from ? 1000 * (times[place] - times[from]) / (times[to] - times[from]) : 1000;
    shown().querySelectorAll(".cursor").forEach((line) => {
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
    });
  }

  function readAt(event) {
    const plot = event.target.closest(".plot");
    if (!plot) return;
    const [from, to] = ends();
    const box = plot.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    const time = times[from] + share * (times[to] - times[from]);
    let nearest = from;
    for (let at = from; at <= to; at += 1) {
      if (Math.abs(times[at] - time) < Math.abs(times[nearest] - time)) nearest = at;
    }
    read(nearest);
  }

  area.addEventListener("pointermove", readAt);
  area.addEventListener("pointerdown", readAt);
  slider.addEventListener("input", () => read(Number(slider.value)));
  area.querySelectorAll(".range").forEach((range) => range.addEventListener("change", () => read(rows.length - 1)));
  read(rows.length - 1);
}

function sorting(table) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const original = [...body.rows];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const keys = new Map(original.map((row) => [row, keyOf(row.cells[column].textContent)]));
      const isText = [...keys.values()].some((key) => typeof key === "string");
      const before = head.getAttribute("aria-sort");
      const isUp = before ? before === "descending" : isText && head.cellIndex === 0;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", isUp ? "ascending" : "descending");
      body.append(...[...original].sort((one, other) => compare(keys.get(one), keys.get(other), isUp)));
    });
  });
}

// A cell's number, or its text; null where it is not known.
function keyOf(text) {
  const plain = text.trim().replace(MINUS, "-");
  if (plain === "–" || plain === "") return null;
  const bare = plain.replace(/,/g, "").replace(/ ?%$/, "");
  return /^[+-]?\d+(\.\d+)?$/.test(bare) ? Number(bare) : plain;
}

// What is not known comes last, whichever way.
function compare(one, other, isUp) {
  if (one === null || other === null) return (one === null) - (other === null);
  const order = one < other ? -1 : one > other ? 1 : 0;
  return isUp ? order : -order;
}

const typeset = (text) => (text === "-" ? "–" : text.replace(/^-(?=\d)(?!.*-\d\d$)/, "−"));

enliven(document);
