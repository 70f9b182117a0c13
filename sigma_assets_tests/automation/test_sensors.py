"""What runs again, and what does not: counted, partition by partition."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from dagster._core.storage.runs.schema import RunsTable

from sigma_assets.automation import execution, sensors
from sigma_assets.automation.inputs import PlanInputs, read_inputs
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names
from sigma_assets.automation.reasons.changes import after_changed_prices
from sigma_assets.automation.reasons.late import sessions_to_ask_again
from sigma_assets.base.calendar import nyse_calendar
from sigma_assets.instance.in_process import origin_of
from sigma_assets.prices.changes import portfolios_to_look_at
from sigma_assets.prices.history import price_history
from sigma_assets.prices.tables import write_prices
from sigma_assets.reports.gaps.holdings import holdings_of
from sigma_assets.runs.partitions import Scope
from sigma_assets.runs.watermark import Materialized
from sigma_assets.storage.portfolios import remove_portfolio
from sigma_assets.storage.schema import market_prices
from sigma_assets_tests.automation.world import World, lots
from sigma_assets_tests.storage.builders import add_cash_flow

FIRST, LAST = date(2025, 12, 1), date(2026, 1, 8)
DAYS = nyse_calendar().between(FIRST, LAST)
ASSETS = names(PORTFOLIO_ASSETS)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two portfolios, up to date; each test leaves them so."""
    made = World(tmp_path_factory.mktemp("world") / "home", f"simulated:last={LAST}")
    made.ids = [
        made.add("holds JNJ", lots({"JNJ": 500, "AAPL": 300}, FIRST), FIRST),
        made.add("does not", lots({"MSFT": 500, "AAPL": 300}, FIRST), FIRST),
    ]
    made.bring(*made.ids)
    made.launch(made.nightly())
    yield made
    made.close()


@pytest.fixture
def ran(world: World):
    """Return a function that tells which sessions of which asset of a portfolio were materialised since the test began."""
    before = world.times_materialized()

    def since(portfolio_id: str, asset: str) -> list[date]:
        now = world.times_materialized()
        more = [key for (name, key), count in now.items() if name == asset and count > before.get((name, key), 0)]
        assert all(now[asset, key] == before.get((asset, key), 0) + 1 for key in more), "nothing runs twice"
        return sorted(date.fromisoformat(key[:10]) for key in more if key.endswith(portfolio_id))

    return since


def correct(world: World, symbol: str, day: date, **values: float) -> None:
    """Correct a stored price, as a later load would."""
    with world.database.read() as connection:
        query = sa.select(market_prices).where(market_prices.c.symbol == symbol, market_prices.c.session == day)
        row = dict(connection.execute(query).mappings().one())
    row = {name: row[name] for name in row if name not in ("source", "loaded_at", "revision")}
    rows = pd.DataFrame([row | values]).assign(session=pd.to_datetime([day]).astype("datetime64[s]"))
    write_prices(world.database, rows, "corrected", datetime.now(UTC))


def test_holdings_are_compared_again_only_after_a_change_or_a_run(world: World, monkeypatch: pytest.MonkeyPatch):
    """With ten thousand portfolios that is half of a tick; a run may have read lots before they changed, and write after."""
    mine, _ = world.ids
    compared: list[int] = []
    real = sensors.after_changed_holdings
    monkeypatch.setattr(sensors, "after_changed_holdings", lambda *given: compared.append(1) or real(*given))

    def compares() -> bool:
        compared.clear()
        world.tick("reconcile")
        return bool(compared)

    world.tick("reconcile")
    assert not compares()

    add_cash_flow(world.database, mine, date(2026, 1, 7), 750.0)
    assert compares()
    assert compares(), "it is still to be done"
    (request,) = world.tick("reconcile")
    run = world.instance.create_run_for_job(
        job_def=world.definitions.resolve_job_def("portfolios"),
        tags=dict(request.tags),
        status=dg.DagsterRunStatus.STARTED,
        remote_job_origin=origin_of("portfolios"),
    )
    assert compares()
    assert compares(), "it is under way"
    world.instance.report_run_canceled(run)
    world.bring(mine)
    assert compares(), "another run has ended"
    assert not compares()
    assert stored_equals_computed(world, mine)


