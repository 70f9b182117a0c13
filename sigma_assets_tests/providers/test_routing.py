"""Several sources as one: what falls through to the next, and what does not."""

from collections.abc import Iterator
from datetime import date, timedelta

import pandas as pd
import pytest

from sigma_assets.base.errors import ProviderAccessError, ProviderUnavailableError
from sigma_assets.providers.routing import RoutedProvider
from sigma_assets_tests.providers.loopback import FakeClock, Loopback, as_html, as_json
from sigma_assets_tests.providers.massive.fake_massive import FakeMassive, dividend, sessions_between, split
from sigma_assets_tests.providers.massive.fake_massive import provider_at as massive_at
from sigma_assets_tests.providers.massive.test_massive import closes, gaps
from sigma_assets_tests.providers.yahoo import test_yahoo as yahoo_tests
from sigma_assets_tests.providers.yahoo.fake_yahoo import CHART, FakeYahoo, Listing

fresh_yfinance = yahoo_tests.fresh_yfinance
WEEK = sessions_between("2025-03-10", "2025-03-14")


@pytest.fixture
def charts() -> FakeYahoo:
    """Return what Yahoo knows."""
    return FakeYahoo(now=WEEK[4])


@pytest.fixture
def yahoo(charts: FakeYahoo) -> Iterator[Loopback]:
    """Serve it."""
    with Loopback(charts.answer).running() as server:
        yield server


@pytest.fixture
def routed(massive: Loopback, yahoo: Loopback, charts: FakeYahoo, clock: FakeClock) -> RoutedProvider:
    """Return SIGMA_PRICES=massive,yahoo."""
    return RoutedProvider([massive_at(massive, clock), yahoo_tests.provider_at(yahoo, clock, charts)])


def sources(batches):
    """Return symbol -> the sources of its rows."""
    return {symbol: batch.source for batch in batches for symbol in batch.rows["symbol"].unique()}


def test_each_symbol_comes_from_the_first_source_that_covers_it(routed, market, charts, yahoo):
    market.prices("AAA", dict.fromkeys(WEEK, 10.0))
    charts.listings |= {"AAA": Listing(dict.fromkeys(WEEK, 99.0)), "VFIAX": Listing(dict.fromkeys(WEEK, 500.0))}

    batches = list(routed.daily_bars({"AAA": WEEK, "VFIAX": WEEK}))

    assert sources(batches) == {"AAA": "massive", "VFIAX": "yahoo"}
    assert gaps(batches) == {}
    assert yahoo.paths(CHART) == [f"{CHART}VFIAX"]


def test_a_symbol_unknown_to_the_first_is_asked_for_at_the_next(routed, charts):
    charts.listings["NEWCO"] = Listing(dict.fromkeys(WEEK, 20.0))

    batches = list(routed.daily_bars({"NEWCO": WEEK}))

    assert list(closes(batches, "NEWCO")) == WEEK
    assert gaps(batches) == {}


def test_a_missing_bar_of_a_known_symbol_stays_missing(routed, market, charts, yahoo):
    market.prices("AAA", dict.fromkeys(WEEK[:4], 10.0))
    charts.listings["AAA"] = Listing(dict.fromkeys(WEEK, 99.0))

    batches = list(routed.daily_bars({"AAA": WEEK}))

    assert list(closes(batches, "AAA")) == WEEK[:4]
    assert gaps(batches)["AAA", WEEK[4]].reason == "late"
    assert yahoo.paths(CHART) == []


def test_when_the_first_is_down_the_next_serves_what_is_open(routed, market, charts, massive):
    for symbol in ("AAA", "BBB"):
        market.prices(symbol, dict.fromkeys(WEEK, 10.0))
        charts.listings[symbol] = Listing(dict.fromkeys(WEEK, 99.0))
    massive.fault("/BBB/", *[as_html(502)] * 5)

    batches = list(routed.daily_bars({"AAA": WEEK, "BBB": WEEK}))

    assert sources(batches) == {"AAA": "massive", "BBB": "yahoo"}
    assert gaps(batches) == {}


def test_a_symbol_that_the_next_does_not_know_stays_open_when_the_first_is_down(routed, massive):
    massive.fault("/stocks/v1/splits", *[as_html(502)] * 5)

    with pytest.raises(ProviderUnavailableError, match="massive"):
        list(routed.daily_bars({"AAA": WEEK}))


def test_a_refused_key_is_not_papered_over(routed, massive, charts, yahoo):
    charts.listings["AAA"] = Listing(dict.fromkeys(WEEK, 99.0))
    massive.fault("/stocks", as_json({"status": "ERROR", "error": "Unknown API Key"}, 401))

    with pytest.raises(ProviderAccessError):
        list(routed.daily_bars({"AAA": WEEK}))

    assert yahoo.requests == []


