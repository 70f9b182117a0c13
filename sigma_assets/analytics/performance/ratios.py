"""Ratios of windows of daily returns, each window a row (SPEC 4.12).

Formulas and their yearly scale are those of empyrical: means x 252, deviations x sqrt(252), compounding to the power
252 / n. All functions skip NaN, and give NaN where a ratio has nothing below its line.
"""

import numpy as np

from sigma_assets.analytics.series.moments import deviation, mean
from sigma_assets.base.conventions import SESSIONS_PER_YEAR
from sigma_assets.base.frames import FloatArray

NO_MOVEMENT = 1e-12
"""Daily returns whose deviation is below this do not vary but for rounding."""


def covariance(left: FloatArray, right: FloatArray) -> FloatArray:
    """Return the sample covariance of rows that are known on the same sessions."""
    known = np.isfinite(left)
    count = known.sum(axis=1)
    products = np.where(known, (left - mean(left)[:, None]) * (right - mean(right)[:, None]), 0.0)
    return np.where(count > 1, products.sum(axis=1) / np.maximum(count - 1, 1), np.nan)


def sharpe(returns: FloatArray, daily_risk_free: float) -> FloatArray:
    """Return the mean excess return over its deviation, per year (Sharpe 1994)."""
    return _over(mean(returns) - daily_risk_free, deviation(returns)) * np.sqrt(SESSIONS_PER_YEAR)


def sortino(returns: FloatArray, daily_required: float) -> FloatArray:
    """Return the mean excess return over the root mean square of shortfalls, per year (Sortino and Price 1994)."""
    shortfall = np.minimum(returns - daily_required, 0.0)
    return _over(mean(returns) - daily_required, np.sqrt(mean(shortfall * shortfall))) * np.sqrt(SESSIONS_PER_YEAR)


def deepest_fall(returns: FloatArray) -> FloatArray:
    """Return the deepest fall of an index from its peak, <= 0; the index stands at 1 before the row's first return.

    A return of -100 % or worse ends the index at a fall of -1: nobody loses more than all.
    """
    growth = np.maximum(np.where(np.isfinite(returns), 1.0 + returns, 1.0), 0.0)
    index = np.cumprod(growth, axis=1)
    peak = np.maximum.accumulate(np.maximum(index, 1.0), axis=1)
    fall = (index / peak - 1.0).min(axis=1, initial=0.0)
    return np.where(np.isfinite(returns).any(axis=1), fall, np.nan)


def annual_return(returns: FloatArray) -> FloatArray:
    """Return the compounded return of each row per year of 252 returns; NaN without any, or beyond the largest float."""
    known = np.isfinite(returns)
    count = known.sum(axis=1)
    growth = np.where(known, 1.0 + returns, 1.0).prod(axis=1)
    power = SESSIONS_PER_YEAR / np.maximum(count, 1)
    with np.errstate(over="ignore"):  # a day of +2,000 % alone, for 252 days
        annual = np.maximum(growth, 0.0) ** power - 1.0
    return np.where((count > 0) & (growth > 0) & np.isfinite(annual), annual, np.nan)


def against_benchmark(returns: FloatArray, benchmark: FloatArray, daily_risk_free: float) -> dict[str, FloatArray]:
    """Return the statistics of rows against rows of a benchmark, on the sessions that both have.

    Returns
    -------
    dict of float arrays of shape (n_rows,)
        `active_return` (mean difference x 252), `tracking_error`, `information_ratio` (their ratio), `alpha` (compounded
        per year, of the regression of excess returns), `beta`, `r_squared`, `correlation`, `up_capture` and
        `down_capture` (annual return on the benchmark's sessions above, and below, 0 over the benchmark's).
    """
    both = np.isfinite(returns) & np.isfinite(benchmark)
    own, other = np.where(both, returns, np.nan), np.where(both, benchmark, np.nan)
    active = own - other
    active_return = mean(active) * SESSIONS_PER_YEAR
    tracking_error = deviation(active) * np.sqrt(SESSIONS_PER_YEAR)
    tracking_error = np.where(tracking_error < NO_MOVEMENT * np.sqrt(SESSIONS_PER_YEAR), 0.0, tracking_error)
    own_deviation, other_deviation = deviation(own), deviation(other)
    shared = covariance(own, other)
    beta = _over(shared, other_deviation * other_deviation, NO_MOVEMENT**2)
    correlation = np.clip(_over(shared, own_deviation * other_deviation, NO_MOVEMENT**2), -1.0, 1.0)
    daily_alpha = mean(own) - daily_risk_free - beta * (mean(other) - daily_risk_free)
    is_up, is_down = other > 0, other < 0
    return {
        "active_return": active_return,
        "tracking_error": tracking_error,
        "information_ratio": _over(active_return, tracking_error, 0.0),
        "alpha": (1.0 + daily_alpha) ** SESSIONS_PER_YEAR - 1.0,
        "beta": beta,
        "r_squared": correlation * correlation,
        "correlation": correlation,
        "up_capture": _capture(own, other, is_up),
        "down_capture": _capture(own, other, is_down),
    }


def _capture(own: FloatArray, other: FloatArray, chosen: np.ndarray) -> FloatArray:
    own_return = annual_return(np.where(chosen, own, np.nan))
    other_return = annual_return(np.where(chosen, other, np.nan))
    return _over(own_return, np.abs(other_return)) * np.sign(other_return)


def _over(numerator: FloatArray, denominator: FloatArray, least: float = NO_MOVEMENT) -> FloatArray:
    """Return a ratio; NaN where the denominator is not above `least`."""
    return numerator / np.where(denominator > least, denominator, np.nan)
