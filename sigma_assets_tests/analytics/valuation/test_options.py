"""Black-Scholes against a textbook, parity and limits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigma_assets.analytics.valuation.options import black_scholes, intrinsic_value

spots = st.floats(1.0, 1_000.0)
years = st.floats(0.0, 5.0)
volatilities = st.floats(0.0, 3.0)
rates = st.floats(-0.05, 0.2)


def black_scholes_price(*terms: object, **options: object) -> np.ndarray:
    return black_scholes(*terms, **options)[0]


def black_scholes_delta(*terms: object, **options: object) -> np.ndarray:
    return black_scholes(*terms, **options)[1]


def test_price_of_hull_example_15_6():
    """Hull, Options, Futures and Other Derivatives, 9th ed., example 15.6: S 42, K 40, r 10 %, 20 %, 6 months."""
    price = black_scholes_price(42, 40, 0.5, 0.2, is_call=[True, False], risk_free_rate=0.1)

    assert price.round(2).tolist() == [4.76, 0.81]


def test_delta_of_hull_example_19_1():
    """Hull, 9th ed., example 19.1: S 49, K 50, r 5 %, 20 %, 20 weeks: deltas 0.522 and -0.478."""
    delta = black_scholes_delta(49, 50, 0.3846, 0.2, is_call=[True, False], risk_free_rate=0.05)

    assert delta.round(3).tolist() == [0.522, -0.478]


@given(spots, spots, years, volatilities, rates)
def test_call_less_put_is_spot_less_present_value_of_strike(spot, strike, time, volatility, rate):
    call, put = black_scholes_price(spot, strike, time, volatility, is_call=[True, False], risk_free_rate=rate)

    assert call - put == pytest.approx(spot - strike * math.exp(-rate * time), abs=1e-9 * (spot + strike))


@given(spots, spots, years, volatilities, rates)
def test_deltas_of_call_and_put_differ_by_one(spot, strike, time, volatility, rate):
    call, put = black_scholes_delta(spot, strike, time, volatility, is_call=[True, False], risk_free_rate=rate)

    assert call - put == pytest.approx(1.0, abs=1e-12)
    assert 0 <= call <= 1


@given(spots, spots, years, volatilities, rates)
def test_price_lies_between_discounted_intrinsic_value_and_the_asset(spot, strike, time, volatility, rate):
    present = strike * math.exp(-rate * time)

    call, put = black_scholes_price(spot, strike, time, volatility, is_call=[True, False], risk_free_rate=rate)

    rounding = 1e-9 * (spot + strike)
    assert max(spot - present, 0) - rounding <= call <= spot + rounding
    assert max(present - spot, 0) - rounding <= put <= present + rounding
    assert min(call, put) >= 0


@pytest.mark.parametrize(("spot", "call", "put"), [(80.0, 0.0, 20.0), (100.0, 0.0, 0.0), (130.0, 30.0, 0.0)])
def test_at_expiration_an_option_is_worth_its_intrinsic_value(spot, call, put):
    price = black_scholes_price(spot, 100.0, 0.0, 0.4, is_call=[True, False], risk_free_rate=0.03)

    assert price.tolist() == [call, put]
    assert intrinsic_value(spot, 100.0, is_call=[True, False]).tolist() == [call, put]


def test_without_volatility_the_forward_decides():
    """S 100, K 103, r 5 %, 1 year: the strike is worth 97.98 today, so the call is sure to be exercised."""
    arguments = {"is_call": [True, False], "risk_free_rate": 0.05}

    price = black_scholes_price(100.0, 103.0, 1.0, 0.0, **arguments)
    delta = black_scholes_delta(100.0, 103.0, 1.0, 0.0, **arguments)

    assert price == pytest.approx([100.0 - 103.0 * math.exp(-0.05), 0.0])
    assert delta.tolist() == [1.0, 0.0]


def test_far_in_and_out_of_the_money():
    price = black_scholes_price([1e4, 1.0], 100.0, 0.25, 0.2, is_call=True, risk_free_rate=0.0)
    delta = black_scholes_delta([1e4, 1.0], 100.0, 0.25, 0.2, is_call=True, risk_free_rate=0.0)

    assert price == pytest.approx([9_900.0, 0.0], abs=1e-9)
    assert delta == pytest.approx([1.0, 0.0], abs=1e-12)


def test_delta_is_the_slope_of_the_price():
    step = 1e-4
    terms = (100.0, 0.7, 0.35)
    up, down = (black_scholes_price(95.0 + move, *terms, is_call=True, risk_free_rate=0.02) for move in (step, -step))

    slope = (up - down) / (2 * step)

    assert black_scholes_delta(95.0, *terms, is_call=True, risk_free_rate=0.02) == pytest.approx(slope, abs=1e-7)


def test_unknown_input_gives_unknown_price():
    price = black_scholes_price([np.nan, 100.0, 100.0], 100.0, 1.0, [0.2, np.nan, 0.2], is_call=True, risk_free_rate=0)

    assert np.isnan(price).tolist() == [True, True, False]


def test_time_after_expiration_is_refused():
    with pytest.raises(ValueError, match="worth its intrinsic value"):
        black_scholes_price(100.0, 100.0, -0.1, 0.2, is_call=True, risk_free_rate=0.0)
