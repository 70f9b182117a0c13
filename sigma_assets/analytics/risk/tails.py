"""Value at risk and expected shortfall of one day, from windows of returns (SPEC 4.10).

Sources: the lower quantile is the inverse of the empirical distribution function (Hyndman and Fan 1996, type 1: no
interpolation, so the loss is one that happened); expected shortfall is the mean of the days at least as bad (Acerbi and
Tasche 2002, for a quantile that is an observation).
"""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from sigma_assets.base.frames import FloatArray

TIE = 1e-12
"""Returns closer than this are equal: they differ by the rounding of prices, not by what happened."""
PER_MILLE = {"95": 50, "975": 25, "99": 10}
"""Probability of a worse day, in thousandths: whole numbers, so that no rank depends on rounding."""


def value_at_risk(returns: FloatArray, level: str, *, min_observations: int) -> FloatArray:
    """Return historical value at risk: minus the lower quantile of each row of returns.

    Parameters
    ----------
    returns : float array of shape (n_rows, window), daily returns at the weights of the row; NaN is skipped.
    level : "95", "975" or "99".

    Returns
    -------
    float array of shape (n_rows,)
        Loss as a positive fraction of equity (negative where even the quantile is a gain); NaN where fewer than
        `min_observations` returns are known.

    Examples
    --------
    >>> returns = np.array([[-0.03, -0.02, -0.01, *[0.01] * 97]])
    >>> value_at_risk(returns, "975", min_observations=100).tolist()  # the third worst of 100
    [0.01]
    """
    count = np.isfinite(returns).sum(axis=1)
    rank = days_beyond(count, level) - 1
    ordered = np.partition(returns, np.unique(rank), axis=1)  # NaN comes last
    quantile = ordered[np.arange(len(returns)), rank]
    return np.where(count >= min_observations, 0.0 - quantile, np.nan)


def days_beyond(count: npt.NDArray[np.int64], level: str) -> npt.NDArray[np.int64]:
    """Return how many of so many days, at least one, are as bad as value at risk."""
    return np.maximum((count * PER_MILLE[level] + 999) // 1000, 1)


def tail(returns: FloatArray, var: FloatArray) -> np.ndarray:
    """Return the days that expected shortfall is the mean of: bool array of shape (n_rows, window)."""
    with np.errstate(invalid="ignore"):
        return returns <= TIE - var[:, None]


def expected_shortfall(returns: FloatArray, in_tail: np.ndarray) -> FloatArray:
    """Return minus the mean of the returns in the tail of each row; NaN where there is none."""
    count = in_tail.sum(axis=1)
    total = np.where(in_tail, returns, 0.0).sum(axis=1)
    return np.where(count > 0, 0.0 - total / np.maximum(count, 1), np.nan)


def normal_value_at_risk(mean: FloatArray, deviation: FloatArray, level: float) -> FloatArray:
    """Return value at risk if returns were normal: z sd - mean, z = 2.326348 at 0.99.

    Examples
    --------
    >>> normal_value_at_risk(np.array([0.001]), np.array([0.01]), 0.99).round(8).tolist()
    [0.02226348]
    """
    return NormalDist().inv_cdf(level) * deviation - mean
