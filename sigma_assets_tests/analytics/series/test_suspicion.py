"""A move that no known split or dividend explains is flagged; one that is explained is not."""

import numpy as np
import pytest

from sigma_assets.analytics.series.suspicion import suspicious_moves
from sigma_assets.base.frames import PriceHistory

SESSIONS = np.arange("2025-03-10", "2025-03-15", dtype="datetime64[D]")


def history(closes, splits=None, dividends=None, prior=np.nan):
    """Return a history of symbols over a week; splits and dividends as {(symbol, row): value}."""
    symbols = np.array(sorted(closes), dtype=object)
    close = np.array([closes[symbol] for symbol in symbols], dtype=float).T
    factor, cash = np.ones_like(close), np.zeros_like(close)
    for (symbol, row), value in (splits or {}).items():
        factor[row, list(symbols).index(symbol)] = value
    for (symbol, row), value in (dividends or {}).items():
        cash[row, list(symbols).index(symbol)] = value
    return PriceHistory(
        sessions=SESSIONS[: len(close)],
        symbols=symbols,
        close=close,
        split_factor=factor,
        dividend=cash,
        volume=np.full_like(close, np.nan),
        prior_close=np.full(len(symbols), prior),
        prior_session=np.full(len(symbols), np.datetime64("NaT"), dtype="datetime64[D]"),
    )


def test_a_price_a_hundred_times_the_last_one_is_flagged_and_so_is_its_correction():
    flagged = suspicious_moves(history({"AAA": [10, 10, 1000, 10], "BBB": [10, 11, 10, 11]}), 0.5)

    assert flagged.to_dict("list") == {
        "symbol": ["AAA", "AAA"],
        "session": [np.datetime64("2025-03-12", "s"), np.datetime64("2025-03-13", "s")],
        "previous_close": [10.0, 1000.0],
        "close": [1000.0, 10.0],
        "move": [99.0, pytest.approx(-0.99)],
    }


def test_a_known_split_or_a_known_large_dividend_explains_its_move():
    prices = history({"CASH": [100, 40, 40], "SPLIT": [100, 10, 10]}, {("SPLIT", 1): 10.0}, {("CASH", 1): 60.0})

    assert suspicious_moves(prices, 0.5).empty


def test_a_split_that_the_price_did_not_follow_is_flagged():
    """A split reported for the wrong day: the price stays, the shares double."""
    flagged = suspicious_moves(history({"AAA": [100, 100, 50]}, {("AAA", 1): 2.0}), 0.5)

    assert flagged["move"].tolist() == [1.0, -0.5]


def test_a_fall_is_as_suspicious_as_the_rise_that_undoes_it():
    assert suspicious_moves(history({"AAA": [30, 20.1, 30]}), 0.5).empty
    assert len(suspicious_moves(history({"AAA": [30, 19.9, 30]}), 0.5)) == 2


def test_a_move_over_a_gap_and_from_before_the_range_counts():
    flagged = suspicious_moves(history({"AAA": [10, np.nan, 20, np.nan]}, prior=1.0), 0.5)

    assert flagged["previous_close"].tolist() == [1.0, 10.0]


def test_a_first_close_has_no_move():
    assert suspicious_moves(history({"AAA": [np.nan, 10, 10]}), 0.5).empty


def test_a_symbol_is_judged_alone():
    both = history({"AAA": [10, 33, 10.1], "BBB": [3, 1, 7]})

    alone = suspicious_moves(history({"BBB": [3, 1, 7]}), 0.1)

    together = suspicious_moves(both, 0.1)
    assert together[together["symbol"] == "BBB"].to_numpy().tolist() == alone.to_numpy().tolist()


def test_nothing_suspicious_is_an_empty_table_with_its_columns():
    empty = suspicious_moves(history({"AAA": [10, 10]}), 0.5)

    assert list(empty.columns) == ["symbol", "session", "previous_close", "close", "move"]


def test_a_threshold_of_zero_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        suspicious_moves(history({"AAA": [10, 10]}), 0.0)
