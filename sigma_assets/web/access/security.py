"""What protects the status server: headers on every answer, and the token where one is set."""

from collections.abc import Callable
from typing import Annotated

from fastapi import HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sigma_assets.base.errors import PortfolioNotFoundError
from sigma_assets.base.tokens import is_operator, opened_portfolio

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

bearer = HTTPBearer(auto_error=False, description="the token that SIGMA_STATUS_TOKEN holds, or that of a portfolio")


class SecurityHeaders:
    """Adds the headers to every answer; answers of the API are not to be stored by anybody."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def for_owner(request: Request) -> bool:
    """Return whether a request came with the token of its portfolio, and not with the operator's, or with none needed."""
    return getattr(request.state, "for_owner", False)


def token_check(token: str) -> Callable[..., None]:
    """Return a dependency that lets through requests with the token, or with the token of the requested portfolio."""

    def check(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]) -> None:
        given = credentials.credentials if credentials else ""
        if is_operator(token, given):
            return
        opened = opened_portfolio(token, given)
        if opened is None:
            raise HTTPException(
                401,
                "this server asks for its token: send `Authorization: Bearer TOKEN`",
                headers={"WWW-Authenticate": "Bearer"},
            )
        asked = request.path_params.get("portfolio_id")
        if asked is None:
            raise HTTPException(403, f"this token opens one portfolio: /onboarding/{opened}")
        if asked != opened:
            raise PortfolioNotFoundError(f"{asked} is not the portfolio of this token")  # whose owner learns no more
        request.state.for_owner = True

    return check
