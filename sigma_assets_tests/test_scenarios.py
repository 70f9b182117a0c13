"""The scenarios of SPEC 9 that need no processes of their own: real instance, real database, real runs."""

import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from sigma_assets.automation import reconcile, sensors
from sigma_assets.base.calendar import nyse_calendar
from sigma_assets.base.conventions import FACTOR_ETFS
from sigma_assets.providers.simulated.provider import SimulatedProvider
from sigma_assets.runs.partitions import Scope
from sigma_assets.storage.schema import FAMILIES
from sigma_assets_tests.automation.world import World, lots

FIRST, LAST = date(2026, 1, 5), date(2026, 1, 8)
BALANCED = {
    **dict.fromkeys(("AAPL", "NVDA", "WMT", "JNJ", "JPM", "XOM", "PG", "VUG", "VTV", "LQD"), 100),
    **dict.fromkeys(("VFIAX", "FCNTX", "VBTLX"), 1000),
}
"""13 holdings: 3 of them factor ETFs, 3 mutual funds."""
NewWorld = Callable[..., World]


@pytest.fixture
def new_world(tmp_path: Path) -> Iterator[NewWorld]:
    worlds: list[World] = []

    def make(prices: str = f"simulated:last={LAST}", like: World | None = None) -> World:
        file = like.home / "sigma.sqlite" if like else None
        if like is not None:
            like.database.dispose()
        worlds.append(World(tmp_path / f"world{len(worlds)}", prices, file))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


def test_scenario_02_laggards_catch_up_and_nothing_that_was_there_is_computed_again(new_world: NewWorld):
    world = new_world()
    held = lots({"AAPL": 10}, FIRST)
    ids = [world.add(f"portfolio {number}", held, FIRST) for number in range(13)]  # eleven, one, one
    world.bring(*ids[:11], last=date(2026, 1, 5))
    world.bring(ids[11], last=date(2026, 1, 6))
    world.bring(ids[12], last=date(2026, 1, 7))

    world.launch(world.nightly())
    caught_up = world.settle("reconcile")

    times = world.times_materialized()
    sessions = world.settings.calendar.between(FIRST, LAST)
    assert set(times.values()) == {1}
    assert len(times) == 12 * 13 * len(sessions)
    assert [run.status for run in caught_up] == [dg.DagsterRunStatus.SUCCESS] * 3
    assert world.tick("reconcile") == world.tick("onboarding") == world.nightly() == []


def test_scenario_03_a_failed_onboarding_is_repaired_by_the_next_night(new_world: NewWorld, monkeypatch):
    world = new_world(f"simulated:last={date(2026, 1, 7)}")
    portfolio_id = world.add("unlucky", lots({"AAPL": 10}, FIRST), FIRST)
    with world.database.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON price_coverage BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    (failed,) = world.launch(world.tick("onboarding"))
    assert failed.status is dg.DagsterRunStatus.FAILURE
    assert world.times_materialized() == {}
    assert world.tick("onboarding") == [], "a failed onboarding is not new any more"
    assert world.tick("reconcile")[0].tags.get("sigma/portfolio_id") is None, "it waits for its back-off"
    with world.database.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")

    monkeypatch.setattr(sensors, "HISTORY", reconcile.HISTORY * 0)  # the failure lies in the past
    world.prices(f"simulated:last={LAST}")
    world.launch(world.nightly())
    world.settle("reconcile")

    sessions = world.settings.calendar.between(FIRST, LAST)
    assert len(world.times_materialized()) == 12 * len(sessions)
    scope = Scope(sessions, (portfolio_id,))
    assert len(world.tables.rows("portfolio_snapshots", scope)) == len(sessions)


def test_scenario_05_a_scoped_run_asks_for_its_27_symbols_and_leaves_the_others(new_world: NewWorld):
    world = new_world()
    other = world.add("other", lots({"MSFT": 10, "KO": 5}, FIRST), FIRST)
    world.bring(other)
    mine = {*BALANCED, *FACTOR_ETFS}
    assert len(mine) == 27
    before = {table: rows_of_others(world, table, mine) for table in ("market_prices", "symbol_factors")}
    loads = world.tables.prices_revision()

    portfolio_id = world.add("balanced", lots(BALANCED, FIRST), FIRST)
    world.launch(world.tick("onboarding"))

    assert {table: rows_of_others(world, table, mine) for table in before} == before
    loaded = world.tables.changed_prices(["MSFT", "KO", *mine], world.settings.calendar.sessions[-6000:], loads)
    assert set(loaded["symbol"]) <= mine - {*FACTOR_ETFS}
    assert world.tables.symbols(Scope(world.settings.calendar.between(FIRST, LAST), (portfolio_id,))) == sorted(mine)


