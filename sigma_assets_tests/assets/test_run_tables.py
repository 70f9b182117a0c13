"""What the steps of a run share is what each of them would have read for itself, and never older."""

import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from sigma_assets.assets.run_tables import RunTables
from sigma_assets.assets.tables import Tables
from sigma_assets.base.frames import PriceHistory
from sigma_assets.definitions import of_each_run
from sigma_assets.prices.tables import write_prices
from sigma_assets.providers.base import BAR_COLUMNS
from sigma_assets.runs.partitions import Scope
from sigma_assets.settings import read_settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.portfolios import NewPortfolio, add_portfolio, remove_portfolio
from sigma_assets_tests.automation.world import lots
from sigma_assets_tests.storage.builders import add_cash_flow, edit_lot
from sigma_assets_tests.templates import migrated_sqlite

FIRST, LAST = date(2024, 3, 1), date(2024, 3, 15)
LOADED = datetime(2024, 3, 15, 22, tzinfo=UTC)
ARRAYS = ("close", "split_factor", "dividend", "volume", "prior_close", "prior_session", "sessions", "symbols")


class Shared:
    """A database with a portfolio and some prices, its tables, and those of a run."""

    def __init__(self, home: Path) -> None:
        settings = read_settings({"DAGSTER_HOME": str(home), "SIGMA_PRICES": f"simulated:last={LAST}"})
        shutil.copy(migrated_sqlite(), home / "sigma.sqlite")
        self.tables = Tables(settings)
        self.days = self.tables.calendar.between(FIRST, LAST)
        self.portfolio_id = self.add("one")
        self.load(AAA=100.0, BBB=20.0, CCC=7.0)
        self.scope = Scope(self.days, (self.portfolio_id,))
        self.run = RunTables(self.tables)

    def add(self, name: str) -> str:
        """Add a portfolio of three lots, one of a symbol that no other has and that has no price."""
        held = lots({"AAA": 10.0, "BBB": -5.0, f"ONLY.{name.upper()}": 1.0}, FIRST)
        return add_portfolio(self.tables.database, NewPortfolio(name, "taxable", 10_000.0, FIRST), held)

    def load(self, *, without: tuple[int, ...] = (), **close: float) -> None:
        """Load prices that grow by 1 a session, but of some sessions."""
        rows = [
            (symbol, day.item(), None, None, None, first + number, 1000.0, 2.0 if number == 4 else 1.0, 0.0)
            for symbol, first in close.items()
            for number, day in enumerate(self.days)
            if number not in without
        ]
        frame = pd.DataFrame(
            rows, columns=["symbol", "session", "open", "high", "low", "close", "volume", "split_factor", "dividend"]
        )
        write_prices(Database(self.tables.settings.database), frame[list(BAR_COLUMNS)], "by hand", LOADED)


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    return Shared(tmp_path)


def _same(one: PriceHistory, other: PriceHistory) -> None:
    for name in ARRAYS:
        mine, yours = getattr(one, name), getattr(other, name)
        np.testing.assert_array_equal(mine, yours)
        assert mine.dtype == yours.dtype
        assert mine.flags.c_contiguous == yours.flags.c_contiguous  # sums over the axes add in the same order


def test_every_part_of_a_history_is_what_a_read_of_that_part_gives(shared: Shared, monkeypatch):
    """Gaps at the beginning, in the middle and at the end; a symbol without prices; windows from every start."""
    shared.load(DDD=50.0, without=(0, 1, 5, 6, 10))
    symbols = ["AAA", "CCC", "DDD", "NONE"]
    shared.run.prices(["AAA", "BBB", "CCC", "DDD", "NONE"], shared.days)
    monkeypatch.setattr("sigma_assets.assets.tables.price_history", None)  # no more reads
    parts = {
        (first, last): shared.run.prices(symbols, shared.days[first : last + 1])
        for first, last in product(range(len(shared.days)), repeat=2)
        if first <= last
    }
    monkeypatch.undo()

    assert len(parts) == 66
    for (first, last), part in parts.items():
        _same(part, shared.tables.prices(symbols, shared.days[first : last + 1]))


def test_more_symbols_or_sessions_than_were_read_are_read(shared: Shared):
    shared.run.prices(["AAA", "BBB"], shared.days[3:6])

    for symbols, days in ((["AAA", "CCC"], slice(3, 6)), (["AAA"], slice(2, 6)), (["AAA"], slice(3, 7))):
        _same(shared.run.prices(symbols, shared.days[days]), shared.tables.prices(symbols, shared.days[days]))


