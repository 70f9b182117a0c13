"""A factor ETF that does not move has no beta, and costs no other factor its own."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from sigma_assets.analytics.factors.least_squares import centre, factor_design, fit
from sigma_assets.analytics.factors.regression import symbol_factors
from sigma_assets.base.conventions import STYLE_FACTORS, FactorModel
from sigma_assets_tests.analytics.histories import factor_returns, history_of_returns

MODEL = FactorModel()


def test_the_other_five_are_those_of_scikit_learn_without_it():
    """v0.1 left all six unknown, for every symbol."""
    factors = factor_returns(200)
    factors["QUAL"] = np.zeros(200)
    noise = np.random.default_rng(3).normal(0.0, 0.01, 200)
    path = 0.6 * factors["VTV"] - 0.2 * factors["IWM"] + noise
    history = history_of_returns({**factors, "AAA": path})

    row = symbol_factors(history, history.sessions[-1:], MODEL).set_index("symbol").loc["AAA"]

    moving = [factor for factor in STYLE_FACTORS if factor != "quality"]
    x = np.column_stack([factors[MODEL.styles[factor]][-90:] for factor in moving])
    oracle = Ridge(alpha=MODEL.ridge_alpha).fit((x - x.mean(axis=0)) / x.std(axis=0), path[-90:])
    assert row[[f"{factor}_beta" for factor in moving]].to_list() == pytest.approx(
        oracle.coef_ / x.std(axis=0), rel=1e-8
    )
    assert np.isnan([row["quality_beta"], row["quality_std_error"]]).all()
    assert row["style_observations"] == 90


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("still", [(2,), (0, 5), (0, 1, 2, 3, 4)])
def test_whatever_does_not_move_the_rest_is_fitted_to_the_last_bit_as_if_it_were_not_there(penalty, still):
    generator = np.random.default_rng(11)
    window, valid = generator.normal(0.0, 0.01, (60, 6, 4)), np.ones((60, 4), dtype=bool)
    window[:, still, 1] = 0.0  # in one window of four: each is fitted by what moves in it
    targets = centre(generator.normal(0.0, 0.01, (60, 4, 3)), valid)
    moving = [position for position in range(6) if position not in still]

    whole = fit(factor_design(window, valid, penalty=penalty, min_observations=30), targets)
    alone = fit(factor_design(window[:, moving], valid, penalty=penalty, min_observations=30), targets)

    np.testing.assert_array_equal(whole.beta[moving, 1], alone.beta[:, 1])
    np.testing.assert_array_equal(whole.std_error[moving, 1], alone.std_error[:, 1])
    np.testing.assert_array_equal(whole.r_squared[1], alone.r_squared[1])
    assert np.isnan(whole.beta[list(still), 1]).all()
    assert np.isfinite(whole.beta[:, [0, 2, 3]]).all()


def test_where_nothing_moves_nothing_is_known():
    valid = np.ones((40, 1), dtype=bool)
    targets = centre(np.random.default_rng(1).normal(size=(40, 1, 2)), valid)

    fitted = fit(factor_design(np.zeros((40, 6, 1)), valid, penalty=1.0, min_observations=30), targets)

    assert np.isnan(fitted.beta).all()
    assert np.isnan(fitted.r_squared).all()
