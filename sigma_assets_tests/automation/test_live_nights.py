"""Nights with a live source, unattended: prices that come hours after the cutoff, a dividend that comes days late."""

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from sigma_assets.automation import reconcile
from sigma_assets.base.calendar import as_dates
from sigma_assets.base.conventions import FACTOR_ETFS
from sigma_assets.prices import source
from sigma_assets.runs.partitions import Scope
from sigma_assets_tests.automation.world import World, lots
from sigma_assets_tests.providers.loopback import Loopback
from sigma_assets_tests.providers.massive.fake_massive import KEY, FakeMassive, dividend

LOOKBACK, HELD = 330, 7
BOOKS = ("portfolio_snapshots", "position_values", "betas_by_portfolio", "volatility_by_portfolio")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for the source's last session at each tick, and leave the schedule no time of its own."""
    monkeypatch.setattr(source, "LAST_SESSION_SECONDS", 0.0)
    monkeypatch.setattr(reconcile, "SCHEDULE_GRACE", timedelta(0))


@pytest.fixture
def massive() -> FakeMassive:
    return FakeMassive()


@pytest.fixture
def server(massive: FakeMassive) -> Iterator[Loopback]:
    with Loopback(massive.answer).running() as running:
        yield running


def live_world(home, server: Loopback) -> World:
    """Return a deployment on the free plan, without its pace."""
    world = World(home, "simulated")
    return world.prices("massive", massive_api_key=KEY, massive_url=server.url, massive_calls_per_minute=0)


def fill(massive: FakeMassive, world: World) -> list[date]:
    """Give AAPL and every factor ETF a random walk; return the sessions."""
    calendar, last = world.tables.calendar, world.settings.current_session()
    days = as_dates(calendar.between(calendar.shift(last, -LOOKBACK), last))
    for number, symbol in enumerate([*FACTOR_ETFS, "AAPL"]):
        walk = 100 * np.exp(np.random.default_rng(number).normal(0, 0.01, len(days)).cumsum())
        massive.prices(symbol, dict(zip(days, walk.round(2).tolist(), strict=True)))
    massive.dividends = [dividend("TLT", str(days[-3]), 0.3)]
    return days


def held(days: list[date]):
    """Return a lot of AAPL entered on the first of the last sessions."""
    return lots({"AAPL": 100}, days[-HELD])


def numbers(world: World, portfolio_id: str, days: list[date]) -> dict[str, pd.DataFrame]:
    """Return what was computed for the portfolio and for AAPL, but for ids and revisions."""
    sessions = np.array(days[-HELD:], dtype="datetime64[D]")
    books = {table: world.tables.rows(table, Scope(sessions, (portfolio_id,))) for table in BOOKS}
    symbols = {
        table: world.tables.rows(table, Scope(sessions), ["AAPL"]) for table in ("symbol_metrics", "symbol_factors")
    }
    ids = ["portfolio_id", "lot_id", "prices_revision"]
    return {table: rows.drop(columns=ids, errors="ignore") for table, rows in (books | symbols).items()}


def test_prices_that_come_after_the_cutoff_are_picked_up_without_anybody(tmp_path, massive, server):
    """The free plan has a session's prices the next day: the target stays, and moves by itself."""
    world = live_world(tmp_path / "home", server)
    days = fill(massive, world)
    massive.published_through = days[-2]
    (portfolio_id,) = [world.add("Live", held(days), days[-HELD])]
    world.bring(portfolio_id)
    world.launch(world.nightly())

    assert world.price_source.target_session() == days[-2]
    assert world.nightly() == world.tick("reconcile") == []
    server.requests.clear()

    massive.published_through = None
    universe = world.launch(world.tick("reconcile"))
    books = world.launch(world.tick("reconcile"))

    assert [run.is_success for run in universe + books] == [True, True]
    assert {run.tags["sigma/source"] for run in universe + books} == {"cron"}
    computed = world.contents(["portfolio_snapshots"])["portfolio_snapshots"]
    assert len(computed) == HELD
    assert len(server.paths("/v2/aggs/grouped")) == 1
    assert len(server.paths("/stocks/v1")) == 2
    assert world.tick("reconcile") == world.nightly() == []
    world.close()


def test_a_dividend_that_comes_days_late_heals_what_was_computed_and_nothing_else(tmp_path, massive, server):
    world = live_world(tmp_path / "nights", server)
    days = fill(massive, world)
    massive.published_through = days[-2]
    portfolio_id = world.add("Live", held(days), days[-HELD])
    world.bring(portfolio_id)
    world.launch(world.nightly())
    world.settle("reconcile")
    before = world.times_materialized()

    massive.published_through = None
    massive.dividends.append(dividend("AAPL", str(days[-4]), 0.25))
    world.settle("reconcile")
    world.settle("reconcile")

    again = {key for key, count in world.times_materialized().items() if before.get(key) and count > before[key]}
    assert {partition[:10] for asset, partition in again if asset == "portfolio_snapshots"} == set(
        map(str, days[-4:-1])
    )
    fresh = live_world(tmp_path / "onboarded", server)
    onboarded = fresh.add("Live", held(days), days[-HELD])
    fresh.bring(onboarded)
    healed, direct = numbers(world, portfolio_id, days), numbers(fresh, onboarded, days)
    for table, rows in direct.items():
        pd.testing.assert_frame_equal(healed[table], rows, obj=table)
    assert healed["portfolio_snapshots"]["dividend_income"].sum() == 25.0
    world.close()
    fresh.close()
