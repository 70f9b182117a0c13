"""Volatility of portfolios: today's weights held constant over the window."""

import numpy as np
import pandas as pd
import pytest

from sigma_assets.analytics.risk.volatility import volatility
from sigma_assets.base.conventions import VolatilityModel
from sigma_assets_tests.analytics.risk_paths import (
    SESSIONS,
    book,
    history_of,
    history_of_returns,
    random_history,
    until,
)

MODEL = VolatilityModel()
LAST = SESSIONS[-1]
NUMBERS = ["realized_21d", "realized_63d", "expected_21d", "r_squared", "observations", "trend_ratio", "percentile"]


def returns_of(n_symbols: int, n_sessions: int = 400, seed: int = 1) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {f"S{number}": random.normal(0.0003, 0.01 * (1 + number), n_sessions) for number in range(n_symbols)}


def of_portfolio(weights: dict[str, float], history) -> pd.Series:
    """Return the row of a portfolio with these weights on the last session."""
    positions = book({symbol: weight * 1e6 for symbol, weight in weights.items()}, LAST, equity=1e6)
    by_portfolio = volatility(positions, history, MODEL)[0]
    assert len(by_portfolio) == 1
    return by_portfolio.iloc[0]


def test_portfolio_is_measured_like_a_symbol_with_its_returns():
    """60 % long, 30 % short, the rest in cash: linear in returns, so a symbol with those returns has its numbers."""
    returns = returns_of(2)
    mixed = history_of_returns({"MIX": 0.6 * returns["S0"] - 0.3 * returns["S1"]})
    of_symbol = volatility(book({"MIX": 1.0}, LAST), mixed, MODEL)[1].iloc[0]

    row = of_portfolio({"S0": 0.6, "S1": -0.3}, history_of_returns(returns))

    np.testing.assert_allclose(row[NUMBERS].astype(float), of_symbol[NUMBERS].astype(float), rtol=1e-7)
    assert (row["trend"], row["coverage"]) == (of_symbol["trend"], 1.0)


def test_volatility_is_the_quadratic_form_of_weights_and_covariance():
    returns = returns_of(3)
    weights = np.array([0.5, 0.7, -0.2])

    row = of_portfolio(dict(zip(returns, weights, strict=True)), history_of_returns(returns))

    covariance = np.cov(np.stack(list(returns.values()))[:, -63:], ddof=1)
    assert row["realized_63d"] == pytest.approx(np.sqrt(weights @ covariance @ weights * 252))


@pytest.mark.parametrize("weight", [2.0, -1.0, 0.25])
def test_leverage_scales_volatility_and_a_short_has_that_of_a_long(weight: float):
    history = history_of_returns(returns_of(1))
    whole, scaled = of_portfolio({"S0": 1.0}, history), of_portfolio({"S0": weight}, history)

    for name in ("realized_21d", "realized_63d", "expected_21d"):
        assert scaled[name] == pytest.approx(abs(weight) * whole[name])
    for name in ("r_squared", "observations", "trend_ratio", "percentile"):
        assert scaled[name] == pytest.approx(whole[name])


def test_lots_of_one_symbol_are_netted_before_anything_else():
    history = history_of_returns(returns_of(2))
    whole = book({"S0": 3e5, "S1": 4e5}, LAST)
    split = pd.concat([book({"S0": 5e5, "S1": 4e5}, LAST), book({"S0": -2e5}, LAST).assign(lot_id="short")])

    np.testing.assert_allclose(
        volatility(split, history, MODEL)[0][NUMBERS], volatility(whole, history, MODEL)[0][NUMBERS], rtol=1e-12
    )


def test_a_missing_return_takes_its_symbol_out_for_that_day_only():
    """S0 (90 %) earns, S1 (10 %) is missing: the day earns 0.9 r, not rescaled, and its coverage is 90 %."""
    returns = returns_of(2)
    history = history_of_returns(returns)
    history.close[-6, 1] = np.nan
    spanned = (1 + returns["S1"][-6]) * (1 + returns["S1"][-5]) - 1

    row = of_portfolio({"S0": 0.9, "S1": 0.1}, history)

    daily = 0.9 * returns["S0"][-21:] + 0.1 * returns["S1"][-21:]
    daily[-6] = 0.9 * returns["S0"][-6]
    daily[-5] = 0.9 * returns["S0"][-5] + 0.1 * spanned
    assert row["realized_21d"] == pytest.approx(np.std(daily, ddof=1) * np.sqrt(252))
    assert row["coverage"] == pytest.approx((62 + 0.9) / 63)


def test_a_gap_at_the_edge_of_the_year_is_no_beginning_of_history():
    """272 returns make 252 values of 21 each. Of the first 21 three are missing, and so are those before: 18 are enough."""
    path = np.random.default_rng(4).normal(0.0, 0.01, 400)
    history = history_of_returns({"S0": path})
    history.close[-294:-269, 0] = np.nan
    returns = np.r_[np.full(3, np.nan), np.prod(1 + path[-294:-268]) - 1, path[-268:]]
    values = [np.nanstd(returns[start : start + 21], ddof=1) for start in range(252)]

    row = of_portfolio({"S0": 1.0}, history)

    assert row["percentile"] == pytest.approx(np.mean(np.array(values) <= values[-1]), abs=1e-12)
    assert row["percentile"] == volatility(book({"S0": 1.0}, LAST), history, MODEL)[1]["percentile"][0]


