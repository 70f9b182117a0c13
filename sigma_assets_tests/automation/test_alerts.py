"""A failed run is told to a webhook and by e-mail, by a real sensor, to real servers on the loopback interface."""

import socketserver
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from http.server import HTTPServer

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from sigma_assets.automation import alerts
from sigma_assets.automation.alerts import alert_of, mail, post, tell_failures
from sigma_assets.base.errors import AlertError, SettingsError, SigmaError
from sigma_assets.settings import Settings
from sigma_assets_tests.automation.receivers import Webhook, served
from sigma_assets_tests.automation.world import World, lots

LAST = date(2026, 1, 8)


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


def test_a_webhook_that_refuses_or_is_down_is_an_error_without_its_address(failed):
    """The path of a webhook's address is its secret."""
    world, run = failed
    refusing = type("Refusing", (Webhook,), {"answer": 503, "received": []})
    alert = alert_of(world.instance, run.run_id, world.settings)

    answers = pytest.raises(AlertError, match=r"^the webhook at 127\.0\.0\.1 answers 503 Service Unavailable$")
    with served(HTTPServer(("127.0.0.1", 0), refusing)) as port, answers:
        post(f"http://127.0.0.1:{port}/hook/open-sesame", alert)
    with pytest.raises(AlertError, match=r"^the webhook at 127\.0\.0\.1 cannot be reached: ConnectionError$"):
        post(f"http://127.0.0.1:{port}/hook/open-sesame", alert)


def test_a_mail_server_address_that_is_none_is_a_settings_error(failed):
    world, run = failed

    with pytest.raises(SettingsError, match="SIGMA_SMTP_URL"):
        mail("mailto:me", "risk@example.org", alert_of(world.instance, run.run_id, replace(world.settings)))


def test_only_what_lies_behind_the_failure_is_missing(failed):
    world, _ = failed

    done = {asset for asset, _ in world.times_materialized()}

    assert "position_values" in done
    assert "portfolio_snapshots" not in done


class Teller:
    """The sensor, tick after tick, on an instance of its own; webhook and mail server can be down."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.cursor = instance, None
        self.down: set[str] = set()
        self.error: SigmaError = AlertError("not now")
        self.told: Counter[tuple[str, str]] = Counter()
        self.channels = {name: self._tell(name) for name in ("webhook", "email")}

    def _tell(self, channel: str):
        def tell(alert) -> None:
            if channel in self.down:
                raise self.error
            self.told[(channel, alert["run_id"])] += 1

        return tell

    def fail(self) -> str:
        run = create_run_for_test(self.instance, status=dg.DagsterRunStatus.STARTED)
        self.instance.report_run_failed(run)
        return run.run_id

    def tick(self) -> None:
        """Tick as the daemon does: what a tick that raises left in its cursor is not kept."""
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        tell_failures(context, Settings(), self.channels)
        self.cursor = context.cursor


@pytest.fixture
def teller() -> Iterator[Teller]:
    with dg.DagsterInstance.ephemeral() as instance:
        made = Teller(instance)
        made.fail()  # before the sensor's first tick: nobody is told of the past
        made.tick()
        yield made


def test_each_failure_is_told_once_on_each_channel(teller: Teller):
    runs = [teller.fail() for _ in range(5)]

    for _ in range(4):
        teller.tick()

    assert teller.told == Counter((channel, run) for run in runs for channel in ("webhook", "email"))


@pytest.mark.parametrize("error", [AlertError("not now"), SettingsError("SIGMA_SMTP_URL: not now")])
def test_a_receiver_that_is_down_loses_no_alert_and_doubles_none_of_the_other(teller: Teller, error: SigmaError):
    """The tick is red while nothing gets through; what did get through is remembered."""
    runs = [teller.fail(), teller.fail()]
    teller.down, teller.error = {"email"}, error
    teller.tick()
    for _ in range(2):
        with pytest.raises(type(error), match="not now"):
            teller.tick()
    assert teller.told == Counter({("webhook", runs[0]): 1})

    teller.down = set()
    teller.tick()

    assert teller.told == Counter((channel, run) for run in runs for channel in ("webhook", "email"))


def test_a_failure_that_two_watchers_report_is_told_once(teller: Teller):
    """Code server and run monitoring may both find the same worker dead."""
    run_id = teller.fail()
    teller.instance.report_run_failed(teller.instance.get_run_by_id(run_id))

    teller.tick()
    teller.tick()

    assert teller.told == Counter({("webhook", run_id): 1, ("email", run_id): 1})


def test_an_alert_that_is_refused_for_a_day_keeps_later_ones_back_no_longer(teller: Teller, monkeypatch):
    teller.fail()
    teller.down = {"webhook"}
    with pytest.raises(AlertError):
        teller.tick()
    now = time.time()
    monkeypatch.setattr(alerts.time, "time", lambda: now + 2 * alerts.TOLD_FOR_SECONDS)

    teller.tick()

    assert teller.told == Counter()


def test_a_cursor_of_dagsters_own_failure_sensor_means_from_now_on(teller: Teller):
    """Deployments that ran an earlier version have one."""
    teller.cursor = '{"__class__": "RunStatusSensorCursor", "record_id": 3, "update_timestamp": null}'
    teller.fail()

    teller.tick()

    assert teller.told == Counter()
    assert alerts.Position.of(teller.cursor) is not None
