"""A beta is the same number, bit for bit, whatever else is computed with it (SPEC 1)."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigma_assets.analytics.factors.regression import symbol_factors
from sigma_assets.base.conventions import FactorModel
from sigma_assets_tests.analytics.histories import FACTOR_SYMBOLS, only, random_history, tail

MODEL = FactorModel()
HISTORY = random_history(260, 60)
STOCKS = [symbol for symbol in HISTORY.symbols if symbol not in FACTOR_SYMBOLS]
WHOLE = symbol_factors(HISTORY, HISTORY.sessions, MODEL)
"""More regressions than fit in one block, gaps and a late listing among them."""


def assert_same_bits(rows, *, sessions=None, symbols=None):
    expected = WHOLE
    if sessions is not None:
        expected = expected[expected["session"].isin(sessions)]
    if symbols is not None:
        expected = expected[expected["symbol"].isin(symbols)]
    expected = expected.reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, expected, check_exact=True)
    numbers = rows.columns[2:]
    assert rows[numbers].to_numpy().tobytes() == expected[numbers].to_numpy().tobytes()


@settings(max_examples=15, deadline=None)
@given(
    stocks=st.sets(st.sampled_from(STOCKS), min_size=1, max_size=20),
    rows=st.sets(st.integers(0, 260), min_size=1, max_size=40),
)
def test_betas_do_not_depend_on_the_other_symbols_and_sessions(stocks, rows):
    symbols = sorted({*stocks, *FACTOR_SYMBOLS})
    sessions = HISTORY.sessions[sorted(rows)]

    assert_same_bits(symbol_factors(only(HISTORY, symbols), sessions, MODEL), sessions=sessions, symbols=symbols)


@pytest.mark.parametrize("stock", STOCKS[:4])
@pytest.mark.parametrize("row", [100, 200, 260])
def test_one_symbol_on_one_session_is_the_same(stock, row):
    symbols = sorted({stock, *FACTOR_SYMBOLS})
    session = HISTORY.sessions[[row]]

    assert_same_bits(symbol_factors(only(HISTORY, symbols), session, MODEL), sessions=session, symbols=symbols)


def test_the_market_beta_of_spy_alone_is_the_same():
    """One column in all: the size at which numpy adds along another axis."""
    alone = symbol_factors(only(HISTORY, ["SPY"]), HISTORY.sessions[-1:], MODEL)

    together = WHOLE[WHOLE["symbol"] == "SPY"].iloc[[-1]].reset_index(drop=True)
    market = ["session", "symbol", *(name for name in WHOLE.columns if name.startswith("market"))]
    pd.testing.assert_frame_equal(alone[market], together[market], check_exact=True)


@pytest.mark.parametrize("row", [181, 230, 260])
def test_history_before_the_window_changes_nothing(row):
    """The first of 180 returns needs the close before it, which a later start has as its seed."""
    session = HISTORY.sessions[[row]]
    shortest = tail(HISTORY, row - 179)

    assert_same_bits(symbol_factors(shortest, session, MODEL), sessions=session)


def test_newest_first_or_one_by_one_gives_the_same_rows():
    sessions = HISTORY.sessions[150:156]

    one_by_one = [symbol_factors(HISTORY, session[None], MODEL) for session in sessions]

    assert_same_bits(pd.concat(one_by_one, ignore_index=True), sessions=sessions)
    assert_same_bits(symbol_factors(HISTORY, sessions[::-1], MODEL), sessions=sessions)


@pytest.mark.parametrize("row", [120, 200])
def test_prices_after_a_session_do_not_change_it(row):
    later = HISTORY.close.copy()
    later[row + 1 :] *= np.random.default_rng(1).uniform(0.5, 2, later[row + 1 :].shape)
    sessions = HISTORY.sessions[: row + 1]

    assert_same_bits(symbol_factors(replace(HISTORY, close=later), sessions, MODEL), sessions=sessions)


def test_a_gap_in_one_symbol_leaves_the_bits_of_all_others():
    close = HISTORY.close.copy()
    close[200, HISTORY.column("S03")] = np.nan

    rows = symbol_factors(replace(HISTORY, close=close), HISTORY.sessions, MODEL)

    others = [symbol for symbol in HISTORY.symbols if symbol != "S03"]
    assert_same_bits(rows[rows["symbol"] != "S03"].reset_index(drop=True), symbols=others)
