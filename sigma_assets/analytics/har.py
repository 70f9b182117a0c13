"""Expected variance by a heterogeneous autoregression of realised variance (HAR-RV).

Source: F. Corsi (2009), A Simple Approximate Long-Memory Model of Realized Volatility, Journal of Financial Econometrics
7(2), 174-196; here on squared daily returns, with a direct forecast of the mean over the horizon.
"""

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from sigma_assets.conventions import SESSIONS_PER_YEAR, VolatilityModel
from sigma_assets.frames import FloatArray

MIN_PRESENT = 0.8
"""Least share of a mean's variances that must be there; the others are skipped."""
SINGULAR = 1e-10
"""Directions of the regressors with less than this share of the largest one's variance carry no information."""


def expected_variance(
    returns: FloatArray, model: VolatilityModel
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
    """Return the forecast of the mean annual variance over the next `model.horizon` sessions, per series.

    Parameters
    ----------
    returns : float array of shape (n_series, model.longest_window), ending now; NaN is a missing return.

    Returns
    -------
    variance : float array of shape (n_series,), per year, floored; NaN with too few targets or no variance today.
    r_squared : of the regression; NaN where the targets do not vary.
    observations : targets in the regression.
    """
    variances = returns * returns * SESSIONS_PER_YEAR
    week, month = _means(variances, model.har_week), _means(variances, model.har_month)
    ahead = _means(variances, model.horizon)
    last = variances.shape[1] - 1 - model.horizon
    first = last - model.max_targets + 1
    at = slice(first, last + 1)
    regressors = np.stack(
        [variances[:, at], week[:, first - model.har_week + 1 :][:, : model.max_targets]]
        + [month[:, first - model.har_month + 1 :][:, : model.max_targets]],
        axis=2,
    )
    targets = ahead[:, first + 1 :][:, : model.max_targets]
    now = np.stack([variances[:, -1], week[:, -1], month[:, -1]], axis=1)
    return _forecast(regressors, targets, now, model)


def _means(values: FloatArray, window: int) -> FloatArray:
    """Return means over windows, skipping NaN; NaN where less than 80 % is there. Column k is the window that starts at k."""
    present = np.isfinite(values)
    count = sliding_window_view(present, window, axis=1).sum(axis=2)
    total = sliding_window_view(np.where(present, values, 0.0), window, axis=1).sum(axis=2)
    enough = count >= np.ceil(MIN_PRESENT * window)
    return np.where(enough, total / np.where(enough, count, 1), np.nan)


def _forecast(
    regressors: FloatArray, targets: FloatArray, now: FloatArray, model: VolatilityModel
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
    """Fit one regression with intercept per series and evaluate it at `now`.

    Where regressors are collinear (a constant variance, say) the solution of least norm in units of their own deviation
    is taken: what they cannot tell apart gets no weight of its own.
    """
    used = np.isfinite(targets) & np.isfinite(regressors).all(axis=2)
    count = used.sum(axis=1)
    safe = np.maximum(count, 1)
    x = np.where(used[:, :, None], regressors, 0.0)
    y = np.where(used, targets, 0.0)
    x_mean = np.ascontiguousarray(x.transpose(0, 2, 1)).sum(axis=2) / safe[:, None]
    y_mean = y.sum(axis=1) / safe
    x = np.where(used[:, :, None], x - x_mean[:, None, :], 0.0)
    y = np.where(used, y - y_mean[:, None], 0.0)
    gram = x.transpose(0, 2, 1) @ x
    size = np.sqrt(np.diagonal(gram, axis1=1, axis2=2))
    unit = np.where(size > 1e-12 * np.abs(x_mean) * np.sqrt(safe)[:, None], size, np.inf)
    scaled = gram / unit[:, :, None] / unit[:, None, :]
    moment = (x.transpose(0, 2, 1) @ y[:, :, None])[:, :, 0] / unit
    beta = (np.linalg.pinv(scaled, rcond=SINGULAR, hermitian=True) @ moment[:, :, None])[:, :, 0] / unit
    forecast = y_mean + ((now - x_mean) * beta).sum(axis=1)
    residual = y - (x @ beta[:, :, None])[:, :, 0]
    total = (y * y).sum(axis=1)
    varies = total > (1e-12 * y_mean) ** 2 * safe
    r_squared = 1.0 - np.divide((residual * residual).sum(axis=1), total, out=np.ones(len(total)), where=varies)
    enough = count >= model.min_targets
    return (
        np.where(enough, np.maximum(forecast, model.variance_floor), np.nan),
        np.where(enough & varies, r_squared, np.nan),
        count,
    )
