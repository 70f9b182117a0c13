"""One portfolio as risk sees it: signed weights by symbol on consecutive sessions, and the losses that exceeded its risk."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sigma_assets.analytics.risk.tails import TIE, days_beyond
from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.analytics.series.windows import RowArray
from sigma_assets.analytics.valuation.ledger import Ledger
from sigma_assets.analytics.valuation.snapshots import daily_returns
from sigma_assets.base.conventions import RiskModel
from sigma_assets.base.frames import BoolArray, FloatArray, PriceHistory, SessionArray

ROUNDING = 1e-12
"""A coverage below its least value by less is that very value, but for rounding."""
_COMPARED_FIRST = 48
"""The worst days of a book: compared with these alone, most sessions turn out to be no exceptions."""


@dataclass(frozen=True)
class HeldBook:
    """What a portfolio held on consecutive sessions.

    Attributes
    ----------
    sessions : datetime64[D] array of shape (n_sessions,)
    wanted : rows of `sessions` that were asked for.
    symbols : str (object) array of shape (n_symbols,), sorted: held on any of the sessions; of options the underlying.
    weight : float array of shape (n_sessions, n_symbols)
        Delta-equivalent value / equity, lots added in the order of their ids; 0 where not held, NaN where equity is not
        positive.
    is_held : bool array of the same shape.
    equity, daily_return : float arrays of shape (n_sessions,), USD and unitless; the return is NaN where unknown.
    """

    portfolio_id: str
    sessions: SessionArray
    wanted: RowArray
    symbols: npt.NDArray[np.object_]
    weight: FloatArray
    is_held: BoolArray
    equity: FloatArray
    daily_return: FloatArray


def held_book(ledger: Ledger, sessions_before: int) -> HeldBook:
    """Return what a portfolio held on the sessions wanted, those between them, and a number of sessions before the first."""
    first = max(0, int(ledger.wanted[0]) - sessions_before)
    rows = slice(first, int(ledger.wanted[-1]) + 1)
    equity, value = ledger.equity[rows], ledger.risk_value[:, rows]
    is_known = np.isfinite(value)
    chosen = np.flatnonzero(is_known.any(axis=1))
    symbols, column = np.unique(ledger.lots["risk_symbol"][chosen].astype(str), return_inverse=True)
    weight = np.zeros((len(symbols), len(equity)))
    is_held = np.zeros(weight.shape, dtype=bool)
    share = np.where(is_known, value / np.where(equity > 0, equity, np.nan), 0.0)
    for lot, symbol in zip(chosen, column, strict=True):
        weight[symbol] += share[lot]
        is_held[symbol] |= is_known[lot]
    return HeldBook(
        portfolio_id=ledger.portfolio_id,
        sessions=ledger.sessions[rows],
        wanted=ledger.wanted - first,
        symbols=symbols.astype(object),
        weight=weight.T,
        is_held=is_held.T,
        equity=equity,
        daily_return=daily_returns(ledger)[rows],
    )


@dataclass(frozen=True)
class ReturnWindows:
    """Returns of symbols over the `length` sessions that end at each session.

    Attributes
    ----------
    symbols : sorted; the last row of the arrays belongs to symbols without prices.
    filled : float array of shape (n_symbols + 1, n_sessions, length); 0 where no return is known. A view: no copies.
    known : bool array of the same shape.
    series, is_known : what these are views of; shape (n_symbols + 1, length - 1 + n_sessions).
    """

    sessions: SessionArray
    symbols: npt.NDArray[np.object_]
    filled: FloatArray
    known: BoolArray
    series: FloatArray
    is_known: BoolArray

    @classmethod
    def of(cls, history: PriceHistory, length: int) -> "ReturnWindows":
        """Return the windows of a history; sessions before it have no returns."""
        returns = np.full((len(history.symbols) + 1, length - 1 + len(history.sessions)), np.nan)
        returns[:-1, length - 1 :] = total_returns(history).T
        known = np.isfinite(returns)
        filled = np.where(known, returns, 0.0)
        windows = np.lib.stride_tricks.sliding_window_view
        return cls(
            sessions=history.sessions,
            symbols=history.symbols,
            filled=windows(filled, length, axis=1),
            known=windows(known, length, axis=1),
            series=filled,
            is_known=known,
        )

    def places(self, symbols: npt.NDArray[np.object_]) -> RowArray:
        """Return the row of each symbol in the arrays."""
        return np.array([self._row_of.get(symbol, len(self.symbols)) for symbol in symbols], dtype=np.intp)

    def row(self, sessions: SessionArray) -> int:
        """Return the place of the first of consecutive sessions on the second axis; KeyError if not all are there."""
        first = int(np.searchsorted(self.sessions, sessions[0]))
        if first + len(sessions) > len(self.sessions) or self.sessions[first] != sessions[0]:
            raise KeyError(
                f"sessions {sessions[0]} to {sessions[-1]} are not in {self.sessions[0]} to {self.sessions[-1]}"
            )
        return first

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {symbol: row for row, symbol in enumerate(self.symbols)}


def exceptions(book: HeldBook, windows: ReturnWindows, model: RiskModel) -> tuple[BoolArray, BoolArray]:
    """Return which sessions can be judged by the value at risk (99 %) of the session before, and which lost more.

    A session lost more if fewer days of that session's window were as bad, at its weights, than lie beyond value at risk:
    no quantile is needed. Products of matrices add in another order for another number of sessions, so their last bits
    are nobody's: good for a comparison with a tolerance, not for a number that is stored.

    Returns
    -------
    is_judged, is_exception : bool arrays of shape (n_sessions,)
        Judged is a session with a return, and with at least `model.var_min` returns in the window before it.
    """
    n_rows = len(book.sessions) - 1  # each judges the session after it
    first = windows.row(book.sessions) + windows.filled.shape[2] - model.var_window
    days = slice(first, first + n_rows + model.var_window - 1)
    places = windows.places(book.symbols)
    returns, known = windows.series[places, days], windows.is_known[places, days]
    weight = np.where(np.isfinite(book.weight[:-1]), book.weight[:-1], 0.0)
    has_return, count = _days_with_return(weight, known, model)
    today = book.daily_return[1:]
    is_judged = np.isfinite(today) & (count >= model.var_min)
    beyond = days_beyond(count, "99")

    def as_bad(rows: RowArray, among: RowArray) -> RowArray:
        place = among - rows[:, None]
        counts = (place >= 0) & (place < model.var_window) & has_return[rows][:, among]
        return (counts & (weight[rows] @ returns[:, among] - TIE <= today[rows, None])).sum(axis=1)

    worst_first = np.argsort(weight.sum(axis=0) @ returns)
    is_exception = is_judged & (as_bad(np.arange(n_rows), worst_first[:_COMPARED_FIRST]) < beyond)
    doubtful = np.flatnonzero(is_exception)
    is_exception[doubtful] = as_bad(doubtful, worst_first) < beyond[doubtful]
    return np.concatenate([[False], is_judged]), np.concatenate([[False], is_exception])


def _days_with_return(weight: FloatArray, known: BoolArray, model: RiskModel) -> tuple[BoolArray, RowArray]:
    """Return on which days enough of the weights of each row have a return, and how many of them its window has."""
    size = np.abs(weight)
    total = size.sum(axis=1)[:, None]
    if known.all():
        return np.broadcast_to(total > 0, (len(weight), known.shape[1])), np.where(total[:, 0] > 0, model.var_window, 0)
    has_return = (total > 0) & (size @ known >= (model.min_coverage - ROUNDING) * total)
    step, item = has_return.strides
    in_window = np.lib.stride_tricks.as_strided(has_return, (len(weight), model.var_window), (step + item, item))
    return has_return, in_window.sum(axis=1)
