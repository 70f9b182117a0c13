"""What must hold of every book: against exact fractions, empyrical, and itself."""

from datetime import date

import empyrical
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigma_assets_tests.analytics.books import (
    assert_same_bits,
    book,
    lot,
    positions,
    price_history,
    snapshots,
    weekdays,
)
from sigma_assets_tests.analytics.random_books import Case, random_case
from sigma_assets_tests.oracles import ledger

seeds = st.integers(0, 10_000)
few = settings(max_examples=15, deadline=None)
USD = 1e-6
COUNTS = ["positions", "long_positions", "short_positions", "lots_unpriced", "lots_stale"]


@given(seeds)
@few
def test_ledgers_of_shares_equal_the_specification_in_exact_fractions(seed):
    case = random_case(seed, with_options=False)
    rows = snapshots(case.holdings, case.history, case.sessions).set_index(["portfolio_id", "session"])
    rows["realized_to_date"] = rows.groupby("portfolio_id")["realized_pnl"].cumsum()
    rows["dividends_to_date"] = rows.groupby("portfolio_id")["dividend_income"].cumsum()

    for name in case.lots:
        for session in case.sessions[[0, 1, 7, -1]]:
            expected = oracle(case, name, session.item())

            found = rows.loc[(name, pd.Timestamp(session)), list(expected)].to_dict()

            assert found == pytest.approx({key: float(value) for key, value in expected.items()}, abs=USD)


@given(seeds)
@few
def test_value_splits_into_long_and_short_and_equity_into_cash_and_value(seed):
    case = random_case(seed)

    rows = snapshots(case.holdings, case.history, case.sessions)
    of_lots = positions(case.holdings, case.history, case.sessions).groupby(["portfolio_id", "session"])
    net = (
        of_lots["market_value"].sum().reindex(pd.MultiIndex.from_frame(rows[["portfolio_id", "session"]]), fill_value=0)
    )

    np.testing.assert_array_equal(rows["gross_exposure"], rows["long_value"] - rows["short_value"])
    np.testing.assert_array_equal(rows["net_exposure"], rows["long_value"] + rows["short_value"])
    np.testing.assert_allclose(rows["equity"], rows["cash"] + rows["net_exposure"], atol=USD)
    np.testing.assert_allclose(rows["net_exposure"], net, atol=USD)
    np.testing.assert_array_equal(rows["positions"], rows["long_positions"] + rows["short_positions"])


@given(seeds)
@few
def test_pnl_adds_up_over_time_and_sources(seed):
    case = random_case(seed)

    rows = snapshots(case.holdings, case.history, case.sessions)
    by_portfolio = rows.groupby("portfolio_id")
    previous = by_portfolio["equity"].shift().fillna(50_000.0)

    np.testing.assert_allclose(rows["daily_pnl"], rows["equity"] - previous - rows["capital_flow"], atol=USD)
    np.testing.assert_allclose(rows["cumulative_pnl"], by_portfolio["daily_pnl"].cumsum(), atol=USD)
    np.testing.assert_allclose(rows["cumulative_capital_flow"], by_portfolio["capital_flow"].cumsum(), atol=USD)
    np.testing.assert_allclose(
        rows["equity"], 50_000 + rows["cumulative_pnl"] + rows["cumulative_capital_flow"], atol=USD
    )
    np.testing.assert_allclose(rows["daily_pnl"], rows["price_pnl"] + rows["dividend_income"], atol=USD)


@given(seeds)
@few
def test_open_and_closing_lots_earn_the_pnl_of_the_portfolio(seed):
    """The P&L of a lot on its last session is that of the whole book less that of the book without it."""
    case = random_case(seed, portfolios=1)
    rows = snapshots(case.holdings, case.history, case.sessions).set_index("session")
    held = positions(case.holdings, case.history, case.sessions)
    pnl_of_lots = held.groupby("session")["daily_pnl"].sum().reindex(rows.index, fill_value=0.0)

    for lot_ in case.lots["P0"]:
        alone = case._replace(lots={"P0": [lot_]}, flows={"P0": []})
        pnl = snapshots(alone.holdings, case.history, case.sessions).set_index("session")["daily_pnl"]
        is_held = rows.index.isin(held.loc[held["lot_id"] == lot_["lot_id"], "session"])
        pnl_of_lots = pnl_of_lots.add(pnl.where(~is_held, 0.0))

    np.testing.assert_allclose(pnl_of_lots, rows["daily_pnl"], atol=USD)


