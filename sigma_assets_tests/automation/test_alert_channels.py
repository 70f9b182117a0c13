"""Each channel hears of each failed run exactly once, by the real sensor: whatever became of the other channel."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from sigma_assets.automation.alerts import message, sensor
from sigma_assets.automation.alerts.receivers import post
from sigma_assets.automation.alerts.sensor import report_failures
from sigma_assets.base.errors import AlertError, SettingsError, SigmaError, UncertainAlertError
from sigma_assets.settings import Settings
from sigma_assets_tests.automation.receivers import Webhook, served

HOUR = 3600


class Teller:
    """The sensor, tick after tick, on an instance of its own; webhook and mail server can be down."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.cursor = instance, None
        self.down: set[str] = set()
        self.error: SigmaError = AlertError("not now")
        self.told: Counter[tuple[str, str]] = Counter()
        self.channels: dict = {name: self._tell(name) for name in ("webhook", "email")}

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
        report_failures(context, Settings(), self.channels)
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
def test_a_receiver_that_is_down_keeps_nothing_from_the_other_and_loses_nothing(teller: Teller, error: SigmaError):
    """The tick is red while nothing gets through; what did get through is remembered."""
    runs = [teller.fail() for _ in range(5)]
    teller.down, teller.error = {"email"}, error
    for _ in range(2):
        teller.tick()
    for _ in range(2):
        with pytest.raises(type(error), match="not now"):
            teller.tick()
    assert teller.told == Counter(("webhook", run) for run in runs)

    teller.down = set()
    for _ in range(2):
        teller.tick()

    assert teller.told == Counter((channel, run) for run in runs for channel in ("webhook", "email"))


def test_scenario_18_one_receiver_is_down_for_a_day_and_another_is_up(teller: Teller, monkeypatch):
    """The second is told at once, the first once it is back, each exactly once; over real HTTP."""
    up, back = (type(name, (Webhook,), {"received": []}) for name in ("Up", "Back"))
    began = time.time()
    with served(HTTPServer(("127.0.0.1", 0), Webhook)) as down_port:
        pass  # nobody listens there from here on
    with served(HTTPServer(("127.0.0.1", 0), up)) as up_port:
        teller.channels = {
            "webhook": partial(post, f"http://127.0.0.1:{down_port}/"),
            "email": partial(post, f"http://127.0.0.1:{up_port}/"),
        }
        teller.tick()
        runs = []
        for hour in (0, 6, 12, 18, 25):
            monkeypatch.setattr(sensor.time, "time", lambda hour=hour: began + hour * HOUR)
            runs.append(teller.fail())
            teller.tick()
            assert [alert["run_id"] for alert in up.received] == runs, "told at once"
        with served(ReusedServer(("127.0.0.1", down_port), back)):
            for _ in range(3):
                teller.tick()

    assert [alert["run_id"] for alert in up.received] == runs
    assert [alert["run_id"] for alert in back.received] == runs


@pytest.mark.parametrize("first_back", ["webhook", "email"])
def test_both_receivers_are_down_at_once_and_come_back_one_after_the_other(teller: Teller, first_back: str):
    """Failures come before, during and after; each channel hears of each one once, also if it goes down again."""
    runs = [teller.fail()]
    teller.tick()
    for down in ({"webhook", "email"}, {"webhook", "email"} - {first_back}, {"webhook", "email"}, {first_back}, set()):
        teller.down = down
        runs += [teller.fail() for _ in range(4)]
        for _ in range(3):
            with contextlib.suppress(AlertError):
                teller.tick()

    for _ in range(6):
        teller.tick()

    assert teller.told == Counter((channel, run) for run in runs for channel in ("webhook", "email"))


class ReusedServer(HTTPServer):
    """A server on a port that was used a moment ago."""

    allow_reuse_address = True


def test_a_failure_that_two_watchers_report_is_told_once(teller: Teller):
    """Code server and run monitoring may both find the same worker dead."""
    run_id = teller.fail()
    teller.instance.report_run_failed(teller.instance.get_run_by_id(run_id))

    teller.tick()
    teller.tick()

    assert teller.told == Counter({("webhook", run_id): 1, ("email", run_id): 1})