def test_a_symbol_that_nobody_knows_is_remembered_with_everybodys_words(routed):
    found = gaps(list(routed.daily_bars({"NOPE": WEEK})))

    assert list(found) == [("NOPE", day) for day in WEEK]
    gap = found["NOPE", WEEK[0]]
    assert (gap.reason, gap.next_try) == ("unknown_symbol", WEEK[4] + timedelta(days=7))
    assert "no such symbol in the reference data" in gap.detail
    assert "No data found, symbol may be delisted" in gap.detail


def test_history_behind_the_first_sources_plan_comes_from_the_next(routed, market, charts):
    sessions = sessions_between("2023-01-03", "2025-03-14")
    market.prices("AAA", dict.fromkeys(sessions, 10.0))
    market.history_from = date(2023, 3, 16)
    market.dividends = [dividend("AAA", "2025-03-12", 0.5)]
    charts.listings["AAA"] = Listing(dict.fromkeys(sessions, 10.0), dividends={sessions[3]: 0.25})

    batches = list(routed.daily_bars({"AAA": sessions}))

    assert list(closes(batches, "AAA")) == sorted(
        closes(batches, "AAA"), key=lambda day: (day < date(2023, 3, 16), day)
    )
    assert sorted(closes(batches, "AAA")) == sessions
    assert sum(batch.rows["dividend"].sum() for batch in batches) == 0.75
    assert gaps(batches) == {}


def test_the_last_session_is_the_first_sources_unless_it_cannot_be_reached(routed, market, charts, massive):
    market.prices("SPY", dict.fromkeys(WEEK[:3], 560.0))
    charts.listings["SPY"] = Listing(dict.fromkeys(WEEK, 560.0))

    assert routed.last_session() == WEEK[2]

    massive.fault("/v2", *[as_html(502)] * 5)
    assert routed.last_session() == WEEK[4]


def test_what_each_source_states_of_its_own_symbols_comes_through(routed, market, charts):
    """Yahoo speaks of the fund that it served, not of the share that Massive did."""
    market.prices("AAA", dict.fromkeys(WEEK, 10.0))
    market.dividends = [dividend("AAA", str(WEEK[1]), 0.5)]
    charts.listings["VFIAX"] = Listing(dict.fromkeys(WEEK, 500.0), dividends={WEEK[2]: 1.5})

    stated = {
        (batch.source, each.symbol, day, action.dividend)
        for batch in routed.daily_bars({"AAA": WEEK[4:], "VFIAX": WEEK[4:]})
        for each in batch.statements
        for day, action in each.actions.items()
    }

    assert stated == {("massive", "AAA", WEEK[1], 0.5), ("yahoo", "VFIAX", WEEK[2], 1.5)}


def test_a_night_on_the_second_source_is_followed_by_the_first_and_all_closes_are_as_traded(
    routed, market, charts, massive
):
    """Massive is down on the evening of a 2-for-1 split; next night it serves again, and nobody's rows are adjusted."""
    traded = dict(zip(WEEK, (100.0, 101.0, 102.0, 51.5, 52.0), strict=True))
    market.prices("AAA", dict(traded))
    market.splits = [split("AAA", str(WEEK[3]), 1, 2)]
    charts.listings["AAA"] = Listing(dict(traded), splits={WEEK[3]: (2, 1)})
    charts.now = WEEK[4]

    nights = [list(routed.daily_bars({"AAA": [WEEK[2]]}))]
    massive.fault("/", *[as_html(502)] * 5)
    nights.append(list(routed.daily_bars({"AAA": [WEEK[3]]})))
    nights.append(list(routed.daily_bars({"AAA": [WEEK[4]]})))

    assert [sources(night)["AAA"] for night in nights] == ["massive", "yahoo", "massive"]
    rows = pd.concat([batch.rows for night in nights for batch in night])
    assert rows["close"].tolist() == [102.0, 51.5, 52.0]
    assert rows["split_factor"].tolist() == [1.0, 2.0, 1.0]


def test_its_name_lists_the_sources_in_order(routed):
    assert routed.name == "massive,yahoo"


def test_a_market_of_one_source_is_that_source(massive: Loopback, market: FakeMassive, clock: FakeClock):
    market.prices("AAA", dict.fromkeys(WEEK, 10.0))

    batches = list(RoutedProvider([massive_at(massive, clock)]).daily_bars({"AAA": WEEK, "NOPE": WEEK}))

    assert list(closes(batches, "AAA")) == WEEK
    assert {gap.reason for gap in gaps(batches).values()} == {"unknown_symbol"}
