"""One session computed alone, long after a portfolio began, says what a whole history says of it (SPEC 1, 9.11)."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sigma_assets.base.calendar import as_dates, nyse_calendar
from sigma_assets_tests.verification.markets import CSV_HEADER
from sigma_assets_tests.verification.world import World

DAYS = as_dates(nyse_calendar().between(date(2018, 1, 2), date(2021, 6, 30))[-560:])
ENTRY, ACTION, LAST = DAYS[-400], DAYS[-350], DAYS[-1]
"""The longest window holds 293 returns: split and dividend lie before it, and the entry before these."""
GAP = slice(-300, -292)
"""Sessions without a price just where the longest window of the last session begins."""


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> World:
    folder: Path = tmp_path_factory.mktemp("imported")
    returns = np.random.default_rng(5).normal(0, 0.01, (len(DAYS), 2))
    rows = pd.DataFrame(np.round(100 * np.cumprod(1 + returns, axis=0), 2), index=DAYS, columns=["AAA", "BBB"])
    rows = rows.rename_axis("date").melt(ignore_index=False, var_name="symbol", value_name="close").reset_index()
    is_action = (rows["symbol"] == "AAA") & (rows["date"] == ACTION)
    rows["split_factor"], rows["dividend"] = np.where(is_action, 2.0, 1.0), np.where(is_action, 0.5, 0.0)
    prices = folder / "prices.csv"
    rows[(rows["symbol"] == "AAA") | ~rows["date"].isin(DAYS[GAP])].to_csv(prices, index=False)
    world = World.in_folder(folder, prices)
    world.add(f"{CSV_HEADER}\nAAA,100,90,{ENTRY},,,,,,,\nBBB,100,90,{ENTRY},,,,,,,".encode(), "old", 50_000.0)
    world.add(f"{CSV_HEADER}\nBBB,100,90,{LAST},,,,,,,".encode(), "new", 50_000.0)
    return world


def _id(world: World, name: str) -> str:
    portfolios = world.rows_of_portfolios()
    return portfolios.loc[portfolios["name"] == name, "portfolio_id"].item()


@pytest.fixture(scope="module")
def alone(imported, tmp_path_factory) -> World:
    """Return a world in which nothing but the last session of the old portfolio was ever computed."""
    world = imported.copied_to(tmp_path_factory.mktemp("alone"))
    world.run(LAST, LAST, _id(world, "old"))
    return world


@pytest.fixture(scope="module")
def whole(imported, tmp_path_factory) -> World:
    world = imported.copied_to(tmp_path_factory.mktemp("whole"))
    world.run(ENTRY, ENTRY)
    world.run(LAST, LAST)
    return world


def _assert_same_last_session(found: World, whole: World, name: str) -> None:
    for table, rows in whole.content().items():
        if "portfolio_id" in rows:
            expected = rows[(rows["session"] == pd.Timestamp(LAST)) & (rows["portfolio_id"] == _id(whole, name))]
            pd.testing.assert_frame_equal(
                found.rows(table), expected.reset_index(drop=True), check_exact=True, obj=table
            )


def test_splits_and_dividends_since_the_entry_count_though_no_earlier_session_was_run(alone):
    """100 shares at 90 became 200, which got 0.50 each."""
    closes = pd.read_csv(alone.prices).groupby("symbol")["close"].last()

    (equity,) = alone.rows("portfolio_snapshots")["equity"]

    assert equity == pytest.approx(50_000 + 200 * closes["AAA"] - 9_000 + 200 * 0.5 + 100 * closes["BBB"] - 9_000)


def test_the_last_session_alone_equals_the_last_of_a_whole_history(alone, whole):
    _assert_same_last_session(alone, whole, "old")


def test_a_gap_where_the_longest_window_begins_is_spanned_in_a_fresh_database_too(imported, whole, tmp_path):
    """The first return of the window starts from the close before the gap, which lies before the window."""
    world = imported.copied_to(tmp_path)

    world.run(LAST, LAST, _id(world, "new"))

    _assert_same_last_session(world, whole, "new")
