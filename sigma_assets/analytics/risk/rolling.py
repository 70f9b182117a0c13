"""Sums over trailing windows of any length, in a number of steps that grows with the logarithm of the window."""

import numpy as np

from sigma_assets.analytics.series.windows import MIN_SHARE_OF_WINDOW, RowArray
from sigma_assets.base.frames import FloatArray


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
