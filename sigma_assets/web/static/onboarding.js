// The page of one onboarding: polls the API every two seconds and changes only what has changed.

import {
  AnswerError, askForToken, byId, connectionLost, connectionThere, download, duration, getHealth, getJson, make, number,
  setText,
} from "/static/api.js";

const POLL_MS = 2000;
const PATIENCE_MS = 30000;
const DETAILS = "sigma.details";
const id = decodeURIComponent(location.pathname.split("/").pop());
const api = `/api/v1/onboarding/status/${encodeURIComponent(id)}`;

const WORDS = {
  pending: "Pending", running: "Running", completed: "Completed", partial: "Partly completed", failed: "Failed",
  skipped: "Skipped",
};
const FINISHED = ["completed", "partial", "failed"];

let shown = null; // the newest answer
let shownAt = 0;
let timer = null;
let asking = 0;
let waitingSince = null;
let trouble = ""; // why a long wait may not end by itself

async function poll() {
  clearTimeout(timer);
  const turn = ++asking;
  const debug = detailsOn();
  try {
    const answer = await getJson(debug ? `${api}?debug=true` : api);
    const found = await troubleOf(answer);
    if (turn !== asking) return;
    trouble = found;
    connectionThere();
    show(answer, debug);
  } catch (error) {
    if (turn !== asking) return;
    if (!mayTryAgain(error)) return;
    connectionLost();
  }
  if (!shown || !FINISHED.includes(shown.status) || document.body.dataset.connection === "lost") {
    timer = setTimeout(poll, POLL_MS);
  }
}

// Where nothing is started, no run can say why: after half a minute of waiting the health check is asked.
async function troubleOf(answer) {
  if (answer.status !== "pending") waitingSince = null;
  else waitingSince ??= Date.now();
  if (waitingSince === null || Date.now() - waitingSince < PATIENCE_MS) return "";
  return (await getHealth()).failing.join("; ");
}

// Return whether an error may pass; else show what it means.
function mayTryAgain(error) {
  if (!(error instanceof AnswerError) || error.status >= 500) return true;
  connectionThere();
  if (error.status === 401) {
    askForToken(poll);
  } else {
    showNotFound();
  }
  return false;
}

function show(answer, debug) {
  const before = shown;
  shown = answer;
  shownAt = Date.now();
  byId("content").hidden = false;
  setText(byId("name"), answer.name);
  showStatus(answer);
  showOverall(answer);
  showWarnings(answer);
  showErrors(answer);
  answer.phases.forEach(showPhase);
  const run = byId("run");
  run.hidden = !answer.run_url;
  if (answer.run_url && /^https?:/.test(answer.run_url)) run.href = answer.run_url;
  byId("report").hidden = !["completed", "partial"].includes(answer.status);
  byId("report").href = `/portfolio/${encodeURIComponent(id)}`;
  byId("download").disabled = !answer.run_id;
  if (debug) showLog(answer.debug_logs || []);
  if (!before || before.status !== answer.status) setText(byId("spoken"), `${WORDS[answer.status]}. ${sentence(answer)}`);
}

function sentence(answer) {
  const { current_phase_name: phase, phases_completed: done, phases_total: total } = answer.overall_progress;
  if (answer.status === "pending") {
    const waiting = answer.current_phase_progress.message || "Waiting to be picked up";
    return trouble ? `${waiting}. Something needs attention – ${trouble}` : waiting;
  }
  if (answer.removed && answer.status !== "completed") return `Removed with ${done} of ${total} phases complete`;
  if (answer.status === "running") return phase ? `${phase}: ${answer.current_phase_progress.message}` : "Finishing…";
  if (answer.status === "failed") return `${phase || "The run"} failed; it is tried again with the next run`;
  if (answer.status === "partial") return `${done} of ${total} phases are complete; the rest is tried again with the next run`;
  const { sessions, symbols, symbols_priced: priced, positions, seconds } = answer.summary;
  const held = priced < symbols ? `, ${number(priced)} of ${counts(symbols, "symbol")}` : `, ${counts(symbols, "symbol")}`;
  const removed = answer.removed ? "; removed since, its history stays" : "";
  return `${counts(sessions, "session")}${held} and ${counts(positions, "position")} in ${precise(seconds)}${age(answer)}${removed}`;
}