def rows_of_others(world: World, table: str, mine: set[str]) -> list[tuple]:
    with world.database.read() as connection:
        rows = connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY session, symbol").all()
    return [tuple(row) for row in rows if row.symbol not in mine]


@pytest.mark.parametrize("entry_point", ["onboarding", "nightly", "command line"])
def test_scenario_06_every_holding_has_factors_betas_and_exposures(new_world: NewWorld, entry_point: str):
    world = new_world()
    portfolio_id = world.add("balanced", lots(BALANCED, LAST), LAST)

    if entry_point == "onboarding":
        world.launch(world.tick("onboarding"))
    elif entry_point == "nightly":
        world.launch(world.nightly())
        world.settle("reconcile")
        world.launch(world.tick("onboarding"))
    else:
        world.bring()

    scope = Scope(world.settings.calendar.between(LAST, LAST), (portfolio_id,))
    betas = world.tables.rows("betas_by_position", scope).set_index("symbol")
    exposures = world.tables.rows("factor_exposures_by_position", scope).set_index("symbol")
    factors = world.tables.rows("symbol_factors", Scope(scope.sessions), list(BALANCED))
    assert set(betas.index) == set(exposures.index) == set(BALANCED)
    assert betas[["market_beta", "rates_beta"]].notna().all().all()
    assert exposures.filter(like="_exposure").notna().all().all()
    assert {*BALANCED} - {*factors["symbol"]} <= {"VFIAX", "FCNTX", "VBTLX"}, "a fund is priced a day late"


def price_file(folder: Path, symbols: list[str], last: date, without: tuple[str, date] | None = None) -> Path:
    """Write a year of simulated prices as somebody's file, one price left out."""
    folder.mkdir(exist_ok=True)
    calendar = nyse_calendar()
    sessions = calendar.between(date(2024, 6, 3), last)
    provider = SimulatedProvider(calendar, date(2026, 2, 27))
    rows = pd.concat(bars.rows for bars in provider.daily_bars(dict.fromkeys(symbols, sessions.tolist())))
    if without is not None:
        rows = rows[(rows["symbol"] != without[0]) | (rows["session"] != pd.Timestamp(without[1]))]
    rows.rename(columns={"session": "date"}).to_csv(folder / "prices.csv", index=False)
    return folder


def test_scenario_07_a_late_fund_price_heals_what_it_touches_as_if_it_had_been_on_time(
    new_world: NewWorld, tmp_path: Path
):
    symbols = ["AAPL", "VFIAX", *FACTOR_ETFS]
    late = price_file(tmp_path / "late", symbols, date(2026, 1, 7), without=("VFIAX", date(2026, 1, 7)))
    on_time = price_file(tmp_path / "on_time", symbols, LAST)
    world = new_world(f"files:{late}")
    portfolio_id = world.add("fund", lots({"AAPL": 10, "VFIAX": 20}, FIRST), FIRST)
    twin = new_world(f"files:{on_time}", like=world)
    world.bring(portfolio_id)
    stale = world.tables.rows("position_values", Scope(world.settings.calendar.between(FIRST, LAST), (portfolio_id,)))
    assert stale[stale["is_stale"]]["session"].dt.day.tolist() == [7]
    before = world.times_materialized()

    shutil.copy(on_time / "prices.csv", late / "prices.csv")
    world.launch(world.nightly())
    world.settle("reconcile")
    world.settle("reconcile")
    twin.bring(portfolio_id)

    again = {key for key, count in world.times_materialized().items() if count > before.get(key, 0) and key in before}
    assert {key[1].partition("|")[0] for key in again} == {"2026-01-07"}
    assert same_rows(world, twin)


