"""Massive serves as-traded closes with splits and dividends, in the fewest calls."""

import logging
import shutil
from datetime import date, timedelta

import pandas as pd
import pytest

from sigma_assets.base.errors import SettingsError
from sigma_assets.prices.source_state import reserve_call
from sigma_assets.providers.massive.provider import MassiveProvider
from sigma_assets.storage.connection.database import Database
from sigma_assets_tests.providers.massive.fake_massive import (
    CALENDAR,
    KEY,
    TODAY,
    bar,
    dividend,
    provider_at,
    sessions_between,
    split,
)
from sigma_assets_tests.templates import migrated_sqlite

WEEK = sessions_between("2025-03-10", "2025-03-14")


def closes(batches, symbol):
    """Return the closes of a symbol per day over all batches."""
    rows = pd.concat([batch.rows for batch in batches])
    rows = rows[rows["symbol"] == symbol]
    return {session.date(): close for session, close in zip(rows["session"], rows["close"], strict=True)}


def gaps(batches):
    """Return (symbol, day) -> the reason why it was not served."""
    return {(gap.symbol, day): gap for batch in batches for gap in batch.unserved for day in gap.sessions}


def test_a_long_history_of_few_symbols_takes_one_call_each_and_two_for_actions(massive, market, clock):
    sessions = sessions_between("2024-01-02", "2025-03-14")
    for symbol in ("AAA", "BBB"):
        market.prices(symbol, {session: 10.0 + at for at, session in enumerate(sessions)})

    batches = list(provider_at(massive, clock).daily_bars({"AAA": sessions, "BBB": sessions}))

    assert closes(batches, "BBB") == {session: 10.0 + at for at, session in enumerate(sessions)}
    assert gaps(batches) == {}
    assert len(massive.paths("/v2/aggs/ticker")) == 2
    assert len(massive.requests) == 4
    assert sum(batch.cost.requests for batch in batches) == 4


def test_one_session_of_many_symbols_takes_one_call_for_the_whole_market(massive, market, clock):
    symbols = [f"S{number}" for number in range(300)]
    for number, symbol in enumerate(symbols):
        market.prices(symbol, {WEEK[0]: 5.0 + number})
    market.prices("OTHER", {WEEK[0]: 1.0})

    batches = list(provider_at(massive, clock).daily_bars({symbol: [WEEK[0]] for symbol in symbols}))

    assert [closes(batches, symbol)[WEEK[0]] for symbol in symbols] == [5.0 + number for number in range(300)]
    assert "OTHER" not in set(batches[0].rows["symbol"])
    assert massive.paths() == [
        "/stocks/v1/splits", "/stocks/v1/dividends", "/v2/aggs/grouped/locale/us/market/stocks/2025-03-10",
    ]  # fmt: skip


def test_prices_are_asked_for_as_traded(massive, market, clock):
    market.prices("AAA", {WEEK[0]: 10.0})

    list(provider_at(massive, clock).daily_bars({"AAA": WEEK[:1]}))

    assert [r.query["adjusted"] for r in massive.requests if "/aggs/" in r.path] == ["false"]


def test_a_split_and_a_dividend_stand_on_their_session_and_the_closes_stay_as_traded(massive, market, clock):
    market.prices("AAA", {WEEK[0]: 100.0, WEEK[1]: 50.5, WEEK[2]: 50.0})
    market.splits = [split("AAA", "2025-03-11", 1, 2), split("ZZZ", "2025-03-11", 1, 10)]
    market.dividends = [dividend("AAA", "2025-03-12", 0.30), dividend("AAA", "2025-03-12", 0.20)]

    rows = next(provider_at(massive, clock).daily_bars({"AAA": WEEK[:3]})).rows

    assert rows["close"].tolist() == [100.0, 50.5, 50.0]
    assert rows["split_factor"].tolist() == [1.0, 2.0, 1.0]
    assert rows["dividend"].tolist() == [0.0, 0.0, 0.5]


def test_backfill_and_night_after_night_store_the_same_rows_across_a_split_and_an_ex_date(massive, market, clock):
    market.prices("AAA", dict(zip(WEEK, (100.0, 50.5, 50.0, 51.0, 52.0), strict=True)))
    market.splits = [split("AAA", "2025-03-11", 1, 2)]
    market.dividends = [dividend("AAA", "2025-03-12", 0.25)]

    backfill = next(provider_at(massive, clock).daily_bars({"AAA": WEEK})).rows
    nights = [
        next(provider_at(massive, clock, current_session=night).daily_bars({"AAA": [night]})).rows for night in WEEK
    ]

    pd.testing.assert_frame_equal(pd.concat(nights, ignore_index=True), backfill)


