"""Returns over the usual periods and realised volatility of symbols (SPEC 4.2)."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.analytics.returns import last_known_close, total_returns
from sigma_assets.analytics.volatility import realized_volatility
from sigma_assets.frames import FloatArray, PriceHistory, SessionArray

PERIODS = ("1d", "mtd", "ytd", "1m", "3m", "1y")
MONTHS = {"1m": 1, "3m": 3, "1y": 12}
SHORT_WINDOW, LONG_WINDOW = 21, 63


def symbol_metrics(history: PriceHistory, sessions: SessionArray) -> pd.DataFrame:
    """Return close, period returns, realised volatility and volume of each symbol with a close, per session.

    Parameters
    ----------
    history : prices from at least a year before the first of `sessions`, if they exist.

    Returns
    -------
    DataFrame with the columns of symbol_metrics but `prices_revision`, sorted by session and symbol
        A period's return compounds the total returns after its reference price, the last close on or before the
        reference day (the previous session; the end of the previous month, of the previous year; the same calendar day
        1, 3, 12 months earlier, or that month's last). NaN where there was no price by then, or too short a history.
    """
    rows = history.rows(sessions)
    growth = np.where(np.isfinite(returns := total_returns(history)), 1.0 + returns, 1.0)
    priced_since = _priced_since(history)
    columns: dict[str, FloatArray] = {"close": history.close[rows]}
    for period in PERIODS:
        columns[f"return_{period}"] = np.stack(
            [
                _growth_since(history, growth, priced_since, row, reference)
                for row, reference in zip(rows, _references(history.sessions[rows], period, history, rows), strict=True)
            ]
            or [np.empty(len(history.symbols))]
        )
    columns["volatility_21d"] = _volatility(history, returns, rows, SHORT_WINDOW)
    columns["volatility_63d"] = _volatility(history, returns, rows, LONG_WINDOW)
    columns["volume"] = history.volume[rows]
    day, symbol = np.nonzero(np.isfinite(columns["close"]))
    table = pd.DataFrame({name: values[day, symbol] for name, values in columns.items()})
    table.insert(0, "session", history.sessions[rows][day].astype("datetime64[s]"))
    table.insert(1, "symbol", pd.Series(history.symbols[symbol], dtype=object))
    return table


def _references(
    days: SessionArray, period: str, history: PriceHistory, rows: npt.NDArray[np.intp]
) -> Iterator[np.datetime64]:
    """Yield the reference day of each session for a period."""
    for day, row in zip(days, rows, strict=True):
        month = day.astype("datetime64[M]")
        if period == "1d":
            yield history.sessions[row - 1] if row else day - np.timedelta64(1, "D")
        elif period == "mtd":
            yield month.astype("datetime64[D]") - np.timedelta64(1, "D")
        elif period == "ytd":
            yield day.astype("datetime64[Y]").astype("datetime64[D]") - np.timedelta64(1, "D")
        else:
            earlier = month - np.timedelta64(MONTHS[period], "M")
            last = (earlier + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
            yield min(earlier.astype("datetime64[D]") + (day - month.astype("datetime64[D]")), last)


def _growth_since(
    history: PriceHistory, growth: FloatArray, priced_since: SessionArray, row: int, reference: np.datetime64
) -> FloatArray:
    """Return the total return of each symbol from the reference day to a row; NaN where it had no price by then."""
    start = int(np.searchsorted(history.sessions, reference, side="right"))
    total = np.multiply.reduce(growth[start : row + 1], axis=0) - 1.0
    return np.where(priced_since <= reference, total, np.nan)


def _priced_since(history: PriceHistory) -> SessionArray:
    """Return the first session with a close that this history knows of; the far future where there is none."""
    priced = np.isfinite(history.close)
    first = np.where(priced.any(axis=0), history.sessions[priced.argmax(axis=0)], np.datetime64("9999-12-31"))
    return np.where(np.isnat(history.prior_session), first, history.prior_session)


def _volatility(history: PriceHistory, returns: FloatArray, rows: npt.NDArray[np.intp], window: int) -> FloatArray:
    known = np.isfinite(last_known_close(history, before=True)[0])
    padding = ((0, 0), (window - 1, 0))
    series = np.pad(returns.T, padding, constant_values=np.nan)
    listed = np.pad(known.T, padding, constant_values=False)
    span = slice(int(rows.min(initial=len(returns))), int(rows.max(initial=-1)) + window)
    measured = realized_volatility(series[:, span], listed[:, span], window)
    return measured.T[rows - rows.min(initial=len(returns))]
