"""Leverage, ratios to equity and concentration, by hand."""

import numpy as np
import pytest

from sigma_assets_tests.analytics.books import book, lot, positions, price_history, snapshots, weekdays

MON = "2025-01-06"
NAN = float("nan")


def prices(closes):
    """Return closes of AAA, or of several symbols, from Monday on."""
    closes = closes if isinstance(closes, dict) else {"AAA": closes}
    return price_history(weekdays(MON, len(next(iter(closes.values())))), closes)


def test_more_bought_than_owned_is_margin():
    snapshot = snapshots(book([lot("L1", "AAA", 20, 100.0, MON)], equity=1_000.0), prices([100.0, 110.0]))

    assert snapshot["cash"].tolist() == [-1_000.0, -1_000.0]
    assert snapshot["leverage"].tolist() == pytest.approx([2.0, 2_200 / 1_200])


def test_ratios_to_equity_are_unknown_when_nothing_is_left():
    """100 shares sold short at 10 rise to 30 (2,000 lost of 1,000) and come back to 10."""
    holdings = book([lot("L1", "AAA", -100, 10.0, MON)], equity=1_000.0)
    history = prices([10.0, 30.0, 10.0, 9.0])

    snapshot, position = snapshots(holdings, history), positions(holdings, history)

    assert snapshot["equity"].tolist() == [1_000.0, -1_000.0, 1_000.0, 1_100.0]
    np.testing.assert_allclose(snapshot["daily_return"], [0.0, -2.0, NAN, 0.1])
    np.testing.assert_allclose(snapshot["leverage"], [1.0, NAN, 1.0, 900 / 1_100])
    np.testing.assert_allclose(position["weight"], [-1.0, NAN, -1.0, -900 / 1_100])
    np.testing.assert_allclose(position["risk_weight"], [-1.0, NAN, -1.0, -900 / 1_100])
    np.testing.assert_allclose(snapshot["time_weighted_return"], [0.0, NAN, NAN, NAN])
    np.testing.assert_allclose(snapshot["max_drawdown"], [0.0, -1.0, -1.0, -1.0])


@pytest.mark.parametrize("loss", [1_000, 1_500])
def test_an_index_that_has_lost_everything_ends_even_if_money_comes_on_the_same_day(loss):
    """1,000 less the loss is nothing or a debt; 2,000 that come on that day belong to a new start."""
    holdings = book([lot("L1", "AAA", -100, 20.0, MON)], [("2025-01-07", 2_000.0)], equity=1_000.0)

    snapshot = snapshots(holdings, prices([20.0, 20.0 + loss / 100, 20.0, 20.0]))

    assert snapshot["equity"].tolist() == [1_000.0, 3_000.0 - loss, 3_000.0, 3_000.0]
    np.testing.assert_allclose(snapshot["daily_return"], [0.0, -loss / 1_000, loss / (3_000 - loss), 0.0])
    np.testing.assert_allclose(snapshot["time_weighted_return"], [0.0, NAN, NAN, NAN])
    np.testing.assert_allclose(snapshot["max_drawdown"], [0.0, -1.0, -1.0, -1.0])


def test_concentration_by_hand():
    """Values 500 and 300 long, 200 short, and a symbol bought and sold in equal parts: shares 0.5, 0.3, 0.2, 0."""
    closes = {"AAA": [10.0], "BBB": [10.0], "CCC": [10.0], "DDD": [10.0]}
    quantities = [("AAA", 20), ("AAA", 30), ("BBB", 30), ("CCC", -20), ("DDD", 10), ("DDD", -10)]
    holdings = book([lot(f"L{n}", symbol, count, 10.0, MON) for n, (symbol, count) in enumerate(quantities)])

    snapshot = snapshots(holdings, prices(closes)).iloc[0]

    assert snapshot["hhi"] == pytest.approx(10_000 * (0.25 + 0.09 + 0.04))
    assert snapshot["effective_positions"] == pytest.approx(1 / 0.38)
    assert snapshot["top_3_weight"] == pytest.approx(1.0)


def test_top_weights_of_twenty_equal_holdings():
    symbols = [f"S{number:02}" for number in range(20)]
    holdings = book([lot(symbol, symbol, 1, 10.0, MON) for symbol in symbols])

    snapshot = snapshots(holdings, prices({symbol: [10.0] for symbol in symbols})).iloc[0]

    assert (snapshot["top_3_weight"], snapshot["top_10_weight"]) == pytest.approx((0.15, 0.5))
    assert (snapshot["hhi"], snapshot["effective_positions"]) == pytest.approx((500.0, 20.0))