def test_a_cash_flow_runs_its_portfolio_again_from_its_day_on(world: World, ran):
    mine, other = world.ids
    add_cash_flow(world.database, mine, date(2026, 1, 6), 1000.0)

    world.settle("reconcile")

    expected = [day.item() for day in DAYS if day >= np.datetime64("2026-01-06")]
    assert {asset: ran(mine, asset) for asset in ASSETS} == dict.fromkeys(ASSETS, expected)
    assert {asset: ran(other, asset) for asset in ASSETS} == {asset: [] for asset in ASSETS}


def test_without_a_daemon_a_run_makes_up_for_changed_holdings_and_prices_and_touches_nothing_else(world: World, ran):
    mine, other = world.ids
    add_cash_flow(world.database, mine, date(2026, 1, 6), 1000.0)
    correct(world, "JNJ", date(2025, 12, 16), dividend=2.0)
    assert behind_prices(world) == [mine]

    first, second = world.bring(), world.bring()

    assert behind_prices(world) == []

    rest = [day.item() for day in DAYS if day >= np.datetime64("2025-12-16")]
    assert all(outcome.succeeded for outcome in first)
    assert second == []
    assert ran(mine, "portfolio_snapshots") == ran(mine, "position_values") == rest
    assert {asset: ran(other, asset) for asset in ASSETS} == {asset: [] for asset in ASSETS}
    assert stored_equals_computed(world, mine)


def behind_prices(world: World) -> list[str]:
    """Return the portfolios of which it is said that corrected prices may change their numbers."""
    told = holdings_of(world.database, world.tables.settings, world.ids)
    said = [key for key in world.ids if any("were corrected" in gap.reason for gap in told[key].gaps)]
    assert said == [key for key in world.ids if told[key].is_behind_prices]
    return said


@pytest.mark.parametrize("by", ["a command", "the sensor"])
def test_what_corrected_prices_leave_as_it_is_is_looked_at_once_and_then_up_to_date(
    world: World, ran, monkeypatch: pytest.MonkeyPatch, by: str
):
    """Until somebody has looked, nobody knows, and it is said."""
    mine, _ = world.ids
    correct(world, "JNJ", date(2025, 12, 16), volume=7.0 if by == "a command" else 8.0)
    assert behind_prices(world) == [mine]
    looks: list[list[str]] = []
    for module in (execution, sensors):
        monkeypatch.setattr(module, "after_changed_prices", lambda _, __, ids: looks.append([*ids]) or {})
        monkeypatch.setattr(module, "symbols_after_changed_prices", lambda *_: {})

    for _ in range(2):
        assert (world.bring() if by == "a command" else world.tick("reconcile")) == []

    assert [ids for ids in looks if ids] == [[mine]]
    assert behind_prices(world) == []
    assert portfolios_to_look_at(world.database, world.tables.prices_revision(), FIRST) == []


def test_a_portfolio_that_a_run_works_on_is_looked_at_afterwards(world: World, monkeypatch: pytest.MonkeyPatch):
    """The run may have read prices before they were corrected, and write what it made of them after the look."""
    mine, _ = world.ids
    correct(world, "JNJ", date(2025, 12, 16), volume=9.0)
    newest = world.tables.prices_revision()

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(PlanInputs, "busy", property(lambda _: {mine}))
        assert world.tick("reconcile") == []
        assert portfolios_to_look_at(world.database, newest, FIRST) == [mine]

    assert all(run.is_success for run in world.settle("reconcile"))
    assert portfolios_to_look_at(world.database, newest, FIRST) == []


def test_where_nothing_is_stored_corrected_prices_touch_nothing(world: World):
    """As where the first session has moved beyond all that was computed."""
    index = Materialized(world.tables.settings.partition_sessions)
    inputs = read_inputs(world.instance, world.tables, world.price_source, index)
    before = nyse_calendar().between(date(2025, 11, 3), date(2025, 11, 14))

    assert after_changed_prices(replace(inputs, sessions={world.ids[0]: before}), world.tables, world.ids[:1]) == {}


