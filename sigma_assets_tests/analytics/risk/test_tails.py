"""Value at risk and expected shortfall, by hand and against numpy's and empyrical's quantiles."""

import empyrical
import numpy as np
import pytest

from sigma_assets.analytics.risk.tails import expected_shortfall, normal_value_at_risk, tail, value_at_risk

LEVELS = {"95": 0.05, "975": 0.025, "99": 0.01}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("count", [100, 101, 199, 200, 250, 901])
def test_value_at_risk_is_the_inverse_of_the_empirical_distribution(level: str, count: int):
    returns = np.random.default_rng(count).normal(0, 0.01, (3, 1_000))
    returns[:, : 1_000 - count] = np.nan

    found = value_at_risk(returns, level, min_observations=100)

    expected = [-np.quantile(row[-count:], LEVELS[level], method="inverted_cdf") for row in returns]
    assert found.tolist() == expected


def test_empyrical_interpolates_between_the_two_observations_around_ours():
    returns = np.random.default_rng(1).normal(0, 0.01, 250)

    found = value_at_risk(returns[None, :], "95", min_observations=100)[0]

    ordered = np.sort(returns)
    assert ordered[11] <= -found <= ordered[13]
    assert ordered[12] == -found
    assert ordered[12] <= empyrical.value_at_risk(returns, 0.05) <= ordered[13]


def test_fewer_returns_than_needed_give_no_number():
    returns = np.full((1, 250), np.nan)
    returns[0, -99:] = -0.01

    assert np.isnan(value_at_risk(returns, "95", min_observations=100)).all()
    assert np.isnan(expected_shortfall(returns, tail(returns, np.array([np.nan])))).all()


def test_expected_shortfall_is_the_mean_of_the_days_at_least_as_bad():
    """100 days: -5, -4, -3, -2, -1 % and 95 of +1 %. The fifth worst is -1 %, the mean of five 3 %."""
    returns = np.array([[-0.05, -0.04, -0.03, -0.02, -0.01, *[0.01] * 95]])

    var = value_at_risk(returns, "95", min_observations=100)

    assert var.tolist() == [0.01]
    assert expected_shortfall(returns, tail(returns, var))[0] == pytest.approx(0.03, abs=1e-15)


def test_days_that_are_equal_but_for_rounding_are_all_in_the_tail():
    returns = np.where(np.arange(100) % 2 == 0, 0.99, 1.01)[None, :] * np.array([1.0 + 1e-16]) - 1.0
    returns[0, 0] = np.nextafter(returns[0, 2], -1)

    assert tail(returns, value_at_risk(returns, "99", min_observations=100)).sum() == 50


def test_normal_value_at_risk_is_that_of_a_normal_distribution():
    random = np.random.default_rng(2).normal(0.001, 0.02, 2_000_000)

    assert normal_value_at_risk(np.array(0.001), np.array(0.02), 0.99) == pytest.approx(
        -np.quantile(random, 0.01), rel=0.005
    )


def test_a_tail_of_one_day_is_that_day():
    returns = np.array([[-0.05, *[0.01] * 99]])

    assert expected_shortfall(returns, tail(returns, np.array([0.05]))).tolist() == [0.05]
