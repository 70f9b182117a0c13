"""Mean, variance and deviation of windows of returns, each window a row; missing returns are skipped."""

import numpy as np

from sigma_assets.base.frames import FloatArray


def mean(returns: FloatArray) -> FloatArray:
    """Return the mean of the known returns of each row of shape (n_rows, window)."""
    known = np.isfinite(returns)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, returns, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)


def variance(returns: FloatArray) -> FloatArray:
    """Return the sample variance of each row; NaN with fewer than two returns."""
    known = np.isfinite(returns)
    count = known.sum(axis=1)
    centred = np.where(known, returns - mean(returns)[:, None], 0.0)
    return np.where(count > 1, (centred * centred).sum(axis=1) / np.maximum(count - 1, 1), np.nan)


def deviation(returns: FloatArray) -> FloatArray:
    """Return the sample standard deviation of each row; NaN with fewer than two returns."""
    return np.sqrt(variance(returns))
