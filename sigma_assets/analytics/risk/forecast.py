"""Expected volatility of the coming weeks: the mean of two forecasts of variance (SPEC 4.7).

Sources: Corsi (2009), A Simple Approximate Long-Memory Model of Realized Volatility, for the regression; Bates and
Granger (1969), The Combination of Forecasts, for the mean of the two.
"""

from dataclasses import dataclass

import numpy as np

from sigma_assets.analytics.risk.nonnegative import nonnegative_least_squares
from sigma_assets.analytics.series.windows import RowArray, trailing_mean, trailing_sum
from sigma_assets.base.conventions import SESSIONS_PER_YEAR, VolatilityModel
from sigma_assets.base.frames import FloatArray

_REGRESSORS = 4  # one, day, week, month
_TARGET = _REGRESSORS
_LEFT, _RIGHT = np.triu_indices(_REGRESSORS + 1)
_PAIR = {pair: number for number, pair in enumerate(zip(_LEFT.tolist(), _RIGHT.tolist(), strict=True))}

NO_SPREAD = 1e-10
"""Targets whose variance is below this share of their mean square are constant but for rounding."""


@dataclass(frozen=True)
class VolatilityForecast:
    """Arrays of shape (n_rows, n_columns); NaN = not known.

    Attributes
    ----------
    volatility : expected volatility over the horizon, per year.
    r_squared : of the regression, 0 to 1; NaN also where its targets do not vary.
    observations : targets in the regression.
    """

    volatility: FloatArray
    r_squared: FloatArray
    observations: FloatArray


def volatility_forecast(returns: FloatArray, rows: RowArray, model: VolatilityModel) -> VolatilityForecast:
    """Return the volatility expected over the next `model.horizon` sessions.

    The variance of a session is its squared return x 252. The forecast of variance is the mean of two:

    * Non-negative least squares of the mean variance of sessions t+1 .. t+horizon on one, the variance of t, and its
      means over a week and a month ending at t; t runs over the last `model.max_targets` sessions whose target is known
      at the row, at least `model.min_targets`. A t without all regressors and the target drops out. With no negative
      coefficient, no forecast can be negative.
    * The mean of the means over the last 21, 63 and 252 sessions; the last one may be unknown.

    Means skip missing returns and need most of them. Where the variance of the row itself is missing, the last known
    one of the week stands for it: a price that comes a day late costs a day's news, not the forecast. Constant variance
    forecasts itself, and prices that never moved are expected not to.

    Parameters
    ----------
    returns : float array of shape (n_sessions, n_columns), daily simple returns; NaN is a missing return.
    rows : rows to forecast at; none reads a later row.
    """
    variance = returns * returns * SESSIONS_PER_YEAR
    regressed, r_squared, observations = _regression_forecast(variance, rows, model)
    combined = (regressed + _mean_forecast(variance, rows, model)) / 2.0
    is_known = np.isfinite(combined)
    return VolatilityForecast(
        volatility=np.sqrt(combined),
        r_squared=np.where(is_known, r_squared, np.nan),
        observations=np.where(is_known, observations, np.nan),
    )


def _mean_forecast(variance: FloatArray, rows: RowArray, model: VolatilityModel) -> FloatArray:
    """Return the mean of the means of the last 21, 63 and 252 sessions; of the first two while the last is unknown."""
    short, middle, long = (trailing_mean(variance, window, rows) for window in model.mean_windows)
    return np.where(np.isfinite(long), (short + middle + long) / 3.0, (short + middle) / 2.0)


def _regression_forecast(
    variance: FloatArray, rows: RowArray, model: VolatilityModel
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the forecast of variance, R^2 and observations of the regression that ends at each row."""
    series = _series(variance, model)
    usable = np.isfinite(series).all(axis=0)
    filled = np.where(usable, series, 0.0)
    sums = trailing_sum(filled[_LEFT] * filled[_RIGHT], model.max_targets, rows - model.horizon)
    pairs = np.empty((_REGRESSORS, _REGRESSORS, *sums.shape[1:]))
    for i in range(_REGRESSORS):
        for j in range(i, _REGRESSORS):
            pairs[i, j] = pairs[j, i] = sums[_PAIR[i, j]]
    with_target = sums[[_PAIR[i, _TARGET] for i in range(_REGRESSORS)]]
    fit = nonnegative_least_squares(pairs, with_target)
    today = _todays_regressors(series[:_REGRESSORS], rows, model)
    forecast = np.zeros(sums.shape[1:])
    for regressor in range(_REGRESSORS):
        forecast += fit.coefficients[regressor] * today[regressor]
    count = pairs[0, 0]
    is_known = (count >= model.min_targets) & np.isfinite(forecast)
    mean = with_target[0] / np.maximum(count, 1.0)
    squares = sums[_PAIR[_TARGET, _TARGET]]
    spread = squares - count * mean * mean
    varies = is_known & (spread > NO_SPREAD * squares)
    r_squared = 1.0 - (squares - fit.explained) / np.where(varies, spread, 1.0)
    r_squared = np.where(r_squared < NO_SPREAD, 0.0, np.minimum(r_squared, 1.0))  # a constant alone explains nothing
    return (
        np.where(is_known, forecast, np.nan),
        np.where(varies, r_squared, np.nan),
        np.where(is_known, count, np.nan),
    )


def _series(variance: FloatArray, model: VolatilityModel) -> FloatArray:
    """Return one, day, week, month and target of every session: shape (5, n_sessions, n_columns)."""
    every = np.arange(len(variance))
    target = np.full(variance.shape, np.nan)
    target[: -model.horizon] = trailing_mean(variance, model.horizon, every[model.horizon :])
    week, month = (trailing_mean(variance, window, every) for window in (model.har_week, model.har_month))
    return np.stack([np.ones(variance.shape), variance, week, month, target])


def _todays_regressors(regressors: FloatArray, rows: RowArray, model: VolatilityModel) -> FloatArray:
    """Return the regressors at each row, the day's variance as last known within the week."""
    today = regressors[:, rows]
    for lag in range(1, model.har_week):
        earlier = np.where((rows >= lag)[:, None], regressors[1, np.maximum(rows - lag, 0)], np.nan)
        today[1] = np.where(np.isnan(today[1]), earlier, today[1])
    return today