def test_a_split_dated_on_a_weekend_takes_effect_on_monday(massive, market, clock):
    market.prices("AAA", {WEEK[0]: 10.0})
    market.splits = [split("AAA", "2025-03-08", 3, 1)]

    rows = next(provider_at(massive, clock).daily_bars({"AAA": WEEK[:1]})).rows

    assert rows["split_factor"].tolist() == [1 / 3]


def test_a_split_on_a_session_without_a_bar_moves_to_the_next_bar(massive, market, clock):
    market.prices("AAA", {WEEK[0]: 100.0, WEEK[2]: 48.0})
    market.splits = [split("AAA", "2025-03-11", 1, 2)]

    batches = list(provider_at(massive, clock).daily_bars({"AAA": WEEK[:3]}))

    assert batches[0].rows["split_factor"].tolist() == [1.0, 2.0]
    assert gaps(batches)["AAA", WEEK[1]].next_try == TODAY + timedelta(days=7)
    assert "in the row of 2025-03-12" in gaps(batches)["AAA", WEEK[1]].detail


def test_pages_are_followed_on_our_own_host_only(massive, market, clock):
    market.prices("AAA", dict.fromkeys(WEEK, 10.0))
    market.dividends = [dividend("AAA", str(day), 0.1 + at) for at, day in enumerate(WEEK)]
    market.page_size = 2

    rows = next(provider_at(massive, clock).daily_bars({"AAA": WEEK})).rows

    assert rows["dividend"].tolist() == [0.1, 1.1, 2.1, 3.1, 4.1]
    assert len(massive.paths("/stocks/v1/dividends")) == 3


def test_a_dividend_in_another_currency_is_left_out_and_said_so(massive, market, clock, caplog):
    market.prices("RY", {WEEK[0]: 110.0})
    market.dividends = [dividend("RY", "2025-03-10", 1.48, currency="CAD")]

    rows = next(provider_at(massive, clock).daily_bars({"RY": WEEK[:1]})).rows

    assert rows["dividend"].tolist() == [0.0]
    assert "dividend of RY on 2025-03-10 left out: 1.48 CAD" in caplog.text


def test_a_split_that_cannot_be_read_blocks_its_session_and_those_after_it_of_that_symbol_only(massive, market, clock):
    market.prices("AAA", dict.fromkeys(WEEK, 10.0))
    market.prices("BBB", dict.fromkeys(WEEK, 10.0))
    market.splits = [split("AAA", "2025-03-12", 1, 2) | {"split_from": 0}]

    batches = list(provider_at(massive, clock).daily_bars({"AAA": WEEK, "BBB": WEEK}))

    assert list(closes(batches, "AAA")) == WEEK[:2]
    assert {gap.reason for gap in gaps(batches).values()} == {"rejected"}
    assert list(closes(batches, "BBB")) == WEEK


def test_share_classes_are_spelled_as_the_source_does_and_stored_as_asked(massive, market, clock):
    market.prices("BRK.B", {WEEK[0]: 500.0})

    batches = list(provider_at(massive, clock).daily_bars({"BRK-B": WEEK[:1]}))

    assert closes(batches, "BRK-B") == {WEEK[0]: 500.0}


def test_mutual_funds_and_options_are_not_covered_and_cost_no_call(massive, clock):
    batches = list(provider_at(massive, clock).daily_bars({"VFIAX": WEEK, "AAPL250117C00150000": WEEK[:1]}))

    assert {gap.reason for gap in gaps(batches).values()} == {"not_covered"}
    assert len(gaps(batches)) == 6
    assert massive.requests == []


def test_unsorted_and_repeated_bars_give_each_session_once(massive, market, clock):
    market.prices("AAA", dict(zip(WEEK, (1.0, 2.0, 3.0, 4.0, 5.0), strict=True)))
    market.bars["AAA"] = market.bars["AAA"][::-1] + market.bars["AAA"][:2]

    rows = next(provider_at(massive, clock).daily_bars({"AAA": WEEK})).rows

    assert rows["close"].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert rows["session"].is_monotonic_increasing


def test_a_bar_of_a_holiday_is_left_out_and_named(massive, market, clock, caplog):
    """The exchange was closed on 9 January 2025, a day of mourning."""
    days = sessions_between("2025-01-08", "2025-01-10")
    market.prices("AAA", {days[0]: 10.0, date(2025, 1, 9): 11.0, days[1]: 12.0})

    batches = list(provider_at(massive, clock).daily_bars({"AAA": days}))

    assert closes(batches, "AAA") == {days[0]: 10.0, days[1]: 12.0}
    assert "bar of 2025-01-09 left out: no NYSE session" in caplog.text


