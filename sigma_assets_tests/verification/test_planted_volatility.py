"""Planted volatility: what is estimated from simulated returns is what they were made with, at the stated rate."""

import numpy as np
import pytest
from scipy import stats

from sigma_assets.analytics.risk.volatility_measures import NUMBERS, measures, trend
from sigma_assets.analytics.series.windows import trailing_volatility
from sigma_assets.base.conventions import SESSIONS_PER_YEAR, VolatilityModel

MODEL = VolatilityModel()
TWENTY_PERCENT = 0.2
PATHS = 3_000


def _measured(returns, rows=None):
    """Return the numbers by name, shape (n_rows, n_paths), at the last row unless told otherwise."""
    rows = np.array([len(returns) - 1]) if rows is None else rows
    found = measures(returns, rows, np.zeros(returns.shape[1], dtype=np.intp), MODEL)
    return dict(zip(NUMBERS, found, strict=True))


@pytest.fixture(scope="module")
def on_constant_volatility():
    random = np.random.default_rng(20_090_201)
    daily = TWENTY_PERCENT / np.sqrt(SESSIONS_PER_YEAR)
    return _measured(random.normal(0.0005, daily, (MODEL.longest_window + 1, PATHS)))


@pytest.mark.parametrize(("name", "window"), [("realized_21d", 21), ("realized_63d", 63)])
def test_realised_volatility_falls_into_its_chi_squared_band_nine_times_in_ten(on_constant_volatility, name, window):
    variance = on_constant_volatility[name][0] ** 2 / TWENTY_PERCENT**2 * (window - 1)

    low, high = stats.chi2.ppf([0.05, 0.95], window - 1)
    share = ((variance > low) & (variance < high)).mean()
    assert share == pytest.approx(0.9, abs=3 * np.sqrt(0.9 * 0.1 / PATHS))


def test_expected_volatility_of_constant_twenty_percent_is_twenty_not_sixteen(on_constant_volatility):
    """The mean of |r| is 0.8 sd, so a regression on volatilities instead of variances would say 16 %."""
    expected = on_constant_volatility["expected_21d"][0]

    assert np.sqrt((expected**2).mean()) == pytest.approx(TWENTY_PERCENT, rel=0.01)
    assert np.median(expected) == pytest.approx(TWENTY_PERCENT, rel=0.01)
    assert ((expected > 0.17) & (expected < 0.23)).mean() > 0.9


def test_the_percentile_of_constant_volatility_is_uniform(on_constant_volatility):
    assert on_constant_volatility["percentile"][0].mean() == pytest.approx(0.5, abs=0.03)


def test_the_trend_label_is_false_less_than_one_time_in_ten():
    """Realised 21 against 63 sessions has a standard error of 13 %: within +-22 % nine times in ten, +-15 % in four."""
    random = np.random.default_rng(11)
    returns = random.standard_normal((63, 50_000)) / 100
    ratio = returns[-21:].std(axis=0, ddof=1) / returns.std(axis=0, ddof=1)

    false_alarms = (trend(ratio, MODEL) != "stable").mean()

    assert false_alarms == pytest.approx(0.09, abs=0.005)
    assert ((ratio > 1.15) | (ratio < 0.85)).mean() == pytest.approx(0.25, abs=0.01)


def test_the_measured_trend_ratio_is_false_as_seldom(on_constant_volatility):
    ratio = on_constant_volatility["trend_ratio"][0]

    assert (trend(ratio, MODEL) != "stable").mean() < 0.09 + 3 * np.sqrt(0.09 * 0.91 / PATHS)


@pytest.mark.parametrize(("factor", "power"), [(1.5, 0.613), (2.0, 0.946), (3.0, 0.999)])
def test_a_month_of_higher_volatility_is_called_increasing_as_often_as_plain_numpy_says(factor, power):
    """Power from 200,000 draws of 63 normal returns, the last 21 scaled: numpy's two deviations against 1.22."""
    random = np.random.default_rng(5)
    daily = np.r_[np.full(400, 0.01), np.full(21, 0.01 * factor)][:, None]

    ratio = _measured(daily * random.standard_normal((421, 2_000)))["trend_ratio"][0]

    share = (trend(ratio, MODEL) == "increasing").mean()
    assert share == pytest.approx(power, abs=3 * np.sqrt(power * (1 - power) / 2_000))


def _har_paths(day, week, month, *, seed, paths=400):
    """Return returns whose conditional variance is a constant + day, week, month x past squared returns; long-run 20 %."""
    random = np.random.default_rng(seed)
    burn, length = 300, 900
    squares = np.full((burn + length, paths), TWENTY_PERCENT**2)
    returns, expected = np.zeros(squares.shape), squares.copy()
    for t in range(21, len(squares)):
        expected[t] = TWENTY_PERCENT**2 * (1 - day - week - month) + day * squares[t - 1]
        expected[t] += week * squares[t - 5 : t].mean(axis=0) + month * squares[t - 21 : t].mean(axis=0)
        returns[t] = np.sqrt(expected[t] / SESSIONS_PER_YEAR) * random.standard_normal(paths)
        squares[t] = returns[t] ** 2 * SESSIONS_PER_YEAR
    return returns[burn:], expected[burn:]


@pytest.mark.parametrize("slopes", [(0.3, 0.4, 0.0), (0.2, 0.5, 0.1), (0.05, 0.3, 0.6)])
def test_on_har_generated_data_the_forecast_beats_the_63_day_realised_volatility(slopes):
    returns, expected = _har_paths(*slopes, seed=5)
    rows = np.arange(600, len(returns) - 21, 21)

    found = _measured(returns, rows)

    coming = np.sqrt(np.stack([expected[row + 1 : row + 22].mean(axis=0) for row in rows]))
    error = {name: np.abs(found[name] - coming).mean() for name in ("expected_21d", "realized_63d")}
    assert error["expected_21d"] < error["realized_63d"]


def test_a_price_that_comes_a_day_late_costs_a_day_of_news_and_not_the_forecast():
    """The day's regressor is the last known variance; week and month leave the missing day out."""
    random = np.random.default_rng(8)
    returns = random.normal(0, 0.01, (400, 3))
    returns[-1, 0] = np.nan
    returns[-2:, 1] = np.nan

    late, silent, on_time = _measured(returns)["expected_21d"][0]

    assert 0.1 < late < 0.25
    assert np.isnan(silent)
    assert 0.1 < on_time < 0.25
    returns[-1, 0] = returns[-2, 0]
    slopes_only = _measured(returns)["expected_21d"][0, 0]
    assert late == pytest.approx(slopes_only, rel=0.05)


def test_realised_volatility_equals_numpy_over_the_window_only():
    random = np.random.default_rng(2)
    returns = random.normal(0, 0.01, (100, 4))

    found = trailing_volatility(returns, np.array([99]), 21, np.zeros(4, dtype=np.intp))

    np.testing.assert_allclose(found[0], returns[-21:].std(axis=0, ddof=1) * np.sqrt(252), rtol=1e-13)
