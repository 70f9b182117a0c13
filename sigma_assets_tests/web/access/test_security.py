"""Who may ask the status server what, and how much of it anybody can take from the others."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count

import pytest
from fastapi import FastAPI, Response

from sigma_assets.base.errors import SettingsError
from sigma_assets.base.tokens import portfolio_token
from sigma_assets.web.access import connections
from sigma_assets.web.access.downloads import AT_ONCE, Downloads, named_file
from sigma_assets.web.app import create_app
from sigma_assets_tests.web.browser import free_port, served

STATUS = "/api/v1/onboarding/status"
OPERATOR = "c2f1b6b0d1a84e5b9a7e3f60"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_portfolios_token_opens_that_portfolio_and_no_other(embedded):
    """Of another one it learns as little as of one that does not exist: the same words, whatever is there."""
    embedded.add_portfolio("P1")
    embedded.add_portfolio("P2", name="Income")
    client = embedded.client(status_token=OPERATOR)
    mine = bearer(portfolio_token(OPERATOR, "P1"))

    assert client.get(f"{STATUS}/P1", headers=mine).json()["name"] == "Growth"
    assert client.get(f"{STATUS}/P1/logs", headers=mine).status_code == 200
    for path in (STATUS + "/{}", STATUS + "/{}/logs"):
        others, nobodys = (client.get(path.format(asked), headers=mine) for asked in ("P2", "P3"))
        assert (others.status_code, nobodys.status_code) == (404, 404)
        assert others.json() == nobodys.json() | {"portfolio_id": "P2"}
        assert others.json()["status"] == "not_found"
    listed = client.get("/api/v1/portfolios", headers=mine)
    assert listed.status_code == 403
    assert "/onboarding/P1" in listed.json()["detail"]
    assert client.get(f"{STATUS}/P2", headers=bearer(OPERATOR)).status_code == 200


@pytest.mark.parametrize(
    "forged",
    [
        "P1.",
        "P1." + "A" * 43,
        "P1",
        "." + portfolio_token(OPERATOR, "P2").partition(".")[2],
        "P1." + portfolio_token(OPERATOR, "P2").partition(".")[2],
        portfolio_token("another token of the operator", "P1"),
        portfolio_token(OPERATOR, "P1") + "=",
        portfolio_token(OPERATOR, "P1").swapcase(),
        portfolio_token(OPERATOR, "p1"),
    ],
)
def test_a_forged_token_opens_nothing(embedded, forged):
    embedded.add_portfolio("P1")

    assert embedded.client(status_token=OPERATOR).get(f"{STATUS}/P1", headers=bearer(forged)).status_code in (401, 404)


def test_a_token_that_owners_could_guess_makes_no_other():
    with pytest.raises(SettingsError, match="SIGMA_STATUS_TOKEN has 11 characters; expected 24 or more"):
        portfolio_token("open-sesame", "P1")


@pytest.mark.parametrize(
    "host", ["127.0.0.1:3001", "[::1]:3001", "localhost", "LOCALHOST:80", "status.example", "10.0.0.7"]
)
def test_the_server_answers_under_its_names(embedded, host):
    client = embedded.client(allowed_hosts=("status.example",))

    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "status.example.evil.example", "evil.example:3001", "127.0.0.1.evil.example", "", "a@127.0.0.1"],
)
def test_a_page_elsewhere_cannot_reach_it_under_a_name_of_its_own(embedded, host):
    """DNS rebinding: the browser believes that evil.example is 127.0.0.1, and sends its name."""
    embedded.add_portfolio("P1")
    answer = embedded.client(allowed_hosts=("status.example",)).get(f"{STATUS}/P1", headers={"Host": host})

    assert answer.status_code == 403
    assert "SIGMA_ALLOWED_HOSTS" in answer.json()["detail"]


@pytest.mark.parametrize("headers", [{f"X-{number}": "1" for number in range(100)}, {"X-Long": "a" * 20_000}])
def test_too_many_or_too_long_headers_are_refused(embedded, headers):
    assert embedded.client().get("/healthz", headers=headers).status_code == 431


def answer_of(connection: socket.socket) -> bytes:
    """Return everything until the server ends the connection."""
    received = b""
    try:
        while part := connection.recv(65_536):
            received += part
    except ConnectionResetError:
        pass
    return received


def test_headers_without_end_are_not_collected(embedded):
    app = create_app(embedded.settings, embedded.instance)
    with (
        served(app, free_port()) as base,
        socket.create_connection(("127.0.0.1", int(base.rpartition(":")[2]))) as sent,
    ):
        sent.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 100_000)

        assert answer_of(sent).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: localh", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"]
)
def test_a_request_that_never_arrives_whole_ends_its_connection(embedded, monkeypatch, sent):
    """Also where a request had been answered on this connection before."""
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 1)
    whole = b"GET /static/app.css HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with served(create_app(embedded.settings, embedded.instance), free_port()) as base:
        for before in (b"", whole):
            with socket.create_connection(("127.0.0.1", int(base.rpartition(":")[2]))) as connection:
                connection.settimeout(60)
                connection.sendall(before + sent)

                assert answer_of(connection).startswith(b"HTTP/1.1") == bool(before or b"POST" in sent)


class Endless:
    """A server with a log that never ends."""

    def __init__(self) -> None:
        self.downloads = Downloads(most_waiting=10, wait_seconds=0.5)
        self.app, self.port = FastAPI(), free_port()

        @self.app.get("/log")
        def log() -> Response:
            lines = (f"line {n} {'x' * 200}\n" for n in count())
            return self.downloads.response(lines, "text/plain", named_file("log.txt"))

        @self.app.get("/list")
        def listed() -> str:
            return "everything"


@pytest.fixture
def endless() -> Iterator[Endless]:
    site = Endless()
    with served(site.app, site.port):
        yield site


def ask(port: int, path: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.settimeout(60)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    return connection


def test_fifty_readers_of_logs_who_do_not_read_leave_room_for_others(endless):
    """Version 0.1 served them all at once, and the list took 44 s. Who gets no place in time learns why, and when to ask."""
    with ExitStack() as open_ones:
        readers = [open_ones.enter_context(ask(endless.port, "/log")) for _ in range(50)]
        heads = [reader.recv(12) for reader in readers]
        assert sorted(heads) == [b"HTTP/1.1 200"] * AT_ONCE + [b"HTTP/1.1 503"] * (50 - AT_ONCE)
        refused = answer_of(readers[heads.index(b"HTTP/1.1 503")])
        assert b"retry-after: 10" in refused.lower()
        assert b"downloads are under way" in refused

        with ask(endless.port, "/list") as other:
            assert b"everything" in answer_of(other)


def test_a_download_waits_for_its_turn(endless):
    """The ninth is served once one of eight has gone, and not refused."""
    endless.downloads._wait_seconds = 120
    with ExitStack() as open_ones:
        readers = [open_ones.enter_context(ask(endless.port, "/log")) for _ in range(AT_ONCE)]
        assert [reader.recv(12) for reader in readers] == [b"HTTP/1.1 200"] * AT_ONCE
        ninth = open_ones.enter_context(ask(endless.port, "/log"))

        readers[0].close()

        assert ninth.recv(12) == b"HTTP/1.1 200"


def test_who_does_not_read_for_long_loses_its_place(endless, monkeypatch):
    monkeypatch.setattr(connections, "WRITE_SECONDS", 1)
    endless.downloads._wait_seconds = 120  # a place that does not come back fails by the test's time-out
    with ExitStack() as open_ones:
        for _ in range(AT_ONCE):
            open_ones.enter_context(ask(endless.port, "/log")).recv(12)

        for _ in range(AT_ONCE):
            assert open_ones.enter_context(ask(endless.port, "/log")).recv(12) == b"HTTP/1.1 200"
