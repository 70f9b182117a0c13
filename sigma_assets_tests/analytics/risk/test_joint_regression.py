"""The joint regression on factors against statsmodels' OLS."""

import numpy as np
import pytest
import statsmodels.api as sm

from sigma_assets.analytics.risk.joint_regression import factor_design, joint_fit


def planted(seed: int, n_rows: int = 4, window: int = 252, n_factors: int = 6):
    random = np.random.default_rng(seed)
    factors = random.normal(0, 0.01, (n_factors, n_rows, window))
    targets = np.tensordot(random.normal(size=n_factors), factors, 1) + random.normal(0, 0.004, (n_rows, window))
    return random, factors, targets


@pytest.mark.parametrize("gaps", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_betas_errors_and_r_squared_are_those_of_statsmodels(seed: int, gaps: float):
    random, factors, targets = planted(seed)
    factors[random.random(factors.shape) < gaps / 6] = np.nan
    known = random.random(targets.shape) >= gaps / 2

    found = joint_fit(factor_design(factors, known, min_observations=126), np.where(known, targets, 0.0))

    for row in range(len(targets)):
        there = known[row] & np.isfinite(factors[:, row]).all(axis=0)
        y, x = targets[row, there], factors[:, row, there]
        fit = sm.OLS(y, sm.add_constant(x.T)).fit()
        np.testing.assert_allclose(found.beta[:, row], fit.params[1:], rtol=1e-9)
        np.testing.assert_allclose(found.std_error[:, row], fit.bse[1:], rtol=1e-9)
        assert found.r_squared[row] == pytest.approx(fit.rsquared, abs=1e-12)
        assert found.observations[row] == fit.nobs
        shares = [fit.params[k + 1] * np.cov(x[k], y)[0, 1] / y.var(ddof=1) for k in range(6)]
        np.testing.assert_allclose(found.variance_share[:, row], shares, rtol=1e-9, atol=1e-12)
        assert np.sum(found.variance_share[:, row]) == pytest.approx(fit.rsquared, abs=1e-12)


def test_too_few_sessions_give_no_number():
    _, factors, targets = planted(7)
    known = np.zeros(targets.shape, dtype=bool)
    known[:2, :125] = True
    known[2:, :126] = True

    found = joint_fit(factor_design(factors, known, min_observations=126), np.where(known, targets, 0.0))

    assert np.isnan(found.beta[:, :2]).all()
    assert np.isnan(found.r_squared[:2]).all()
    assert np.isfinite(found.beta[:, 2:]).all(), "126 are enough"
    assert np.isfinite(found.r_squared[2:]).all()


@pytest.mark.parametrize("spoiled", [0.0, np.nan])
def test_a_factor_that_never_moved_or_has_no_prices_is_left_out_and_the_others_are_fitted_without_it(spoiled: float):
    _, factors, targets = planted(8)
    factors[2] = spoiled

    found = joint_fit(factor_design(factors, np.ones(targets.shape, dtype=bool), min_observations=126), targets)

    others = [0, 1, 3, 4, 5]
    assert np.isnan(found.beta[2]).all()
    for row in range(len(targets)):
        fit = sm.OLS(targets[row], sm.add_constant(factors[others, row].T)).fit()
        np.testing.assert_allclose(found.beta[others, row], fit.params[1:], rtol=1e-9)
        np.testing.assert_allclose(found.std_error[others, row], fit.bse[1:], rtol=1e-9)


def test_two_factors_that_are_the_same_leave_their_row_unknown():
    _, factors, targets = planted(9)
    factors[3] = factors[1]

    found = joint_fit(factor_design(factors, np.ones(targets.shape, dtype=bool), min_observations=126), targets)

    assert np.isnan(found.beta).all()


@pytest.mark.parametrize("noise", [0.0, 1e-13])
def test_a_factor_that_moves_by_rounding_alone_is_left_out_with_its_gaps(noise: float):
    """The same 0.3 % every session, on 200 of 252: the others are fitted on all 252."""
    random, factors, targets = planted(10)
    factors[2] = 0.003 + noise * random.choice([-1.0, 1.0], factors[2].shape)
    factors[2, :, :52] = np.nan

    found = joint_fit(factor_design(factors, np.ones(targets.shape, dtype=bool), min_observations=126), targets)

    others = [0, 1, 3, 4, 5]
    assert np.isnan(found.beta[2]).all()
    assert found.observations.tolist() == [252] * 4
    for row in range(len(targets)):
        fit = sm.OLS(targets[row], sm.add_constant(factors[others, row].T)).fit()
        np.testing.assert_allclose(found.beta[others, row], fit.params[1:], rtol=1e-9)


def test_of_a_portfolio_that_moves_by_rounding_alone_no_share_is_explained():
    random, factors, targets = planted(11)
    still = 0.001 + 1e-14 * random.choice([-1.0, 1.0], targets.shape)

    found = joint_fit(factor_design(factors, np.ones(targets.shape, dtype=bool), min_observations=126), still)

    assert np.isnan(found.r_squared).all()
    assert np.isnan(found.variance_share).all()


@pytest.mark.parametrize(("returns", "is_used"), [(125, False), (126, True)])
def test_a_factor_with_too_few_returns_is_left_out_and_does_not_shorten_the_others(returns: int, is_used: bool):
    _, factors, targets = planted(12)
    factors[2, :, : 252 - returns] = np.nan

    found = joint_fit(factor_design(factors, np.ones(targets.shape, dtype=bool), min_observations=126), targets)

    assert np.isfinite(found.beta[2]).tolist() == [is_used] * 4
    assert found.observations.tolist() == [126 if is_used else 252] * 4


def test_a_factor_that_moves_only_where_another_one_has_no_return_is_left_out():
    random, factors, targets = planted(13)
    factors[1, :, :52] = np.nan
    factors[2, :, 52:] = 0.003 + 1e-13 * random.choice([-1.0, 1.0], (4, 200))

    found = joint_fit(factor_design(factors, np.ones(targets.shape, dtype=bool), min_observations=126), targets)

    assert np.isnan(found.beta[2]).all()
    assert np.isfinite(found.beta[[0, 1, 3, 4, 5]]).all()


def test_standard_errors_need_one_session_more_than_coefficients():
    """Six betas and an intercept: seven sessions leave nothing to measure an error by, eight leave one."""
    _, factors, targets = planted(14, window=8)
    known = np.ones(targets.shape, dtype=bool)
    known[0, 0] = False

    found = joint_fit(factor_design(factors, known, min_observations=7), np.where(known, targets, 0.0))

    assert np.isnan(found.std_error[:, 0]).all()
    for row in range(1, 4):
        fit = sm.OLS(targets[row], sm.add_constant(factors[:, row].T)).fit()
        np.testing.assert_allclose(found.std_error[:, row], fit.bse[1:], rtol=1e-6)
