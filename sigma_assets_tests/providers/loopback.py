"""A web server on this machine whose answers, faults included, a test decides."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Reply:
    """One answer.

    `cut_at`: close the connection after so many bytes of the body. `hang`: never answer.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    hang: bool = False


def as_json(content: Any, status: int = 200, **headers: str) -> Reply:
    """Return a JSON answer."""
    return Reply(status, json.dumps(content).encode(), {"Content-Type": "application/json", **headers})


def as_html(status: int = 200) -> Reply:
    """Return what a gateway or a captive portal says."""
    return Reply(status, b"<html><body><h1>Bad gateway</h1></body></html>", {"Content-Type": "text/html"})


@dataclass
class Request:
    """One request that the server saw."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


class Loopback:
    """The server: `answer` decides what to reply, after the faults that were ordered for a path."""

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.requests: list[Request] = []
        self.faults: list[tuple[str, Reply]] = []
        self._answer = answer
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def fault(self, path_part: str, *replies: Reply) -> None:
        """Reply this, once each, to the next requests whose path contains `path_part`."""
        self.faults += [(path_part, reply) for reply in replies]

    def paths(self, part: str = "") -> list[str]:
        """Return the paths asked for that contain `part`."""
        return [request.path for request in self.requests if part in request.path]

    @contextmanager
    def running(self) -> Iterator["Loopback"]:
        """Serve until the end of the block."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._closing.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _reply(self, request: Request) -> Reply:
        self.requests.append(request)
        for at, (part, reply) in enumerate(self.faults):
            if part in request.path:
                del self.faults[at]
                return reply
        return self._answer(request)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                reply = loopback._reply(Request(url.path, dict(parse_qsl(url.query)), dict(self.headers.items())))
                if reply.hang:
                    loopback._closing.wait()
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(reply.body[: reply.cut_at])
                self.close_connection = True

            do_POST = do_GET  # noqa: N815  # http.server's name

            def log_message(self, *_: object) -> None:
                """Keep the test output clean."""

        return Handler


@dataclass
class FakeClock:
    """A clock that only sleeping moves."""

    now: float = 0.0
    sleeps: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds
