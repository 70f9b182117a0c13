"""Receivers of alerts on the loopback interface."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler


class Webhook(BaseHTTPRequestHandler):
    """A webhook that keeps what it receives; a subclass keeps its own."""

    received: list[dict] = []  # noqa: RUF012
    answer = 200

    def do_POST(self) -> None:
        """Take an alert, or refuse it."""
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.answer)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(server: socketserver.TCPServer) -> Iterator[int]:
    """Serve in a thread; yield the port."""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