CHANGES: dict[str, Callable[[Shared], object]] = {
    "a correction of a price": lambda shared: shared.load(AAA=101.0),
    "a price of another symbol": lambda shared: shared.load(EEE=3.0),
    "a cash flow": lambda shared: add_cash_flow(_database(shared), shared.portfolio_id, LAST, 500.0),
    "a closed lot": lambda shared: edit_lot(_database(shared), _first_lot(shared), exit_date=LAST, exit_price=110.0),
    "a new portfolio": lambda shared: shared.add("two"),
    "a portfolio that is removed": lambda shared: remove_portfolio(_database(shared), shared.portfolio_id),
    "a lot that another program takes away": lambda shared: _execute(
        shared, f"DELETE FROM lots WHERE lot_id = '{_first_lot(shared)}'"
    ),
    "a name": lambda shared: _execute(shared, "UPDATE portfolios SET name = 'other'"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_somebody_else_writes_in_a_run_is_seen_by_its_next_step(shared: Shared, what: str):
    universe = Scope(shared.days)
    _read_all(shared.run, shared.scope, universe)

    CHANGES[what](shared)

    for mine, theirs in zip(
        _read_all(shared.run, shared.scope, universe), _read_all(shared.tables, shared.scope, universe), strict=True
    ):
        if isinstance(theirs, PriceHistory):
            _same(mine, theirs)
        elif isinstance(theirs, pd.DataFrame):
            pd.testing.assert_frame_equal(mine, theirs)
        else:
            assert mine == theirs


def test_what_does_not_change_is_read_once(shared: Shared, monkeypatch):
    _read_all(shared.run, shared.scope, Scope(shared.days))
    for name in ("price_history", "held_symbols", "universe"):
        monkeypatch.setattr(f"sigma_assets.assets.tables.{name}", None)
    for name in ("lots", "cash_flows"):
        monkeypatch.setattr(f"sigma_assets.storage.portfolios.{name}", None)

    _read_all(shared.run, shared.scope, Scope(shared.days))


def test_a_step_that_changes_what_it_was_given_changes_nothing_for_the_next(shared: Shared):
    first = shared.run.holdings(shared.scope)[1]
    first["quantity"] = 0.0
    shared.run.symbols(shared.scope).clear()

    assert (shared.run.holdings(shared.scope)[1]["quantity"] != 0).all()
    assert "AAA" in shared.run.symbols(shared.scope)
    with pytest.raises(ValueError, match="read-only"):
        shared.run.prices(["AAA"], shared.days).close[0, 0] = 1.0


@pytest.mark.parametrize("what", [what for what in CHANGES if what != "a name"])
def test_stored_rows_are_read_again_once_somebody_changes_what_they_are_made_of(shared: Shared, what: str):
    """Another run may have stored others meanwhile."""
    rows = shared.run.valued(shared.scope, ["position_values"])["position_values"]
    shared.run.replace("position_values", [rows], shared.scope)
    kept = shared.run.rows("position_values", shared.scope)
    _execute(shared, "UPDATE position_values SET price = price + 1")

    still = shared.run.rows("position_values", shared.scope)
    CHANGES[what](shared)

    pd.testing.assert_frame_equal(still, kept)
    pd.testing.assert_frame_equal(
        shared.run.rows("position_values", shared.scope), shared.tables.rows("position_values", shared.scope)
    )
    assert (shared.run.rows("position_values", shared.scope)["price"].to_numpy() != kept["price"].to_numpy()).any()


def test_a_moment_that_was_interrupted_leaves_nothing_to_the_next_attempt(shared: Shared):
    """What the first attempt has read is of another moment."""
    seen = []

    def work(stored: RunTables) -> None:
        seen.append(len(stored.lots_and_flows(shared.scope)[1]))
        if len(seen) == 1:
            add_cash_flow(_database(shared), shared.portfolio_id, LAST, 100.0)
            interrupted = sqlite3.OperationalError("database is locked")
            interrupted.sqlite_errorname = "SQLITE_BUSY"
            raise interrupted

    shared.run.at_one_moment(work)

    assert seen == [0, 1]


def test_each_run_has_tables_of_its_own(shared: Shared):
    resource = of_each_run(shared.tables)

    with dg.build_resources({"tables": resource}) as one, dg.build_resources({"tables": resource}) as another:
        assert one.tables is not another.tables
        assert one.tables.database is another.tables.database is shared.tables.database


def _database(shared: Shared) -> Database:
    """Return another connection than that of the run: what it writes, another process could have written."""
    return Database(shared.tables.settings.database)


def _execute(shared: Shared, statement: str) -> None:
    with _database(shared).begin() as connection:
        connection.exec_driver_sql(statement)


def _first_lot(shared: Shared) -> str:
    return shared.tables.holdings(shared.scope)[1]["lot_id"].iloc[0]


def _read_all(tables: Tables, scope: Scope, universe: Scope) -> list[object]:
    days = universe.sessions
    return [
        *tables.holdings(scope),
        tables.symbols(scope),
        tables.symbols(universe),
        tables.prices(tables.symbols(universe), days),
        tables.prices(["AAA", "CCC"], days[2:5]),
    ]
