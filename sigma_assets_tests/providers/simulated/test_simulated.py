"""The simulated market serves the same bar to everyone, with every kind of event that a real source has."""

from collections import Counter
from datetime import date
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigma_assets.base.calendar import as_dates, nyse_calendar
from sigma_assets.base.conventions import FACTOR_ETFS
from sigma_assets.base.errors import SettingsError
from sigma_assets.holdings.reader import read_holdings
from sigma_assets.holdings.samples import sample_books
from sigma_assets.providers.base import BAR_COLUMNS, Unserved
from sigma_assets.providers.simulated.provider import ORIGIN, SimulatedProvider

CALENDAR = nyse_calendar()
LAST = date(2026, 1, 8)
SESSIONS = as_dates(CALENDAR.between(ORIGIN, LAST))
MARKET = SimulatedProvider(CALENDAR, LAST, seed=7)
FUNDS = ("FCNTX", "VBTLX", "VFIAX")


def bars(market: SimulatedProvider, symbols: list[str], sessions: list[date]) -> pd.DataFrame:
    return pd.concat([each.rows for each in market.daily_bars(dict.fromkeys(symbols, sessions))], ignore_index=True)


def close(market: SimulatedProvider, symbol: str, session: date) -> float:
    (of_one,) = market.daily_bars({symbol: [session]})
    return of_one.rows["close"].item()


def unserved(market: SimulatedProvider, symbol: str, sessions: list[date]) -> list[Unserved]:
    return [each for answer in market.daily_bars({symbol: sessions}) for each in answer.unserved]


ALL_BARS = bars(MARKET, list(MARKET.symbols), SESSIONS)


def test_the_market_has_the_factor_etfs_stocks_and_three_funds():
    assert set(FACTOR_ETFS) | set(FUNDS) <= set(MARKET.symbols)
    assert len(MARKET.symbols) >= 60


def test_bars_have_the_shape_of_the_protocol_and_prices_in_cents():
    closes = ALL_BARS["close"].to_numpy()

    assert list(ALL_BARS.columns) == list(BAR_COLUMNS)
    assert ALL_BARS["session"].dtype == "datetime64[s]"
    assert ALL_BARS["symbol"].dtype == "str"
    assert not ALL_BARS.duplicated(["symbol", "session"]).any()
    assert (np.isfinite(closes) & (closes > 0)).all()
    np.testing.assert_array_equal(closes, np.round(closes, 2))


def test_open_and_close_lie_between_low_and_high_and_funds_have_only_a_close():
    is_fund = ALL_BARS["symbol"].isin(FUNDS)
    listed = ALL_BARS[~is_fund]

    assert (listed["low"] <= listed[["open", "close"]].min(axis=1)).all()
    assert (listed["high"] >= listed[["open", "close"]].max(axis=1)).all()
    assert (listed["volume"] > 0).all()
    assert ALL_BARS.loc[is_fund, ["open", "high", "low", "volume"]].isna().all(axis=None)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from([*MARKET.symbols, "SIM0001", "NONE"]), min_size=1, max_size=6, unique=True),
    st.lists(st.sampled_from(SESSIONS), min_size=1, max_size=20),
)
def test_a_bar_does_not_depend_on_what_else_is_asked_for_and_every_pair_comes_back_once(symbols, sessions):
    market = SimulatedProvider(CALENDAR, LAST, seed=7)
    answers = list(market.daily_bars(dict.fromkeys(symbols, sessions)))

    rows = pd.concat([each.rows for each in answers])
    served = list(zip(rows["symbol"], rows["session"].dt.date, strict=True))
    refused = [(each.symbol, day) for answer in answers for each in answer.unserved for day in each.sessions]
    assert Counter(served + refused) == Counter((symbol, day) for symbol in symbols for day in set(sessions))
    expected = ALL_BARS[ALL_BARS["symbol"].isin(symbols) & ALL_BARS["session"].dt.date.isin(sessions)]
    known = rows[rows["symbol"] != "SIM0001"].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        known, expected.sort_values(["symbol", "session"]).reset_index(drop=True), check_exact=True
    )


def test_a_bar_stays_the_same_as_days_pass_and_as_the_calendar_grows():
    symbols, sessions = ["AAPL", "GLD", "SIM0042", "VFIAX"], as_dates(CALENDAR.between(ORIGIN, date(2021, 3, 4)))
    early = SimulatedProvider(nyse_calendar(last_day=date(2024, 12, 31)), date(2021, 3, 5), seed=7)

    pd.testing.assert_frame_equal(bars(early, symbols, sessions), bars(MARKET, symbols, sessions), check_exact=True)


def test_another_seed_is_another_market():
    other = SimulatedProvider(CALENDAR, LAST, seed=8)

    assert close(other, "SPY", LAST) != close(MARKET, "SPY", LAST)


