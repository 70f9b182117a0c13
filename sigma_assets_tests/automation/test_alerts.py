"""A failed run is told to a webhook and by e-mail, by a real sensor, to real servers on the loopback interface."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest
import requests

from sigma_assets.automation.alerts import alert_of, mail, post
from sigma_assets.errors import SettingsError
from sigma_assets_tests.automation.world import World, lots

LAST = date(2026, 1, 8)


class Webhook(BaseHTTPRequestHandler):
    received: list[dict] = []  # noqa: RUF012
    answer = 200

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.answer)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class MailServer(socketserver.StreamRequestHandler):
    received: list[str] = []  # noqa: RUF012

    def handle(self) -> None:
        self.wfile.write(b"220 loopback\r\n")
        while line := self.rfile.readline().decode().strip():
            if line.upper() == "DATA":
                self.wfile.write(b"354 go on\r\n")
                body = iter(lambda: self.rfile.readline().decode().rstrip("\r\n"), ".")
                self.received.append("\n".join(body))
            self.wfile.write(b"221 bye\r\n" if line.upper() == "QUIT" else b"250 fine\r\n")
            if line.upper() == "QUIT":
                return


@contextmanager
def served(server: socketserver.TCPServer) -> Iterator[int]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, dg.DagsterRun]]:
    world = World(tmp_path_factory.mktemp("alerts") / "home", f"simulated:last={LAST}")
    world.add("unlucky", lots({"AAPL": 10}, LAST), LAST)
    with world.database.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON portfolio_snapshots BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    (run,) = world.launch(world.tick("onboarding"))
    yield world, run
    world.close()


def test_a_failed_run_is_posted_with_asset_cause_and_progress(failed):
    world, run = failed
    with served(HTTPServer(("127.0.0.1", 0), Webhook)) as port:
        post(f"http://127.0.0.1:{port}/hook", alert_of(world.instance, run.run_id, world.settings))

    (told,) = Webhook.received
    (failure,) = told["failures"]
    assert (failure["asset"], failure["type"]) == ("portfolio_snapshots", "StorageError")
    assert "disk full" in failure["message"]
    assert "onboarding run of 1 portfolio(s)" in told["text"]
    assert told["cells_done"] == 8, "what does not depend on snapshots is there"
    assert told["url"].endswith(run.run_id)


def test_a_failed_run_is_mailed(failed):
    world, run = failed
    with served(socketserver.TCPServer(("127.0.0.1", 0), MailServer)) as port:
        alert = alert_of(world.instance, run.run_id, world.settings)
        mail(f"smtp://127.0.0.1:{port}", "risk@example.org", alert)

    (message,) = MailServer.received
    assert f"Subject: sigma_assets: run {run.run_id[:8]} failed" in message
    assert "disk full" in message


def test_a_webhook_that_refuses_is_an_error_so_that_the_sensor_tries_again(failed):
    world, run = failed
    refusing = type("Refusing", (Webhook,), {"answer": 503})
    with served(HTTPServer(("127.0.0.1", 0), refusing)) as port, pytest.raises(requests.HTTPError):
        post(f"http://127.0.0.1:{port}/hook", alert_of(world.instance, run.run_id, world.settings))


def test_a_mail_server_address_that_is_none_is_a_settings_error(failed):
    world, run = failed

    with pytest.raises(SettingsError, match="SIGMA_SMTP_URL"):
        mail("mailto:me", "risk@example.org", alert_of(world.instance, run.run_id, replace(world.settings)))


def test_only_what_lies_behind_the_failure_is_missing(failed):
    world, _ = failed

    done = {asset for asset, _ in world.times_materialized()}

    assert "position_values" in done
    assert "portfolio_snapshots" not in done
