"""Was value at risk right? Exceptions over a year, and how likely they are (SPEC 4.10).

Sources: Kupiec (1995), Techniques for Verifying the Accuracy of Risk Measurement Models (unconditional coverage);
Christoffersen (1998), Evaluating Interval Forecasts (independence); Basel Committee (1996), Supervisory Framework for
the Use of Backtesting (zones).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigma_assets.base.frames import BoolArray, FloatArray

YELLOW_FROM, RED_FROM = 5, 10
"""Exceptions of 250 sessions at 99 % from which Basel's zone is yellow, and red."""

_Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Backtest:
    """What the sessions of a window say of value at risk; arrays of the shape (..., n_sessions) of the flags.

    Attributes
    ----------
    sessions : sessions that can be judged.
    exceptions : of these, sessions that lost more than value at risk.
    transitions : int array of shape (2, 2, ..., n_sessions); [i, j] = judged sessions next to each other, i = exception
        on the first, j = exception on the second.
    """

    sessions: _Counts
    exceptions: _Counts
    transitions: _Counts


def backtest(is_judged: BoolArray, is_exception: BoolArray, window: int) -> Backtest:
    """Count the exceptions of the `window` sessions ending at each session.

    Parameters
    ----------
    is_judged, is_exception : bool arrays of shape (..., n_sessions), consecutive sessions; exceptions are judged.
    """
    both = is_judged[..., 1:] & is_judged[..., :-1]
    before, after = is_exception[..., :-1], is_exception[..., 1:]
    no_pair = np.zeros((*is_judged.shape[:-1], 1), dtype=bool)
    transitions = [
        [
            _counted(np.concatenate([no_pair, both & (before == i) & (after == j)], axis=-1), window - 1)
            for j in (False, True)
        ]
        for i in (False, True)
    ]
    return Backtest(_counted(is_judged, window), _counted(is_exception, window), np.array(transitions))


def kupiec_ratio(sessions: npt.ArrayLike, exceptions: npt.ArrayLike, probability: float) -> FloatArray:
    """Return the likelihood ratio of unconditional coverage, chi-squared with 1 degree of freedom if coverage is right.

    Examples
    --------
    >>> kupiec_ratio([250, 250], [3, 7], 0.01).round(5).tolist()
    [0.09494, 5.49699]
    """
    n, x = np.asarray(sessions, dtype=float), np.asarray(exceptions, dtype=float)
    share = x / np.where(n > 0, n, np.nan)
    expected = (n - x) * math.log1p(-probability) + x * math.log(probability)
    observed = _x_log(n - x, 1.0 - share) + _x_log(x, share)
    return np.where(n > 0, np.maximum(2.0 * (observed - expected), 0.0), np.nan)


def christoffersen_ratio(transitions: npt.ArrayLike) -> FloatArray:
    """Return the likelihood ratio of independence: does an exception make one on the next session more likely?

    Parameters
    ----------
    transitions : int array of shape (2, 2, ...), as in `Backtest`.

    Returns
    -------
    float array; chi-squared with 1 degree of freedom if independent. NaN without a pair of sessions.

    Examples
    --------
    >>> christoffersen_ratio([[44, 2], [2, 1]]).round(6).tolist()
    2.29889
    """
    counts = np.asarray(transitions, dtype=float)
    from_state = counts.sum(axis=1)
    to_state = counts.sum(axis=0)
    total = from_state.sum(axis=0)
    pairs = np.where(total > 0, total, np.nan)
    alike = sum(_x_log(to_state[j], to_state[j] / pairs) for j in (0, 1))
    apart = sum(
        _x_log(counts[i, j], counts[i, j] / np.where(from_state[i] > 0, from_state[i], 1.0))
        for i in (0, 1)
        for j in (0, 1)
    )
    return np.where(total > 0, np.maximum(2.0 * (apart - alike), 0.0), np.nan)


def chi_squared_p(ratio: npt.ArrayLike) -> FloatArray:
    """Return the probability that chi-squared with 1 degree of freedom is larger.

    Examples
    --------
    >>> chi_squared_p([0.0, 3.841458820694124]).round(12).tolist()
    [1.0, 0.05]
    """
    values = np.asarray(ratio, dtype=float)
    distinct, place = np.unique(values, return_inverse=True)
    tail = np.array([math.erfc(math.sqrt(value / 2.0)) if value == value else np.nan for value in distinct.tolist()])
    return tail[place].reshape(values.shape)


def zone(exceptions: _Counts, sessions: _Counts) -> npt.NDArray[np.object_]:
    """Return green, yellow or red; None where no session could be judged."""
    words = np.full(exceptions.shape, "green", dtype=object)
    words[exceptions >= YELLOW_FROM] = "yellow"
    words[exceptions >= RED_FROM] = "red"
    words[sessions == 0] = None
    return words


def _counted(flags: BoolArray, window: int) -> _Counts:
    """Return how many of the `window` flags ending at each session are set; whole numbers, so differences are exact."""
    total = np.concatenate([np.zeros((*flags.shape[:-1], 1), dtype=np.int64), np.cumsum(flags, axis=-1)], axis=-1)
    ends = np.arange(1, flags.shape[-1] + 1)
    return total[..., ends] - total[..., np.maximum(ends - window, 0)]


def _x_log(count: FloatArray, share: FloatArray) -> FloatArray:
    """Return count x ln(share), 0 where the count is."""
    return count * np.log(np.where(count > 0, share, 1.0))
