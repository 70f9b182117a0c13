// An explanation where a token is asked for.

import { showFetched } from "/static/fetched.js";

const [, , id, , table, column] = location.pathname.split("/");
const query = new URLSearchParams(location.search);
query.set("format", "html");

showFetched(`/api/v1/portfolios/${id}/explain/${table}/${column}?${query}`, "Not explained");
