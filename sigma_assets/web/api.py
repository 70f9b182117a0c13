"""The routes of the API."""

from collections.abc import Iterator, Sequence
from itertools import chain
from time import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.params import Depends
from pydantic import BaseModel, BeforeValidator, Field

from sigma_assets.runs.fold.facts import PortfolioFacts
from sigma_assets.runs.fold.progress import Progress
from sigma_assets.web.access.downloads import Downloads, named_file
from sigma_assets.web.access.security import for_owner
from sigma_assets.web.cache import Answer
from sigma_assets.web.explain import explain_router
from sigma_assets.web.health import health
from sigma_assets.web.listing import list_portfolios
from sigma_assets.web.logs import LogLine, log_for_owner, log_for_readers, readable, whole_log
from sigma_assets.web.models import Health, LogEntry, NotFound, Onboarding, PortfolioList, Problem, StrictQuery
from sigma_assets.web.numbers.router import numbers_router
from sigma_assets.web.onboarding.view import onboarding_view
from sigma_assets.web.queries import Queries
from sigma_assets.web.reports import PortfolioId, report_router

MAX_DEBUG_LINES = 500
PAGE = 50


def _true_or_false(value: object) -> object:
    if value in ("true", "false"):
        return value == "true"
    if isinstance(value, bool):
        return value
    raise ValueError("expected true or false")


class _StatusQuery(StrictQuery):
    debug: Annotated[bool, BeforeValidator(_true_or_false)] = False


class _LogQuery(StrictQuery):
    format: Literal["txt", "json"] = "txt"


class _ListQuery(StrictQuery):
    offset: int = Field(0, ge=0, le=1_000_000)
    limit: int = Field(PAGE, ge=1, le=PAGE)


def api_router(queries: Queries, guards: Sequence[Depends]) -> APIRouter:
    """Return the routes; all but the health check pass the guards."""
    router, answers, cache = APIRouter(), _Answers(queries), queries.cache
    problems: dict[int | str, dict[str, Any]] = {422: {"model": Problem}, 503: {"model": Problem}}
    if guards:
        problems |= {401: {"model": Problem}, 403: {"model": Problem}}
    unknown: dict[int | str, dict[str, Any]] = {404: {"model": NotFound}}
    text: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

    @router.get(
        "/api/v1/onboarding/status/{portfolio_id}",
        response_model=Onboarding,
        responses=problems | unknown,
        dependencies=guards,
    )
    def onboarding_status(
        request: Request, portfolio_id: PortfolioId, query: Annotated[_StatusQuery, Query()]
    ) -> Response:
        """Where the onboarding of a portfolio stands; with debug, its detail and log lines too."""
        is_owner = for_owner(request)
        key = "status", portfolio_id, query.debug, is_owner
        answer: Answer = cache.get(key, lambda: answers.status(portfolio_id, query.debug, is_owner), queries.version)
        return answer.response(request)

    @router.get(
        "/api/v1/onboarding/status/{portfolio_id}/logs",
        response_model=list[LogEntry],
        responses=problems | unknown | text,
        dependencies=guards,
    )
    def onboarding_logs(request: Request, portfolio_id: PortfolioId, query: Annotated[_LogQuery, Query()]) -> Response:
        """The whole log of all runs of an onboarding, as a download; with a portfolio's token nothing about others."""
        return answers.logs(portfolio_id, query.format, for_owner(request))

    @router.get("/api/v1/portfolios", response_model=PortfolioList, responses=problems, dependencies=guards)
    def portfolio_list(request: Request, query: Annotated[_ListQuery, Query()]) -> Response:
        """The active portfolios: state, last session, what is missing."""

        def listed() -> Answer:
            found = list_portfolios(queries, query.offset, query.limit)
            is_lasting = all(line.state != "running" for line in found.portfolios)
            return Answer(found.model_dump_json().encode(), is_lasting=is_lasting)

        answer: Answer = cache.get(("list", query.offset, query.limit), listed, queries.version)
        return answer.response(request)

    router.include_router(report_router(queries, guards, problems))
    router.include_router(explain_router(queries, guards, problems))
    router.include_router(numbers_router(queries, guards, problems))

    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz", response_model=Health, responses={422: {"model": Problem}, 503: {"model": Health}})
    def healthz(query: Annotated[StrictQuery, Query()]) -> Response:
        """Whether database, Dagster and its sensors are well, and last night's sessions are there; 503 where not."""
        state: Health = cache.get(("health",), lambda: health(queries.instance, queries.database, queries.settings))
        return _json(state, 200 if state.ok else 503)

    return router


class _Answers:
    def __init__(self, queries: Queries) -> None:
        self.queries = queries
        self.downloads = Downloads()

    def status(self, portfolio_id: str, debug: bool, is_owner: bool) -> Answer:
        """Return the status."""
        portfolio = self.queries.portfolio(portfolio_id)
        progress = self.queries.progress(portfolio, for_owner=is_owner)
        uncomputed = {portfolio_id: self.queries.uncomputed(progress)}
        holdings = self.queries.holdings([portfolio_id], uncomputed)[portfolio_id]
        view = onboarding_view(
            portfolio,
            progress,
            now=time(),
            session_at=self.queries.session,
            current_session=self.queries.settings.current_session(),
            run_url=self.queries.settings.run_url,
            holdings=holdings,
            waiting=self.queries.waiting(progress),
            debug_logs=self._debug_lines(progress, is_owner) if debug else None,
        )
        return Answer(view.model_dump_json().encode(), is_lasting=view.status == "completed")

    def logs(self, portfolio_id: str, form: str, is_owner: bool) -> Response:
        """Return the download."""
        portfolio = self.queries.portfolio(portfolio_id)
        lines = self._lines(portfolio, is_owner)
        body = (f"{line.text}\n" for line in lines) if form == "txt" else _json_array(lines)
        media_type = "text/plain; charset=utf-8" if form == "txt" else "application/json"
        return self.downloads.response(body, media_type, named_file(f"onboarding-{portfolio_id}.{form}"))

    def _lines(self, portfolio: PortfolioFacts, is_owner: bool) -> Iterator[LogLine]:
        instance, runs = self.queries.instance, self.queries.progress(portfolio).runs
        logs = (log_for_owner(instance, run) if is_owner else whole_log(instance, run.run_id) for run in runs)
        return readable(chain.from_iterable(logs))

    def _debug_lines(self, progress: Progress, is_owner: bool) -> list[str]:
        lines: list[str] = []
        for run in reversed(progress.runs):
            is_shared = is_owner and run.portfolios > 1
            log = (
                log_for_owner(self.queries.instance, run) if is_shared else log_for_readers(self.queries.instance, run)
            )
            lines = [line.text for line in readable(log)] + lines
            if len(lines) >= MAX_DEBUG_LINES:
                break
        return lines[-MAX_DEBUG_LINES:]


def _json(answer: BaseModel, code: int) -> Response:
    return Response(answer.model_dump_json(), status_code=code, media_type="application/json")


def _json_array(lines: Iterator[LogLine]) -> Iterator[str]:
    separator = "["
    for line in lines:
        yield separator + line.entry().model_dump_json()
        separator = ",\n"
    yield "[]" if separator == "[" else "]"
