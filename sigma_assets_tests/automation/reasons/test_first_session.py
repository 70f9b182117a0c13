"""The first session moves on, with each new year or by the setting: what lies before it is kept and said, and never run."""

from datetime import date

import dagster as dg
import pytest

from sigma_assets.automation.reasons.methods import OlderNumbers, outdated
from sigma_assets.base.conventions import METHOD_VERSIONS
from sigma_assets.reports.gaps.holdings import holdings_of
from sigma_assets.runs.tags import HOLDINGS_CHANGED
from sigma_assets.storage.methods import note_methods
from sigma_assets_tests.automation.world import World, lots
from sigma_assets_tests.storage.builders import add_cash_flow

PRICES = "simulated:last=2026-01-08"
ENTRY, MOVED = date(2025, 12, 18), date(2026, 1, 5)
LATER = ["2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08"]


@pytest.fixture(scope="module")
def computed(tmp_path_factory) -> World:
    """Return a portfolio of before the first session of now; computed while an earlier one was set."""
    world = World(tmp_path_factory.mktemp("computed"), PRICES)
    world.add("old", lots({"AAPL": 100, "JNJ": 50}, ENTRY), ENTRY)
    assert all(outcome.succeeded for outcome in world.bring())
    world.prices(PRICES, first_session=MOVED)
    yield world
    world.close()


@pytest.fixture
def moved(computed: World, tmp_path) -> World:
    world = World(tmp_path / "moved", PRICES, copy_of=computed).prices(PRICES, first_session=MOVED)
    yield world
    world.close()


def _portfolio(world: World) -> str:
    return world.tables.roster().portfolio_ids[0]


def test_nothing_is_missing_and_everything_again_begins_with_it(moved: World):
    assert moved.bring() == []

    again = moved.bring(force=True)

    assert all(outcome.succeeded for outcome in again)
    assert {str(outcome.planned.first) for outcome in again} == {LATER[0]}


def test_a_change_of_older_lots_runs_what_can_be_computed_and_says_what_cannot(moved: World):
    """A partial sale of a lot counts from its entry: the run of it failed each time, and nothing after it was done."""
    portfolio_id = _portfolio(moved)
    add_cash_flow(moved.database, portfolio_id, date(2025, 12, 22), 500.0)

    runs = moved.bring()

    assert [(str(run.planned.first), run.planned.reason, run.succeeded) for run in runs] == [
        (LATER[0], HOLDINGS_CHANGED, True)
    ]
    assert moved.bring() == []
    told = holdings_of(moved.database, moved.settings, [portfolio_id])[portfolio_id]
    (gap,) = [gap for gap in told.gaps if gap.lacks == "numbers that are true"]
    assert (
        "sessions before 2026-01-05, the first one that is computed, keep what they had from 2025-12-22 on"
        in gap.reason
    )
    assert told.changed_from is None

    earlier = moved.prices(PRICES, first_session=ENTRY)
    assert [str(run.planned.first) for run in earlier.bring()] == ["2025-12-22"]
    assert not [gap for gap in holdings_of(moved.database, moved.settings, [portfolio_id])[portfolio_id].gaps
                if gap.lacks == "numbers that are true"]  # fmt: skip


def test_what_an_older_method_computed_before_it_is_said_and_not_asked_for(moved: World, monkeypatch):
    newest = moved.instance.event_log_storage.get_maximum_record_id()
    note_methods(moved.database, {"risk": METHOD_VERSIONS["risk"] + 1}, newest)
    monkeypatch.setitem(METHOD_VERSIONS, "risk", METHOD_VERSIONS["risk"] + 1)
    older = OlderNumbers(moved.instance, moved.database, moved.settings.history_start)

    needs = outdated(moved.instance, moved.tables, moved.tables.roster())
    (gap,) = older.gaps(moved.tables.roster(), [_portfolio(moved)])[_portfolio(moved)]

    assert [[str(day) for day in days] for days in needs.values()] == [LATER]
    assert (
        "those before 2026-01-05 are computed only with an earlier SIGMA_FIRST_SESSION, such as 2025-12-18"
        in gap.remedy
    )


def test_a_session_that_is_not_over_is_refused(moved: World, monkeypatch):
    """A run that was asked for before the cutoff wrote numbers without prices, and the night found nothing missing."""
    monkeypatch.setattr(type(moved.settings), "current_session", lambda self: date(2026, 1, 7))
    request = dg.RunRequest(
        job_name="symbols",
        asset_selection=[dg.AssetKey("market_prices")],
        tags={
            "dagster/asset_partition_range_start": "2026-01-07",
            "dagster/asset_partition_range_end": "2026-01-08",
        },
    )

    (run,) = moved.launch([request])

    assert run.status is dg.DagsterRunStatus.FAILURE
    (failure,) = moved.instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    assert "the session 2026-01-08 is not over: prices are expected from 16:30 New York on" in str(failure)
