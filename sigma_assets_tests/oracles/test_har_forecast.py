"""The HAR regression against statsmodels' OLS and arch's HARX."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from arch.univariate import HARX

from sigma_assets.analytics.risk.har import har_forecast
from sigma_assets.base.conventions import VolatilityModel
from sigma_assets.base.frames import FloatArray

ROWS = np.array([399, 330, 200])


def clustered_returns(n_sessions: int, *, seed: int) -> FloatArray:
    """Return a GARCH(1, 1) path at about 20 % per year."""
    random = np.random.default_rng(seed)
    long_run = 0.2**2 / 252
    returns, variance = np.empty(n_sessions), long_run
    for t in range(n_sessions):
        returns[t] = np.sqrt(variance) * random.standard_normal()
        variance = 0.05 * long_run + 0.12 * returns[t] ** 2 + 0.83 * variance
    return returns


def ols_forecast(returns: FloatArray, row: int, model: VolatilityModel) -> tuple[float, float, int]:
    """Return volatility, R^2 and observations of the regression of SPEC 4.7 by statsmodels, on windows by pandas."""
    daily = pd.Series(returns) ** 2 * 252

    def mean(window: int) -> pd.Series:
        return daily.rolling(window, min_periods=int(np.ceil(0.8 * window))).mean()

    regressors = sm.add_constant(
        pd.DataFrame({"day": daily, "week": mean(model.har_week), "month": mean(model.har_month)})
    )
    sample = regressors.assign(target=mean(model.horizon).shift(-model.horizon))
    sample = sample.iloc[max(0, row - model.horizon - model.max_targets + 1) : row - model.horizon + 1].dropna()
    fit = sm.OLS(sample["target"], sample.drop(columns="target")).fit()
    variance = float(fit.predict(regressors.iloc[[row]]).iloc[0])
    return np.sqrt(max(variance, model.variance_floor)), fit.rsquared, len(sample)


@pytest.mark.parametrize("gaps", [0.0, 0.04])
@pytest.mark.parametrize("seed", range(4))
def test_forecast_is_that_of_ordinary_least_squares(gaps: float, seed: int):
    model = VolatilityModel()
    returns = np.stack([clustered_returns(400, seed=10 * seed + n) for n in range(3)], axis=1)
    returns[(np.random.default_rng(seed).random(returns.shape) < gaps) & ~np.isin(np.arange(400), ROWS)[:, None]] = (
        np.nan
    )

    found = har_forecast(returns, ROWS, model)

    for place, row in enumerate(ROWS):
        for column in range(3):
            volatility, r_squared, observations = ols_forecast(returns[:, column], row, model)
            if np.isnan(volatility):  # a week of which two returns are missing
                assert np.isnan(found.volatility[place, column])
                continue
            assert found.volatility[place, column] == pytest.approx(volatility, rel=1e-8)
            assert found.r_squared[place, column] == pytest.approx(r_squared, rel=1e-7, abs=1e-10)
            assert found.observations[place, column] == observations


@pytest.mark.parametrize("seed", range(5))
def test_one_day_horizon_is_the_harx_model_of_arch(seed: int):
    """With the next session as target the direct forecast is the recursive one, which arch fits."""
    model = VolatilityModel(horizon=1)
    returns = clustered_returns(300, seed=seed)
    sample = (returns**2 * 252)[-(model.max_targets + model.har_month) :]  # arch spends the first 21 on lags
    fit = HARX(sample, lags=[1, 5, 21], rescale=False).fit(disp="off")

    found = har_forecast(returns[:, None], np.array([299]), model)

    expected = float(fit.forecast(horizon=1, reindex=False).mean.iloc[-1, 0])
    assert found.volatility[0, 0] ** 2 == pytest.approx(max(expected, model.variance_floor), rel=1e-6)
    assert found.r_squared[0, 0] == pytest.approx(fit.rsquared, rel=1e-6)
    assert found.observations[0, 0] == 252
