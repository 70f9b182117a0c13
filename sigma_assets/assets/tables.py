"""The database as assets see it: tables, restricted to the scope of a run."""

import logging
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from functools import cached_property

import dagster as dg
import numpy as np
import pandas as pd

from sigma_assets.analytics.valuation.ledger import Ledger, ledgers
from sigma_assets.analytics.valuation.lots import with_carried_actions
from sigma_assets.analytics.valuation.values import Watched, valuation
from sigma_assets.base.conventions import (
    LOOKBACK_MARGIN,
    METHOD_VERSIONS,
    YEAR_LOOKBACK,
    RiskModel,
    VolatilityModel,
)
from sigma_assets.base.frames import PriceHistory, SessionArray
from sigma_assets.prices.changes import changed_prices, first_sessions, portfolios_behind_prices
from sigma_assets.prices.gaps import carried_actions
from sigma_assets.prices.history import price_history
from sigma_assets.prices.tables import latest_revision
from sigma_assets.prices.universe import everyones_symbols, held_symbols, universe
from sigma_assets.runs.partitions import Scope
from sigma_assets.settings import Settings
from sigma_assets.storage import portfolios as portfolio_tables
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames.rows import Rows, read_rows, replace_rows
from sigma_assets.storage.methods import refuse_newer_methods
from sigma_assets.storage.migrations import check
from sigma_assets.storage.roster import Roster, read_roster
from sigma_assets.storage.schema import FAMILIES, TABLES

logger = logging.getLogger(__name__)


