"""A split or dividend on a day without a close is in the row of the next one: who holds the share on its own day gets it.

XX splits 2 for 1 and YY pays 2.00 on 2 October 2019; neither has a close on that day and the one after it.
"""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from sigma_assets.base.calendar import nyse_calendar
from sigma_assets_tests.verification.world import World

BEFORE, ACTION, CARRIER, LAST = date(2019, 10, 1), date(2019, 10, 2), date(2019, 10, 4), date(2019, 10, 8)
SESSIONS = nyse_calendar(last_day=LAST).between(date(2019, 9, 16), LAST).tolist()
HEADER = "Symbol,Quantity,Entry Price Per Share,Entry Date,Exit Date,Exit Price Per Share"


LOTS = {
    "XX,100,100,2019-09-20,,": 20_000.0,  # 200 at 50
    "XX,200,50,2019-10-02,,": 20_000.0,  # bought after the split: 30,000 if it were split again
    "XX,200,50,2019-10-03,,": 20_000.0,
    "XX,-200,50,2019-10-02,,": 20_000.0,
    "XX,100,100,2019-10-01,2019-10-02,50": 20_000.0,  # sold as 200 at 50: 15,000 if it were 100
    "XX,100,100,2019-10-01,2019-10-03,51": 20_200.0,
    "XX,200,50,2019-10-02,2019-10-03,51": 20_200.0,
    "XX,100,100,2019-09-20,2019-10-01,101": 20_100.0,  # sold before
    "XX,100,50,2019-10-04,,": 20_000.0,
    "YY,100,98,2019-10-02,,": 20_000.0,  # bought without the dividend
    "YY,100,100,2019-09-20,2019-10-02,98": 20_000.0,  # sold without it: 200 of it are due
    "YY,-100,100,2019-09-20,2019-10-03,98": 20_000.0,  # owes it
}
"""Lot -> equity from the next close on; 20,000 to begin with."""


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a price file with the actions."""
    lines = ["date,symbol,close,split_factor,dividend"]
    for day in SESSIONS:
        is_after = day >= CARRIER
        lines.append(f"{day},SPY,300,,")
        if day < ACTION or is_after:
            lines += [f"{day},XX,{50 if is_after else 100},,", f"{day},YY,{98 if is_after else 100},,"]
    lines += [f"{ACTION},XX,,2,", f"{ACTION},YY,,,2"]
    file: Path = tmp_path_factory.mktemp("prices") / "prices.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def with_lots(folder: Path, prices: Path) -> World:
    """Return an installation with a portfolio for each lot, and nothing computed."""
    world = World.in_folder(folder, prices)
    for lot in LOTS:
        world.add(f"{HEADER}\n{lot}\nSPY,1,300,2019-09-20,,\n".encode(), lot, 20_000.0)
    return world


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory, prices: Path) -> pd.DataFrame:
    """Return what one run over all sessions makes of each lot; column `name` is the lot."""
    world = with_lots(tmp_path_factory.mktemp("home"), prices)
    world.run(SESSIONS[4], LAST)
    return named(world)


def named(world: World) -> pd.DataFrame:
    """Return the snapshots with names instead of ids."""
    names = world.rows_of_portfolios().set_index("portfolio_id")["name"]
    rows = world.rows("portfolio_snapshots")
    rows = rows.assign(name=rows["portfolio_id"].map(names)).drop(columns="portfolio_id")
    return rows.sort_values(["name", "session"], ignore_index=True)


@pytest.mark.parametrize("lot", LOTS)
def test_a_lot_gets_an_action_without_a_close_if_it_is_held_on_its_own_day(snapshots: pd.DataFrame, lot: str):
    equity = snapshots[snapshots["name"] == lot].set_index("session")["equity"]

    assert equity.loc[pd.Timestamp(CARRIER) :].tolist() == [LOTS[lot]] * 3


def test_sessions_one_by_one_from_the_newest_on_give_the_same(snapshots: pd.DataFrame, tmp_path: Path, prices: Path):
    world = with_lots(tmp_path, prices)
    portfolio_ids = world.rows_of_portfolios()["portfolio_id"]

    for day in reversed(SESSIONS[SESSIONS.index(BEFORE) :]):
        world.run(day, day, *portfolio_ids)

    last = snapshots[snapshots["session"] >= pd.Timestamp(BEFORE)].reset_index(drop=True)
    pd.testing.assert_frame_equal(named(world), last, check_exact=True)
