"""Price matrices: sessions x symbols, the shape in which every calculation reads prices."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sigma_assets.base.conventions import BOND_MULTIPLIER, CASH_PREFIX, CASH_SUBTYPES, OPTION_MULTIPLIER

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
SessionArray = npt.NDArray[np.datetime64]

_Value = TypeVar("_Value", np.float64, np.datetime64)


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

    def covers(self, symbols: Iterable[str], sessions: SessionArray) -> bool:
        """Return whether these symbols are all in this history, and these sessions, at least one, too."""
        is_within = self.sessions[0] <= sessions[0] and sessions[-1] <= self.sessions[-1]
        return bool(is_within) and {*symbols} <= {*self.symbols}

    def part(self, symbols: Iterable[str], sessions: SessionArray) -> "PriceHistory":
        """Return the history of some of its symbols over consecutive sessions of it, as if nothing else had been read."""
        wanted = np.array(sorted({*symbols}), dtype=object)
        columns = np.searchsorted(self.symbols, wanted)
        first, last = self.rows(sessions[[0, -1]])
        end = last + 1
        before = self.prior_close, self.prior_session
        if first:
            close, session = self.last_known
            before = close[first - 1], session[first - 1]

        def chosen(matrix: FloatArray) -> FloatArray:
            return np.ascontiguousarray(matrix[first:end, columns])

        return PriceHistory(
            sessions=self.sessions[first:end],
            symbols=wanted,
            close=chosen(self.close),
            split_factor=chosen(self.split_factor),
            dividend=chosen(self.dividend),
            volume=chosen(self.volume),
            prior_close=before[0][columns],
            prior_session=before[1][columns],
        )

    def of(self, symbols: Iterable[str]) -> "PriceHistory":
        """Return the history of exactly these symbols; without any price or corporate action where this one has none.

        Its matrices lie symbol by symbol in memory, as the valuation of lots reads them.
        """
        wanted = np.array(sorted({*symbols}), dtype=object)
        column = {symbol: number for number, symbol in enumerate(self.symbols)}
        is_here = np.array([symbol in column for symbol in wanted], dtype=bool)
        here = [column[symbol] for symbol in wanted[is_here]]

        def chosen(array: npt.NDArray[_Value], blank: object) -> npt.NDArray[_Value]:
            by_symbol = np.full((len(wanted), *array.shape[:-1]), blank, dtype=array.dtype)
            by_symbol[is_here] = array.T[here]
            return by_symbol.T

        return PriceHistory(
            sessions=self.sessions,
            symbols=wanted,
            close=chosen(self.close, np.nan),
            split_factor=chosen(self.split_factor, 1.0),
            dividend=chosen(self.dividend, 0.0),
            volume=chosen(self.volume, np.nan),
            prior_close=chosen(self.prior_close, np.nan),
            prior_session=chosen(self.prior_session, np.datetime64("NaT", "D")),
        )

    @cached_property
    def last_known(self) -> tuple[FloatArray, SessionArray]:
        """The last close on or before each session, and its session: `last_known_close`, once per history."""
        return last_known_close(self)


def last_known_close(history: PriceHistory, *, before: bool = False) -> tuple[FloatArray, SessionArray]:
    """Return the last close on or before each session, and the session that it comes from.

    Parameters
    ----------
    before : look strictly before each session instead of on or before it.

    Returns
    -------
    close : float array of shape (n_sessions, n_symbols); NaN before the first close.
    price_session : datetime64[D] array of the same shape; NaT before the first close.
    """
    n_sessions, n_symbols = history.close.shape
    close = np.vstack([history.prior_close[None, :], history.close])
    session = np.vstack(
        [history.prior_session[None, :], np.broadcast_to(history.sessions[:, None], (n_sessions, n_symbols))]
    )
    source_row = np.where(np.isfinite(close), np.arange(n_sessions + 1)[:, None], 0)
    source_row = np.maximum.accumulate(source_row, axis=0)
    source_row = source_row[:-1] if before else source_row[1:]
    columns = np.arange(n_symbols)[None, :]
    return close[source_row, columns], session[source_row, columns]


def usual_multipliers(investment_class: npt.NDArray[np.object_], subtype: npt.NDArray[np.object_]) -> FloatArray:
    """Return by how much quantity x price of each lot is money unless its `multiplier` says otherwise: 100 for options,
    0.01 for bonds, else 1.

    Examples
    --------
    >>> kinds = [("OPTIONS", "CALL"), ("PUBLIC", "BOND"), ("PUBLIC", None)]
    >>> usual_multipliers(*np.array(kinds, dtype=object).T).tolist()
    [100.0, 0.01, 1.0]
    """
    usual = np.where(investment_class == "OPTIONS", float(OPTION_MULTIPLIER), 1.0)
    return np.where(subtype == "BOND", BOND_MULTIPLIER, usual)


def multipliers(
    investment_class: npt.NDArray[np.object_], subtype: npt.NDArray[np.object_], own: FloatArray
) -> FloatArray:
    """Return by how much quantity x price of each lot is money: its own `multiplier`, the usual one where that is NaN."""
    return np.where(np.isnan(own), usual_multipliers(investment_class, subtype), own)


def cash_equivalents(symbol: npt.NDArray[np.object_], subtype: npt.NDArray[np.object_]) -> BoolArray:
    """Return which lots are cash equivalents (SPEC 2): by their subtype, or by a symbol such as CASH_USD.

    Examples
    --------
    >>> lots = [("SPAXX", "MONEY_MARKET"), ("CASH_USD", None), ("AAPL", None)]
    >>> cash_equivalents(*np.array(lots, dtype=object).T).tolist()
    [True, True, False]
    """
    named = np.array([str(each).startswith(CASH_PREFIX) for each in symbol], dtype=bool)
    return np.isin(subtype.astype(str), CASH_SUBTYPES) | named
