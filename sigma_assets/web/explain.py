"""Explanations over HTTP: as JSON, and as a small page that a click on a number of the report leads to."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from fastapi.params import Depends
from pydantic import Field

from sigma_assets.base.errors import ExplainError
from sigma_assets.reports.explain.explanation import Explanation, explain
from sigma_assets.reports.explain.page import explanation_page
from sigma_assets.reports.words.table import Which
from sigma_assets.web.cache import Answer
from sigma_assets.web.models import NotFound, Problem, StrictQuery
from sigma_assets.web.numbers.router import Day, Symbol
from sigma_assets.web.pages import READ, page_or_shell
from sigma_assets.web.queries import Queries
from sigma_assets.web.reports import PortfolioId

HTML = {"text/html": {"schema": {"type": "string"}}}
Name = Annotated[str, Path(pattern=r"^[a-z_0-9]{1,64}$")]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]


class _ExplainQuery(StrictQuery):
    session: Day | None = Field(None, description="by default the last one that is stored")
    symbol: list[Symbol] = Field([], max_length=2, description="of this symbol; twice for a pair")
    factor: Word | None = None
    scenario: Word | None = None
    lot: Word | None = None
    cluster: int | None = Field(None, ge=1, le=1_000)
    scheme: Text | None = Field(None, description="of an allocation: kind of holding, or a scheme of `classify`")
    class_name: Text | None = Field(None, alias="class", description="of an allocation: a class of the scheme")
    format: Literal["json", "html"] = "json"

    def which(self) -> Which:
        """Return which row is meant."""
        return Which(
            self.session, tuple(self.symbol), self.factor, self.scenario, self.lot, self.cluster,
            self.scheme, self.class_name,
        )  # fmt: skip


def explain_router(
    queries: Queries, guards: Sequence[Depends], responses: dict[int | str, dict[str, Any]]
) -> APIRouter:
    """Return the routes of explanations."""
    router = APIRouter()

    def explained(portfolio_id: str, table: str, column: str, query: _ExplainQuery, form: str) -> Answer:
        queries.portfolio(portfolio_id)  # there must be one
        key = ("explain", portfolio_id, table, column, query.which(), form)
        arguments = queries.database, queries.settings, queries.instance, portfolio_id, table, column, query.which()
        try:
            return queries.cache.get(key, lambda: _rendered(explain(*arguments), form), queries.version)
        except ExplainError as error:
            raise HTTPException(404, str(error)[:2000]) from error

    @router.get(
        "/api/v1/portfolios/{portfolio_id}/explain/{table}/{column}",
        response_model=Explanation,
        responses=responses | {404: {"model": NotFound | Problem}, 200: {"content": HTML}},
        dependencies=guards,
    )
    def explanation(
        request: Request, portfolio_id: PortfolioId, table: Name, column: Name, query: Annotated[_ExplainQuery, Query()]
    ) -> Response:
        """Why a stored number is what it is: formula filled in, inputs, run, and the number computed again."""
        return explained(portfolio_id, table, column, query, query.format).response(request)

    @router.api_route("/portfolio/{portfolio_id}/explain/{table}/{column}", methods=READ, include_in_schema=False)
    def page(
        request: Request, portfolio_id: PortfolioId, table: Name, column: Name, query: Annotated[_ExplainQuery, Query()]
    ) -> Response:
        """Return the page of an explanation."""
        made = partial(explained, portfolio_id, table, column, query, "html")
        return page_or_shell(request, "explain.html", made, is_guarded=bool(guards))

    return router


def _rendered(found: Explanation, form: str) -> Answer:
    if form == "html":
        return Answer(explanation_page(found).encode(), "text/html; charset=utf-8")
    return Answer(json.dumps(found.as_dict(), allow_nan=False).encode())
