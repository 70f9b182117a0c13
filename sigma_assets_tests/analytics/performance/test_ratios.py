"""Ratios of daily returns against empyrical, to 1e-9, and what has no ratio."""

import empyrical
import numpy as np
import pandas as pd
import pytest

from sigma_assets.analytics.performance import ratios

RATE = 0.03
DAILY_RATE = RATE / 252


@pytest.fixture(params=range(6))
def pair(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(request.param)
    benchmark = random.standard_t(4, 252) * 0.007 + 0.0003
    return 0.7 * benchmark + random.standard_t(4, 252) * 0.006, benchmark


def test_ratios_of_one_series_are_empyricals(pair):
    returns, _ = pair
    row = returns[None, :]

    assert ratios.sharpe(row, DAILY_RATE)[0] == pytest.approx(empyrical.sharpe_ratio(returns, DAILY_RATE), abs=1e-9)
    assert ratios.sortino(row, DAILY_RATE)[0] == pytest.approx(empyrical.sortino_ratio(returns, DAILY_RATE), abs=1e-9)
    assert ratios.deepest_fall(row)[0] == pytest.approx(empyrical.max_drawdown(returns), abs=1e-12)
    assert ratios.annual_return(row)[0] == pytest.approx(empyrical.annual_return(returns), abs=1e-12)
    volatility = ratios.deviation(row)[0] * np.sqrt(252)
    assert volatility == pytest.approx(empyrical.annual_volatility(returns), abs=1e-12)


def test_a_return_per_year_beyond_the_largest_number_is_none():
    """A day of +2,000 % alone, as a price that is wrong makes it, is 21 to the power of 252 a year."""
    found = ratios.annual_return(np.array([[20.0, np.nan], [0.01, np.nan]]))

    assert np.isnan(found[0])
    assert found[1] == pytest.approx(1.01**252 - 1)


def test_statistics_against_a_benchmark_are_empyricals(pair):
    returns, benchmark = pair

    found = {
        name: value[0] for name, value in ratios.against_benchmark(returns[None], benchmark[None], DAILY_RATE).items()
    }

    alpha, beta = empyrical.alpha_beta(returns, benchmark, risk_free=DAILY_RATE)
    assert found["alpha"] == pytest.approx(alpha, abs=1e-9)
    assert found["beta"] == pytest.approx(beta, abs=1e-9)
    ratio = empyrical.excess_sharpe(returns, benchmark) * np.sqrt(252)
    assert found["information_ratio"] == pytest.approx(ratio, abs=1e-9)
    assert found["tracking_error"] == pytest.approx(empyrical.annual_volatility(returns - benchmark), abs=1e-12)
    assert found["active_return"] == pytest.approx((returns - benchmark).mean() * 252, abs=1e-12)
    assert found["correlation"] == pytest.approx(np.corrcoef(returns, benchmark)[0, 1], abs=1e-12)
    assert found["r_squared"] == pytest.approx(found["correlation"] ** 2, abs=1e-12)
    index = pd.bdate_range("2023-01-02", periods=252)
    own, other = pd.Series(returns, index), pd.Series(benchmark, index)
    assert found["up_capture"] == pytest.approx(empyrical.up_capture(own, other), abs=1e-9)
    assert found["down_capture"] == pytest.approx(empyrical.down_capture(own, other), abs=1e-9)


def test_the_benchmark_against_itself():
    benchmark = np.random.default_rng(1).normal(0, 0.01, (1, 252))

    found = {name: value[0] for name, value in ratios.against_benchmark(benchmark, benchmark, DAILY_RATE).items()}

    assert (found["active_return"], found["tracking_error"]) == (0.0, 0.0)
    assert np.isnan(found["information_ratio"])
    assert found["beta"] == pytest.approx(1.0, abs=1e-12)
    assert found["alpha"] == pytest.approx(0.0, abs=1e-12)
    assert found["up_capture"] == pytest.approx(1.0, abs=1e-12)
    assert found["down_capture"] == pytest.approx(1.0, abs=1e-12)


def test_returns_that_never_move_have_no_ratio():
    flat = np.full((1, 100), 0.0001)
    moving = np.random.default_rng(2).normal(0, 0.01, (1, 100))

    assert np.isnan(ratios.sharpe(flat, 0.0)[0])
    assert np.isnan(ratios.sortino(flat, 0.0)[0])
    assert np.isnan(ratios.against_benchmark(moving, flat, 0.0)["beta"][0])
    assert np.isnan(ratios.against_benchmark(moving, np.abs(moving), 0.0)["down_capture"][0])


def test_missing_returns_are_skipped():
    returns = np.random.default_rng(3).normal(0, 0.01, 252)
    with_gaps = returns.copy()
    with_gaps[[3, 50, 200]] = np.nan
    known = returns[np.isfinite(with_gaps)]

    assert ratios.sharpe(with_gaps[None], 0.0)[0] == pytest.approx(empyrical.sharpe_ratio(known), abs=1e-12)
    assert ratios.deepest_fall(with_gaps[None])[0] == pytest.approx(empyrical.max_drawdown(known), abs=1e-12)


def test_nobody_loses_more_than_all():
    assert ratios.deepest_fall(np.array([[0.1, -1.7, 0.5]]))[0] == -1.0


def test_two_returns_have_a_covariance():
    """(1, 2) and (3, 7): deviations of +-0.5 and +-2 have products of 1 each, over n - 1 = 1."""
    assert ratios.covariance(np.array([[1.0, 2.0]]), np.array([[3.0, 7.0]]))[0] == 2.0
    assert np.isnan(ratios.covariance(np.array([[1.0, np.nan]]), np.array([[3.0, np.nan]]))[0])