@given(seeds)
@few
def test_cash_changes_only_with_an_entry_an_exit_a_dividend_a_flow_or_an_expiration(seed):
    case = random_case(seed, portfolios=1)
    rows = snapshots(case.holdings, case.history, case.sessions).set_index("session")
    dates = [
        row[name] for row in case.lots["P0"] for name in ("entry_date", "exit_date", "expiration_date") if row[name]
    ]
    dates += [day for day, _ in case.flows["P0"]]
    effective = np.searchsorted(case.sessions, np.array(dates, dtype="datetime64[D]"))
    is_event = np.isin(np.arange(len(rows)), effective) | (rows["dividend_income"] != 0).to_numpy()

    changes = rows["cash"].diff().fillna(0.0)

    np.testing.assert_allclose(changes[~is_event], 0.0, atol=USD)


@given(seeds)
@few
def test_drawdown_and_compounded_return_equal_empyrical(seed):
    case = random_case(seed)

    rows = snapshots(case.holdings, case.history, case.sessions)

    for _, path in rows.groupby("portfolio_id"):
        if (path["daily_return"] > -1).all():
            assert path["max_drawdown"].iloc[-1] == pytest.approx(
                empyrical.max_drawdown(path["daily_return"]), abs=1e-12
            )
            total = empyrical.cum_returns_final(path["daily_return"])
            assert path["time_weighted_return"].iloc[-1] == pytest.approx(total, abs=1e-12)


def test_without_flows_the_time_weighted_return_is_the_growth_of_equity():
    case = random_case(5)
    case = case._replace(flows={name: [] for name in case.flows})

    rows = snapshots(case.holdings, case.history, case.sessions)

    np.testing.assert_allclose(1 + rows["time_weighted_return"], rows["equity"] / 50_000, rtol=1e-10)


@given(seeds)
@few
def test_the_order_of_rows_changes_nothing(seed):
    case = random_case(seed)
    shuffled = type(case.holdings)(*(table.sample(frac=1, random_state=seed) for table in case.holdings))

    for value in (snapshots, positions):
        assert_same_bits(
            value(case.holdings, case.history, case.sessions), value(shuffled, case.history, case.sessions)
        )


def test_two_lots_of_equal_terms_are_worth_one_of_their_sum():
    history = price_history(
        weekdays("2025-01-06", 4), {"AAA": [100.0, 99.0, 107.0, 101.0], "BBB": [10.0, 11.0, 12.0, 9.0]}
    )
    other = lot("L3", "BBB", -50, 10.0, "2025-01-07")

    one = snapshots(book([lot("L1", "AAA", 10, 100.0, "2025-01-06"), other]), history)
    two = snapshots(
        book([lot(f"L{n}", "AAA", n, 100.0, "2025-01-06") for n in (3, 7)] + [{**other, "lot_id": "X"}]), history
    )

    pd.testing.assert_frame_equal(one.drop(columns=COUNTS), two.drop(columns=COUNTS), rtol=1e-12)
    assert (two["positions"] - one["positions"]).tolist() == [1, 1, 1, 1]


def test_a_book_of_twice_the_size_has_twice_the_money_and_the_same_ratios():
    case = random_case(11)
    double = case.holdings
    double.portfolios["initial_equity_usd"] *= 2
    double.lots["quantity"] *= 2
    double.flows["amount_usd"] *= 2

    one = snapshots(case.holdings, case.history, case.sessions)
    two = snapshots(double, case.history, case.sessions)

    ratios = ["daily_return", "leverage", "hhi", "effective_positions", "max_drawdown", "time_weighted_return"]
    assert_same_bits(one[ratios + COUNTS], two[ratios + COUNTS])
    money = one.select_dtypes("float64").columns.difference([*ratios, "top_3_weight", "top_10_weight"])
    assert_same_bits(2 * one[money], two[money])


def oracle(case: Case, name: str, day: date) -> dict:
    def as_date(text):
        return text and date.fromisoformat(text)

    history = case.history
    columns = {symbol: history.column(symbol) for symbol in history.symbols}
    days = [session.item() for session in history.sessions]
    bars = {
        symbol: {
            session: (history.close[row, column], history.split_factor[row, column], history.dividend[row, column])
            for row, session in enumerate(days)
            if np.isfinite(history.close[row, column])
        }
        for symbol, column in columns.items()
    }

    def effective(text):
        when = as_date(text)
        return when and next((session for session in days if session >= when), when)

    lots = [
        {**row, "entry_date": effective(row["entry_date"]), "exit_date": effective(row["exit_date"])}
        for row in case.lots[name]
    ]
    flows = [(as_date(when), amount) for when, amount in case.flows[name]]
    return ledger.snapshot(lots, flows, bars, days, equity=50_000.0, inception=as_date(case.inception), day=day)