@pytest.fixture(params=["begins late", "fails first"])
def between(world: World, request: pytest.FixtureRequest):
    """Return a function that makes a change between the plan of a run over some assets and that run, or its retry.

    A corrected price of TLT touches what reads it in a window, and so not the snapshots.
    """

    def change(then: Callable[[], object], close: float) -> None:
        correct(world, "TLT", date(2025, 12, 10), close=close + request.param_index)
        requests = world.tick("reconcile")
        assert requests
        assert all(dg.AssetKey("portfolio_snapshots") not in each.asset_selection for each in requests)
        if request.param == "fails first":
            refuse = "CREATE TRIGGER refused BEFORE INSERT ON price_coverage BEGIN SELECT RAISE(ABORT, 'no'); END"
            with world.database.begin() as connection:
                connection.exec_driver_sql(refuse)
            assert not any(run.is_success for run in world.launch(requests))
            with world.database.begin() as connection:
                connection.exec_driver_sql("DROP TRIGGER refused")
            then()
        else:
            then()
            assert all(run.is_success for run in world.launch(requests))
        world.bring()
        assert world.bring() == []

    return change


def test_prices_corrected_between_the_plan_of_a_run_over_some_assets_and_the_run_are_not_lost(world: World, between):
    """What the run leaves out was looked at for earlier prices only: it must not be vouched for."""
    mine, _ = world.ids
    close = price_history(world.database, ["JNJ"], date(2025, 12, 17), date(2025, 12, 17), nyse_calendar()).close[0, 0]

    between(lambda: correct(world, "JNJ", date(2025, 12, 17), close=close * 1.05), close=91.0 + close)

    assert stored_equals_computed(world, mine)


def test_a_flow_between_the_plan_of_a_run_over_some_assets_and_the_run_is_not_lost(world: World, between):
    mine, _ = world.ids

    between(lambda: add_cash_flow(world.database, mine, date(2025, 12, 17), 1000.0), close=92.0)

    assert stored_equals_computed(world, mine)


def test_a_run_of_one_portfolio_and_some_days_makes_up_for_these_alone(world: World, ran):
    mine, other = world.ids
    for portfolio_id in world.ids:
        add_cash_flow(world.database, portfolio_id, date(2025, 12, 17), 1000.0)

    world.bring(mine, first=date(2026, 1, 5), last=date(2026, 1, 6))

    assert ran(mine, "betas") == [date(2026, 1, 5), date(2026, 1, 6)]
    assert ran(other, "betas") == []
    world.bring()  # the rest
    assert stored_equals_computed(world, mine)
    assert stored_equals_computed(world, other)


def test_a_corrected_close_runs_its_session_and_the_next_and_what_reads_it_in_a_window(world: World, ran):
    mine, other = world.ids
    day = date(2025, 12, 15)
    close = price_history(world.database, ["JNJ"], day, day, nyse_calendar()).close[0, 0]
    correct(world, "JNJ", day, close=close * 1.0001)
    assert world.tick("reconcile"), "it is found"

    launched = world.settle("reconcile")

    rest = [each.item() for each in DAYS if each >= np.datetime64(day)]
    assert all(run.is_success for run in launched)
    assert ran(mine, "position_values")[:2] == rest[:2]
    assert ran(mine, "volatility") == ran(mine, "betas") == rest
    assert {asset: ran(other, asset) for asset in ASSETS} == {asset: [] for asset in ASSETS}
    assert stored_equals_computed(world, mine)


def test_a_corrected_dividend_runs_every_later_session_whose_equity_it_moves(world: World, ran):
    mine, _ = world.ids
    day = date(2025, 12, 17)
    correct(world, "JNJ", day, dividend=1.0)

    world.settle("reconcile")

    rest = [each.item() for each in DAYS if each >= np.datetime64(day)]
    assert ran(mine, "portfolio_snapshots") == ran(mine, "position_values") == rest
    assert stored_equals_computed(world, mine)


def stored_equals_computed(world: World, portfolio_id: str) -> bool:
    scope = Scope(DAYS, (portfolio_id,))
    for table, computed in world.tables.valued(scope, ("portfolio_snapshots", "position_values")).items():
        stored = world.tables.rows(table, scope)
        keys = [name for name in ("portfolio_id", "session", "lot_id") if name in stored]
        now = computed[stored.columns].sort_values(keys, ignore_index=True)
        pd.testing.assert_frame_equal(stored, now, check_dtype=False, check_exact=True)
    return True


