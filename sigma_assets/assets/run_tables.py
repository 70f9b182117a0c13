"""The tables as the steps of one run see them: what many of them want to see is read once, as long as it stays true."""

from collections.abc import Callable, Collection, Hashable, Sequence
from functools import cached_property
from typing import Any, TypeVar

import pandas as pd

from sigma_assets.analytics.valuation.values import Watched
from sigma_assets.assets.tables import Tables, rows_of
from sigma_assets.base.frames import PriceHistory, SessionArray
from sigma_assets.prices.changes import inputs_written
from sigma_assets.runs.partitions import Scope
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames.rows import Rows, as_read, is_stored
from sigma_assets.storage.roster import Roster
from sigma_assets.storage.schema import FAMILIES, TABLES

READ_BY_MOST = "position_values"
"""The table that most assets of a portfolio and their checks read: kept as long as the run, or the round of checks."""

Found = TypeVar("Found")


class RunTables(Tables):
    """The tables during one run in one process, or during one round of checks; dropped with it, and so is all it keeps.

    Kept are lots, cash flows and symbols of the scope, the largest price history that was read, of which smaller ones are
    parts, rows that the run has stored until they are checked, and its position values. They are dropped as soon as anybody
    has written prices, lots or flows: until then whoever computes these rows again stores the same ones. Rows of which the
    database has another number, or other sums, are read. The rows of a valuation are kept until they are wanted; what is
    read of other tables only within `at_one_moment`, where nobody can change it; the roster as long as the run.
    """

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables.settings)
        self._tables = tables
        self._written: tuple[int, ...] = ()
        self._kept: dict[Hashable, Any] = {}
        self._history: PriceHistory | None = None
        self._valued: dict[str, pd.DataFrame] = {}
        self._stored: dict[tuple[str, Rows], pd.DataFrame] = {}
        self._rows: dict[tuple[str, Rows], pd.DataFrame] = {}
        self._moment: dict[Hashable, pd.DataFrame] | None = None

    @classmethod
    def over(cls, tables: Tables) -> "RunTables":
        """Return these tables themselves if they keep what they read, else ones that do."""
        return tables if isinstance(tables, cls) else cls(tables)

    @cached_property
    def database(self) -> Database:
        """The database of the tables that these are made of."""
        return self._tables.database

    def roster(self) -> Roster:
        """Return which portfolio is which partition; a run's own are in it before the run begins, and stay the same."""
        return self._roster

    @cached_property
    def _roster(self) -> Roster:
        return super().roster()

    def at_one_moment(self, work: Callable[["RunTables"], Found]) -> Found:
        """Do work that sees the database as it is at one moment, and reads each table once; again when interrupted."""

        def frozen() -> Found:
            self._moment = None  # of an attempt that was interrupted: what it read is not of this moment
            self._forget_what_changed()
            self._moment = {}
            return work(self)

        try:
            return self.database.at_one_moment(frozen)
        finally:
            self._moment, self._stored = None, {}
            self._rows = {key: rows for key, rows in self._rows.items() if key[0] == READ_BY_MOST}

    def lots_and_flows(self, scope: Scope) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the lots and the cash flows of the scope's portfolios."""
        read = super().lots_and_flows
        lots, flows = self._once(("holdings", scope.portfolio_ids), lambda: read(scope))
        return lots.copy(deep=False), flows.copy(deep=False)

    def symbols(self, scope: Scope) -> list[str]:
        """Return the symbols of the scope."""
        read = super().symbols
        return list(self._once(("symbols", scope.portfolio_ids), lambda: read(scope)))

    def prices(self, symbols: Sequence[str], sessions: SessionArray) -> PriceHistory:
        """Return the price history of some symbols over consecutive sessions: read, or a part of one that was."""
        self._forget_what_changed()
        kept = self._history
        if kept is None or not kept.covers(symbols, sessions):
            history = super().prices(symbols, sessions)
            for matrix in (history.close, history.split_factor, history.dividend, history.volume):
                matrix.flags.writeable = False  # whoever wrote into it would change what others read
            if kept is None or history.close.size >= kept.close.size:
                self._history = history
            return history
        return kept.part(symbols, sessions)

    def valuation(self, table: str, scope: Scope, asked: Collection[str], watched: Watched) -> pd.DataFrame:
        """Return what the portfolios of the scope are worth: the rows of one of the tables that the run asks for.

        The first of them to be wanted reads the inputs and computes all, from one pass over the ledgers; the others are
        kept until they are wanted. Wanted again, when a step is retried, a table is computed again.
        """
        if table not in self._valued:
            self._valued = self.valued(scope, asked, watched)
        return self._valued.pop(table)

    def rows(
        self, table: str, scope: Scope, symbols: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return the rows of a table in scope, all columns or some."""
        self._forget_what_changed()
        key, chosen = (table, rows_of(scope, symbols)), None if columns is None else tuple(columns)
        if key in self._stored:
            kept = as_read(TABLES[table], self._stored.pop(key))
            if is_stored(self.database, TABLES[table], key[1], kept):
                self._rows[key] = kept
        if table == READ_BY_MOST and key not in self._rows:
            self._rows[key] = super().rows(table, scope, symbols)
        if key in self._rows:
            whole = self._rows[key]
            return whole.copy(deep=False) if chosen is None else whole[list(chosen)]
        if self._moment is None:
            return super().rows(table, scope, symbols, columns)
        if chosen is not None and (key, None) in self._moment:
            return self._moment[key, None][list(chosen)]
        if (key, chosen) not in self._moment:
            self._moment[key, chosen] = super().rows(table, scope, symbols, columns)
        return self._moment[key, chosen].copy(deep=False)

    def replace(
        self, asset: str, frames: Sequence[pd.DataFrame], scope: Scope, symbols: Sequence[str] | None = None
    ) -> dict[str, int]:
        """Replace the rows of an asset's tables in scope, and keep them for its checks."""
        counts = super().replace(asset, frames, scope, symbols)
        if asset == READ_BY_MOST:
            self._rows = {}
        rows = rows_of(scope, symbols)
        self._stored = {(table.name, rows): frame for table, frame in zip(FAMILIES[asset], frames, strict=True)}
        return counts

    def _once(self, key: Hashable, read: Callable[[], Found]) -> Found:
        self._forget_what_changed()
        if key not in self._kept:
            self._kept[key] = read()
        found: Found = self._kept[key]
        return found

    def _forget_what_changed(self) -> None:
        """Drop what was read from inputs that have changed since; asked before each reading, so what is kept is no older."""
        if self._moment is not None:
            return
        written = inputs_written(self.database)
        if written != self._written:
            self._kept, self._history, self._written = {}, None, written
            self._stored, self._rows = {}, {}