// Wherever something is called complete: how old the newest price is.
function age({ newest_price: newest, current_session: session }) {
  if (!newest) return "; no price of any holding";
  return `; prices up to ${newest}${newest === session ? ", the current session" : `, current session ${session}`}`;
}

function showStatus(answer) {
  const gaps = answer.status === "completed" && answer.warnings.length > 0;
  showPill(gaps ? "partial" : answer.status, gaps ? "Completed with gaps" : WORDS[answer.status]);
  setText(byId("announcement"), sentence(answer));
  const percent = answer.status === "running" ? `${Math.floor(answer.overall_progress.percent_complete)} % · ` : "";
  document.title = `${percent}${answer.name} · ${WORDS[answer.status]}`;
}

function showPill(state, word) {
  const pill = byId("status");
  pill.hidden = false;
  pill.dataset.state = state;
  setText(pill, word);
}

function showOverall(answer) {
  const { percent_complete: percent, phases_completed: done, phases_total: total } = answer.overall_progress;
  const bar = byId("percent-bar");
  const text = percent === 100 ? "100 %" : `${Math.floor(percent)} %`;
  bar.value = percent;
  bar.dataset.state = answer.status;
  bar.setAttribute("aria-valuetext", text);
  setText(byId("percent"), text);
  const sessions = answer.sessions;
  setText(byId("sessions"), sessions ? `${number(sessions.done)} / ${number(sessions.total)}` : "–");
  byId("sessions").title = sessions ? `${sessions.first} to ${sessions.last}` : "";
  setText(byId("phases-done"), `${done} / ${total}`);
  tick();
}

// Between two answers the clock goes on by itself; without a connection it stands.
function tick() {
  if (!shown) return;
  const running = shown.status === "running";
  const since = running && document.body.dataset.connection !== "lost" ? (Date.now() - shownAt) / 1000 : 0;
  const { elapsed_seconds: elapsed, estimated_remaining_seconds: remaining } = shown;
  if (elapsed === null) setText(byId("elapsed"), "–");
  else if (since || document.body.dataset.connection !== "lost") setText(byId("elapsed"), duration(elapsed + since));
  if (!running) setText(byId("remaining"), shown.status === "completed" ? "0 s" : "–");
  else if (remaining === null) setText(byId("remaining"), "–");
  else if (document.body.dataset.connection !== "lost") {
    const left = Math.max(remaining - since, 0);
    setText(byId("remaining"), left < 1 ? "moments" : `about ${duration(left)}`);
  }
}

// Before anything else: what a reader of the numbers must know.
function showWarnings(answer) {
  const simulated = answer.price_source === "simulated";  // of a part, a warning tells
  byId("warnings").hidden = answer.warnings.length === 0 && !simulated;
  byId("simulated").hidden = !simulated;
  const list = byId("warning-list");
  if (list.dataset.shown === JSON.stringify(answer.warnings)) return;
  list.dataset.shown = JSON.stringify(answer.warnings);
  list.replaceChildren(...answer.warnings.map((warning) => {
    const item = make("li");
    item.append(make("strong", "", warning.symbol || "The portfolio"), ` lacks ${warning.lacks}: ${warning.reason}. `,
      make("span", "quiet", `To do: ${warning.remedy}.`));
    return item;
  }));
}

function showErrors(answer) {
  byId("errors").hidden = answer.errors.length === 0;
  const names = Object.fromEntries(answer.phases.map((phase) => [phase.phase, phase.phase_name]));
  const list = byId("error-list");
  const items = answer.errors.map((error) => [names[error.phase] || "The run", error.message]);
  if (list.dataset.shown === JSON.stringify(items)) return;
  list.dataset.shown = JSON.stringify(items);
  list.replaceChildren(...items.map(([name, message]) => {
    const item = make("li");
    item.append(make("strong", "", name), make("pre", "", message));
    return item;
  }));
}