UNIVERSES = ("symbol_factors", "symbol_metrics")
"""Their rows of other symbols are the universe's, and each carries the load that it was computed from."""
OWN_TABLES = tuple(
    table.name
    for asset, family in FAMILIES.items()
    for table in family
    if asset not in UNIVERSES and not asset.endswith("_coverage")
)


def same_rows(one: World, two: World) -> bool:
    """Whether two databases hold the same numbers, bit for bit; which load a price came with is another matter."""
    first, second = one.contents(OWN_TABLES), two.contents(OWN_TABLES)
    first["market_prices"], second["market_prices"] = (
        [row[:-2] for row in rows["market_prices"]] for rows in (first, second)
    )
    assert set(first) == set(second) == set(OWN_TABLES)
    assert all(first[table] for table in ("portfolio_snapshots", "betas_by_position", "volatility_by_symbol"))
    return first == second


def test_scenario_09_a_hole_in_the_middle_is_found_and_filled(new_world: NewWorld):
    world = new_world()
    portfolio_id = world.add("holed", lots({"AAPL": 10}, FIRST), FIRST)
    world.bring(portfolio_id, last=date(2026, 1, 6))
    world.bring(portfolio_id, first=date(2026, 1, 8))
    world.launch(world.nightly())

    (filling,) = world.settle("reconcile")

    key = f"2026-01-07|holed-{portfolio_id[:8]}"
    assert filling.tags["dagster/asset_partition_range_start"] == key
    assert filling.tags["dagster/asset_partition_range_end"] == key
    assert filling.tags["sigma/reason"] == "missing"
    assert set(world.times_materialized().values()) == {1}


def test_scenario_10_the_same_work_twice_leaves_the_same_database(new_world: NewWorld):
    world = new_world()
    portfolio_id = world.add("twice", lots({"AAPL": 10, "VFIAX": 20, "VUG": 5}, FIRST), FIRST)
    world.bring(portfolio_id)
    once = world.contents()

    assert all(outcome.succeeded for outcome in world.bring(portfolio_id, force=True))

    assert world.contents() == once
    assert set(world.times_materialized().values()) == {2}


def test_scenario_11_one_run_or_session_by_session_or_newest_first_gives_the_same_rows(new_world: NewWorld):
    at_once = new_world()
    entry = date(2026, 1, 6)
    portfolio_id = at_once.add("any order", lots({"AAPL": 10, "JNJ": -3, "VUG": 5}, entry), entry)
    forward, backward = new_world(like=at_once), new_world(like=at_once)
    days = at_once.settings.calendar.between(entry, LAST).tolist()

    at_once.bring(portfolio_id)
    for day in days:
        forward.bring(portfolio_id, first=day, last=day)
    for day in reversed(days):
        backward.bring(portfolio_id, first=day, last=day)

    assert same_rows(at_once, forward)
    assert same_rows(at_once, backward)


def test_scenario_12_lookalikes_private_lots_and_empty_portfolios_finish(new_world: NewWorld, tmp_path: Path):
    names = [f"SAME{number:03d}" for number in range(200)]
    folder = price_file(tmp_path / "prices", ["SPY"], LAST)
    spy = pd.read_csv(folder / "prices.csv").tail(120)[["date", "close"]]
    pd.concat(spy.assign(symbol=name) for name in names).to_csv(folder / "lookalikes.csv", index=False)
    world = new_world().prices(f"files:{folder}", correlation_min_weight=0.001)
    same = world.add("lookalikes", lots(dict.fromkeys(names, 1000), LAST, price=600.0), LAST)
    private = world.add("private", lots({"VINEYARD": 1}, LAST, price=50_000.0, kind="PRIVATE"), LAST)
    empty = world.add("empty", lots({}, LAST).iloc[:0], LAST)

    outcomes = world.bring(same, private, empty)

    assert [outcome.succeeded for outcome in outcomes] == [True]
    scope = Scope(world.settings.calendar.between(LAST, LAST), (same, private, empty))
    snapshots = world.tables.rows("portfolio_snapshots", scope).set_index("portfolio_id")
    summary = world.tables.rows("correlations_by_portfolio", scope).set_index("portfolio_id")
    assert snapshots.loc[[private, empty], "equity"].tolist() == [100_000.0, 100_000.0]
    assert summary.loc[same, "symbols_included"] == 200
    assert np.isclose(summary.loc[same, "mean_correlation"], 1.0)
