"""A row computed again by the asset's own calculation, and what that calculation read."""

from collections.abc import Sequence

import pandas as pd

from sigma_assets.assets import calculations
from sigma_assets.assets.coverages import coverage_rows
from sigma_assets.assets.run_tables import RunTables
from sigma_assets.assets.tables import Tables
from sigma_assets.base.frames import PriceHistory, SessionArray
from sigma_assets.reports.explain.formulas import TABLES
from sigma_assets.runs.partitions import Scope
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.schema import FAMILIES
from sigma_assets.storage.schema import TABLES as SCHEMA

COVERED = {"price_coverage": "market_prices", "factor_coverage": "symbol_factors", "metric_coverage": "symbol_metrics"}
"""Asset -> the one whose rows it counts; runs over a portfolio write its symbols' rows through it."""


class RecordingTables(RunTables):
    """The tables as an asset sees them; remembers what was read, so that inputs are what they are and not a second list.

    Attributes
    ----------
    price_sessions : the sessions over which prices were read, widest first and last.
    tables_read : names of the tables of which rows were read.
    is_recording : whether reads are still remembered.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        opened = Tables(settings)
        opened.__dict__["database"] = database  # opened and checked by the caller
        super().__init__(opened)
        self.record()

    def record(self) -> None:
        """Remember reads from here on, and none before."""
        self.price_sessions: SessionArray | None = None
        self.tables_read: set[str] = set()
        self.is_recording = True

    def prices(self, symbols: Sequence[str], sessions: SessionArray) -> PriceHistory:
        """Return the price history of some symbols."""
        if self.is_recording and (self.price_sessions is None or len(sessions) > len(self.price_sessions)):
            self.price_sessions = sessions
        return super().prices(symbols, sessions)

    def lots_and_flows(self, scope: Scope) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return lots and flows."""
        self._note("lots")
        return super().lots_and_flows(scope)

    def rows(
        self, table: str, scope: Scope, symbols: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return the rows of a table in scope."""
        self._note(table)
        return super().rows(table, scope, symbols, columns)

    def _note(self, table: str) -> None:
        if self.is_recording:
            self.tables_read.add(table)


def recomputed(tables: RecordingTables, table: str, scope: Scope, symbol: str | None) -> pd.DataFrame:
    """Return the rows of a table in scope as its asset would store them now.

    Parameters
    ----------
    symbol : of tables of symbols, which one.
    """
    asset = TABLES[table]
    if asset in ("portfolio_snapshots", "position_values"):
        return tables.valued(scope, [table])[table]
    if asset in COVERED:
        return coverage_rows(tables, COVERED[asset], scope)
    calculation = getattr(calculations, asset)  # each is named after its asset
    if "portfolio_id" not in SCHEMA[table].c:
        rows = calculation(tables, Scope(scope.sessions), [symbol or ""])
        return rows[rows["symbol"] == symbol].reset_index(drop=True)
    return calculation(tables, scope)[[each.name for each in FAMILIES[asset]].index(table)]
