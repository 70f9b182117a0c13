"""Expected volatility of the coming weeks: HAR-RV of Corsi (2009) on daily variance (SPEC 4.7)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigma_assets.analytics.series.windows import RowArray, trailing_mean
from sigma_assets.base.conventions import SESSIONS_PER_YEAR, VolatilityModel
from sigma_assets.base.frames import FloatArray

_SERIES = 4  # day, week, month, target
_LEFT, _RIGHT = np.triu_indices(_SERIES)
_MOMENT = {pair: number for number, pair in enumerate(zip(_LEFT.tolist(), _RIGHT.tolist(), strict=True))}

NO_SPREAD = 1e-10
"""A series whose standard deviation is below this share of its mean is constant but for rounding."""
_RANK_TOLERANCE = 1e-10


@dataclass(frozen=True)
class HarForecast:
    """Arrays of shape (n_rows, n_symbols); NaN = not known.

    Attributes
    ----------
    volatility : expected volatility over the horizon, per year.
    r_squared : of the regression; NaN also where its targets do not vary.
    observations : targets in the regression.
    """

    volatility: FloatArray
    r_squared: FloatArray
    observations: FloatArray


def har_forecast(returns: FloatArray, rows: RowArray, model: VolatilityModel) -> HarForecast:
    """Return the volatility expected over the next `model.horizon` sessions.

    Least squares, with intercept, of the mean variance of sessions t+1 .. t+horizon on the variance of t and its means
    over a week and a month, where the variance of a session is its squared return x 252; t runs over the last
    `model.max_targets` sessions whose target is known at the row. Means skip missing returns and need most of them; a
    t without all three regressors and target drops out. Where the variance of the row itself is missing, the last known
    one of the week stands for it in the forecast: a price that comes a day late costs a day's news, not the forecast.

    Regressors are centred and scaled to unit variance; where they are collinear the solution of minimum norm in these
    units is taken, and a regressor that does not vary gets no weight. So constant variance forecasts itself.

    Parameters
    ----------
    returns : float array of shape (n_sessions, n_symbols), daily simple returns; NaN is a missing return.
    rows : rows to forecast at; none reads a later row.
    """
    series = _har_series(returns, model)
    moments = _moments(series, rows, model)
    today = _todays_regressors(series[:-1], rows, model)
    slopes, explained = _solve(moments)
    forecast = moments.mean[-1].copy()
    for regressor in range(_SERIES - 1):
        forecast += slopes[regressor] * (today[regressor] - moments.mean[regressor])
    is_known = (moments.count >= model.min_targets) & np.isfinite(forecast)
    varies = is_known & moments.varies[-1]
    total = np.where(varies, moments.products[_MOMENT[3, 3]], 1.0)
    variance = np.maximum(np.where(is_known, forecast, 0.0), model.variance_floor)
    return HarForecast(
        volatility=np.where(is_known, np.sqrt(variance), np.nan),
        r_squared=np.where(varies, np.minimum(explained / total, 1.0), np.nan),
        observations=np.where(is_known, moments.count, np.nan),
    )


def _har_series(returns: FloatArray, model: VolatilityModel) -> FloatArray:
    """Return day, week, month and target of every session: shape (4, n_sessions, n_symbols)."""
    variance = returns * returns * SESSIONS_PER_YEAR
    target = np.full(variance.shape, np.nan)
    target[: -model.horizon] = trailing_mean(variance, model.horizon)[model.horizon :]
    week, month = trailing_mean(variance, model.har_week), trailing_mean(variance, model.har_month)
    return np.stack([variance, week, month, target])


def _todays_regressors(regressors: FloatArray, rows: RowArray, model: VolatilityModel) -> FloatArray:
    """Return day, week and month at each row, the day's variance as last known within the week."""
    today = regressors[:, rows]
    for lag in range(1, model.har_week):
        earlier = np.where((rows >= lag)[:, None], regressors[0, np.maximum(rows - lag, 0)], np.nan)
        today[0] = np.where(np.isnan(today[0]), earlier, today[0])
    return today


@dataclass(frozen=True)
class _Moments:
    count: FloatArray  # (n_rows, n_symbols)
    mean: FloatArray  # (4, n_rows, n_symbols)
    products: FloatArray  # (10, n_rows, n_symbols): sums of centred products, upper triangle

    @property
    def varies(self) -> npt.NDArray[np.bool_]:
        """Whether each of the four series varies by more than rounding."""
        squares = self.products[[_MOMENT[series, series] for series in range(_SERIES)]]
        return np.sqrt(squares / np.maximum(self.count, 1.0)) > NO_SPREAD * self.mean


def _moments(series: FloatArray, rows: RowArray, model: VolatilityModel) -> _Moments:
    """Return count, means and centred products of the regression that ends at each row."""
    usable = np.isfinite(series).all(axis=0)
    # Row 0 stands for all sessions before the history: nothing is usable there.
    weight = np.pad(usable.astype(float), ((1, 0), (0, 0)))
    filled = np.pad(np.where(usable, series, 0.0), ((0, 0), (1, 0), (0, 0)))
    shape = (len(rows), series.shape[2])
    count, total = np.zeros(shape), np.zeros((_SERIES, *shape))
    steps = [np.maximum(rows - model.horizon - lag + 1, 0) for lag in range(model.max_targets)]
    for step in steps:
        count += weight[step]
        total += filled[:, step]
    mean = total / np.maximum(count, 1.0)
    products = np.zeros((len(_LEFT), *shape))
    for step in steps:
        centred = (filled[:, step] - mean) * weight[step]
        products += centred[_LEFT] * centred[_RIGHT]
    return _Moments(count, mean, products)


def _solve(moments: _Moments) -> tuple[FloatArray, FloatArray]:
    """Return slopes (3, n_rows, n_symbols) and the explained sum of squares (n_rows, n_symbols).

    Sums are written out rather than left to BLAS, whose order of summation depends on how many symbols come together.
    """
    n_regressors = _SERIES - 1
    varies = moments.varies[:-1]
    scale = np.stack([np.sqrt(moments.products[_MOMENT[i, i]]) for i in range(n_regressors)])
    scale = np.where(varies, scale, 1.0)
    shared = np.zeros((*moments.count.shape, n_regressors, n_regressors))
    for i in range(n_regressors):
        for j in range(i, n_regressors):
            product = moments.products[_MOMENT[i, j]] / (scale[i] * scale[j])
            shared[..., i, j] = shared[..., j, i] = np.where(varies[i] & varies[j], product, 0.0)
    with_target = [np.where(varies[i], moments.products[_MOMENT[i, 3]] / scale[i], 0.0) for i in range(n_regressors)]
    values, vectors = np.linalg.eigh(shared)
    slopes = np.zeros((n_regressors, *moments.count.shape))
    explained = np.zeros(moments.count.shape)
    for k in range(n_regressors):
        projection = np.zeros(moments.count.shape)
        for i in range(n_regressors):
            projection += vectors[..., i, k] * with_target[i]
        inverse = np.where(values[..., k] > _RANK_TOLERANCE, 1.0 / np.maximum(values[..., k], _RANK_TOLERANCE), 0.0)
        explained += projection * projection * inverse
        for i in range(n_regressors):
            slopes[i] += vectors[..., i, k] * projection * inverse
    return slopes / scale, explained
