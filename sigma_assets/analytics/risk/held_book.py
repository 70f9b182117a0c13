"""One portfolio as risk sees it: signed weights by symbol on consecutive sessions, and what they would have earned."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.analytics.series.windows import RowArray
from sigma_assets.analytics.valuation.ledger import Ledger
from sigma_assets.analytics.valuation.snapshots import daily_returns
from sigma_assets.base.frames import FloatArray, PriceHistory, SessionArray

_ROUNDING = 1e-12


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
    is_held: npt.NDArray[np.bool_]
    equity: FloatArray
    daily_return: FloatArray


def held_book(ledger: Ledger, sessions_before: int) -> HeldBook:
    """Return what a portfolio held on the sessions wanted, those between them, and a number of sessions before the first."""
    first = max(0, int(ledger.wanted[0]) - sessions_before)
    rows = slice(first, int(ledger.wanted[-1]) + 1)
    lots, equity = ledger.lots, ledger.equity[rows]
    value = ledger.risk_value[:, rows]
    is_known = np.isfinite(value)
    chosen = np.flatnonzero(is_known.any(axis=1))
    name = lots["risk_symbol"][chosen]
    symbols, column = np.unique(name.astype(str), return_inverse=True)
    weight = np.zeros((len(symbols), len(equity)))
    is_held = np.zeros(weight.shape, dtype=bool)
    of_equity = np.where(equity > 0, equity, np.nan)
    for lot, symbol in zip(chosen, column, strict=True):
        weight[symbol] += np.where(is_known[lot], value[lot] / of_equity, 0.0)
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
    known: npt.NDArray[np.bool_]
    series: FloatArray
    is_known: npt.NDArray[np.bool_]

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
        row_of = {symbol: row for row, symbol in enumerate(self.symbols)}
        return np.array([row_of.get(symbol, len(self.symbols)) for symbol in symbols], dtype=np.intp)

    def rows(self, sessions: SessionArray) -> slice:
        """Return consecutive sessions as a slice of the second axis."""
        first = int(np.searchsorted(self.sessions, sessions[0]))
        if first + len(sessions) > len(self.sessions) or self.sessions[first] != sessions[0]:
            raise KeyError(
                f"sessions {sessions[0]} to {sessions[-1]} are not in {self.sessions[0]} to {self.sessions[-1]}"
            )
        return slice(first, first + len(sessions))


def held_returns(
    book: HeldBook, windows: ReturnWindows, chosen: RowArray, *, min_coverage: float
) -> tuple[FloatArray, FloatArray]:
    """Return what the weights of some sessions would have earned on each session of their windows.

    A symbol without a return earns nothing on that session, and its weight is not spread over the others.

    Parameters
    ----------
    chosen : rows of the book's sessions.

    Returns
    -------
    returns : float array of shape (n_chosen, length)
        NaN where less than `min_coverage` of the sum of |weight| has a return, or weights are unknown.
    coverage : float array of the same shape; NaN where nothing is held.
    """
    rows, places = windows.rows(book.sessions).start + chosen, windows.places(book.symbols)
    shape = (len(rows), windows.filled.shape[2])
    earned, covered = np.zeros(shape), np.zeros(shape)
    weight = book.weight[chosen]
    size = np.abs(weight)
    total = np.zeros(shape[0])
    is_complete = _is_complete(book, windows, places)
    for symbol, place in enumerate(places):
        earned += weight[:, symbol, None] * windows.filled[place, rows]
        total += size[:, symbol]
        if not is_complete:
            covered += np.where(windows.known[place, rows], size[:, symbol, None], 0.0)
    whole = np.where(total > 0, total, np.nan)[:, None]
    # Not 1 less a rounding of the sums where nothing is missing.
    coverage = np.broadcast_to(whole / whole, shape) if is_complete else covered / whole
    return np.where(coverage >= min_coverage - _ROUNDING, earned, np.nan), coverage


def quick_returns(book: HeldBook, windows: ReturnWindows, *, min_coverage: float) -> FloatArray:
    """Return the returns of `held_returns` for all sessions of the book, but for rounding: by one matrix product.

    A matrix product adds in another order for another number of sessions, so its last bits are nobody's: good for a
    comparison with a tolerance, not for a number that is stored.
    """
    places = windows.places(book.symbols)
    if not _is_complete(book, windows, places):
        return held_returns(book, windows, np.arange(len(book.sessions)), min_coverage=min_coverage)[0]
    n_sessions, length = len(book.sessions), windows.filled.shape[2]
    first = windows.rows(book.sessions).start
    earned = np.ascontiguousarray(book.weight) @ windows.series[places, first : first + n_sessions + length - 1]
    step, item = earned.strides
    band = np.lib.stride_tricks.as_strided(earned, (n_sessions, length), (step + item, item))
    is_held = np.abs(book.weight).sum(axis=1) > 0
    return np.where(is_held[:, None], band, np.nan)


def _is_complete(book: HeldBook, windows: ReturnWindows, places: RowArray) -> bool:
    """Return whether every symbol has a return on every session of every window."""
    rows = windows.rows(book.sessions)
    return bool(windows.is_known[places, rows.start : rows.stop + windows.filled.shape[2] - 1].all())
