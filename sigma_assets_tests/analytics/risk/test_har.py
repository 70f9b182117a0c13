"""Facts about expected volatility that hold without another library."""

import numpy as np
import pytest

from sigma_assets.analytics.risk.har import har_forecast
from sigma_assets.base.conventions import VolatilityModel

MODEL = VolatilityModel()
DAILY = 0.2 / np.sqrt(252)


def test_constant_volatility_of_20_percent_is_expected_to_stay_at_20_percent():
    signs = np.where(np.random.default_rng(1).random((400, 3)) < 0.5, -1.0, 1.0)

    found = har_forecast(signs * DAILY, np.array([350, 399]), MODEL)

    np.testing.assert_allclose(found.volatility, 0.2, rtol=1e-12)
    assert np.isnan(found.r_squared).all(), "constant targets have no variance to explain"


def test_constant_volatility_from_rounded_price_ratios_is_still_20_percent():
    signs = np.where(np.random.default_rng(2).random(400) < 0.5, -1.0, 1.0)
    prices = 100 * np.cumprod(1 + signs * DAILY)
    returns = prices[1:] / prices[:-1] - 1

    found = har_forecast(returns[:, None], np.array([398]), MODEL)

    assert found.volatility[0, 0] == pytest.approx(0.2, rel=1e-9)


def test_normal_returns_at_20_percent_are_forecast_at_20_percent_on_average():
    """Not 16 %, which is what squared means of absolute returns would give."""
    returns = np.random.default_rng(3).normal(0, DAILY, (294, 1500))

    found = har_forecast(returns, np.array([293]), MODEL)

    assert np.mean(found.volatility**2) ** 0.5 == pytest.approx(0.2, rel=0.01)


def test_variance_that_swings_between_two_levels_every_session_gives_its_mean():
    """Month and target swing by little, day by much: the regressors are collinear, and the forecast is still sane."""
    returns = np.where(np.arange(400) % 2 == 0, 0.01, 0.02)[:, None] * 1.0

    found = har_forecast(returns, np.array([398, 399]), MODEL)

    # 21 sessions hold 10 of one kind and 11 of the other: the next 21 after a quiet one start with a lively one.
    after_quiet, after_lively = (10 * 1e-4 + 11 * 4e-4) / 21 * 252, (11 * 1e-4 + 10 * 4e-4) / 21 * 252
    np.testing.assert_allclose(found.volatility[:, 0] ** 2, [after_quiet, after_lively], rtol=1e-9)
    np.testing.assert_allclose(found.r_squared, 1.0, rtol=1e-9)


def test_prices_that_never_move_are_forecast_at_the_floor():
    found = har_forecast(np.zeros((400, 1)), np.array([399]), MODEL)

    assert found.volatility[0, 0] == np.sqrt(1e-8)


def test_negative_forecast_is_floored():
    """Variance that has fallen steadily to nothing extrapolates below zero."""
    returns = np.sqrt(np.linspace(4e-4, 1e-9, 294))[:, None]

    found = har_forecast(returns, np.array([293]), MODEL)

    assert found.volatility[0, 0] == np.sqrt(1e-8)
    assert found.r_squared[0, 0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("returns_known", "observations"),
    [(16 + 59 + 21, None), (16 + 60 + 21, 60), (16 + 61 + 21, 61), (16 + 252 + 21, 252), (390, 252)],
)
def test_targets_are_counted_from_the_first_month_of_which_17_returns_are_known(returns_known, observations):
    """The first t has 17 of 21 returns, the last one lies 21 sessions back: known - 16 - 21 targets, at least 60."""
    returns = np.random.default_rng(4).normal(0, 0.01, (400, 1))
    returns[: 400 - returns_known] = np.nan

    found = har_forecast(returns, np.array([399]), MODEL)

    if observations is None:
        assert np.isnan([found.observations[0, 0], found.volatility[0, 0], found.r_squared[0, 0]]).all()
    else:
        assert found.observations[0, 0] == observations
        assert found.volatility[0, 0] > 0


def test_without_a_return_on_the_session_the_last_one_of_the_week_stands_for_it():
    """Two of five missing leave no weekly mean, and then nothing is expected."""
    returns = np.random.default_rng(5).normal(0, 0.01, (400, 2))
    returns[399, 0] = np.nan
    returns[398:, 1] = np.nan

    found = har_forecast(returns, np.array([399]), MODEL)

    assert np.isfinite([found.volatility[0, 0], found.r_squared[0, 0], found.observations[0, 0]]).all()
    assert np.isnan([found.volatility[0, 1], found.r_squared[0, 1], found.observations[0, 1]]).all()


def test_no_r_squared_is_taken_of_a_month_that_never_changes_though_its_weeks_do():
    """Variance that repeats every 21 sessions has the same mean over any 21, and different ones over 5."""
    returns = np.tile(np.r_[np.full(10, 0.02), np.full(11, 0.005)], 20)[:, None]

    found = har_forecast(returns, np.array([419]), MODEL)

    assert np.isnan(found.r_squared[0, 0])
    assert found.volatility[0, 0] == pytest.approx(np.sqrt(252 * (returns[:21] ** 2).mean()), rel=1e-9)