def test_what_a_failed_run_over_existing_partitions_left_undone_is_owed(world: World, ran):
    """The coverage has seen the change already; only the run history knows that snapshots have not."""
    mine, _ = world.ids
    add_cash_flow(world.database, mine, date(2026, 1, 7), 500.0)
    with world.database.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON portfolio_snapshots BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    (failed,) = world.launch(world.tick("reconcile"))
    assert not failed.is_success
    assert world.tick("reconcile") == []
    with world.database.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")

    (outcome,) = world.bring(mine)

    assert outcome.succeeded
    assert outcome.planned.assets == ("portfolio_snapshots",)
    assert [outcome.planned.first, outcome.planned.last] == [date(2026, 1, 7), LAST]
    assert world.bring(mine) == []
    assert stored_equals_computed(world, mine)


@pytest.mark.parametrize("change", ["holdings", "prices"])
def test_a_change_whose_run_fails_at_once_is_tried_again_after_a_pause_and_not_forgotten(world: World, change: str):
    """Its coverage has not seen the change, so each tick finds it anew: every few seconds, were there no pause."""
    mine, _ = world.ids
    if change == "holdings":
        add_cash_flow(world.database, mine, date(2026, 1, 7), 250.0)
    else:
        correct(world, "JNJ", LAST, close=77.0)
    with world.database.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON price_coverage BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    cursor, (request,) = None, world.tick("reconcile")
    (failed,) = world.launch([request])
    for _ in range(3):
        assert world.tick("reconcile", cursor) == []
        cursor = world.cursor
    with world.database.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")

    an_hour_passes(world, failed.run_id)
    (request,) = world.tick("reconcile", cursor)
    (healed,) = world.launch([request])

    assert not failed.is_success
    assert healed.is_success
    assert world.tick("reconcile", cursor) == []
    world.bring(mine)
    assert stored_equals_computed(world, mine)


def an_hour_passes(world: World, run_id: str) -> None:
    """Move the end of a run an hour back."""
    with world.instance.run_storage.connect() as connection:
        mine = RunsTable.c.run_id == run_id
        connection.execute(sa.update(RunsTable).where(mine).values(end_time=RunsTable.c.end_time - 3600))


def test_a_removed_portfolio_loses_its_partition_and_its_waiting_runs(world: World):
    doomed = world.add("doomed", lots({"AAPL": 1}, LAST), LAST)
    (request,) = world.tick("onboarding")
    job = world.definitions.resolve_job_def("portfolios")
    run = world.instance.create_run_for_job(
        job_def=job,
        tags=dict(request.tags),
        status=dg.DagsterRunStatus.QUEUED,
        remote_job_origin=origin_of("portfolios"),
    )

    remove_portfolio(world.database, doomed)
    world.tick("reconcile")

    assert world.instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.CANCELED
    world.tick("reconcile")  # now that no run spans its partition
    assert doomed not in world.partitions


def test_a_universe_that_never_finished_is_run_although_every_portfolio_is_done(tmp_path):
    """Its first run died before anything was there, and meanwhile the portfolios' own runs loaded what they needed."""
    world = World(tmp_path / "home", f"simulated:last={LAST}")
    world.bring(world.add("done", lots({"AAPL": 1}, LAST), LAST))

    (request,) = world.tick("reconcile")

    assert request.job_name == "symbols"
    assert request.tags["dagster/asset_partition_range_start"] == str(LAST)
    assert world.launch([request])[0].is_success
    assert world.tick("reconcile") == []
    world.close()


@pytest.mark.parametrize(("asked", "now", "is_due"), [
    ("2026-01-08 21:31", "2026-01-08 22:00", False),
    ("2026-01-08 21:31", "2026-01-08 22:31", True),
    ("2026-01-08 23:30", "2026-01-09 01:00", False),
    ("2026-01-08 23:30", "2026-01-09 01:30", True),
])  # fmt: skip
def test_a_late_price_is_asked_for_less_and_less_often(world: World, asked: str, now: str, is_due: bool):
    """Due at 16:30 in New York, 21:30 UTC; asked two hours later, it is asked for again after two more."""
    late = pd.DataFrame({"session": pd.to_datetime(["2026-01-08"]), "asked_at": pd.to_datetime([asked], utc=True)})

    found = sessions_to_ask_again(late, world.tables, datetime.fromisoformat(f"{now}+00:00"))

    assert (len(found) == 1) is is_due
