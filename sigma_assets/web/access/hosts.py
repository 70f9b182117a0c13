"""Which names a server of ours answers to: a page elsewhere must not reach it under a name of its own (DNS rebinding)."""

import json
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

MAX_HEADERS = 64
MAX_HEADER_BYTES = 16_384


def is_allowed_host(host: str, names: Collection[str]) -> bool:
    """Return whether a Host header names this server: an address in numbers, localhost, or one of these names."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if not name or host != host.strip() or any(character in host for character in "/@?#\\"):
        return False
    try:
        ip_address(name)
    except ValueError:
        return name == "localhost" or name in names
    return True


class Doorkeeper:
    """Lets in requests with headers of a sensible size, for a host that is allowed."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self.app = app
        self.names = frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = scope["headers"]
        hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
        if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
            problem = f"expected at most {MAX_HEADERS} headers and {MAX_HEADER_BYTES} bytes of them"
            await refuse(scope, receive, send, 431, problem)
        elif len(hosts) != 1 or not is_allowed_host(hosts[0], self.names):
            problem = "this server is not known by the name in the Host header; SIGMA_ALLOWED_HOSTS holds its names"
            await refuse(scope, receive, send, 403, problem)
        else:
            await self.app(scope, receive, send)


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, problem: str) -> None:
    """Answer with a problem as JSON; a WebSocket is closed before it is open."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": problem[:120]})
        return
    body = json.dumps({"detail": problem}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
