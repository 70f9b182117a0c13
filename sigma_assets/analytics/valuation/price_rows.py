"""Prices of the symbols that some lots need, one row per symbol: the shape in which lots are valued."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sigma_assets.analytics.series.returns import last_known_close, total_returns
from sigma_assets.analytics.series.windows import first_return_rows, trailing_volatility
from sigma_assets.base.frames import FloatArray, PriceHistory, SessionArray

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
    part = history.take([column_of_symbol[symbol] for symbol in present])
    close, price_session = last_known_close(part)
    volatility = np.full((len(part.sessions), len(present)), np.nan)
    modelled = [row for row, symbol in enumerate(present) if symbol in underlyings]
    if modelled:
        of_underlyings = part.take(modelled)
        every_row = np.arange(len(part.sessions))
        returns, first_rows = total_returns(of_underlyings), first_return_rows(of_underlyings)
        volatility[:, modelled] = trailing_volatility(returns, every_row, window, first_rows)
    return PriceRows(
        sessions=part.sessions,
        close=_with_blank(close, np.nan),
        price_session=_with_blank(price_session, np.datetime64("NaT", "D")),
        split_factor=_with_blank(part.split_factor, 1.0),
        dividend=_with_blank(part.dividend, 0.0),
        volatility=_with_blank(volatility, np.nan),
        row_of_symbol={symbol: row for row, symbol in enumerate(present)},
    )


def _with_blank(matrix: npt.NDArray[_Number], blank: object) -> npt.NDArray[_Number]:
    """Return sessions x symbols as symbols x sessions with one more row of `blank`."""
    rows = np.full((matrix.shape[1] + 1, matrix.shape[0]), blank, dtype=matrix.dtype)
    rows[:-1] = matrix.T
    return rows
