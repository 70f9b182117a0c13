// The report where a token is asked for.

import { enliven } from "/static/report-page.js";
import { showFetched } from "/static/fetched.js";

const id = location.pathname.split("/")[2];

showFetched(`/api/v1/portfolios/${id}/report?format=html`, "Portfolio not found", () => enliven(document));
