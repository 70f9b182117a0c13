"""Rolling windows over sessions, with gaps.

Windows are summed session by session, never by differences of cumulative sums: the last bit of a number depends on the
returns of its own window only, not on other symbols, other sessions or how far a history reaches back.
"""

import numpy as np
import numpy.typing as npt

from sigma_assets.base.conventions import SESSIONS_PER_YEAR
from sigma_assets.base.frames import FloatArray, PriceHistory

RowArray = npt.NDArray[np.intp]

MIN_SHARE_OF_WINDOW = 0.8
"""Share of a window's sessions that must have a return for the window's number to be known."""


def trailing_mean(values: FloatArray, window: int) -> FloatArray:
    """Return the mean of the known values of the `window` sessions ending at each row.

    Parameters
    ----------
    values : float array of shape (n_sessions, n_symbols); NaN is a missing value and is skipped.

    Returns
    -------
    float array of the same shape
        NaN where fewer than `MIN_SHARE_OF_WINDOW` of the window's values are known; sessions before the first row count
        as missing.
    """
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    count = np.zeros(values.shape)
    total = np.zeros(values.shape)
    for lag in range(min(window, len(values))):
        count[lag:] += known[: len(values) - lag]
        total[lag:] += filled[: len(values) - lag]
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

    The first close decides, not the first return: `prior_close` tells it to a history that is read from any start.

    Returns
    -------
    int array of shape (n_symbols,); n_sessions + 1 for symbols without any close.
    """
    has_close = np.isfinite(history.close)
    after_first_close = np.where(has_close.any(axis=0), has_close.argmax(axis=0) + 1, len(history.sessions) + 1)
    return np.where(np.isfinite(history.prior_close), 0, after_first_close).astype(np.intp)


def first_known_rows(values: FloatArray) -> RowArray:
    """Return the first row with a known value of each column; n_rows where there is none."""
    known = np.isfinite(values)
    return np.where(known.any(axis=0), known.argmax(axis=0), len(values)).astype(np.intp)
