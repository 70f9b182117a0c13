// An explanation where a token is asked for: fetch it with the token and put it in the place of this page.
// It comes from our own server, which escapes what is in it; scripts in it would not run.

import { AnswerError, askForToken, byId, connectionLost, connectionThere, getText, setText } from "/static/api.js";

const RETRY_MS = 2000;
const [, , id, , table, column] = location.pathname.split("/");
const query = new URLSearchParams(location.search);
query.set("format", "html");

async function load() {
  try {
    const text = await getText(`/api/v1/portfolios/${id}/explain/${table}/${column}?${query}`);
    const page = new DOMParser().parseFromString(text, "text/html");
    document.replaceChild(document.adoptNode(page.documentElement), document.documentElement);
  } catch (error) {
    if (!(error instanceof AnswerError) || error.status >= 500) {
      connectionLost();
      setTimeout(load, RETRY_MS);
      return;
    }
    connectionThere();
    if (error.status === 401) {
      setText(byId("lead"), "");
      askForToken(load);
      return;
    }
    setText(byId("name"), "Not explained");
    setText(byId("lead"), error.message);
    document.title = "Not explained";
  }
}

load();
