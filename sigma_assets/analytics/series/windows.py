"""Rolling windows over sessions, with gaps.

No sum is a difference of cumulative sums: the last bit of a number depends on the returns of its own window only, not on
other symbols, other sessions or how far a history reaches back.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.base.conventions import SESSIONS_PER_YEAR
from sigma_assets.base.frames import FloatArray, PriceHistory

RowArray = npt.NDArray[np.intp]
_Item = TypeVar("_Item")

MIN_SHARE_OF_WINDOW = 0.8
"""Share of a window's sessions that must have a return for the window's number to be known."""


def trailing_sum(values: FloatArray, window: int, rows: RowArray) -> FloatArray:
    """Return the sum of the `window` rows ending at each of `rows`.

    A window is the union of blocks of 1, 2, 4, ... rows, and a block is the sum of its halves. So windows that overlap
    share their blocks, no sum is ever a difference of running sums, and the order of addition depends on nothing but
    the window: the same rows give the same bits in any batch. Pairwise sums lose less to rounding, too (Higham 1993).

    Parameters
    ----------
    values : float array of shape (..., n_sessions, n_columns), finite.
    rows : int array of shape (n_rows,); rows before the first one count as zeros.

    Returns
    -------
    float array of shape (..., n_rows, n_columns)
    """
    ends: dict[int, RowArray] = {}
    offset = 0
    for level in reversed(range(window.bit_length())):
        if window >> level & 1:
            ends[level] = rows - offset
            offset += 1 << level
    top = max(ends)
    needed = {top: np.unique(ends[top])}
    for level in reversed(range(top)):
        halves = [needed[level + 1], needed[level + 1] - (1 << level)]
        needed[level] = np.unique(np.concatenate([*halves, ends[level]] if level in ends else halves))
    # Row 0 stands for all rows before the first one.
    padded = np.pad(values, [(0, 0)] * (values.ndim - 2) + [(1, 0), (0, 0)])
    blocks = padded.take(np.maximum(needed[0] + 1, 0), axis=-2)
    total = np.zeros((*values.shape[:-2], len(rows), values.shape[-1]))
    for level in range(top + 1):
        if level in ends:
            total += blocks.take(np.searchsorted(needed[level], ends[level]), axis=-2)
        if level < top:
            later, half = needed[level + 1], 1 << level
            blocks = blocks.take(np.searchsorted(needed[level], later), axis=-2) + blocks.take(
                np.searchsorted(needed[level], later - half), axis=-2
            )
    return total


def trailing_mean(values: FloatArray, window: int, rows: RowArray) -> FloatArray:
    """Return the mean of the known values of the `window` rows ending at each of `rows`.

    Parameters
    ----------
    values : float array of shape (n_sessions, n_columns); NaN is a missing value and is skipped.

    Returns
    -------
    float array of shape (n_rows, n_columns)
        NaN where fewer than `MIN_SHARE_OF_WINDOW` of the window's values are known; rows before the first one count as
        missing.
    """
    known = np.isfinite(values)
    count, total = trailing_sum(np.stack([known.astype(float), np.where(known, values, 0.0)]), window, rows)
    return np.where(count >= MIN_SHARE_OF_WINDOW * window, total / np.maximum(count, 1.0), np.nan)


def trailing_volatility(returns: FloatArray, rows: RowArray, window: int, first_rows: RowArray) -> FloatArray:
    """Return the annualised sample standard deviation of the returns of the `window` sessions ending at each of `rows`.

    Parameters
    ----------
    returns : float array of shape (n_sessions, n_symbols); NaN is a missing return and is skipped.
    first_rows : int array of shape (n_symbols,)
        First row that can have a return: a window that starts earlier is unknown.

    Returns
    -------
    float array of shape (len(rows), n_symbols), per year; NaN also where fewer than `MIN_SHARE_OF_WINDOW` of the
        window's returns are there.
    """
    present = np.isfinite(returns).astype(float)
    filled = np.where(present > 0, returns, 0.0)
    starts = np.maximum(rows - window + 1, 0)
    count = np.zeros((len(rows), returns.shape[1]))
    total = np.zeros(count.shape)
    for step in range(window):
        count += present.take(starts + step, axis=0, mode="clip")
        total += filled.take(starts + step, axis=0, mode="clip")
    mean = total / np.maximum(count, 1.0)
    squares = np.zeros(count.shape)
    for step in range(window):
        deviation = filled.take(starts + step, axis=0, mode="clip")
        deviation -= mean
        deviation *= present.take(starts + step, axis=0, mode="clip")
        deviation *= deviation
        squares += deviation
    enough = np.maximum(MIN_SHARE_OF_WINDOW * window, 2)
    is_known = (count >= enough) & (rows[:, None] - window + 1 >= first_rows)
    volatility = np.sqrt(squares / np.maximum(count - 1.0, 1.0) * SESSIONS_PER_YEAR)
    return np.where(is_known, volatility, np.nan)


def first_return_rows(history: PriceHistory) -> RowArray:
    """Return the first row on which each symbol can have a return: the session after its first close.

    The first close decides, not the first return: `prior_close` gives it to a history that is read from any start.

    Returns
    -------
    int array of shape (n_symbols,); n_sessions + 1 for symbols without any close.
    """
    has_close = np.isfinite(history.close)
    after_first_close = np.where(has_close.any(axis=0), has_close.argmax(axis=0) + 1, len(history.sessions) + 1)
    return np.where(np.isfinite(history.prior_close), 0, after_first_close).astype(np.intp)


def together(items: Iterable[_Item], size_of: Callable[[_Item], int], enough: int) -> Iterator[list[_Item]]:
    """Yield items in order, so many at a time that their sizes add up to `enough`, the last ones fewer.

    Many small portfolios cost little more at once than one does; all of them at once would take too much memory.
    """
    some: list[_Item] = []
    size = 0
    for item in items:
        some.append(item)
        size += size_of(item)
        if size >= enough:
            yield some
            some, size = [], 0
    if some:
        yield some


def rows_of(
    parts: Mapping[str, Sequence[np.ndarray]], columns: Sequence[str], *, texts: Collection[str]
) -> pd.DataFrame:
    """Return a table of parts of its columns, one after the other: `session` datetime64[s], texts str, numbers float64."""
    kinds = {name: "datetime64[s]" if name == "session" else "str" if name in texts else "float64" for name in columns}
    empty = [np.array([], dtype=object)]
    return pd.DataFrame(
        {name: pd.Series(np.concatenate([*parts[name]] or empty), dtype=kind) for name, kind in kinds.items()}
    )