def test_a_portfolio_begins_where_four_fifths_of_it_can_have_returns():
    """80 % listed for 150 sessions, 20 % for 40: 150 - 20 = 130 values; with 70 and 30 % there are 20, too few."""
    returns = returns_of(2)
    history = history_of_returns(returns)
    history.close[:-151, 0] = history.close[:-41, 1] = np.nan
    daily = 0.8 * returns["S0"][-150:] + np.r_[np.zeros(110), 0.2 * returns["S1"][-40:]]
    values = np.array([np.std(daily[start : start + 21], ddof=1) for start in range(130)])

    assert of_portfolio({"S0": 0.8, "S1": 0.2}, history)["percentile"] == pytest.approx(np.mean(values <= values[-1]))
    assert np.isnan(of_portfolio({"S0": 0.7, "S1": 0.3}, history)["percentile"])


def test_days_under_80_percent_coverage_drop_out():
    returns = returns_of(2)
    history = history_of_returns(returns)
    history.close[-6, 1] = np.nan
    history.close[-12, 0] = np.nan

    row = of_portfolio({"S0": 0.2, "S1": 0.8}, history)

    daily = 0.2 * returns["S0"][-21:] + 0.8 * returns["S1"][-21:]
    daily[-6] = np.nan  # only 20 % has a return
    daily[-5] += 0.8 * ((1 + returns["S1"][-6]) * (1 + returns["S1"][-5]) - 1 - returns["S1"][-5])
    daily[-12] = 0.8 * returns["S1"][-12]  # exactly 80 % has
    daily[-11] += 0.2 * ((1 + returns["S0"][-12]) * (1 + returns["S0"][-11]) - 1 - returns["S0"][-11])
    assert row["realized_21d"] == pytest.approx(np.nanstd(daily, ddof=1) * np.sqrt(252))
    assert row["coverage"] == pytest.approx((61 + 0.2 + 0.8) / 63)


def test_exactly_80_percent_coverage_counts_whatever_the_rounding():
    """Five equal weights, one without prices: 4/5 of 0.1 + 0.1 + ... may come out as 0.7999."""
    returns = returns_of(5)
    history = history_of_returns(returns)
    history.close[:, 2] = np.nan

    row = of_portfolio(dict.fromkeys(returns, 0.1), history)

    assert row["coverage"] == pytest.approx(0.8)
    assert row["observations"] == 252


def test_an_unknown_symbol_lowers_coverage_and_has_no_row():
    history = history_of_returns(returns_of(1))
    positions = book({"S0": 9e5, "NOWHERE": 1e5}, LAST)

    by_portfolio, by_symbol = volatility(positions, history, MODEL)

    assert by_portfolio["coverage"].tolist() == pytest.approx([0.9])
    assert by_symbol["symbol"].tolist() == ["S0"]


def test_too_much_of_the_portfolio_unknown_gives_no_row():
    history = history_of_returns(returns_of(1))

    assert volatility(book({"S0": 7e5, "NOWHERE": 3e5}, LAST), history, MODEL)[0].empty


def test_private_lots_do_not_count():
    history = history_of_returns(returns_of(1))
    public = book({"S0": 5e5}, LAST)
    private = book({"FUND": 5e5}, LAST, investment_class="PRIVATE")

    with_private = volatility(pd.concat([private, public]), history, MODEL)
    alone = volatility(public, history, MODEL)

    for found, expected in zip(with_private, alone, strict=True):
        pd.testing.assert_frame_equal(found, expected)
    assert all(table.empty for table in volatility(private, history, MODEL))


def test_without_equity_symbols_have_a_volatility_and_the_portfolio_has_none():
    history = history_of_returns(returns_of(1))

    by_portfolio, by_symbol = volatility(book({"S0": 5e5}, LAST, equity=-1.0), history, MODEL)

    assert by_portfolio.empty
    assert by_symbol["symbol"].tolist() == ["S0"]


def test_a_position_hedged_with_itself_has_no_volatility_to_speak_of():
    history = history_of_returns(returns_of(1))
    positions = pd.concat([book({"S0": 5e5}, LAST), book({"S0": -5e5}, LAST).assign(lot_id="short")])

    by_portfolio, by_symbol = volatility(positions, history, MODEL)

    assert by_portfolio.empty
    assert len(by_symbol) == 1


def test_options_are_measured_by_their_underlying_at_delta_value():
    history = history_of_returns(returns_of(1))
    option = book({"S0240119C00100000": 2e4}, LAST).assign(risk_symbol="S0", risk_value=3e5, risk_weight=0.3)

    by_portfolio, by_symbol = volatility(option, history, MODEL)

    assert by_symbol["symbol"].tolist() == ["S0"]
    assert by_portfolio["realized_21d"][0] == pytest.approx(0.3 * by_symbol["realized_21d"][0])


def test_weights_of_the_session_are_held_over_its_whole_window():
    """Two sessions, two books: each is the constant-weight portfolio of its own session."""
    history = random_history(420, 3, seed=8, gaps=False)
    before, after = SESSIONS[-2], SESSIONS[-1]
    positions = pd.concat([book({"S00": 9e5, "S01": 1e5}, before), book({"S00": 1e5, "S02": 9e5}, after)])

    both = volatility(positions, history, MODEL)[0]

    alone = [
        volatility(book({"S00": 9e5, "S01": 1e5}, before), until(history, before), MODEL)[0],
        volatility(book({"S00": 1e5, "S02": 9e5}, after), history, MODEL)[0],
    ]
    pd.testing.assert_frame_equal(both, pd.concat(alone, ignore_index=True), check_exact=True)


def test_portfolio_of_200_symbols_that_all_move_alike_is_as_volatile_as_one():
    path = returns_of(1)["S0"]
    closes = {f"S{number:03d}": (1 + number) * np.cumprod(1 + path) for number in range(200)}

    row = of_portfolio(dict.fromkeys(closes, 1 / 200), history_of(closes))

    assert row["realized_63d"] == pytest.approx(np.std(path[-63:], ddof=1) * np.sqrt(252))
