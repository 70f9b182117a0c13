"""The report of a portfolio over HTTP: as JSON, and as the page that `sigma-assets report --html` writes."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.params import Depends

from sigma_assets.reports.page import report_page
from sigma_assets.reports.portfolio import PortfolioReport
from sigma_assets.reports.reading import portfolio_report
from sigma_assets.web.cache import Answer
from sigma_assets.web.models import NotFound, StrictQuery
from sigma_assets.web.pages import READ, page_or_shell
from sigma_assets.web.queries import Queries

PortfolioId = Annotated[
    str,
    Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="id of the portfolio, as `sigma-assets portfolios` shows it"),
]


class _ReportQuery(StrictQuery):
    format: Literal["json", "html"] = "json"


def report_router(queries: Queries, guards: Sequence[Depends], responses: dict[int | str, dict[str, Any]]) -> APIRouter:
    """Return the routes of the report.

    The page itself holds no data where a token is asked for: a browser sends none when it follows a link. Its script
    then fetches the same page with the token.
    """
    router = APIRouter()
    html: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}

    def rendered(portfolio_id: str, form: str) -> Answer:
        key = "report", portfolio_id, form
        return queries.cache.get(key, lambda: _rendered(queries, portfolio_id, form), queries.version)

    @router.get(
        "/api/v1/portfolios/{portfolio_id}/report",
        response_model=PortfolioReport,
        responses=responses | {404: {"model": NotFound}} | html,
        dependencies=guards,
    )
    def report(request: Request, portfolio_id: PortfolioId, query: Annotated[_ReportQuery, Query()]) -> Response:
        """What is stored of a portfolio on its last session: fractions (0.01 is 1 %), USD, volatility per year."""
        return rendered(portfolio_id, query.format).response(request)

    @router.api_route("/portfolio/{portfolio_id}", methods=READ, include_in_schema=False)
    def page(request: Request, portfolio_id: PortfolioId) -> Response:
        """Return the page of a portfolio."""
        return page_or_shell(request, "report.html", lambda: rendered(portfolio_id, "html"), is_guarded=bool(guards))

    return router


def _rendered(queries: Queries, portfolio_id: str, form: str) -> Answer:
    uncomputed = queries.uncomputed(queries.progress(queries.portfolio(portfolio_id)))
    older = queries.remarks([portfolio_id]).get(portfolio_id, ())
    found = portfolio_report(
        queries.database,
        queries.settings,
        portfolio_id,
        uncomputed=uncomputed,
        instance=queries.instance,
        older=older,
    )
    if form == "json":
        return Answer(found.json().encode(), "application/json")
    return Answer(report_page(found, is_alone=False).encode(), "text/html; charset=utf-8")
