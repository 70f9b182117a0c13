"""One rule for a missing price: the last close, else the entry price; so nothing jumps (SPEC 3)."""

import numpy as np
import pandas as pd
import pytest

from sigma_assets_tests.analytics.books import (
    assert_same_bits,
    book,
    lot,
    positions,
    price_history,
    snapshots,
    weekdays,
)

SESSIONS = weekdays("2025-01-06", 10)
DAYS = [str(session) for session in SESSIONS]
NAN = float("nan")
HOLDINGS = book([lot("L1", "AAA", 10, 100.0, DAYS[0])])


def prices(closes):
    return price_history(SESSIONS[: len(closes)], {"AAA": closes})


def test_a_gap_is_bridged_by_the_last_close():
    history = prices([100.0, NAN, 110.0])

    position = positions(HOLDINGS, history)

    assert position["price"].tolist() == [100.0, 100.0, 110.0]
    assert position["price_session"].tolist() == [pd.Timestamp(DAYS[0]), pd.Timestamp(DAYS[0]), pd.Timestamp(DAYS[2])]
    assert position["is_stale"].tolist() == [False, True, False]
    assert snapshots(HOLDINGS, history)["daily_pnl"].tolist() == [0.0, 0.0, 100.0]
    assert snapshots(HOLDINGS, history)["lots_stale"].tolist() == [0, 1, 0]


def test_a_late_price_heals_its_session_and_the_next_days_pnl_only():
    late, on_time = prices([100.0, NAN, 110.0, 111.0]), prices([100.0, 105.0, 110.0, 111.0])

    before, after = snapshots(HOLDINGS, late), snapshots(HOLDINGS, on_time)

    assert after["daily_pnl"].tolist() == [0.0, 50.0, 50.0, 10.0]
    assert_same_bits(before.iloc[[0]], after.iloc[[0]])
    assert before["equity"].tolist()[2:] == after["equity"].tolist()[2:]
    assert_same_bits(
        before.iloc[[3]].drop(columns="time_weighted_return"), after.iloc[[3]].drop(columns="time_weighted_return")
    )


def test_a_delisted_symbol_keeps_its_last_price_and_is_unpriced_after_five_sessions():
    closes = [100.0, 90.0] + [NAN] * 8

    snapshot = snapshots(HOLDINGS, prices(closes))

    assert snapshot["equity"].tolist() == [10_000.0] + [9_900.0] * 9
    assert snapshot["lots_stale"].tolist() == [0, 0] + [1] * 8
    assert snapshot["lots_unpriced"].tolist() == [0, 0] + [0] * 5 + [1] * 3


@pytest.mark.parametrize("symbols", [{"AAA": [NAN] * 3, "BBB": [1.0] * 3}, {"BBB": [1.0] * 3}])
def test_a_symbol_without_any_price_is_carried_at_its_entry_price_and_flagged(symbols):
    history = price_history(SESSIONS[:3], symbols)

    position, snapshot = positions(HOLDINGS, history), snapshots(HOLDINGS, history)

    assert position["price"].tolist() == [100.0] * 3
    assert position["price_session"].isna().all()
    assert position["is_stale"].all()
    assert position["risk_symbol"].tolist() == ["AAA"] * 3
    assert snapshot["equity"].tolist() == [10_000.0] * 3
    assert snapshot["lots_stale"].tolist() == snapshot["lots_unpriced"].tolist() == [1, 1, 1]


def test_the_first_price_ever_replaces_the_entry_price():
    snapshot = snapshots(HOLDINGS, prices([NAN, NAN, 103.0]))

    assert snapshot["daily_pnl"].tolist() == [0.0, 0.0, 30.0]
    assert snapshot["lots_unpriced"].tolist() == [1, 1, 0]


def test_the_last_close_may_lie_before_the_entry_and_before_the_history():
    early = price_history(SESSIONS, {"AAA": [99.0] + [NAN] * 9})
    holdings = book([lot("L1", "AAA", 10, 100.0, DAYS[3])], inception=DAYS[3])
    before = np.array([np.datetime64("2024-12-31")])
    prior = price_history(SESSIONS, {"AAA": [NAN] * 10})
    prior = type(prior)(**{**vars(prior), "prior_close": np.array([99.0]), "prior_session": before})

    assert positions(holdings, early)["price"].tolist() == [99.0] * 7
    assert positions(holdings, prior)["price"].tolist() == [99.0] * 7
    assert set(positions(holdings, prior)["price_session"]) == {pd.Timestamp("2024-12-31")}
    assert snapshots(holdings, early)["lots_unpriced"].tolist() == [0, 0, 0, 1, 1, 1, 1]
