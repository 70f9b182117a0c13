"""Planted betas: regressions find what returns were made of, within their own confidence bands, at the stated rate."""

import numpy as np
import pytest
from scipy import stats

from sigma_assets.analytics.factors.regression import symbol_factors
from sigma_assets.base.conventions import STYLE_FACTORS, FactorModel
from sigma_assets_tests.analytics.histories import FACTOR_SYMBOLS, history_of_returns

MODEL = FactorModel()
STOCKS = [f"S{number:04d}" for number in range(2_000)]
N_SESSIONS = 180
LEGS = {"market": ("SPY",), "rates": ("TLT",), **MODEL.spreads}
RATE = 3 * np.sqrt(0.9 * 0.1 / len(STOCKS))
"""Three standard errors of a share of 90 % among so many stocks."""


@pytest.fixture(scope="module")
def factors():
    """Return correlated factor returns: one market behind all, as in reality."""
    random = np.random.default_rng(1993)
    common = random.normal(0.0003, 0.01, N_SESSIONS)
    return {etf: 0.9 * common + random.normal(0, 0.004, N_SESSIONS) for etf in FACTOR_SYMBOLS}


def _estimated(factors, planted):
    """Return the rows of the stocks on the last session; planted: the part of the returns that is not noise."""
    random = np.random.default_rng(7)
    stocks = {stock: planted + random.normal(0, 0.012, N_SESSIONS) for stock in STOCKS}
    history = history_of_returns({**factors, **stocks})
    return symbol_factors(history, history.sessions[-1:], MODEL).set_index("symbol").loc[STOCKS]


@pytest.mark.parametrize("factor", list(LEGS))
def test_least_squares_betas_fall_into_their_90_percent_bands_nine_times_in_ten(factors, factor):
    first, *second = (factors[leg] for leg in LEGS[factor])
    driver = first - second[0] if second else first

    found = _estimated(factors, 0.0002 + 1.3 * driver)

    window = MODEL.window if len(LEGS[factor]) == 1 else MODEL.spread_window
    band = stats.t.ppf(0.95, window - 2) * found[f"{factor}_std_error"]
    error = found[f"{factor}_beta"] - 1.3
    assert (error.abs() < band).mean() == pytest.approx(0.9, abs=RATE)
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(STOCKS))
    if factor == "market":
        assert found["market_alpha"].mean() == pytest.approx(0.0002, abs=4 * 0.012 / np.sqrt(90 * len(STOCKS)))


def test_ridge_betas_scatter_around_the_shrunk_truth_as_their_standard_errors_say(factors):
    """Hoerl and Kennard (1970): the expectation of ridge is (Z'Z + aI)^-1 Z'Z times the truth."""
    truth = np.array([0.5, 0.3, -0.2, 0.1, 0.4, -0.1])
    styles = np.column_stack([factors[MODEL.styles[name]] for name in STYLE_FACTORS])

    found = _estimated(factors, styles @ truth)

    window = styles[-MODEL.window :]
    deviation = window.std(axis=0)
    scores = (window - window.mean(axis=0)) / deviation
    gram = scores.T @ scores
    shrunk = np.linalg.solve(gram + MODEL.ridge_alpha * np.eye(6), gram @ (truth * deviation)) / deviation
    betas = found[[f"{name}_beta" for name in STYLE_FACTORS]].to_numpy()
    errors = found[[f"{name}_std_error" for name in STYLE_FACTORS]].to_numpy()
    uncapped = (np.abs(betas) < MODEL.beta_cap).all(axis=1)
    assert uncapped.all()
    assert (np.abs(betas.mean(axis=0) - shrunk) < 4 * betas.std(axis=0) / np.sqrt(len(STOCKS))).all()
    inside = (np.abs(betas - shrunk) < stats.t.ppf(0.95, 90 - 7) * errors).mean(axis=0)
    np.testing.assert_allclose(inside, 0.9, atol=RATE)
    assert np.abs(shrunk).sum() < np.abs(truth).sum()


def test_a_stock_without_any_loading_is_called_significant_one_time_in_twenty(factors):
    found = _estimated(factors, np.zeros(N_SESSIONS))

    t_values = (found["market_beta"] / found["market_std_error"]).abs()
    share = (t_values > stats.t.ppf(0.975, 88)).mean()
    assert share == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / len(STOCKS)))
    assert found["market_r_squared"].mean() == pytest.approx(1 / 89, rel=0.15)