def test_a_fund_publishes_a_day_late():
    market = SimulatedProvider(CALENDAR, date(2026, 1, 7), seed=7)
    asked = [date(2026, 1, 6), date(2026, 1, 7)]

    (late,) = unserved(market, "VFIAX", asked)
    market = SimulatedProvider(CALENDAR, date(2026, 1, 8), seed=7)

    assert (late.reason, late.sessions, late.next_try) == ("late", (date(2026, 1, 7),), date(2026, 1, 8))
    assert unserved(market, "VFIAX", asked) == []
    assert close(market, "VFIAX", date(2026, 1, 7)) == close(MARKET, "VFIAX", date(2026, 1, 7))


def test_sessions_after_the_last_one_are_not_there_yet():
    (late,) = unserved(MARKET, "SPY", [LAST, date(2026, 1, 9)])

    assert (late.reason, late.sessions, late.next_try) == ("late", (date(2026, 1, 9),), date(2026, 1, 9))


def test_a_delisted_stock_has_prices_up_to_its_end_and_the_source_knows_no_end_before_it():
    before_the_end = SimulatedProvider(CALENDAR, date(2023, 10, 12), seed=7)
    asked = [date(2023, 10, 13), date(2023, 10, 16)]

    (gone,) = unserved(MARKET, "ATVI", asked)
    (not_yet,) = unserved(before_the_end, "ATVI", asked)

    assert (gone.reason, gone.sessions, gone.next_try) == ("delisted", (date(2023, 10, 16),), None)
    assert (not_yet.reason, not_yet.sessions) == ("late", tuple(asked))


def test_a_stock_listed_late_and_the_time_before_the_market_are_not_yet_listed():
    (arm,) = unserved(MARKET, "ARM", [date(2023, 9, 13), date(2023, 9, 14)])
    (spy,) = unserved(MARKET, "SPY", [date(2015, 12, 31), ORIGIN])

    assert (arm.reason, arm.sessions, arm.next_try) == ("not_yet_listed", (date(2023, 9, 13),), None)
    assert (spy.reason, spy.sessions, spy.next_try) == ("not_yet_listed", (date(2015, 12, 31),), None)


def test_a_renamed_stock_answers_to_both_names_and_the_source_says_so_from_that_day():
    (after,) = MARKET.daily_bars({"FB": [LAST]})
    (before,) = SimulatedProvider(CALENDAR, date(2022, 6, 8), seed=7).daily_bars({"FB": [date(2022, 6, 8)]})

    assert (after.renamed, before.renamed) == ({"FB": "META"}, {})
    assert after.rows["symbol"].to_list() == ["FB"]
    assert close(MARKET, "FB", LAST) == close(MARKET, "META", LAST)


def test_one_stock_skips_a_session_each_september():
    gaps = [day for each in unserved(MARKET, "GE", SESSIONS) for day in each.sessions]

    assert {each.reason for each in unserved(MARKET, "GE", SESSIONS)} == {"no_bar"}
    assert [(day.year, day.month) for day in gaps] == [(year, 9) for year in range(2016, 2026)]


@pytest.mark.parametrize("symbol", ["NOSUCH", "SIM", "SIM0001X", "AAPL260619C00150000", ""])
def test_unknown_symbols_and_option_contracts_are_not_served(symbol):
    (unknown,) = unserved(MARKET, symbol, [LAST])

    assert (unknown.reason, unknown.sessions, unknown.next_try) == ("unknown_symbol", (LAST,), date(2026, 1, 15))


def test_any_extra_stock_is_served_and_has_a_path_of_its_own():
    closes = {symbol: close(MARKET, symbol, LAST) for symbol in ("SIM0001", "SIM1", "SIM1193")}

    assert len(set(closes.values())) == 3


def test_an_empty_request_has_an_empty_answer():
    (answer,) = MARKET.daily_bars({"SPY": []})

    assert list(MARKET.daily_bars({})) == []
    assert (len(answer.rows), answer.unserved) == (0, ())
    assert answer.rows["session"].dtype == "datetime64[s]"


def test_a_market_that_would_end_before_it_starts_is_refused():
    with pytest.raises(SettingsError, match="starts on 2016-01-04"):
        SimulatedProvider(CALENDAR, date(2015, 6, 1)).last_session()


@pytest.mark.parametrize("last", [date(2019, 12, 31), date(2024, 6, 20), LAST, date(2026, 7, 2)])
def test_the_sample_books_are_entered_at_market_prices_and_live_through_a_split_and_dividends(last):
    market = SimulatedProvider(CALENDAR, last)
    sessions = as_dates(CALENDAR.between(ORIGIN, last))
    balanced, long_short = sample_books(sessions, partial(close, market))

    lots = read_holdings(balanced.csv.encode(), balanced.file_name, last)
    held = bars(market, lots["symbol"].to_list(), sessions[-253:])

    assert (held["split_factor"] != 1).sum() >= 1  # two where the window begins and ends with the June split
    assert held.groupby("symbol")["dividend"].any().sum() >= 10
    assert 0.8 < (lots["quantity"] * lots["entry_price"]).sum() / balanced.initial_equity_usd < 1
    assert len(read_holdings(long_short.csv.encode(), long_short.file_name, last)) == 12
