"""Dagster's webserver behind a guard; started like `dagster-webserver`, with the same options.

Dagster's UI has no log-in, runs GraphQL mutations that come by GET, and asks nobody where a request comes from: any page
that is open in a browser on the same machine could launch runs or delete assets with one image. The guard lets requests
in under a known name, from pages of the UI itself, and reads a query only from the body of a POST.
"""

from urllib.parse import parse_qs, urlsplit

from dagster_webserver import app as dagster_app
from dagster_webserver import cli
from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from sigma_assets.settings import settings
from sigma_assets.web.access.hosts import Doorkeeper, refuse

READING = ("GET", "HEAD", "OPTIONS")
ELSEWHERE = ("cross-site", "same-site")


class OriginGuard:
    """Refuses requests that a page of another origin sends, and GraphQL in an address."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        problem = None if scope["type"] == "lifespan" else _problem(scope)
        if problem:
            await refuse(scope, receive, send, 403, problem)
        else:
            await self.app(scope, receive, send)


def _problem(scope: Scope) -> str | None:
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    method = scope.get("method", "WEBSOCKET")
    origin = headers.get(b"origin")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get(b"host", "").lower():
        return "this request comes from a page of another origin; Dagster takes orders from its own pages alone"
    if method not in READING and headers.get(b"sec-fetch-site") in ELSEWHERE:
        return "this request comes from a page of another site; Dagster takes orders from its own pages alone"
    if method in READING and scope["path"].rstrip("/").endswith("/graphql"):
        query = scope["query_string"].decode("latin-1")
        if {"query", "mutation"} & parse_qs(query, keep_blank_values=True).keys():
            return "GraphQL in an address is not executed; send it in the body of a POST"
    return None


class GuardedWebserver(DagsterWebserver):
    """Dagster's webserver with our guard in front."""

    def build_middleware(self) -> list[Middleware]:
        """Return what a request passes, the outermost first."""
        configured = settings()
        addresses = (configured.dagster_url, configured.dagster_requests)
        names = {*(urlsplit(address).hostname or "localhost" for address in addresses), *configured.allowed_hosts}
        return [Middleware(Doorkeeper, names=names), Middleware(OriginGuard), *super().build_middleware()]


def main() -> None:
    """Start the webserver; `--help` lists the options."""
    setattr(dagster_app, DagsterWebserver.__name__, GuardedWebserver)  # what its app module makes an instance of
    cli.main()


if __name__ == "__main__":
    main()
