"""Ledgers calculated by hand. Sessions are the weekdays from Monday 6 January 2025."""

import numpy as np
import pandas as pd
import pytest

from sigma_assets.base.errors import HoldingsError
from sigma_assets.storage.schema import portfolio_snapshots as snapshots_table
from sigma_assets.storage.schema import position_values as positions_table
from sigma_assets_tests.analytics.books import book, lot, positions, price_history, snapshots, weekdays

MON, TUE, WED, THU, FRI, SAT, SUN, MON2 = (f"2025-01-{day:02}" for day in range(6, 14))


def prices(closes, **events):
    """Return closes of AAA, or of several symbols, from Monday on."""
    closes = closes if isinstance(closes, dict) else {"AAA": closes}
    return price_history(weekdays(MON, len(next(iter(closes.values())))), closes, **events)


def test_columns_are_those_of_the_tables():
    holdings, history = book([lot("L1", "AAA", 10, 100.0, MON)]), prices([102.0])

    assert positions_table.columns.keys() == list(positions(holdings, history).columns)
    assert snapshots_table.columns.keys() == list(snapshots(holdings, history).columns)


def test_a_purchase_earns_the_change_of_its_price():
    holdings = book([lot("L1", "AAA", 10, 100.0, MON)])

    snapshot = snapshots(holdings, prices([102.0, 101.0, 105.0]))

    assert snapshot["equity"].tolist() == [10_020.0, 10_010.0, 10_050.0]
    assert snapshot["daily_pnl"].tolist() == [20.0, -10.0, 40.0]
    assert snapshot["daily_return"].tolist() == pytest.approx([20 / 10_000, -10 / 10_020, 40 / 10_010])
    assert snapshot["cumulative_pnl"].tolist() == [20.0, 10.0, 50.0]
    assert snapshot["cash"].tolist() == [9_000.0] * 3
    assert snapshot["time_weighted_return"].tolist() == pytest.approx([0.002, 0.001, 0.005])
    assert snapshot["max_drawdown"].tolist() == pytest.approx([0.0, -10 / 10_020, -10 / 10_020])


def test_position_of_a_purchase():
    holdings = book([lot("L1", "AAA", 10, 100.0, MON)])

    first, second = positions(holdings, prices([102.0, 101.0])).to_dict("records")

    assert first["daily_pnl"] == 20.0
    assert second == {
        "portfolio_id": "P1",
        "session": pd.Timestamp(TUE),
        "lot_id": "L1",
        "symbol": "AAA",
        "investment_class": "PUBLIC",
        "quantity": 10.0,
        "price": 101.0,
        "price_session": pd.Timestamp(TUE),
        "is_stale": False,
        "is_modelled": False,
        "market_value": 1_010.0,
        "cost_basis": 1_000.0,
        "unrealized_pnl": 10.0,
        "daily_pnl": -10.0,
        "weight": 1_010 / 10_010,
        "risk_symbol": "AAA",
        "risk_value": 1_010.0,
        "risk_weight": 1_010 / 10_010,
    }


def test_where_equity_is_nothing_there_are_no_weights():
    """Equity 10,000 buys 1,000 shares at 100 on margin; at 90 it is gone to the cent."""
    holdings = book([lot("L1", "AAA", 1_000, 100.0, MON)])
    history = prices([100.0, 90.0, 95.0])

    snapshot, position = snapshots(holdings, history), positions(holdings, history)

    assert snapshot["equity"].tolist() == [10_000.0, 0.0, 5_000.0]
    assert position["weight"].tolist() == pytest.approx([10.0, np.nan, 19.0], nan_ok=True)
    assert position["risk_weight"].tolist() == pytest.approx([10.0, np.nan, 19.0], nan_ok=True)
    assert snapshot["leverage"].tolist() == pytest.approx([10.0, np.nan, 19.0], nan_ok=True)
    assert snapshot["daily_return"].tolist() == pytest.approx([0.0, -1.0, np.nan], nan_ok=True)


def test_a_split_changes_shares_and_no_value():
    holdings = book([lot("L1", "AAA", 10, 100.0, MON), lot("L2", "AAA", 1, 51.0, WED)])
    history = prices([100.0, 102.0, 51.0, 52.0], splits={("AAA", WED): 2.0})

    snapshot, position = snapshots(holdings, history), positions(holdings, history)

    assert position.loc[position["lot_id"] == "L1", "quantity"].tolist() == [10.0, 10.0, 20.0, 20.0]
    assert position.loc[position["lot_id"] == "L2", "quantity"].tolist() == [1.0, 1.0]
    assert snapshot["daily_pnl"].tolist() == [0.0, 20.0, 0.0, 21.0]


def test_a_dividend_is_received_from_the_session_after_entry_to_that_of_the_exit():
    """Dividend of 1 each session: bought on Tuesday, sold on Thursday, received on Wednesday and Thursday."""
    holdings = book([lot("L1", "AAA", 10, 100.0, TUE, exit_date=THU, exit_price=100.0)])
    history = prices([100.0] * 5, dividends={("AAA", day): 1.0 for day in (MON, TUE, WED, THU, FRI)})

    snapshot = snapshots(holdings, history)

    assert snapshot["dividend_income"].tolist() == [0.0, 0.0, 10.0, 10.0, 0.0]
    assert snapshot["price_pnl"].tolist() == [0.0] * 5
    assert snapshot["cash"].tolist() == [10_000.0, 9_000.0, 9_010.0, 10_020.0, 10_020.0]
    assert positions(holdings, history)["daily_pnl"].tolist() == [0.0, 10.0]


