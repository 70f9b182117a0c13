"""What is measured on a series of returns, be it a symbol's or a portfolio's (SPEC 4.7)."""

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from sigma_assets.analytics.risk.forecast import volatility_forecast
from sigma_assets.analytics.series.windows import RowArray, trailing_volatility
from sigma_assets.base.conventions import VolatilityModel
from sigma_assets.base.frames import FloatArray

NUMBERS = ("realized_21d", "realized_63d", "expected_21d", "r_squared", "observations", "trend_ratio", "percentile")
COLUMNS = (*NUMBERS[:5], "trend", *NUMBERS[5:])
"""Columns after the keys, in the order of the tables."""

NO_MOVEMENT = 1e-10
"""A volatility below this, per year, is the rounding of prices that do not move: no ratio is taken to it."""


_TIE = 1e-9
"""Volatilities closer than this share of them are equal: the order in which the same returns are added moves 1e-14."""


def measures(returns: FloatArray, rows: RowArray, first_rows: RowArray, model: VolatilityModel) -> FloatArray:
    """Return the numbers of each column of returns at each row.

    Parameters
    ----------
    returns : float array of shape (n_sessions, n_columns), daily simple returns; NaN is a missing return.
    rows : int array of shape (n_rows,); a row d reads the `model.longest_window` rows ending at d.
    first_rows : int array of shape (n_columns,); first row that can have a return.

    Returns
    -------
    float array of shape (len(NUMBERS), n_rows, n_columns), in the order of `NUMBERS`; NaN = not known
        `trend_ratio` is NaN where `realized_63d` is 0 but for rounding.
    """
    back = np.arange(model.percentile_window)
    needed = np.unique(np.maximum(rows[:, None] - back, 0))
    short = np.full(returns.shape, np.nan)
    short[needed] = trailing_volatility(returns, needed, model.short_window, first_rows)
    long = trailing_volatility(returns, rows, model.long_window, first_rows)
    forecast = volatility_forecast(returns, rows, model)
    today = short[rows]
    ratio = np.where(long > NO_MOVEMENT, today / np.where(long > NO_MOVEMENT, long, 1.0), np.nan)
    return np.stack(
        [
            today,
            long,
            forecast.volatility,
            forecast.r_squared,
            forecast.observations,
            ratio,
            _percentile(short, rows, model),
        ]
    )


def trend(ratio: FloatArray, model: VolatilityModel) -> ExtensionArray:
    """Return increasing, decreasing or stable for each `trend_ratio`; null where it is NaN."""
    words = np.full(ratio.shape, None, dtype=object)
    words[np.isfinite(ratio)] = "stable"
    words[ratio > model.trend_up] = "increasing"
    words[ratio < model.trend_down] = "decreasing"
    return pd.array(words, dtype="str")


def _percentile(realized: FloatArray, rows: RowArray, model: VolatilityModel) -> FloatArray:
    """Return the share of the trailing window's known values, today's included, that are <= today's but for rounding."""
    before = np.pad(realized, ((1, 0), (0, 0)), constant_values=np.nan)  # row 0: any session before the history
    today = realized[rows]
    limit = today * (1.0 + _TIE) + NO_MOVEMENT
    count, below = np.zeros(today.shape), np.zeros(today.shape)
    for lag in range(model.percentile_window):
        earlier = before[np.maximum(rows - lag + 1, 0)]
        count += np.isfinite(earlier)
        below += earlier <= limit
    is_known = (count >= model.percentile_min) & np.isfinite(today)
    return np.where(is_known, below / np.maximum(count, 1.0), np.nan)