function showPhase(phase, at) {
  const list = byId("phases");
  const row = list.children[at] || list.appendChild(newRow());
  row.dataset.state = phase.status;
  const [, name, spoken, message, count, time] = row.children;
  setText(name, phase.phase_name);
  setText(spoken, `: ${WORDS[phase.status]}`);
  setText(message, described(phase));
  setText(count, counted(phase));
  setText(time, phase.elapsed_seconds === null ? "" : precise(phase.elapsed_seconds));
  if (phase.status === "running") row.setAttribute("aria-current", "step");
  else row.removeAttribute("aria-current");
}

// Every phase keeps its line, so that nothing moves: what it does, or why it did not.
function described(phase) {
  if (phase.status === "skipped") return "Not begun";
  if (phase.status === "running" || phase.status === "failed") return phase.message;
  return phase.message.replace(/\.+$/, "");
}

function newRow() {
  const row = make("li");
  const mark = make("span", "mark");
  mark.setAttribute("aria-hidden", "true");
  row.append(mark, make("span", "phase-name"), make("span", "hidden"), make("span", "phase-message"),
    make("span", "phase-count"), make("span", "phase-time"));
  return row;
}

function counted(phase) {
  if (phase.current === null) return "";
  const among = phase.portfolios > 1 && phase.unit !== "dates" ? ` of ${number(phase.portfolios)} portfolios` : "";
  if (phase.status === "running" && phase.total) {
    return `${number(phase.current)} / ${number(phase.total)} ${phase.unit}${among}`;
  }
  return counts(phase.current, phase.unit.replace(/s$/, "")) + among;
}

function precise(seconds) {
  if (seconds < 0.05) return "< 0.1 s";
  return seconds < 60 ? `${seconds.toFixed(1)} s` : duration(seconds);
}

const counts = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

function showNotFound() {
  byId("content").hidden = true;
  setText(byId("name"), "Portfolio not found");
  showPill("failed", "Not found");
  setText(byId("announcement"), `No portfolio has the id ${id.slice(0, 80)}.`);
  setText(byId("spoken"), "Portfolio not found");
  document.title = "Portfolio not found";
}

// --- details ---------------------------------------------------------------------------------------------------------

const detailsOn = () => localStorage.getItem(DETAILS) === "on";

function showSwitch() {
  byId("details").setAttribute("aria-checked", String(detailsOn()));
  byId("log-area").hidden = !detailsOn();
}

const TIME_AT = "2026-01-08T".length; // lines begin with date and time; the date is left out
let lines = [];

// Append what is new and keep what is there, so that a reader's place and selection stay.
function showLog(newest) {
  const log = byId("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
  const last = lines.length ? newest.lastIndexOf(lines[lines.length - 1]) : -1;
  if (last < 0) log.replaceChildren();
  const added = newest.slice(last + 1);
  log.append(...added.map((line) => make("div", /^\S+ (ERROR|CRITICAL)/.test(line) ? "bad" : "", line.slice(TIME_AT))));
  while (log.children.length > newest.length) log.firstChild.remove();
  lines = newest;
  if (atEnd && added.length) log.scrollTop = log.scrollHeight;
  if (!newest.length && !log.children.length) log.append(make("div", "quiet", "Nothing logged yet"));
}

byId("details").addEventListener("click", () => {
  localStorage.setItem(DETAILS, detailsOn() ? "off" : "on");
  showSwitch();
  if (detailsOn()) poll();
});

byId("download").addEventListener("click", async () => {
  try {
    await download(`${api}/logs?format=txt`, `onboarding-${id}.txt`);
  } catch (error) {
    if (mayTryAgain(error)) connectionLost();
  }
});

// A finished onboarding that lacks something may have been repaired meanwhile.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && shown && ["partial", "failed"].includes(shown.status)) poll();
});

showSwitch();
setInterval(tick, 1000);
poll();