def test_a_dividend_is_paid_on_the_shares_after_a_split_of_the_same_session():
    holdings = book([lot("L1", "AAA", 10, 100.0, MON)])
    history = prices([100.0, 49.5], splits={("AAA", TUE): 2.0}, dividends={("AAA", TUE): 0.5})

    snapshot = snapshots(holdings, history)

    assert snapshot["dividend_income"].tolist() == [0.0, 10.0]
    assert snapshot["equity"].tolist() == [10_000.0, 10_000.0]


def test_a_short_gains_when_the_price_falls_and_pays_dividends():
    holdings = book([lot("L1", "AAA", -10, 50.0, MON)])
    history = prices([50.0, 48.0], dividends={("AAA", TUE): 1.0})

    snapshot = snapshots(holdings, history).iloc[1]

    assert snapshot["equity"] == 10_000 + 20 - 10
    assert snapshot["dividend_income"] == -10.0
    assert snapshot["cash"] == 10_000 + 500 - 10
    assert (snapshot["long_value"], snapshot["short_value"], snapshot["gross_exposure"]) == (0.0, -480.0, 480.0)
    assert snapshot["net_exposure"] == -480.0
    assert (snapshot["positions"], snapshot["long_positions"], snapshot["short_positions"]) == (1, 0, 1)


def test_a_partial_close_is_two_lots():
    """Of 10 bought at 100, 4 are sold at 110 on Wednesday, when the close is 108."""
    holdings = book([lot("L1", "AAA", 6, 100.0, MON), lot("L2", "AAA", 4, 100.0, MON, exit_date=WED, exit_price=110.0)])

    snapshot = snapshots(holdings, prices([100.0, 105.0, 108.0, 109.0]))

    assert snapshot["realized_pnl"].tolist() == [0.0, 0.0, 40.0, 0.0]
    assert snapshot["equity"].tolist() == [10_000.0, 10_050.0, 10_088.0, 10_094.0]
    assert snapshot["positions"].tolist() == [2, 2, 1, 1]
    assert snapshot["cash"].tolist() == [9_000.0, 9_000.0, 9_440.0, 9_440.0]


def test_a_split_before_the_exit_multiplies_what_is_sold():
    holdings = book([lot("L1", "AAA", 10, 100.0, MON, exit_date=WED, exit_price=51.0)])
    history = prices([100.0, 50.0, 51.0, 25.0], splits={("AAA", TUE): 2.0, ("AAA", THU): 2.0})

    assert snapshots(holdings, history)["equity"].tolist() == [10_000.0, 10_000.0, 10_020.0, 10_020.0]


def test_a_lot_bought_and_sold_on_one_session_has_a_gain_and_no_position():
    holdings = book([lot("L1", "AAA", 10, 100.0, TUE, exit_date=TUE, exit_price=103.0)])
    history = prices([100.0, 101.0])

    assert snapshots(holdings, history)["realized_pnl"].tolist() == [0.0, 30.0]
    assert snapshots(holdings, history)["equity"].tolist() == [10_000.0, 10_030.0]
    assert positions(holdings, history).empty


def test_a_weekend_counts_for_the_next_session():
    """Bought, sold and paid in on Saturday and Sunday: all of it belongs to Monday."""
    holdings = book(
        [
            lot("L1", "AAA", 10, 100.0, MON, exit_date=SAT, exit_price=104.0),
            lot("L2", "AAA", 5, 102.0, SUN),
        ],
        [(SAT, 500.0)],
    )
    history = prices([100.0, 100.0, 100.0, 100.0, 103.0, 106.0])

    friday, monday = snapshots(holdings, history).iloc[-2:].to_dict("records")

    assert (friday["equity"], friday["realized_pnl"], friday["capital_flow"]) == (10_030.0, 0.0, 0.0)
    assert (monday["realized_pnl"], monday["capital_flow"]) == (40.0, 500.0)
    assert monday["equity"] == 10_000 + 40 + 5 * 4 + 500
    assert monday["daily_pnl"] == (40 - 30) + 20
    assert positions(holdings, history).iloc[-1]["daily_pnl"] == 20.0


def test_flows_are_no_profit():
    """A flow on the day of inception is part of the initial equity; later ones move equity and nothing else."""
    holdings = book([], [(MON, 99.0), (TUE, 1_000.0), (WED, -300.0), (WED, 50.0)])

    snapshot = snapshots(holdings, prices([1.0] * 4))

    assert snapshot["equity"].tolist() == [10_000.0, 11_000.0, 10_750.0, 10_750.0]
    assert snapshot["capital_flow"].tolist() == [0.0, 1_000.0, -250.0, 0.0]
    assert snapshot["cumulative_capital_flow"].tolist() == [0.0, 1_000.0, 750.0, 750.0]
    assert snapshot["daily_pnl"].tolist() == [0.0] * 4
    assert snapshot["daily_return"].tolist() == [0.0] * 4


