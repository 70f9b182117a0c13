"""Prices as matrices, sessions x symbols."""

from collections.abc import Iterable
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from sigma_assets.base.calendar import TradingCalendar
from sigma_assets.base.errors import StorageError
from sigma_assets.base.frames import FloatArray, PriceHistory, SessionArray
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames import bulk
from sigma_assets.storage.schema import market_prices

_WHOLE_READ_SHARE = 0.8
"""SQLite reads whole sessions, as they lie in the file, when more than this share of their symbols is wanted."""


def price_history(
    db: Database, symbols: Iterable[str], first: date, last: date, calendar: TradingCalendar
) -> PriceHistory:
    """Return the prices of symbols over the sessions from `first` to `last`, as matrices.

    Symbols without any price are columns of NaN.

    Raises
    ------
    StorageError
        A price is stored for a day in the range on which the calendar has no session.
    """
    names = np.array(sorted(set(symbols)), dtype=object)
    sessions = calendar.between(first, last)

    def read(connection: sa.Connection) -> PriceHistory:
        shape = (len(sessions), len(names))
        close, volume = np.full(shape, np.nan), np.full(shape, np.nan)
        split_factor, dividend = np.ones(shape), np.zeros(shape)
        for columns, filled in (
            (("close", "volume"), (close, volume)),
            (("split_factor", "dividend"), (split_factor, dividend)),
        ):
            rows, positions, values = _cells(connection, names, sessions, first, last, columns)
            for matrix, column in zip(filled, columns, strict=True):
                matrix[rows, positions] = values[column]
        prior_close, prior_session = _prior(connection, names, sessions[0].item() if len(sessions) else first)
        return PriceHistory(sessions, names, close, split_factor, dividend, volume, prior_close, prior_session)

    return db.in_snapshot(read)


def _cells(
    connection: sa.Connection,
    names: npt.NDArray[np.object_],
    sessions: SessionArray,
    first: date,
    last: date,
    columns: tuple[str, str],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], dict[str, npt.NDArray]]:
    """Return row, column and values of every price in the range; of splits and dividends only where there are some."""
    conditions = ["session BETWEEN :first AND :last"]
    if "split_factor" in columns:
        conditions.append("(split_factor <> 1 OR dividend <> 0)")
    if "split_factor" in columns or not _reads_whole_sessions(connection, len(names)):
        conditions.append(bulk.among(connection, "symbol", "symbols"))
    query = f"SELECT session, symbol, {bulk.quoted(columns)} FROM market_prices WHERE {' AND '.join(conditions)}"
    parameters = {
        "first": first.isoformat(),
        "last": last.isoformat(),
        "symbols": bulk.as_list_parameter(connection, names),
    }
    wanted = ("session", "symbol", *columns)
    cells = bulk.fetch(connection, query, parameters, {name: market_prices.c[name].type for name in wanted})
    codes, found = pd.factorize(cells["symbol"])
    position = pd.Index(names, dtype=object).get_indexer(pd.Index(found, dtype=object))[codes]
    inside = position >= 0
    days = cells["session"][inside]
    rows = pd.Index(sessions).get_indexer(days)
    if (rows < 0).any():
        raise StorageError(
            f"market_prices: prices on {days[rows < 0][0].astype('datetime64[D]')}, which is no NYSE session;"
            " delete them, or correct the extra closures in the settings"
        )
    return rows, position[inside], {name: cells[name][inside] for name in columns}


def _reads_whole_sessions(connection: sa.Connection, symbols: int) -> bool:
    """Return whether SQLite should read all symbols in file order: seeking each one costs more per row."""
    if connection.dialect.name != "sqlite":
        return False
    recent = "SELECT count(*) FROM market_prices WHERE session = (SELECT max(session) FROM market_prices)"
    return symbols > _WHOLE_READ_SHARE * connection.exec_driver_sql(recent).scalar_one()


def _prior(connection: sa.Connection, names: npt.NDArray[np.object_], first: date) -> tuple[FloatArray, SessionArray]:
    """Return the last close before a day, and its session, per symbol."""
    query = (
        f"SELECT p.symbol, p.session, p.close FROM {bulk.unnested(connection, 'symbols')}"
        " JOIN market_prices p ON p.symbol = s.value AND p.session ="
        " (SELECT max(q.session) FROM market_prices q WHERE q.symbol = s.value AND q.session < :first)"
    )
    parameters = {"symbols": bulk.as_list_parameter(connection, names), "first": first.isoformat()}
    types = {name: market_prices.c[name].type for name in ("symbol", "session", "close")}
    found = bulk.fetch(connection, query, parameters, types)
    close = np.full(len(names), np.nan)
    session = np.full(len(names), np.datetime64("NaT"), dtype="datetime64[D]")
    positions = np.searchsorted(names, found["symbol"]) if len(found["symbol"]) else np.empty(0, dtype=np.intp)
    close[positions], session[positions] = found["close"], found["session"].astype("datetime64[D]")
    return close, session
