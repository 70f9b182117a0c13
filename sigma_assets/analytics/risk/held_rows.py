"""What several portfolios held on the sessions wanted, one row each, so that all of them are computed at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigma_assets.analytics.risk.held_book import ROUNDING, HeldBook, ReturnWindows
from sigma_assets.analytics.series.windows import RowArray
from sigma_assets.base.frames import BoolArray, FloatArray, SessionArray


@dataclass(frozen=True)
class HeldRows:
    """Sessions of portfolios, sorted by both, and the symbols held on each.

    Attributes
    ----------
    portfolio_id, session, equity : arrays of shape (n_rows,)
    place : int array of shape (n_rows,); the session in `ReturnWindows`.
    row : int array of shape (n_held,), ascending; the row that holds a symbol.
    symbol : str (object) array of shape (n_held,); sorted within a row.
    weight : float array of shape (n_held,); as in `HeldBook`.
    filled, known : arrays of shape (n_held, length); the returns of the symbol over the window of its row.
    """

    portfolio_id: npt.NDArray[np.object_]
    session: SessionArray
    equity: FloatArray
    place: RowArray
    row: RowArray
    symbol: npt.NDArray[np.object_]
    weight: FloatArray
    filled: FloatArray
    known: BoolArray


def held_rows(books: Sequence[HeldBook], windows: ReturnWindows) -> HeldRows:
    """Return the sessions wanted of some books."""
    held = [np.nonzero(book.is_held[book.wanted]) for book in books]
    lengths = [len(book.wanted) for book in books]
    starts = np.cumsum([0, *lengths[:-1]])
    place = np.concatenate([windows.row(book.sessions) + book.wanted for book in books])
    row = np.concatenate([start + rows for start, (rows, _) in zip(starts, held, strict=True)])
    symbol = np.concatenate([book.symbols[columns] for book, (_, columns) in zip(books, held, strict=True)])
    cells = windows.places(symbol), place[row]
    return HeldRows(
        portfolio_id=np.repeat(np.array([book.portfolio_id for book in books], dtype=object), lengths),
        session=np.concatenate([book.sessions[book.wanted] for book in books]),
        equity=np.concatenate([book.equity[book.wanted] for book in books]),
        place=place,
        row=row,
        symbol=symbol,
        weight=np.concatenate(
            [book.weight[book.wanted[rows], columns] for book, (rows, columns) in zip(books, held, strict=True)]
        ),
        filled=windows.filled[cells],
        known=windows.known[cells],
    )


def held_returns(held: HeldRows, *, min_coverage: float) -> tuple[FloatArray, FloatArray]:
    """Return what the weights of each row would have earned on each session of its window.

    A symbol without a return earns nothing on that session, and its weight is not spread over the others. Symbols are
    added in their order, so that no other row can change the last bit.

    Returns
    -------
    returns : float array of shape (n_rows, length)
        NaN where less than `min_coverage` of the sum of |weight| has a return, or weights are unknown.
    coverage : float array of the same shape; NaN where nothing is held.
    """
    shape = (len(held.session), held.filled.shape[1])
    earned, covered, total = np.zeros(shape), np.zeros(shape), np.zeros(shape[0])
    number = np.arange(len(held.row)) - np.searchsorted(held.row, held.row)
    is_complete = bool(held.known.all())
    for each in range(int(number.max(initial=-1)) + 1):
        chosen = np.flatnonzero(number == each)
        row, weight = held.row[chosen], held.weight[chosen]
        earned[row] += weight[:, None] * held.filled[chosen]
        total[row] += np.abs(weight)
        if not is_complete:
            covered[row] += np.where(held.known[chosen], np.abs(weight)[:, None], 0.0)
    whole = np.where(total > 0, total, np.nan)[:, None]
    # Not 1 less a rounding of the sums where nothing is missing.
    coverage = np.broadcast_to(whole / whole, shape) if is_complete else covered / whole
    return np.where(coverage >= min_coverage - ROUNDING, earned, np.nan), coverage
