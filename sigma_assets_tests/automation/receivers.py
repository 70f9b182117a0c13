"""Receivers of alerts on the loopback interface."""

import json
import shutil
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from sigma_assets_tests.conftest import cannot_run


class Webhook(BaseHTTPRequestHandler):
    """A webhook that keeps what it receives; a subclass keeps its own."""

    received: list[dict] = []  # noqa: RUF012
    names: list[str] = []  # noqa: RUF012
    answer = 200
    location = ""

    def do_POST(self) -> None:
        """Take an alert, refuse it, or send it elsewhere."""
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.names.append(self.headers["Idempotency-Key"])
        self.send_response(self.answer)
        if self.location:
            self.send_header("Location", self.location)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Dripping(socketserver.BaseRequestHandler):
    """A receiver that answers one byte at a time, and never to the end."""

    head = b"HTTP/1.1 200 OK\r\nX-Slow: "

    def handle(self) -> None:
        """Drip until the reader has gone."""
        try:
            self.request.sendall(self.head)
            while True:
                time.sleep(0.2)
                self.request.sendall(b"a")
        except OSError:
            return


class MailServer(socketserver.StreamRequestHandler):
    """A mail server that keeps what it receives; with a certificate it speaks TLS, from the start or after STARTTLS."""

    received: list[str] = []  # noqa: RUF012
    logins: list[str] = []  # noqa: RUF012
    context: ssl.SSLContext | None = None
    implicit_tls = False
    answers: dict[str, bytes] = {}  # noqa: RUF012
    """Other answers than the usual ones, by command; an empty one is none: it hangs up."""

    def setup(self) -> None:
        """Shake hands first, where TLS comes first."""
        if self.implicit_tls:
            assert self.context is not None
            self.request = self.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def handle(self) -> None:
        """Take a mail."""
        self.wfile.write(b"220 loopback\r\n")
        while line := self.rfile.readline().decode().strip():
            command = line.upper()
            unusual = next((answer for word, answer in self.answers.items() if command.startswith(word)), None)
            if unusual is not None:
                self.wfile.write(unusual)
                if not unusual:
                    return
            elif command.startswith("EHLO"):
                offered = b"250-STARTTLS\r\n" if self.context and not self.implicit_tls else b""
                self.wfile.write(b"250-loopback\r\n" + offered + b"250 AUTH PLAIN\r\n")
            elif command == "STARTTLS":
                assert self.context is not None
                self.wfile.write(b"220 go on\r\n")
                self.request = self.context.wrap_socket(self.request, server_side=True)
                super().setup()
            elif command == "DATA":
                self.wfile.write(b"354 go on\r\n")
                body = iter(lambda: self.rfile.readline().decode().rstrip("\r\n"), ".")
                self.received.append("\n".join(body))
                if self.answers.get("END") == b"":
                    return
                self.wfile.write(b"250 fine\r\n")
            elif command == "QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.logins += [line] if command.startswith("AUTH") else []
                self.wfile.write(b"235 welcome\r\n" if command.startswith("AUTH") else b"250 fine\r\n")


def certificate(folder: Path) -> Path:
    """Return a file with a fresh self-signed certificate for 127.0.0.1 and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        cannot_run("openssl makes the certificate of the mail server: install it")
    file = folder / "server.pem"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command = [openssl, "req", "-x509", *key, "-days", "2", "-subj", "/CN=localhost"]
    made = subprocess.run(
        [*command, "-addext", names, "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    file.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return file


@contextmanager
def served(server: socketserver.TCPServer) -> Iterator[int]:
    """Serve in a thread; yield the port."""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