def test_an_alert_that_is_refused_for_a_week_keeps_later_ones_back_no_longer(teller: Teller, monkeypatch):
    teller.fail()
    teller.down = {"webhook", "email"}
    with pytest.raises(AlertError, match="not now; not now"):
        teller.tick()
    later = time.time() + sensor.KEPT_FOR.total_seconds() + HOUR
    monkeypatch.setattr(sensor.time, "time", lambda: later)

    teller.tick()
    teller.down = set()
    monkeypatch.undo()
    run_id = teller.fail()
    teller.tick()

    assert teller.told == Counter({("webhook", run_id): 1, ("email", run_id): 1})


def test_what_was_reported_is_remembered_whatever_goes_wrong_next(teller: Teller, monkeypatch):
    """An error of Dagster's storage, or one that nobody has thought of: Dagster keeps no cursor of a tick that raises."""
    first, second = teller.fail(), teller.fail()
    tell = teller.channels["webhook"]

    def fragile(alert) -> None:
        if alert["run_id"] == second:
            raise RuntimeError("nobody has thought of this")
        tell(alert)

    teller.channels = {"webhook": fragile}
    teller.tick()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="nobody has thought of this"):
            teller.tick()
    assert teller.told == Counter({("webhook", first): 1})

    teller.channels = {"webhook": tell}
    teller.tick()
    assert teller.told == Counter({("webhook", first): 1, ("webhook", second): 1})


def test_a_run_whose_details_cannot_be_read_is_told_all_the_same(teller: Teller, monkeypatch):
    """And keeps no later alert back."""
    runs = [teller.fail(), teller.fail()]
    texts: list[str] = []
    teller.channels = {"webhook": lambda alert: texts.append(alert["text"])}

    def broken(*_: object) -> None:
        raise KeyError("no such thing")

    monkeypatch.setattr(message, "story_of", broken)
    teller.tick()

    assert [text.partition(";")[0] for text in texts] == [f"run {run} failed" for run in runs]
    assert all("KeyError" in text for text in texts)


def test_an_alert_that_a_slow_receiver_may_have_taken_is_sent_again_after_growing_pauses(teller: Teller, monkeypatch):
    """A receiver that takes an alert and answers too late got it at every tick: 300 times an hour, for a week."""
    now, sent = [1000.0], []
    monkeypatch.setattr(sensor.time, "monotonic", lambda: now[0])
    run_id = teller.fail()

    def slow(alert) -> None:
        sent.append(now[0] - 1000.0)
        raise UncertainAlertError("the webhook did not take the alert within 15 s")

    quick = teller.channels["email"]
    teller.channels = {"webhook": slow, "email": quick}
    for _ in range(360):
        with contextlib.suppress(UncertainAlertError):
            teller.tick()
        now[0] += 10.0

    assert sent == [0.0, 60.0, 180.0, 420.0, 900.0, 1500.0, 2100.0, 2700.0, 3300.0]
    assert teller.told == Counter({("email", run_id): 1}), "the other one does not wait"
    with pytest.raises(UncertainAlertError):
        teller.tick()  # red while it waits, too
    teller.channels["webhook"] = lambda alert: teller.told.update([("webhook", alert["run_id"])])
    now[0] += 600.0
    later = teller.fail()
    teller.tick()
    assert teller.told == Counter({(name, run): 1 for name in ("webhook", "email") for run in (run_id, later)})


def test_a_channel_that_is_new_hears_of_what_comes_and_is_not_forgotten_while_the_other_is_down(teller: Teller):
    """What a red tick writes to its cursor is lost: a start position must not be lost with it."""
    tell_both = dict(teller.channels)
    teller.channels = {"webhook": tell_both["webhook"]}
    teller.tick()
    past = teller.fail()
    teller.down, teller.channels = {"webhook"}, tell_both
    teller.tick()
    run_id = teller.fail()
    teller.tick()

    assert teller.told == Counter({("email", run_id): 1})
    teller.down = set()
    teller.tick()
    assert teller.told == Counter({("email", run_id): 1, ("webhook", past): 1, ("webhook", run_id): 1})


@pytest.mark.parametrize(
    "cursor",
    ['{"__class__": "RunStatusSensorCursor", "record_id": 3, "update_timestamp": null}', "3,webhook", "not a cursor"],
)
def test_with_a_cursor_of_another_kind_alerts_begin_from_now_on(teller: Teller, cursor: str):
    """As that of Dagster's own failure sensor."""
    teller.fail()
    teller.cursor = cursor

    teller.tick()
    run_id = teller.fail()
    teller.tick()

    assert teller.told == Counter({("webhook", run_id): 1, ("email", run_id): 1})
