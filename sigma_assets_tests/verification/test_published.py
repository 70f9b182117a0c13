"""Figures that others have printed: NIST's certified regression, option values from the textbooks, a concentration."""

import numpy as np
import pytest
from statsmodels.datasets import longley
from statsmodels.regression.tests.results.results_regression import Longley

from sigma_assets.analytics.factors.least_squares import centre, factor_design, fit
from sigma_assets.analytics.valuation.options import black_scholes
from sigma_assets_tests.analytics import books

HAUG = [
    # E. G. Haug, Option Pricing Formulas (1998), pages 2 to 27, as reproduced in the tests of QuantLib
    # call, strike, spot, yield, rate, years, volatility, value
    (True, 65.0, 60.0, 0.00, 0.08, 0.25, 0.30, 2.1334),
    (False, 95.0, 100.0, 0.05, 0.10, 0.50, 0.20, 2.4648),
    (False, 19.0, 19.0, 0.10, 0.10, 0.75, 0.28, 1.7011),
    (True, 1.6, 1.56, 0.08, 0.06, 0.50, 0.12, 0.0291),
    (False, 70.0, 75.0, 0.05, 0.10, 0.50, 0.35, 4.0870),
    (True, 100.0, 90.0, 0.10, 0.10, 0.10, 0.15, 0.0205),
    (True, 100.0, 110.0, 0.10, 0.10, 0.50, 0.35, 15.3086),
    (False, 100.0, 90.0, 0.10, 0.10, 0.50, 0.25, 12.2149),
    (False, 100.0, 110.0, 0.10, 0.10, 0.10, 0.15, 0.0408),
    (True, 40.0, 42.0, 0.08, 0.04, 0.75, 0.35, 5.0975),
]


def black_scholes_price(*terms: object, **options: object) -> np.ndarray:
    return black_scholes(*terms, **options)[0]


def black_scholes_delta(*terms: object, **options: object) -> np.ndarray:
    return black_scholes(*terms, **options)[1]


def test_least_squares_gives_the_certified_longley_values():
    """Longley (1967): six economic series so collinear that the programs of his time lost all digits.

    https://www.itl.nist.gov/div898/strd/lls/data/Longley.shtml; the certified values are those in statsmodels' tests.
    """
    certified, series = Longley(), longley.load()
    x, y = series.exog.to_numpy(dtype=float), series.endog.to_numpy(dtype=float)
    valid = np.ones((len(y), 1), dtype=bool)

    found = fit(factor_design(x[:, :, None], valid, penalty=0.0, min_observations=3), centre(y[:, None, None], valid))

    assert found.beta[:, 0, 0] == pytest.approx(np.array(certified.params[:-1]), rel=1e-8)
    assert found.std_error[:, 0, 0] == pytest.approx(np.array(certified.bse[:-1]), rel=1e-8)
    assert found.alpha[0, 0] == pytest.approx(certified.params[-1], rel=1e-8)
    assert found.r_squared[0, 0] == pytest.approx(certified.rsquared, rel=1e-12)


@pytest.mark.parametrize(("is_call", "strike", "spot", "dividend_yield", "rate", "years", "volatility", "value"), HAUG)
def test_option_values_of_haug(is_call, strike, spot, dividend_yield, rate, years, volatility, value):
    """A yield paid by the underlying only lowers its present value (Merton 1973)."""
    present = spot * np.exp(-dividend_yield * years)

    found = black_scholes_price(present, strike, years, volatility, is_call=is_call, risk_free_rate=rate)

    assert found == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize(("is_call", "delta"), [(True, 0.5946), (False, -0.3566)])
def test_deltas_of_haug(is_call, delta):
    """Haug (1998), page 11: spot 105, strike 100, half a year, rate and yield 10 %, volatility 36 %."""
    discount = np.exp(-0.1 * 0.5)

    found = discount * black_scholes_delta(105 * discount, 100, 0.5, 0.36, is_call=is_call, risk_free_rate=0.1)

    assert found == pytest.approx(delta, abs=1e-4)


def test_concentration_of_the_merger_guidelines_example():
    """US Department of Justice, Herfindahl-Hirschman Index: shares of 30, 30, 20 and 20 percent have an HHI of 2,600."""
    shares = {"A": 30, "B": 30, "C": 20, "D": 20}
    lots = [books.lot(symbol, symbol, quantity, 10.0, "2025-01-06") for symbol, quantity in shares.items()]
    history = books.price_history(books.weekdays("2025-01-06", 1), {symbol: [10.0] for symbol in shares})

    found = books.snapshots(books.book(lots), history).iloc[0]

    assert found["hhi"] == pytest.approx(2_600)
    assert found["effective_positions"] == pytest.approx(10_000 / 2_600)
