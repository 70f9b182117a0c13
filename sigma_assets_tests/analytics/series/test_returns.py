"""Total returns and last known closes, by hand on a few rows."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.base.frames import last_known_close
from sigma_assets_tests.analytics.histories import history_of, random_history, tail

NAN = np.nan


def test_a_return_is_the_ratio_of_closes_less_one():
    history = history_of({"AAA": [100, 101, 99.99]})

    np.testing.assert_allclose(total_returns(history)[:, 0], [NAN, 0.01, -0.01], rtol=1e-12)


def test_a_return_after_a_gap_spans_it_and_the_gap_has_none():
    history = history_of({"AAA": [100, NAN, NAN, 110, 121]})

    np.testing.assert_allclose(total_returns(history)[:, 0], [NAN, NAN, NAN, 0.10, 0.10], rtol=1e-12)


def test_a_split_alone_is_no_return():
    history = history_of({"AAA": [100, 50], "BBB": [10, 100]}, splits={("AAA", 1): 2, ("BBB", 1): 0.1})

    np.testing.assert_allclose(total_returns(history)[1], [0.0, 0.0], atol=1e-15)


def test_a_dividend_is_part_of_the_return():
    history = history_of({"AAA": [100, 99]}, dividends={("AAA", 1): 2})

    np.testing.assert_allclose(total_returns(history)[1], [0.01], rtol=1e-12)


def test_a_dividend_on_the_day_of_a_split_is_paid_on_the_new_shares():
    """100 USD become 2 shares at 49.50 and 2 x 1 USD of cash: 101 USD."""
    history = history_of({"AAA": [100, 49.5]}, splits={("AAA", 1): 2}, dividends={("AAA", 1): 1})

    np.testing.assert_allclose(total_returns(history)[1], [0.01], rtol=1e-12)


def test_a_split_after_a_gap_counts_in_the_return_that_spans_it():
    history = history_of({"AAA": [100, NAN, 55]}, splits={("AAA", 2): 2})

    np.testing.assert_allclose(total_returns(history)[:, 0], [NAN, NAN, 0.10], rtol=1e-12)


def test_a_late_listing_has_its_first_return_on_its_second_session():
    history = history_of({"OLD": [10, 10, 10, 10], "NEW": [NAN, NAN, 20, 22]})

    np.testing.assert_allclose(total_returns(history)[:, 0], [NAN, NAN, NAN, 0.10], rtol=1e-12)


def test_a_delisted_symbol_has_no_returns_after_its_last_close():
    history = history_of({"AAA": [10, 11, NAN, NAN]})

    np.testing.assert_allclose(total_returns(history)[:, 0], [NAN, 0.10, NAN, NAN], rtol=1e-12)


def test_the_close_before_the_range_seeds_the_first_return_across_a_gap():
    history = replace(history_of({"AAA": [NAN, 110]}), prior_close=np.array([100.0]))

    np.testing.assert_allclose(total_returns(history)[:, 0], [NAN, 0.10], rtol=1e-12)


@pytest.mark.parametrize("start", [1, 2, 7, 39])
def test_a_range_read_from_any_start_gives_the_same_returns(start):
    history = random_history(60)

    np.testing.assert_array_equal(total_returns(tail(history, start)), total_returns(history)[start:])


def test_the_last_known_close_carries_the_session_that_it_comes_from():
    history = history_of({"AAA": [NAN, 10, NAN, 12]}, first="2024-01-02")

    close, session = last_known_close(history)

    np.testing.assert_array_equal(close[:, 0], [NAN, 10, 10, 12])
    expected = np.array(["NaT", "2024-01-03", "2024-01-03", "2024-01-05"], dtype="datetime64[D]")
    np.testing.assert_array_equal(session[:, 0], expected)


def test_the_last_close_before_a_session_is_not_that_session_s_own():
    history = history_of({"AAA": [10, NAN, 12, 13]})

    close, session = last_known_close(history, before=True)

    np.testing.assert_array_equal(close[:, 0], [NAN, 10, 10, 12])
    np.testing.assert_array_equal(np.isnat(session[:, 0]), [True, False, False, False])


def test_a_seed_is_the_last_known_close_until_the_first_one_of_the_range():
    seed = np.array(["2023-12-20"], dtype="datetime64[D]")
    history = replace(history_of({"AAA": [NAN, 12]}), prior_close=np.array([9.0]), prior_session=seed)

    close, session = last_known_close(history)

    np.testing.assert_array_equal(close[:, 0], [9, 12])
    np.testing.assert_array_equal(session[:, 0], np.array(["2023-12-20", "2024-01-03"], dtype="datetime64[D]"))


def test_missing_prices_make_no_warnings():
    history = history_of({"AAA": [NAN, NAN], "BBB": [1, NAN]})

    with warnings.catch_warnings():
        warnings.simplefilter("error")

        assert np.isnan(total_returns(history)).all()
