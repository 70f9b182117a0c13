"""Store a price source's response: write rows, remember gaps, log each correction."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import sqlalchemy as sa

from sigma_assets.base.calendar import TradingCalendar, as_dates
from sigma_assets.base.errors import LISTED
from sigma_assets.prices.gaps import remember_renamed, remember_unserved, renamed_symbols
from sigma_assets.prices.late_actions import late_actions
from sigma_assets.prices.tables import write_prices
from sigma_assets.providers.actions import look_back_start
from sigma_assets.providers.base import BAR_COLUMNS, Bars, PriceProvider
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames.rows import Rows, read_rows
from sigma_assets.storage.schema import market_prices

logger = logging.getLogger(__name__)

CARRIED_DAYS = timedelta(days=7)
"""A price that could carry a split or a dividend follows within a week, or the symbol is as good as delisted."""
NOTHING_HAPPENED = {"split_factor": 1.0, "dividend": 0.0}
_WORDS = {"split_factor": "split", "dividend": "dividend"}


@dataclass(frozen=True)
class Loaded:
    """What a load of prices cost and brought; `corrected` rows were there before."""

    symbols: int
    rows: int
    unserved: int
    corrected: int
    requests: int
    retries: int
    waited_seconds: float
    seconds: float

    def metadata(self) -> Mapping[str, float]:
        """Return the figures as asset metadata."""
        return {f"load/{name}": value for name, value in vars(self).items()}


@dataclass(frozen=True)
class Correction:
    """One value of a stored row that its source gives differently now; NaN where there is none."""

    symbol: str
    session: date
    column: str
    before: float
    now: float

    def __str__(self) -> str:
        word, nothing = _WORDS.get(self.column, self.column), NOTHING_HAPPENED.get(self.column)
        if self.before == nothing:
            return f"{self.symbol}: {word} {self.now:g} on {self.session} became known late"
        if self.now == nothing:
            return f"{self.symbol}: {word} {self.before:g} on {self.session} was withdrawn"
        return f"{self.symbol}: {word} on {self.session} was corrected from {self.before:.10g} to {self.now:.10g}"


@dataclass(frozen=True)
class Reloaded:
    """What a reload of stored rows found.

    Attributes
    ----------
    rows : stored rows that were asked for.
    served : how many of them the sources still have; the others stay as they are.
    corrections : what was different, and is corrected.
    """

    rows: int
    served: int
    corrections: tuple[Correction, ...]

    @property
    def corrected_rows(self) -> int:
        """The number of rows that were rewritten."""
        return len({(each.symbol, each.session) for each in self.corrections})


def store_bars(database: Database, bars: Bars) -> int:
    """Store one batch of a response; return how many stored rows it corrected."""
    now = datetime.now(UTC)
    if len(bars.rows):
        write_prices(database, bars.rows, bars.source, now)
    corrected = _apply_statements(database, bars)
    if bars.unserved:
        remember_unserved(database, bars.unserved, bars.source, now)
    if bars.renamed:
        remember_renamed(database, bars.renamed, bars.source, now)
    return corrected


def recheck_recent(
    database: Database, calendar: TradingCalendar, provider: PriceProvider, symbols: Sequence[str], last: date
) -> int:
    """Compare the stored rows of the last weeks with their source, store those that differ, and return how many did.

    For sources that answer at once and at no cost: the writer of the files may have corrected a row.
    """
    stored = stored_bars(database, symbols, look_back_start(calendar, last), last)
    found = reload(database, calendar, provider, stored[stored["source"] == provider.name])
    log_corrections(found.corrections)
    return found.corrected_rows


def reload(
    database: Database,
    calendar: TradingCalendar,
    provider: PriceProvider,
    stored: pd.DataFrame,
    on_rows: Callable[[int], None] = lambda count: None,
) -> Reloaded:
    """Ask a source for rows that are stored already, and store those that differ, under a new revision.

    Sessions between them, and some before, are asked for, too: a split or a dividend on a session without a price stands
    in the row of the next one. What is not stored yet is left to the next run.

    Parameters
    ----------
    stored : rows of `stored_bars`.
    on_rows : called with the number of rows that the source has answered for, batch by batch.

    Raises
    ------
    ProviderError
        The source failed after retries. Batches that came before are stored.
    """
    wanted = {
        symbol: as_dates(calendar.between(days.min().date() - CARRIED_DAYS, days.max().date()))
        for symbol, days in stored.groupby("symbol", sort=False)["session"]
    }
    served, corrections = 0, []
    for bars in provider.daily_bars(wanted) if wanted else ():
        served += len(bars.rows.merge(stored, on=["symbol", "session"]))
        corrections += correct(database, stored, bars.rows, bars.source)
        on_rows(len(bars.rows) + sum(len(entry.sessions) for entry in bars.unserved))
    return Reloaded(len(stored), served, tuple(corrections))


def stored_bars(database: Database, symbols: Sequence[str] | None, first: date, last: date) -> pd.DataFrame:
    """Return the stored rows of some symbols (None = of all) with their source, sorted by session and symbol."""
    names = None if symbols is None else tuple(symbols)
    rows = read_rows(database, market_prices, Rows(first, last, None, names), (*BAR_COLUMNS, "source"))
    return rows.astype({"symbol": "str"})


def stored_symbols(database: Database, symbols: Sequence[str], first: date, last: date) -> set[str]:
    """Return which of some symbols have a stored row within some days."""
    column = market_prices.c.symbol
    query = sa.select(column).distinct().where(column.in_(symbols), market_prices.c.session.between(first, last))
    return set(database.in_snapshot(lambda connection: connection.execute(query).scalars().all()))


def correct(database: Database, stored: pd.DataFrame, rows: pd.DataFrame, source: str) -> list[Correction]:
    """Store the rows that differ from the stored ones; return every value that does, by session and symbol."""
    both = rows.merge(stored, on=["symbol", "session"], suffixes=("", "_stored"))
    corrections: list[Correction] = []
    is_changed = np.zeros(len(both), dtype=bool)
    for column in BAR_COLUMNS[2:]:
        before, now = both[f"{column}_stored"].to_numpy(dtype=float), both[column].to_numpy(dtype=float)
        differs = (before != now) & ~(np.isnan(before) & np.isnan(now))
        is_changed |= differs
        corrections += [
            Correction(row.symbol, row.session.date(), column, float(before[at]), float(now[at]))
            for at, row in zip(np.flatnonzero(differs), both[differs].itertuples(), strict=True)
        ]
    if is_changed.any():
        changed = both.loc[is_changed, list(BAR_COLUMNS)].sort_values(["session", "symbol"])
        write_prices(database, changed, source, datetime.now(UTC))
    return sorted(corrections, key=lambda each: (each.session, each.symbol))


def log_corrections(corrections: Sequence[Correction]) -> None:
    """Write a line for each correction, as many as a reader can read."""
    for correction in corrections[:LISTED]:
        logger.warning("%s", correction)
    if len(corrections) > LISTED:
        logger.warning("%d more corrections", len(corrections) - LISTED)


def _apply_statements(database: Database, bars: Bars) -> int:
    if not bars.statements:
        return 0
    symbols = [statement.symbol for statement in bars.statements]
    first = min(statement.after for statement in bars.statements)
    stored = stored_bars(database, symbols, first, max(statement.last for statement in bars.statements))
    rows = late_actions(stored, bars.statements, bars.source, renamed_symbols(database))
    log_corrections(correct(database, stored, rows, bars.source))
    return len(rows)
