"""How good are forecasts of the next 21 sessions' volatility? `python -m benchmarks.forecasts PRICES.csv [SOURCE]`.

The file has `symbol, date, close` and, for a choice by SOURCE, `source`. Every forecast is made at every session from
the 300th to the 22nd last, from what was known then. With y the variance that followed (252 x mean squared return of
sessions t+1 .. t+21) and f the forecast of it: QLIKE = mean of y/f - ln(y/f) - 1, each at most 50 (Patton 2011: the loss
that a noisy y does not mislead; it punishes a forecast that is too low most), RMSE of sqrt(f) against sqrt(y), and the
least ratio of sqrt(f) to what was realised over 63 sessions.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from sigma_assets.analytics.risk.forecast import volatility_forecast
from sigma_assets.base.conventions import SESSIONS_PER_YEAR, VolatilityModel
from sigma_assets.base.frames import FloatArray

FIRST, HORIZON, WORST = 300, 21, 50.0


def read_returns(path: Path, *, sources: Sequence[str] = ()) -> FloatArray:
    """Return daily returns, sessions x symbols, of the symbols of a price file."""
    prices = pd.read_csv(path)
    if sources:
        prices = prices[prices["source"].isin(sources)]
    closes = prices.pivot(index="date", columns="symbol", values="close").to_numpy()
    return closes[1:] / closes[:-1] - 1.0


def comparison(returns: FloatArray, *, step: int = 1) -> pd.DataFrame:
    """Return QLIKE, RMSE and least ratio of each forecast, at every `step`-th session."""
    rows = np.arange(FIRST, len(returns) - HORIZON, step)
    variance = returns**2 * SESSIONS_PER_YEAR
    followed = np.stack([variance[row + 1 : row + 1 + HORIZON].mean(axis=0) for row in rows])
    realized = _mean(variance, rows, 63)
    forecasts = {
        "last 21 sessions": _mean(variance, rows, 21),
        "last 63 sessions": realized,
        "EWMA(0.94)": _ewma(variance, 0.94)[rows],
        "EWMA(0.97)": _ewma(variance, 0.97)[rows],
        "plain HAR": _plain_har(variance, rows),
        "combination": volatility_forecast(returns, rows, VolatilityModel()).volatility ** 2,
    }
    return pd.DataFrame(
        {name: _scores(forecast, followed, realized) for name, forecast in forecasts.items()},
        index=["qlike", "rmse", "least_ratio"],
    ).T


def _scores(forecast: FloatArray, followed: FloatArray, realized: FloatArray) -> list[float]:
    ratio = followed / forecast
    qlike = np.minimum(ratio - np.log(ratio) - 1.0, WORST).mean()
    rmse = np.sqrt(((np.sqrt(followed) - np.sqrt(forecast)) ** 2).mean())
    return [float(qlike), float(rmse), float(np.sqrt(forecast / realized).min())]


def _mean(variance: FloatArray, rows: np.ndarray, window: int) -> FloatArray:
    return np.stack([variance[row - window + 1 : row + 1].mean(axis=0) for row in rows])


def _ewma(variance: FloatArray, decay: float) -> FloatArray:
    return pd.DataFrame(variance).ewm(alpha=1.0 - decay).mean().to_numpy()


def _plain_har(variance: FloatArray, rows: np.ndarray) -> FloatArray:
    """Return ordinary least squares of the next 21 sessions on day, week and month, never below 0.01 % a year."""
    frame = pd.DataFrame(variance)
    week, month = frame.rolling(5).mean().to_numpy(), frame.rolling(21).mean().to_numpy()
    target = frame.rolling(HORIZON).mean().shift(-HORIZON).to_numpy()
    forecast = np.empty((len(rows), variance.shape[1]))
    for place, row in enumerate(rows):
        last = row - HORIZON
        sample = slice(max(20, last - 251), last + 1)
        for column in range(variance.shape[1]):
            regressors = np.column_stack(
                [np.ones(len(variance)), variance[:, column], week[:, column], month[:, column]]
            )
            slopes = np.linalg.lstsq(regressors[sample], target[sample, column])[0]
            forecast[place, column] = regressors[row] @ slopes
    return np.maximum(forecast, 1e-8)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print(comparison(read_returns(Path(sys.argv[1]), sources=sys.argv[2:])).round(3).to_string())  # noqa: T201
