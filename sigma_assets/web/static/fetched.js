// A page that the server makes, where a token is asked for: fetch it with the token and put it in the place of this one.
// It comes from our own server, which escapes what is in it; scripts in it would not run.

import { AnswerError, askForToken, byId, connectionLost, connectionThere, getText, setText } from "/static/api.js";

const RETRY_MS = 2000;

export async function showFetched(address, notFound, whenShown = () => {}) {
  try {
    const text = await getText(address);
    const page = new DOMParser().parseFromString(text, "text/html");
    document.replaceChild(document.adoptNode(page.documentElement), document.documentElement);
    whenShown();
  } catch (error) {
    const again = () => showFetched(address, notFound, whenShown);
    if (!(error instanceof AnswerError) || error.status >= 500) {
      connectionLost();
      setTimeout(again, RETRY_MS);
      return;
    }
    connectionThere();
    if (error.status === 401) {
      setText(byId("lead"), "");
      askForToken(again);
      return;
    }
    setText(byId("name"), notFound);
    setText(byId("lead"), error.message);
    document.title = notFound;
  }
}