@pytest.mark.parametrize("no_price", [0.0, 1e300, 1e-300])
def test_null_zero_huge_negative_and_contradicting_closes_are_no_prices(massive, market, clock, no_price: float):
    market.prices("AAA", dict(zip(WEEK, (None, no_price, -4.0, 10.0, 10.0), strict=True)))
    market.bars["AAA"].append(bar(WEEK[3], 11.0))

    batches = list(provider_at(massive, clock).daily_bars({"AAA": WEEK}))

    assert closes(batches, "AAA") == {WEEK[4]: 10.0}
    reasons = {day: gap.reason for (_, day), gap in gaps(batches).items()}
    assert reasons == {WEEK[0]: "late", WEEK[1]: "rejected", WEEK[2]: "rejected", WEEK[3]: "rejected"}
    assert "close -4.0 is not a price" in gaps(batches)["AAA", WEEK[2]].detail
    assert "2 bars with different closes: 10.0, 11.0" in gaps(batches)["AAA", WEEK[3]].detail


def test_an_impossible_open_or_volume_is_unknown_while_the_close_stands(massive, market, clock):
    market.prices("AAA", {})
    market.bars["AAA"] = [bar(WEEK[0], 10.0, o=0.0, h=None, v=-1)]

    row = next(provider_at(massive, clock).daily_bars({"AAA": WEEK[:1]})).rows.iloc[0]

    assert row[["open", "high", "volume"]].isna().all()
    assert row["low"] == row["close"] == 10.0


def test_a_price_a_hundred_times_the_last_one_is_stored_for_the_check_to_flag(massive, market, clock):
    market.prices("AAA", {WEEK[0]: 10.0, WEEK[1]: 1000.0})

    batches = list(provider_at(massive, clock).daily_bars({"AAA": WEEK[:2]}))

    assert closes(batches, "AAA") == {WEEK[0]: 10.0, WEEK[1]: 1000.0}


def test_the_run_log_has_a_line_for_each_symbol(massive, market, clock, caplog):
    market.prices("AAA", dict.fromkeys(WEEK, 10.0))

    with caplog.at_level(logging.INFO, "sigma_assets"):
        list(provider_at(massive, clock).daily_bars({"AAA": WEEK}))

    assert any(record.getMessage().startswith("AAA: 5 sessions in ") for record in caplog.records)


def test_the_free_plan_is_paced_to_five_calls_in_any_minute(massive, market, clock, tmp_path):
    shutil.copy(migrated_sqlite(), tmp_path / "sigma.sqlite")
    database = Database(f"sqlite:///{tmp_path}/sigma.sqlite")
    sessions = sessions_between("2025-01-02", "2025-03-14")
    symbols = [f"S{number}" for number in range(10)]
    for symbol in symbols:
        market.prices(symbol, dict.fromkeys(sessions, 10.0))

    def pace(now: float) -> float:
        return now + reserve_call(database, "massive", 5, clock()) - clock()

    provider = provider_at(massive, clock, pace=pace)
    batches = list(provider.daily_bars(dict.fromkeys(symbols, sessions)))

    assert len(massive.requests) == 12
    assert clock.sleeps == [60.0, 60.0]
    assert sum(batch.cost.waited_seconds for batch in batches) == 120.0


def test_the_last_session_is_the_last_bar_of_a_symbol_that_always_trades(massive, market, clock):
    market.prices("SPY", dict.fromkeys(WEEK[:3], 560.0))

    assert provider_at(massive, clock).last_session() == WEEK[2]


def test_on_the_free_plan_the_last_session_is_the_day_before(massive, market, clock):
    market.prices("SPY", dict.fromkeys(WEEK, 560.0))
    market.published_through = WEEK[3]

    assert provider_at(massive, clock).last_session() == WEEK[3]


def test_without_a_key_the_setting_is_named():
    with pytest.raises(SettingsError, match="MASSIVE_API_KEY"):
        MassiveProvider("", CALENDAR, TODAY, pace=None, base_url="http://127.0.0.1:1")


def test_the_key_is_in_no_representation():
    provider = MassiveProvider(KEY, CALENDAR, TODAY, pace=None, base_url="http://127.0.0.1:1")

    assert KEY not in repr(provider)
    assert KEY not in str(vars(provider))