def test_a_portfolio_begun_at_the_weekend_has_its_first_session_on_monday():
    holdings = book([], [(SAT, 1.0), (SUN, 20.0), (MON2, 300.0)], inception=SAT)

    snapshot = snapshots(holdings, prices([1.0] * 6))

    assert snapshot["session"].tolist() == [pd.Timestamp(MON2)]
    assert snapshot["equity"].tolist() == [10_320.0]
    assert snapshot["daily_pnl"].tolist() == [0.0]


def test_the_first_session_takes_in_what_lots_entered_before_inception_have_earned():
    holdings = book(
        [lot("L1", "AAA", 10, 100.0, MON), lot("L2", "AAA", 1, 100.0, MON, exit_date=TUE, exit_price=107.0)],
        inception=WED,
    )
    history = prices([100.0, 50.0, 52.0, 53.0], splits={("AAA", TUE): 2.0}, dividends={("AAA", TUE): 1.0})

    wednesday, thursday = snapshots(holdings, history).to_dict("records")

    dividends = 20 * 1.0 + 2 * 1.0
    assert wednesday["equity"] == 10_000 + (20 * 52 - 1_000) + (2 * 107 - 100) + dividends
    assert wednesday["daily_pnl"] == wednesday["equity"] - 10_000
    assert (wednesday["realized_pnl"], wednesday["dividend_income"]) == (114.0, dividends)
    assert (thursday["daily_pnl"], thursday["realized_pnl"], thursday["dividend_income"]) == (20.0, 0.0, 0.0)


def test_a_portfolio_without_lots_has_snapshots_and_no_positions():
    history = prices([1.0, 1.0])

    snapshot = snapshots(book([]), history)

    assert snapshot["equity"].tolist() == [10_000.0, 10_000.0]
    assert snapshot["cash"].tolist() == [10_000.0, 10_000.0]
    assert (snapshot[["gross_exposure", "leverage", "positions", "max_drawdown"]] == 0).all(axis=None)
    assert snapshot[["hhi", "effective_positions", "top_3_weight", "top_10_weight"]].isna().all(axis=None)
    assert positions(book([]), history).empty


def test_private_lots_are_carried_at_cost_whatever_a_listed_namesake_does():
    private = {"investment_class": "PRIVATE", "investment_subtype": "ART"}
    holdings = book([lot("L1", "AAA", 3, 1_000.0, MON, **private), lot("L2", "WINE_X", 0.1, 7.3, MON, **private)])
    history = prices([5.0, 6.0], splits={("AAA", TUE): 2.0}, dividends={("AAA", TUE): 1.0})

    snapshot, position = snapshots(holdings, history), positions(holdings, history)

    assert snapshot["equity"].tolist() == [10_000.0, 10_000.0]
    assert snapshot[["lots_stale", "lots_unpriced"]].to_numpy().tolist() == [[0, 0], [0, 0]]
    assert position["market_value"].tolist() == pytest.approx([3_000.0, 0.73] * 2)
    assert position[["price_session", "risk_symbol", "risk_value", "risk_weight"]].isna().all(axis=None)
    assert not position["is_stale"].any()


def test_rows_start_at_inception_and_only_sessions_asked_for_are_there():
    holdings = book([lot("L1", "AAA", 10, 100.0, WED)], inception=TUE)
    history = prices([100.0, 101.0, 102.0, 103.0])
    asked = history.sessions[[3, 0, 1]]

    assert snapshots(holdings, history, asked)["session"].tolist() == [pd.Timestamp(TUE), pd.Timestamp(THU)]
    assert positions(holdings, history, asked)["session"].tolist() == [pd.Timestamp(THU)]


@pytest.mark.parametrize("value", [snapshots, positions])
def test_column_types_do_not_depend_on_there_being_rows(value):
    holdings = book([lot("L1", "AAA", 10, 100.0, MON)])
    history = prices([100.0])

    none = value(holdings, history, history.sessions[:0])

    assert none.empty
    pd.testing.assert_series_equal(none.dtypes, value(holdings, history).dtypes)


def test_an_exit_without_a_price_is_refused_by_name():
    holdings = book([lot("L1", "AAA", 10, 100.0, MON, exit_date=TUE)])

    with pytest.raises(HoldingsError, match=r"exit_price of a lot with an exit_date is missing for 1 lots: AAA \(L1\)"):
        snapshots(holdings, prices([100.0, 100.0]))


def test_prices_that_start_after_the_entry_are_refused():
    holdings = book([lot("L1", "AAA", 10, 100.0, "2024-12-02")])

    with pytest.raises(ValueError, match="starts 2025-01-06, but the earliest entry or inception is 2024-12-02"):
        snapshots(holdings, prices([100.0]))


def test_a_session_without_prices_is_refused():
    with pytest.raises(KeyError, match="not sessions"):
        snapshots(book([]), prices([100.0]), np.array(["2025-01-11"], dtype="datetime64[D]"))
