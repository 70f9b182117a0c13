"""Price matrices: sessions x symbols, the shape in which every calculation reads prices."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
SessionArray = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class PriceHistory:
    """As-traded prices of some symbols over consecutive sessions.

    Attributes
    ----------
    sessions : datetime64[D] array of shape (n_sessions,)
        Every trading session of the range, ascending, none left out.
    symbols : str (object) array of shape (n_symbols,)
        Sorted, unique.
    close : float array of shape (n_sessions, n_symbols)
        As-traded close in USD; NaN where there is none.
    split_factor, dividend : float arrays of shape (n_sessions, n_symbols)
        1 and 0 where nothing happened (or no price row exists); never NaN.
    volume : float array of shape (n_sessions, n_symbols)
        Shares; NaN where unknown.
    prior_close, prior_session : arrays of shape (n_symbols,)
        The last close before `sessions[0]` and its session; NaN and NaT where there is none. They let the first return
        of a range span a gap of any length, so that a range read from any start gives the same returns.
    """

    sessions: SessionArray
    symbols: npt.NDArray[np.object_]
    close: FloatArray
    split_factor: FloatArray
    dividend: FloatArray
    volume: FloatArray
    prior_close: FloatArray
    prior_session: SessionArray

    def column(self, symbol: str) -> int:
        """Return the column of a symbol.

        Raises
        ------
        KeyError
            The symbol is not in this history.
        """
        position = int(np.searchsorted(self.symbols, symbol))
        if position == len(self.symbols) or self.symbols[position] != symbol:
            raise KeyError(symbol)
        return position

    def rows(self, sessions: SessionArray) -> npt.NDArray[np.intp]:
        """Return the row of each of the given sessions.

        Raises
        ------
        KeyError
            A session is not in this history.
        """
        wanted = np.asarray(sessions, dtype="datetime64[D]")
        positions = np.searchsorted(self.sessions, wanted)
        found = positions < len(self.sessions)
        if not found.all() or (self.sessions[positions] != wanted).any():
            raise KeyError(f"sessions outside {self.sessions[0]} to {self.sessions[-1]}, or not sessions")
        return positions

    def take(self, columns: Sequence[int]) -> "PriceHistory":
        """Return the history of the symbols in some columns; ascending, so that they stay sorted."""
        return PriceHistory(
            sessions=self.sessions,
            symbols=self.symbols[columns],
            close=self.close[:, columns],
            split_factor=self.split_factor[:, columns],
            dividend=self.dividend[:, columns],
            volume=self.volume[:, columns],
            prior_close=self.prior_close[columns],
            prior_session=self.prior_session[columns],
        )
