// What both pages share: asking the server, with its token where it wants one, and putting text on the page.
// Text only ever enters the page through textContent; the report alone comes as a page, made and escaped by the server.

const TOKEN = "sigma.token";
const TIMEOUT_MS = 10000;

export class AnswerError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export const byId = (id) => document.getElementById(id);

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// A link may carry the token after its `#`: that part is never sent to a server. It is kept for this tab only.
function tokenFromAddress() {
  const match = /^#token=(.+)$/.exec(location.hash);
  if (!match) return;
  sessionStorage.setItem(TOKEN, decodeURIComponent(match[1]));
  history.replaceState(null, "", location.pathname + location.search);
}
tokenFromAddress();

async function answered(path) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  return fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
}

export async function getJson(path) {
  const answer = await answered(path);
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new AnswerError(answer.status, body.detail || `answer ${answer.status}`);
  return body;
}

export async function getText(path) {
  const answer = await answered(path);
  if (!answer.ok) {
    const body = await answer.json().catch(() => ({}));
    throw new AnswerError(answer.status, body.detail || `answer ${answer.status}`);
  }
  return answer.text();
}

export async function getHealth() {
  return (await answered("/healthz")).json();
}

export async function download(path, name) {
  const answer = await answered(path);
  if (!answer.ok) throw new AnswerError(answer.status, `answer ${answer.status}`);
  const link = make("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

// Show the form for the token and go on with `retry` once one was given.
export function askForToken(retry) {
  const form = byId("token-form");
  const field = byId("token");
  setText(byId("token-problem"), sessionStorage.getItem(TOKEN) ? "That token was not accepted." : "");
  byId("content").hidden = true;
  form.hidden = false;
  field.value = "";
  field.focus();
  form.onsubmit = (event) => {
    event.preventDefault();
    sessionStorage.setItem(TOKEN, field.value.trim());
    form.hidden = true;
    retry();
  };
}

// Tell that the server cannot be reached, since when, and that we keep trying; what was shown stays.
let lostAt = null;

export function connectionLost() {
  lostAt ??= Date.now();
  const seconds = Math.round((Date.now() - lostAt) / 1000);
  const toast = byId("connection");
  setText(toast, seconds < 4
    ? "The server cannot be reached. Trying again…"
    : `The server has not answered for ${duration(seconds)}. Trying again…`);
  toast.hidden = false;
  document.body.dataset.connection = "lost";
}

export function connectionThere() {
  lostAt = null;
  byId("connection").hidden = true;
  document.body.dataset.connection = "there";
}

export function duration(seconds) {
  const whole = Math.max(Math.round(seconds), 0);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

export const number = (value) => value.toLocaleString("en-US");
