"""Planted correlations: Fisher's band holds at its rate, and independent holdings are as many bets as there are."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sigma_assets.analytics.risk.correlation.correlations import correlations
from sigma_assets.analytics.risk.correlation.matrix import pairwise_correlation
from sigma_assets.base.conventions import CorrelationModel
from sigma_assets_tests.analytics import factor_books
from sigma_assets_tests.analytics.histories import history_of_returns


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.6])
def test_correlations_fall_into_fisher_s_90_percent_band_nine_times_in_ten(rho):
    random = np.random.default_rng(1921)
    pairs = 2_000
    first, noise = random.standard_normal((2, pairs, 90))
    second = rho * first + np.sqrt(1 - rho**2) * noise

    found = [pairwise_correlation(np.stack(pair))[0][0, 1] for pair in zip(first, second, strict=True)]

    z = (np.arctanh(found) - np.arctanh(rho)) * np.sqrt(90 - 3)
    assert (np.abs(z) < stats.norm.ppf(0.95)).mean() == pytest.approx(0.9, abs=3 * np.sqrt(0.09 / pairs))


@pytest.mark.parametrize(("common", "bets"), [(0.0, 10.0), (1.0, 1.0)])
def test_ten_equal_holdings_are_ten_bets_if_independent_and_one_if_the_same(common, bets):
    random = np.random.default_rng(4)
    shared = random.normal(0, 0.01, 5_000)
    own = np.sqrt(1 - common**2)
    history = history_of_returns(
        {f"S{number}": common * shared + own * random.normal(0, 0.01, 5_000) for number in range(10)}
    )
    day = pd.Timestamp(history.sessions[-1])
    lots = [factor_books.lot(symbol, symbol, 10_000.0, session=day) for symbol in history.symbols]
    positions = factor_books.positions(*lots).assign(investment_class="PUBLIC")

    by_portfolio, _, by_cluster = correlations(positions, history, CorrelationModel(window=5_000))

    assert by_portfolio["effective_bets"].iloc[0] == pytest.approx(bets, rel=0.05)
    assert by_cluster["size"].tolist() == ([10] if common == 1 else [])
