"""What failed runs over existing partitions left undone is owed: exactly that, and at no cost that grows with them."""

from collections.abc import Iterator
from datetime import date

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from sigma_assets.base.calendar import nyse_calendar
from sigma_assets.runs.partitions import portfolios_def
from sigma_assets.runs.tags import HOLDINGS_CHANGED, PlannedRun, partition_key, run_tags
from sigma_assets.runs.watermark import Materialized
from sigma_assets.storage.roster import Roster

CALENDAR = nyse_calendar()
ROSTER = Roster((1, 2), ("p", "q"), ("p", "q"))
DAYS = [day.item() for day in CALENDAR.between(date(2026, 1, 5), date(2026, 1, 8))]


class Log:
    """An event log with one asset, `betas`, materialised for two portfolios on four sessions."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.index = Materialized(CALENDAR.sessions)
        instance.add_dynamic_partitions(str(portfolios_def.name), ["p", "q"])
        for portfolio_id in ("p", "q"):
            self.materialize(portfolio_id, *DAYS)

    def materialize(self, portfolio_id: str, *days: date) -> None:
        for day in days:
            event = dg.AssetMaterialization("betas", partition=partition_key(day, portfolio_id))
            self.instance.report_runless_asset_event(event)

    def make(self, portfolio_id: str, first: date, last: date) -> dg.DagsterRun:
        """Make a run over what is there."""
        covered = PlannedRun((), first, last, (portfolio_id,), HOLDINGS_CHANGED)
        tags = run_tags(covered, ROSTER, source="settings", max_runtime_seconds=60)
        betas = frozenset([dg.AssetKey("betas")])
        run = create_run_for_test(self.instance, job_name="portfolios", tags=tags, asset_selection=betas)
        self.instance.report_engine_event("made", run)
        return run

    def fail(self, run: dg.DagsterRun) -> None:
        self.instance.report_run_failed(run)

    def owed(self, portfolio_id: str = "p") -> list[date]:
        self.index.look(self.instance, ROSTER, ["betas"])
        found = self.index.missing("betas", portfolio_id, CALENDAR.between(DAYS[0], DAYS[-1]))
        return [day.item() for day in found]


@pytest.fixture
def log() -> Iterator[Log]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Log(instance)


def test_what_a_failed_run_did_not_do_is_owed_until_it_is_done(log: Log):
    run = log.make("p", DAYS[0], DAYS[2])
    log.materialize("p", DAYS[0])
    assert log.owed() == []

    log.fail(run)
    assert log.owed() == DAYS[1:3]
    assert log.owed("q") == []
    log.materialize("p", DAYS[2])
    assert log.owed() == [DAYS[1]]
    log.materialize("p", DAYS[1])
    assert log.owed() == []


def test_runs_made_one_after_the_other_owe_each_for_itself_whichever_ends_first(log: Log):
    """What was done between the two counts for the earlier one only."""
    early = log.make("p", DAYS[0], DAYS[1])
    log.materialize("p", DAYS[0])
    late = log.make("p", DAYS[0], DAYS[0])
    log.fail(late)
    assert log.owed() == [DAYS[0]]

    log.fail(early)
    assert log.owed() == DAYS[:2]
    log.materialize("p", DAYS[0])
    assert log.owed() == [DAYS[1]]


def test_a_removed_portfolio_owes_nothing(log: Log):
    log.fail(log.make("q", DAYS[0], DAYS[-1]))
    assert log.owed("q") == DAYS

    log.instance.delete_dynamic_partition(str(portfolios_def.name), "q")

    assert log.owed("q") == []


def test_a_look_asks_the_event_log_nothing_about_failed_runs_that_it_knows(log: Log, monkeypatch: pytest.MonkeyPatch):
    """A night on which hundreds of runs fail must not make every tick after it slower."""
    asked: list[str] = []
    storage = log.instance.event_log_storage
    for name in ("get_latest_storage_id_by_partition", "get_records_for_run"):
        call = getattr(storage, name)
        monkeypatch.setattr(
            storage, name, lambda *a, _call=call, _name=name, **k: asked.append(_name) or _call(*a, **k)
        )
    for portfolio_id in ("p", "q") * 15:
        log.fail(log.make(portfolio_id, DAYS[0], DAYS[-1]))

    assert log.owed() == DAYS
    first = asked.count("get_latest_storage_id_by_partition")
    asked.clear()
    assert log.owed() == log.owed("q") == DAYS

    assert first <= 2, "the index itself, and once for all runs"
    assert asked == []


def test_what_a_removed_portfolio_owed_is_owed_again_once_it_is_restored(log: Log):
    log.fail(log.make("q", DAYS[0], DAYS[-1]))
    log.instance.delete_dynamic_partition(str(portfolios_def.name), "q")
    assert log.owed("q") == []
    log.materialize("q", DAYS[1])

    log.instance.add_dynamic_partitions(str(portfolios_def.name), ["q"])

    assert log.owed("q") == [DAYS[0], *DAYS[2:]]


def test_a_portfolio_that_failed_before_and_after_a_good_run_owes_what_the_last_one_left_undone(log: Log):
    log.fail(log.make("p", DAYS[0], DAYS[-1]))
    assert log.owed() == DAYS
    log.materialize("p", *DAYS)
    assert log.owed() == []

    log.fail(log.make("p", DAYS[1], DAYS[2]))

    assert log.owed() == DAYS[1:3]
