// The list of portfolios: asks again every ten seconds and changes only what has changed.

import {
  AnswerError, askForToken, byId, connectionLost, connectionThere, getHealth, getJson, make, number, setText,
} from "/static/api.js";

const POLL_MS = 10000;
const PAGE = 50;
const LABELS = [
  "Equity, USD", "Day", "Year to date", "Volatility", "Warnings", "Last session", "Missing", "Newest run", "Report",
];
const WORDS = { pending: "Pending", running: "Running", current: "Up to date", behind: "Behind", failed: "Failed" };

let pages = 1;
let timer = null;

async function poll() {
  clearTimeout(timer);
  try {
    const parts = [];
    for (let page = 0; page < pages; page += 1) {
      parts.push(await getJson(`/api/v1/portfolios?offset=${page * PAGE}&limit=${PAGE}`));
    }
    const health = await getHealth();
    connectionThere();
    show(parts[0], parts.flatMap((part) => part.portfolios));
    showHealth(health);
  } catch (error) {
    if (error instanceof AnswerError && error.status === 401) {
      connectionThere();
      askForToken(poll);
      return;
    }
    if (error instanceof AnswerError && error.status === 403) {
      connectionThere();
      setText(byId("lead"), error.message);
      return;
    }
    connectionLost();
  }
  timer = setTimeout(poll, POLL_MS);
}

function show(head, portfolios) {
  byId("content").hidden = false;
  const simulated = portfolios.some((each) => each.price_source.split(", ").includes("simulated"));
  const real = portfolios.some((each) => each.price_source !== "simulated");
  const made = simulated ? (real ? "Prices, partly simulated," : "Simulated prices") : "Prices";
  const prices = head.target_session ? `${made} up to ${head.target_session}` : "No prices yet";
  const session = head.target_session === head.current_session ? "the current session"
    : `current session ${head.current_session}`;
  setText(byId("lead"), `${prices}, ${session} · ${plural(head.total, "portfolio")}${lateness(head, portfolios)}`);
  const dagster = byId("dagster");
  if (/^https?:/.test(head.dagster_url)) {
    dagster.href = `${head.dagster_url.replace(/\/$/, "")}/runs`;
    dagster.hidden = false;
  }
  const rows = byId("rows");
  portfolios.forEach((portfolio, at) => showRow(rows.children[at] || rows.appendChild(newRow()), portfolio));
  while (rows.children.length > portfolios.length) rows.lastChild.remove();
  byId("empty").hidden = portfolios.length > 0;
  byId("table").hidden = portfolios.length === 0;
  byId("more").hidden = portfolios.length >= head.total;
}

// What is not shown is not counted: it says of how many it speaks.
function lateness(head, portfolios) {
  if (portfolios.length === 0) return "";
  const late = portfolios.filter((portfolio) => portfolio.state !== "current").length;
  const among = portfolios.length < head.total ? ` of the ${number(portfolios.length)} shown` : "";
  return late ? ` · ${number(late)}${among} not up to date` : ` · all${among} up to date`;
}

function newRow() {
  const row = make("tr");
  const name = make("th");
  name.scope = "row";
  name.append(make("a"));
  const state = make("td");
  state.append(make("span", "pill"));
  const run = make("td");
  run.append(make("a"));
  const report = make("td");
  report.append(make("a", "", "Show"));
  const others = [
    make("td", "number"), make("td", "number"), make("td", "number"), make("td", "number"), make("td"), make("td"),
    make("td", "wrap"), run, report,
  ];
  LABELS.forEach((label, at) => { others[at].dataset.label = label; });
  row.append(name, state, ...others);
  return row;
}

function showRow(row, portfolio) {
  const [name, state, equity, day, year, volatility, warnings, last, missing, run, report] = row.children;
  name.firstChild.href = `/onboarding/${encodeURIComponent(portfolio.portfolio_id)}`;
  setText(name.firstChild, portfolio.name);
  state.firstChild.dataset.state = portfolio.gaps && portfolio.state === "current" ? "partial" : portfolio.state;
  setText(state.firstChild, portfolio.gaps ? `${WORDS[portfolio.state]}, ${portfolio.gaps}` : WORDS[portfolio.state]);
  setText(equity, usd(portfolio.equity));
  setText(day, percent(portfolio.daily_return, true));
  setText(year, percent(portfolio.return_ytd, true));
  setText(volatility, percent(portfolio.volatility));
  volatility.title = portfolio.var_99 === null ? "" : `VaR 99 % of one day: ${percent(portfolio.var_99)} of equity`;
  setText(warnings, portfolio.warnings ? number(portfolio.warnings) : "none");
  warnings.classList.toggle("quiet", !portfolio.warnings);
  setText(last, portfolio.last_session || "–");
  report.firstChild.href = `/portfolio/${encodeURIComponent(portfolio.portfolio_id)}`;
  report.firstChild.setAttribute("aria-label", `Report of ${portfolio.name}`);
  report.firstChild.hidden = !portfolio.last_session;
  const simulated = portfolio.price_source.split(", ").includes("simulated") ? ", simulated" : "";
  last.title = portfolio.newest_price ? `prices up to ${portfolio.newest_price}${simulated}` : "no prices";
  setText(missing, portfolio.missing || "nothing");
  missing.classList.toggle("quiet", !portfolio.missing);
  const link = run.firstChild;
  setText(link, portfolio.run_id ? portfolio.run_id.slice(0, 8) : "–");
  if (portfolio.run_url && /^https?:/.test(portfolio.run_url)) link.href = portfolio.run_url;
}

function showHealth(health) {
  byId("health").hidden = health.ok;
  const list = byId("health-list");
  if (list.dataset.shown === JSON.stringify(health.failing)) return;
  list.dataset.shown = JSON.stringify(health.failing);
  list.replaceChildren(...health.failing.map((problem) => make("li", "", problem)));
}

// A number that is not known has a dash; nothing has no sign.
function usd(value) {
  return value === null ? "–" : value.toLocaleString("en-US", { maximumFractionDigits: 0 }).replace("-", "−");
}

function percent(value, signed = false) {
  if (value === null) return "–";
  const places = { style: "percent", minimumFractionDigits: signed ? 2 : 1, maximumFractionDigits: signed ? 2 : 1 };
  return value.toLocaleString("en-US", { ...places, signDisplay: signed ? "exceptZero" : "negative" })
    .replace("-", "−").replace("%", " %");
}

const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

byId("more").addEventListener("click", () => {
  pages += 1;
  poll();
});

poll();