class Tables:
    """The database through the eyes of an asset: everything in scope, nothing else."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.calendar = settings.calendar

    @cached_property
    def database(self) -> Database:
        """The database, opened at first use; refuses a schema that is older or newer than this code."""
        database = Database(self.settings.database)
        check(database)
        return database

    def opened(self) -> Database:
        """Return the database, opened if it was not."""
        return self.database

    def scope(self, context: dg.AssetExecutionContext) -> Scope:
        """Return the scope of the partitions that a step materialises.

        Raises
        ------
        Failure
            There is none of them, or a session is not over by the cutoff: what would be computed is not what it says.
        """
        scope = Scope.of_keys(context.partition_keys, self.roster().id_of)
        if not len(scope.sessions):
            raise dg.Failure("the range of this run has no partition: nothing can be computed", allow_retries=False)
        if scope.last > (current := self.settings.current_session()):
            raise dg.Failure(
                f"the session {scope.last} is not over: prices are expected from {self.settings.cutoff:%H:%M} New York on"
                f" (SIGMA_CUTOFF). Run it then, or up to {current} now",
                allow_retries=False,
            )
        return scope

    def roster(self) -> Roster:
        """Return which portfolio is which partition, as it is now."""
        return read_roster(self.database)

    def holdings(self, scope: Scope) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Return the portfolios of the scope, their lots and their cash flows."""
        portfolios = portfolio_tables.portfolios(self.database, list(scope.portfolio_ids), include_removed=True)
        return portfolios, *self.lots_and_flows(scope)

    def lots_and_flows(self, scope: Scope) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the lots, with the days on which they take effect, and the cash flows of the scope's portfolios."""
        ids = list(scope.portfolio_ids)
        lots, flows = portfolio_tables.lots(self.database, ids), portfolio_tables.cash_flows(self.database, ids)
        carried = carried_actions(self.database, {*lots["symbol"], *lots["underlying_symbol"].dropna()})
        return with_carried_actions(lots, carried, self.calendar.sessions), flows

    @property
    def factor_etfs(self) -> list[str]:
        """The ETFs that are always in scope: SPEC's seventeen, those of the factor model, and the benchmark."""
        return everyones_symbols(self.settings)

    @property
    def lookback(self) -> int:
        """Sessions of prices before a session that some number of it may read; values read all since entry, besides."""
        models = (VolatilityModel(), self.settings.factor_model)
        windows = [model.longest_window for model in models] + [self.settings.correlation_model.window]
        return max(*windows, YEAR_LOOKBACK) + 1 + LOOKBACK_MARGIN

    def symbols(self, scope: Scope) -> list[str]:
        """Return the symbols of the scope: held by its portfolios (the whole universe if it names none) + factor ETFs."""
        if scope.portfolio_ids:
            held = held_symbols(self.database, list(scope.portfolio_ids))["symbol"]
        else:
            held = universe(self.database)
        return sorted({*held, *self.factor_etfs})

    def window(self, scope: Scope, lookback: int) -> SessionArray:
        """Return the sessions of the scope and a number of sessions before it, as far as the calendar reaches."""
        position = int(np.searchsorted(self.calendar.sessions, scope.sessions[0]))
        first = self.calendar.sessions[max(position - lookback, 0)]
        return self.calendar.between(first.item(), scope.last)

    def prices(self, symbols: Sequence[str], sessions: SessionArray) -> PriceHistory:
        """Return the price history of some symbols over consecutive sessions."""
        return price_history(self.database, list(symbols), sessions[0].item(), sessions[-1].item(), self.calendar)

    def valued(self, scope: Scope, names: Collection[str], watched: Watched = iter) -> dict[str, pd.DataFrame]:
        """Return the rows of `portfolio_snapshots`, of `position_values`, or of both, as they would be computed now."""
        inputs = self.valuation_inputs(scope)
        return valuation(*inputs, options=self.settings.option_model, tables=names, watched=watched)

    def valuation(self, table: str, scope: Scope, asked: Collection[str], watched: Watched) -> pd.DataFrame:
        """Return what the portfolios of the scope are worth: the rows of `table`, one of those that are asked for."""
        return self.valued(scope, [table], watched)[table]

    def valuation_inputs(
        self, scope: Scope
    ) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, PriceHistory, SessionArray]:
        """Return what ledgers are made of: portfolios, lots, flows, prices and the sessions wanted.

        Prices are those since the first entry, and those that risk and its backtest look back on: one reading for all
        that is made of ledgers.
        """
        portfolios, lots, flows = self.holdings(scope)
        model, begin = RiskModel(), min([scope.first, *portfolios["inception"].dt.date])
        entered = self._since(min([begin, *lots["entry_date"].dt.date]), scope)
        judged = self._since(max(begin, self.window(scope, model.backtest_window)[0].item()), scope)
        windows = (
            self.window(entered, self.settings.option_model.volatility_window + 1),
            self.window(judged, model.longest_window + LOOKBACK_MARGIN),
        )
        history = self.prices(self.symbols(scope), max(windows, key=len))
        return portfolios, lots, flows, history, scope.sessions

    def ledgers(self, scope: Scope) -> tuple[Iterator[Ledger], PriceHistory]:
        """Return the ledgers of the scope's portfolios, one after the other, and the prices that they are made of."""
        inputs = self.valuation_inputs(scope)
        return ledgers(*inputs, options=self.settings.option_model), inputs[3]

    def _since(self, day: date, scope: Scope) -> Scope:
        return Scope(self.calendar.between(self.calendar.on_or_before(day), scope.last), scope.portfolio_ids)

    def factors(self, scope: Scope, measures: Sequence[str]) -> pd.DataFrame:
        """Return some measures of the factor betas of the scope's symbols."""
        columns = ("session", "symbol", *measures)
        return self.rows("symbol_factors", Scope(scope.sessions), self.symbols(scope), columns)

    def changed_prices(self, symbols: Sequence[str], sessions: SessionArray, since: int) -> pd.DataFrame:
        """Return `symbol, session, revision` of the prices that were written by a load after `since`."""
        first, last = sessions[0].item(), sessions[-1].item()
        return changed_prices(self.database, since, list(symbols), first, last)

    def portfolios_behind_prices(self, portfolio_ids: Sequence[str] | None = None, since: int = 0) -> list[str]:
        """Return the portfolios that may have been computed from prices older than those of loads after `since`."""
        return portfolios_behind_prices(
            self.database, self.factor_etfs, self.settings.history_start, portfolio_ids, since
        )

    def risk_symbols(self, scope: Scope) -> set[str]:
        """Return the symbols whose prices the scope's portfolios live on: held, or underlying an option held."""
        return set(held_symbols(self.database, list(scope.portfolio_ids))["symbol"])

    def first_sessions(self, symbols: Sequence[str], last: date, *, prices_needed: int) -> pd.Series:
        """Return the session on which each symbol can have had a number of prices at the earliest.

        Read from prices alone, not from rows computed so far: in whatever order sessions are computed, they agree.
        Symbols without prices up to `last` are absent.
        """
        first = first_sessions(self.database, TABLES["market_prices"], list(symbols), last)
        calendar = self.calendar.sessions
        position = np.searchsorted(calendar, first.to_numpy(dtype="datetime64[D]")) + prices_needed - 1
        return pd.Series(calendar[np.minimum(position, len(calendar) - 1)], index=first.index)

    def rows(
        self, table: str, scope: Scope, symbols: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return the rows of a table in scope, all columns or some."""
        return read_rows(self.database, TABLES[table], rows_of(scope, symbols), columns)

    def replace(
        self, asset: str, frames: Sequence[pd.DataFrame], scope: Scope, symbols: Sequence[str] | None = None
    ) -> dict[str, int]:
        """Replace the rows of an asset's tables in scope, in one transaction; return the row count of each table."""
        refuse_newer_methods(self.database, asset, METHOD_VERSIONS[asset])
        by_table = dict(zip(FAMILIES[asset], frames, strict=True))
        counts = replace_rows(self.database, by_table, rows_of(scope, symbols))
        logger.info("wrote %s", ", ".join(f"{count} rows of {table}" for table, count in counts.items()))
        return counts

    def prices_revision(self) -> int:
        """Return the newest price load: read it before the prices that it vouches for."""
        return latest_revision(self.database)

    def holdings_revisions(self, scope: Scope) -> pd.DataFrame:
        """Return, per portfolio and session, how many changes of lots and flows are in effect."""
        return portfolio_tables.holdings_revisions(self.database, list(scope.portfolio_ids), scope.sessions)


def rows_of(scope: Scope, symbols: Sequence[str] | None) -> Rows:
    """Return the rows of a scope: of its portfolios, or of some symbols."""
    if symbols is not None:
        return Rows(scope.first, scope.last, None, tuple(symbols))
    return Rows(scope.first, scope.last, tuple(scope.portfolio_ids) or None, None)
