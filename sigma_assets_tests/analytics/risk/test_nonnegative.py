"""Non-negative least squares on all active sets, against scipy's Lawson and Hanson."""

import numpy as np
import pytest
from scipy.optimize import nnls

from sigma_assets.analytics.risk.nonnegative import nonnegative_least_squares


def fits(regressors: np.ndarray, targets: np.ndarray):
    """Fit problems of shape (n_problems, n, k) and (n_problems, n)."""
    return nonnegative_least_squares(
        np.einsum("pni,pnj->ijp", regressors, regressors), np.einsum("pni,pn->ip", regressors, targets)
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_minimum_is_that_of_lawson_and_hanson(seed: int):
    random = np.random.default_rng(seed)
    regressors = random.lognormal(0.0, 1.0, (200, 40, 4)) * random.choice([1e-3, 1.0, 1e3], (200, 1, 4))
    targets = np.einsum("pni,pi->pn", regressors, random.normal(size=(200, 4))) + random.normal(size=(200, 40))

    found = fits(regressors, targets)

    expected = np.array([nnls(regressors[problem], targets[problem])[0] for problem in range(200)])
    assert (expected == 0).any(axis=1).mean() > 0.5, "most problems must have a coefficient at its bound"
    np.testing.assert_allclose(found.coefficients.T * 1.0, expected, rtol=1e-7, atol=1e-12)
    fitted = np.einsum("pni,pi->pn", regressors, expected)
    np.testing.assert_allclose(found.explained, (fitted**2).sum(axis=1), rtol=1e-9, atol=1e-9)


def test_equal_regressors_share_no_weight_but_the_fit_is_as_good():
    random = np.random.default_rng(9)
    one = random.lognormal(size=(1, 30, 1))
    regressors = np.concatenate([np.ones((1, 30, 1)), one, one, one], axis=2)
    targets = 2.0 + 3.0 * one[..., 0]

    found = fits(regressors, targets)

    np.testing.assert_allclose(found.coefficients[:, 0], [2.0, 3.0, 0.0, 0.0], rtol=1e-9, atol=1e-9)


def test_a_target_that_no_regressor_helps_gets_no_coefficient():
    regressors = np.ones((1, 10, 4)) * np.array([1.0, 2.0, 0.0, 3.0])

    found = fits(regressors, -np.ones((1, 10)))

    assert found.coefficients.tolist() == [[0.0]] * 4
    assert found.explained.tolist() == [0.0]


def test_small_regressors_are_fitted_as_well_as_large_ones():
    """Whatever the unit: a regressor in units a hundred million times as large has a coefficient that much larger."""
    random = np.random.default_rng(2)
    regressors = random.lognormal(size=(20, 30, 3))
    targets = np.einsum("pni,i->pn", regressors, [0.5, 0.0, 2.0]) + 0.01 * random.normal(size=(20, 30))
    expected = np.array([nnls(regressors[problem], targets[problem])[0] for problem in range(20)])

    found = fits(regressors * 1e-8, targets)

    np.testing.assert_allclose(found.coefficients.T * 1e-8, expected, rtol=1e-9, atol=1e-12)
