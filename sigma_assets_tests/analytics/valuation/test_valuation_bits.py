"""A number is the same bit for bit, whatever is asked with it and whatever comes later (SPEC 1, 9.11)."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigma_assets.base.frames import PriceHistory
from sigma_assets_tests.analytics.books import Book, assert_same_bits, positions, price_history, snapshots, weekdays
from sigma_assets_tests.analytics.random_books import LOOK_BACK, Case, random_case

seeds = st.integers(0, 10_000)
few = settings(max_examples=12, deadline=None)
both = pytest.mark.parametrize("value", [snapshots, positions])


@both
@given(seed=seeds, rng=st.randoms(use_true_random=False))
@few
def test_sessions_and_portfolios_do_not_depend_on_what_is_asked_with_them(value, seed, rng):
    case = random_case(seed)
    whole = value(case.holdings, case.history, case.sessions)

    some_sessions = np.array(rng.sample(list(case.sessions), rng.choice([1, 1, 4])))
    some_names = rng.sample(sorted(case.lots), rng.choice([1, 2]))
    part = value(_only(case.holdings, some_names), case.history, some_sessions)

    is_part = whole["portfolio_id"].isin(some_names) & whole["session"].isin(some_sessions)
    assert_same_bits(part, whole[is_part])


@both
@given(seed=seeds)
@few
def test_nothing_later_is_seen(value, seed):
    """Prices, lots and flows after d, and the end of the calendar itself, do not touch the rows up to d."""
    case, other = random_case(seed), random_case(seed + 1)
    day = case.sessions[12]
    known = value(case.holdings, case.history, case.sessions)
    known = known[known["session"] <= day]

    later = value(_with_another_future(case, other, day), _spliced(case.history, other.history, day), case.sessions)
    ended = value(case.holdings, _cut(case.history, slice(0, LOOK_BACK + 13)), case.sessions[:13])

    assert_same_bits(later[later["session"] <= day], known)
    assert_same_bits(ended, known)


@both
@given(seed=seeds)
@few
def test_history_before_the_look_back_does_not_matter(value, seed):
    case = random_case(seed)
    shorter = _cut(case.history, slice(LOOK_BACK - 64, None))

    assert_same_bits(value(case.holdings, case.history, case.sessions), value(case.holdings, shorter, case.sessions))


@both
def test_one_symbol_one_lot_one_session_is_the_same_as_in_a_crowd(value):
    """Sums of a single row or column go through other loops in numpy than those of many."""
    crowd = random_case(3, portfolios=40)
    lonely = Case({"Q": crowd.lots["P1"][:1]}, {"Q": []}, crowd.inception, crowd.history)
    holdings = crowd._replace(lots={**crowd.lots, **lonely.lots}, flows={**crowd.flows, "Q": []}).holdings
    in_crowd = value(holdings, crowd.history, crowd.sessions)
    symbol = lonely.lots["Q"][0]["symbol"]
    only_it = _cut_symbols(crowd.history, [symbol, "UND"])

    for session in crowd.sessions:
        alone = value(lonely.holdings, only_it, np.array([session]))
        expected = in_crowd[(in_crowd["portfolio_id"] == "Q") & (in_crowd["session"] == pd.Timestamp(session))]
        assert_same_bits(alone, expected)


def test_long_books_add_up_in_the_same_order_for_one_session_as_for_all():
    """300 lots of awkward numbers: a pairwise sum would round them in another way."""
    sessions = weekdays("2025-01-06", 3)
    rng = np.random.default_rng(8)
    symbols = [f"S{number:03}" for number in range(300)]
    history = price_history(sessions, {symbol: rng.uniform(0.1, 900.0, 3) for symbol in symbols})
    lots = pd.DataFrame({"lot_id": symbols, "symbol": symbols, "quantity": rng.normal(0, 77, 300)})
    case = random_case(0, portfolios=1)
    template = case.holdings.lots.iloc[:0]
    lots = pd.concat([template, lots.assign(portfolio_id="P0", entry_price=33.3, investment_class="PUBLIC")])
    lots["entry_date"] = pd.Series([sessions[0]] * 300).astype("datetime64[s]").to_numpy()
    portfolios = case.holdings.portfolios.assign(inception=pd.Series([sessions[0]]).astype("datetime64[s]"))
    holdings = Book(portfolios, lots, case.holdings.flows.iloc[:0])

    whole = snapshots(holdings, history)

    for row, session in enumerate(sessions):
        assert_same_bits(snapshots(holdings, history, np.array([session])), whole.iloc[[row]])


def _only(holdings: Book, names: list[str]) -> Book:
    return Book(*(table[table["portfolio_id"].isin(names)] for table in holdings))


def _with_another_future(case: Case, other: Case, day: np.datetime64) -> Book:
    """Return the book with the exits after the day forgotten, and lots and flows of another after it added."""
    lots, flows = {}, {}
    for name in case.lots:
        forgotten = [
            {**row, "exit_date": None, "exit_price": None} if row["exit_date"] and row["exit_date"] > str(day) else row
            for row in case.lots[name]
        ]
        added = [{**row, "lot_id": f"{row['lot_id']}-0"} for row in other.lots[name] if row["entry_date"] > str(day)]
        lots[name] = added + forgotten
        flows[name] = case.flows[name] + [flow for flow in other.flows[name] if flow[0] > str(day)]
    return case._replace(lots=lots, flows=flows).holdings


def _spliced(past: PriceHistory, future: PriceHistory, day: np.datetime64) -> PriceHistory:
    is_past = (past.sessions <= day)[:, None]
    names = ("close", "split_factor", "dividend")
    return replace(past, **{name: np.where(is_past, getattr(past, name), getattr(future, name)) for name in names})


def _cut(history: PriceHistory, rows: slice) -> PriceHistory:
    """Return some sessions of a history, with what came before them as its prior closes."""
    start = rows.start or 0
    prior_close, prior_session = history.prior_close.copy(), history.prior_session.copy()
    for column in range(len(history.symbols)):
        known = np.flatnonzero(np.isfinite(history.close[:start, column]))
        if len(known):
            prior_close[column] = history.close[known[-1], column]
            prior_session[column] = history.sessions[known[-1]]
    names = ("sessions", "close", "split_factor", "dividend", "volume")
    parts = {name: getattr(history, name)[rows] for name in names}
    return replace(history, **parts, prior_close=prior_close, prior_session=prior_session)


def _cut_symbols(history: PriceHistory, symbols: list[str]) -> PriceHistory:
    columns = [column for column, symbol in enumerate(history.symbols) if symbol in symbols]
    matrices = {name: getattr(history, name)[:, columns] for name in ("close", "split_factor", "dividend", "volume")}
    rows = {name: getattr(history, name)[columns] for name in ("symbols", "prior_close", "prior_session")}
    return replace(history, **matrices, **rows)
