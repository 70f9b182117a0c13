"""Prices of the symbols that some lots need, one row per symbol: the shape in which lots are valued."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sigma_assets.analytics.returns import last_known_close, total_returns
from sigma_assets.conventions import SESSIONS_PER_YEAR
from sigma_assets.frames import FloatArray, PriceHistory, SessionArray

MIN_SHARE_OF_WINDOW = 0.8
"""Share of a volatility window's sessions that must have a return."""


_Number = TypeVar("_Number", np.float64, np.datetime64)


@dataclass(frozen=True)
class PriceRows:
    """Last known prices and corporate actions; the last row, `blank`, belongs to symbols that have no prices.

    Attributes
    ----------
    sessions : datetime64[D] array of shape (n_sessions,)
    close, price_session : arrays of shape (n_symbols + 1, n_sessions)
        Last close on or before each session and the session that it comes from; NaN and NaT before the first one.
    split_factor, dividend : float arrays of the same shape; 1 and 0 where nothing happened.
    volatility : float array of the same shape
        Realised volatility of the option window, per year, of underlyings of options; NaN where it cannot be known.
    row_of_symbol : row of each symbol that has prices.
    """

    sessions: SessionArray
    close: FloatArray
    price_session: SessionArray
    split_factor: FloatArray
    dividend: FloatArray
    volatility: FloatArray
    row_of_symbol: dict[str, int]

    @property
    def blank(self) -> int:
        """Row without prices or corporate actions."""
        return len(self.close) - 1

    def rows(self, symbols: Iterable[str]) -> npt.NDArray[np.intp]:
        """Return the row of each symbol, the blank one for symbols without prices."""
        return np.array([self.row_of_symbol.get(symbol, self.blank) for symbol in symbols], dtype=np.intp)


def price_rows(history: PriceHistory, symbols: Iterable[str], underlyings: Iterable[str], *, window: int) -> PriceRows:
    """Return the prices of `symbols` and `underlyings`; of those in `underlyings` also the volatility.

    Parameters
    ----------
    window : returns in the realised volatility of an underlying.
    """
    underlyings = set(underlyings)
    column_of_symbol = {symbol: column for column, symbol in enumerate(history.symbols)}
    present = sorted(({*symbols} | underlyings) & column_of_symbol.keys())
    part = _columns(history, [column_of_symbol[symbol] for symbol in present])
    close, price_session = last_known_close(part)
    volatility = np.full((len(part.sessions), len(present)), np.nan)
    modelled = [row for row, symbol in enumerate(present) if symbol in underlyings]
    if modelled:
        returns = total_returns(part)
        for row in modelled:
            volatility[:, row] = _realised_volatility(part, np.ascontiguousarray(returns[:, row]), row, window)
    return PriceRows(
        sessions=part.sessions,
        close=_with_blank(close, np.nan),
        price_session=_with_blank(price_session, np.datetime64("NaT", "D")),
        split_factor=_with_blank(part.split_factor, 1.0),
        dividend=_with_blank(part.dividend, 0.0),
        volatility=_with_blank(volatility, np.nan),
        row_of_symbol={symbol: row for row, symbol in enumerate(present)},
    )


def _columns(history: PriceHistory, columns: Sequence[int]) -> PriceHistory:
    return PriceHistory(
        sessions=np.asarray(history.sessions, dtype="datetime64[D]"),
        symbols=history.symbols[columns],
        close=history.close[:, columns],
        split_factor=history.split_factor[:, columns],
        dividend=history.dividend[:, columns],
        volume=history.volume[:, columns],
        prior_close=history.prior_close[columns],
        prior_session=history.prior_session[columns],
    )


def _with_blank(matrix: npt.NDArray[_Number], blank: object) -> npt.NDArray[_Number]:
    """Return sessions x symbols as symbols x sessions with one more row of `blank`."""
    rows = np.full((matrix.shape[1] + 1, matrix.shape[0]), blank, dtype=matrix.dtype)
    rows[:-1] = matrix.T
    return rows


def _realised_volatility(history: PriceHistory, returns: FloatArray, column: int, window: int) -> FloatArray:
    """Return the volatility of the last `window` returns of one symbol at each session, per year.

    NaN unless the whole window lies after the symbol's first close and most of its returns are there. The first close
    decides, not the first return: a range read from any start knows it (`prior_close`), so it decides the same.
    """
    volatility = np.full(len(returns), np.nan)
    if len(returns) < window:
        return volatility
    windows = np.lib.stride_tricks.sliding_window_view(returns, window)
    is_present = np.isfinite(windows)
    observations = is_present.sum(axis=1)
    is_known = observations >= MIN_SHARE_OF_WINDOW * window
    if not np.isfinite(history.prior_close[column]):
        closes = np.flatnonzero(np.isfinite(history.close[:, column]))
        first_close = closes[0] if len(closes) else len(returns)
        is_known &= np.arange(len(windows)) > first_close
    windows, is_present, observations = windows[is_known], is_present[is_known], observations[is_known]
    mean = np.where(is_present, windows, 0.0).sum(axis=1) / observations
    deviations = np.where(is_present, windows - mean[:, None], 0.0)
    variance = (deviations * deviations).sum(axis=1) / (observations - 1)
    volatility[window - 1 :][is_known] = np.sqrt(variance) * np.sqrt(SESSIONS_PER_YEAR)
    return volatility
