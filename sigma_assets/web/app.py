"""The status server: a read-only HTTP API over Dagster's storage and our tables, and three pages (SPEC 7)."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import dagster as dg
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from sigma_assets.base.errors import PortfolioNotFoundError
from sigma_assets.settings import Settings, read_settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.web import pages
from sigma_assets.web.access.connections import ImpatientConnection
from sigma_assets.web.access.hosts import MAX_HEADER_BYTES, Doorkeeper
from sigma_assets.web.access.security import SecurityHeaders, token_check
from sigma_assets.web.api import api_router
from sigma_assets.web.cache import CACHE_SECONDS, UNAVAILABLE
from sigma_assets.web.models import NotFound
from sigma_assets.web.queries import Queries

logger = logging.getLogger(__name__)

TITLE = "sigma_assets status"
SHUTDOWN_SECONDS = 5
SERVER_OPTIONS: dict[str, Any] = {
    "access_log": False,
    "server_header": False,
    "timeout_graceful_shutdown": SHUTDOWN_SECONDS,
    "http": ImpatientConnection,
    "h11_max_incomplete_event_size": MAX_HEADER_BYTES,
    "ws": "none",
}
SWITCH_SECONDS = 0.0005
"""How long a thread may keep the others waiting: Python's 5 ms, several times per answer, made p99 80 ms, not 25."""


def create_app(
    settings: Settings, instance: dg.DagsterInstance | None = None, *, cache_seconds: float = CACHE_SECONDS
) -> FastAPI:
    """Return the application; it reads and never writes.

    Parameters
    ----------
    instance : Dagster's instance; by default the one of DAGSTER_HOME, with connections kept open between requests.
    cache_seconds : how old an answer may be.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    database = Database(settings.database)
    dagster = instance or _own_instance()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.queries.close()
        if instance is None:
            dagster.dispose()

    app = FastAPI(
        title=TITLE,
        description="Where the onboarding of each portfolio stands. Reads only; there is nothing to change here.",
        version="1",
        docs_url=None,  # the usual pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    guards = [Depends(token_check(settings.status_token))] if settings.status_token else []
    app.state.queries = Queries(settings, dagster, database, cache_seconds)
    app.include_router(api_router(app.state.queries, guards))
    app.include_router(pages.router)
    app.add_middleware(Doorkeeper, names={settings.status_host, *settings.allowed_hosts})
    app.add_middleware(SecurityHeaders)
    app.add_exception_handler(PortfolioNotFoundError, _unknown_portfolio)
    app.add_exception_handler(RequestValidationError, _invalid)
    for kind in UNAVAILABLE:
        app.add_exception_handler(kind, _unavailable)
    app.add_exception_handler(Exception, _unexpected)
    return app


def serve(settings: Settings) -> None:
    """Serve until a signal comes, with as many processes as the settings say; one that dies is replaced."""
    import uvicorn

    several = settings.status_processes > 1
    if several:  # what cannot start would be replaced for ever, while the port takes requests that nobody answers
        with _own_instance() as instance:
            create_app(settings, instance).state.queries.close()
    uvicorn.run(
        "sigma_assets.web.app:configured_app" if several else create_app(settings),
        factory=several,
        workers=settings.status_processes,
        host=settings.status_host,
        port=settings.status_port,
        log_level="warning",
        **SERVER_OPTIONS,
    )


def configured_app() -> FastAPI:
    """Return the application of one process of several, as the environment configures it.

    It ends with the process that started it: else it would keep the port, also if that one was killed.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), name="parent", daemon=True).start()
    return create_app(read_settings(os.environ))


def _end_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _own_instance() -> dg.DagsterInstance:
    instance = dg.DagsterInstance.get()
    instance.optimize_for_webserver(statement_timeout=10_000, pool_recycle=3600, max_overflow=40)
    return instance


async def _unknown_portfolio(request: Request, _: Exception) -> JSONResponse:
    """Say so, whether there is none or the token opens another one: its owner must not learn which of the two."""
    asked = request.path_params["portfolio_id"]
    answer = NotFound(portfolio_id=asked, detail="no portfolio has this id; `/` lists them")
    return JSONResponse(answer.model_dump(mode="json"), status_code=404)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Say what is wrong with a request, without giving its values back."""
    assert isinstance(error, RequestValidationError)
    problems = [f"{' '.join(str(part) for part in item['loc'])}: {item['msg']}"[:200] for item in error.errors()]
    return JSONResponse({"detail": "; ".join(problems)[:1000]}, status_code=422)


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    logger.warning("%s: %s", request.url.path, error)
    return JSONResponse(
        {"detail": "a database that this server reads cannot be reached; /healthz says which"}, status_code=503
    )


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("%s", request.url.path, exc_info=error)
    return JSONResponse({"detail": "an error in this server; its log has the details"}, status_code=500)
