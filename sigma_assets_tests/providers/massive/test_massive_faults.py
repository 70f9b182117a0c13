"""What a fault of the service does: what the user sees, and that nothing wrong is stored."""

import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from sigma_assets.base.errors import ProviderAccessError, ProviderError, ProviderUnavailableError
from sigma_assets_tests.providers.loopback import Reply, as_html, as_json
from sigma_assets_tests.providers.massive.fake_massive import KEY, bar, provider_at, sessions_between
from sigma_assets_tests.providers.massive.test_massive import closes, gaps

WEEK = sessions_between("2025-03-10", "2025-03-14")
HISTORY = "/v2/aggs/ticker"
EXCEEDED = {"status": "ERROR", "request_id": "r", "error": "You've exceeded the maximum requests per minute"}


@pytest.fixture
def aaa(market):
    """Give AAA a week of closes."""
    market.prices("AAA", dict(zip(WEEK, (1.0, 2.0, 3.0, 4.0, 5.0), strict=True)))


def load(massive, clock, **options):
    """Return the batches of AAA's week."""
    return list(provider_at(massive, clock, **options).daily_bars({"AAA": WEEK}))


PASSING = {
    "429": as_json(EXCEEDED, 429),
    "500": as_json({"status": "ERROR", "error": "internal"}, 500),
    "502 in HTML": as_html(502),
    "HTML with 200": as_html(200),
    "200 with status ERROR": as_json({"status": "ERROR", "request_id": "r", "error": "something broke"}),
    "200 without results": as_json({"status": "OK", "request_id": "r", "resultsCount": 5, "queryCount": 5}),
    "200 with null results": as_json({"status": "OK", "results": None}),
    "200 with fewer results than it counts": as_json(
        {"status": "OK", "resultsCount": 5, "results": [bar(WEEK[0], 1.0)]}
    ),
    "200 with an empty object": as_json({}),
    "200 with a list": as_json([]),
    "200 with an empty body": Reply(200, b""),
    "truncated JSON": Reply(200, b'{"status":"OK","resultsCount":5,"results":[{"t":1741'),
    "connection reset in the body": Reply(200, b'{"status":"OK","results":[]}', cut_at=9),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_a_fault_that_passes_is_retried_and_everything_arrives(massive, market, clock, aaa, fault):
    massive.fault(HISTORY, fault)

    batches = load(massive, clock)

    assert closes(batches, "AAA") == dict(zip(WEEK, (1.0, 2.0, 3.0, 4.0, 5.0), strict=True))
    assert [batch.cost.retries for batch in batches] == [1]
    assert batches[0].cost.waited_seconds == sum(clock.sleeps) > 0


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_a_fault_that_stays_is_an_error_that_names_it_and_never_no_data(massive, market, clock, aaa, fault):
    massive.fault(HISTORY, *[fault] * 5)

    with pytest.raises(ProviderUnavailableError, match=r"massive: GET /v2/aggs/ticker/AAA/.* after 5 attempt"):
        load(massive, clock)

    assert len(massive.paths(HISTORY)) == 5


def test_a_429_is_waited_out_for_as_long_as_it_says(massive, market, clock, aaa):
    massive.fault(HISTORY, as_json(EXCEEDED, 429, **{"Retry-After": "37"}))

    load(massive, clock)

    assert clock.sleeps == [37.0]


def test_a_429_may_say_until_when_as_a_date(massive, market, clock, aaa):
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    massive.fault(HISTORY, as_json(EXCEEDED, 429, **{"Retry-After": until}))

    load(massive, clock)

    assert 30 < clock.sleeps[0] <= 40


def test_repeated_429_without_a_date_is_waited_out_for_more_than_a_minute(massive, market, clock, aaa):
    massive.fault(HISTORY, *[as_json(EXCEEDED, 429)] * 3)

    load(massive, clock)

    assert clock.sleeps == [15.0, 30.0, 60.0]


def test_a_429_that_asks_for_an_hour_ends_the_load_at_once_and_says_so(massive, market, clock, aaa):
    massive.fault(HISTORY, as_json(EXCEEDED, 429, **{"Retry-After": "3600"}))

    with pytest.raises(ProviderUnavailableError, match="it asks to wait 3600 s"):
        load(massive, clock)

    assert clock.sleeps == []


def test_a_silent_server_is_given_up_on(massive, market, clock, aaa):
    massive.fault(HISTORY, *[Reply(hang=True)] * 2)

    with pytest.raises(ProviderUnavailableError, match="ReadTimeoutError"):
        load(massive, clock, timeout_seconds=0.2, attempts=2)


def test_an_unreachable_server_is_named(clock, massive):
    provider = provider_at(massive, clock, attempts=2)
    provider._api._client.BASE = "http://127.0.0.1:1"

    with pytest.raises(ProviderUnavailableError, match="NewConnectionError"):
        list(provider.daily_bars({"AAA": WEEK}))


def test_what_came_before_a_failure_is_kept(massive, market, clock):
    for symbol in ("AAA", "BBB", "CCC", "DDD"):
        market.prices(symbol, dict.fromkeys(WEEK, 10.0))
    massive.fault("/BBB/", *[as_html(502)] * 5)
    kept = []

    with pytest.raises(ProviderUnavailableError, match="nothing for BBB"):
        kept.extend(provider_at(massive, clock).daily_bars(dict.fromkeys(("AAA", "BBB", "CCC", "DDD"), WEEK)))

    assert [set(batch.rows["symbol"]) for batch in kept] == [{"AAA"}, {"CCC"}, {"DDD"}]
    assert all(len(batch.rows) == 5 for batch in kept)


def test_three_symbols_failing_in_a_row_end_the_load(massive, market, clock):
    massive.fault(HISTORY, *[as_html(502)] * 50)

    with pytest.raises(ProviderUnavailableError):
        list(provider_at(massive, clock).daily_bars(dict.fromkeys(["A", "B", "C", "D", "E"], WEEK)))

    assert len(massive.paths(HISTORY)) == 3 * 5


def test_without_splits_and_dividends_no_price_is_stored(massive, market, clock, aaa):
    """A row without its split would be wrong for ever: rows are never rewritten."""
    massive.fault("/stocks/v1/splits", *[as_html(200)] * 5)

    with pytest.raises(ProviderUnavailableError, match="splits"):
        next(provider_at(massive, clock).daily_bars({"AAA": WEEK}))


def test_adjusted_prices_are_refused(massive, market, clock, aaa):
    massive.fault(
        HISTORY, as_json({"status": "OK", "adjusted": True, "resultsCount": 1, "results": [bar(WEEK[0], 1.0)]})
    )

    with pytest.raises(ProviderError, match="as traded"):
        load(massive, clock)


def test_a_bar_dated_at_utc_midnight_is_refused_rather_than_put_on_the_day_before(massive, market, clock, aaa):
    """The service dates daily bars at New York's midnight. Midnight in UTC is the evening before in New York."""
    odd = bar(WEEK[1], 2.0, t=int(datetime(2025, 3, 11, tzinfo=UTC).timestamp() * 1000))
    massive.fault(HISTORY, as_json({"status": "OK", "resultsCount": 1, "results": [odd]}))

    with pytest.raises(ProviderError, match="dated 2025-03-10 20:00 in New York, expected the start of a day"):
        load(massive, clock)


def test_a_bar_without_a_moment_is_refused(massive, market, clock, aaa):
    massive.fault(HISTORY, as_json({"status": "OK", "resultsCount": 1, "results": [bar(WEEK[1], 2.0, t=None)]}))

    with pytest.raises(ProviderError, match="a bar without a time"):
        load(massive, clock)


def test_a_close_in_words_is_refused(massive, market, clock, aaa):
    massive.fault(HISTORY, as_json({"status": "OK", "resultsCount": 1, "results": [bar(WEEK[0], 1.0, c="n/a")]}))

    with pytest.raises(ProviderError, match="expected a number or null, found 'n/a'"):
        load(massive, clock)


def test_a_wrong_key_needs_a_person_and_is_not_retried(massive, market, clock, aaa):
    with pytest.raises(ProviderAccessError, match=r"Unknown API Key.*check MASSIVE_API_KEY"):
        load(massive, clock, api_key="wrong")

    assert len(massive.requests) == 1


def test_data_that_the_plan_lacks_needs_a_person(massive, market, clock, aaa):
    words = "You are not entitled to this data. Please upgrade your plan at https://massive.com/pricing"
    massive.fault(HISTORY, as_json({"status": "NOT_AUTHORIZED", "request_id": "r", "message": words}, 403))

    with pytest.raises(ProviderAccessError, match="not entitled to this data"):
        load(massive, clock)


def test_the_same_refusal_with_200_is_seen_as_one(massive, market, clock, aaa):
    massive.fault(HISTORY, as_json({"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data."}))

    with pytest.raises(ProviderAccessError, match="not entitled"):
        load(massive, clock)


def test_today_before_its_end_is_late_and_the_days_before_are_served(massive, market, clock, aaa):
    market.published_through = WEEK[3]

    batches = load(massive, clock)

    assert list(closes(batches, "AAA")) == WEEK[:4]
    gap = gaps(batches)["AAA", WEEK[4]]
    assert (gap.reason, gap.next_try) == ("late", WEEK[4] + timedelta(days=1))
    assert "before end of day" in gap.detail


def test_the_whole_market_before_its_end_is_late(massive, market, clock):
    for symbol in ("AAA", "BBB"):
        market.prices(symbol, {WEEK[4]: 5.0})
    market.published_through = WEEK[3]

    batches = list(provider_at(massive, clock).daily_bars(dict.fromkeys(("AAA", "BBB"), WEEK[4:])))

    assert {gap.reason for gap in gaps(batches).values()} == {"late"}


def test_history_beyond_the_plan_is_not_covered_and_the_rest_is_served(massive, market, clock):
    """550 sessions of look-back reach behind the two years of the free plan."""
    sessions = sessions_between("2023-01-03", "2025-03-14")
    for symbol in ("AAA", "BBB"):
        market.prices(symbol, dict.fromkeys(sessions, 10.0))
    market.history_from = WEEK[4] - timedelta(days=729)

    batches = list(provider_at(massive, clock).daily_bars({"AAA": sessions, "BBB": sessions}))

    served = [session for session in sessions if session >= market.history_from]
    assert list(closes(batches, "BBB")) == served
    outside = {day for (symbol, day), gap in gaps(batches).items() if symbol == "BBB" and gap.reason == "not_covered"}
    assert outside == set(sessions) - set(served)
    assert len(massive.paths(HISTORY)) == 3


def test_where_the_plan_begins_is_learned_once_from_whole_markets_too(massive, market, clock):
    """Each of the sessions before it cost a call; asked for again every week, they would have cost 40 of them."""
    market.history_from = WEEK[4] - timedelta(days=729)
    old = sessions_between("2023-01-03", "2023-03-14")[:40]
    many = {f"S{number}": old for number in range(60)}

    batches = list(provider_at(massive, clock).daily_bars(many))

    assert {gap.reason for gap in gaps(batches).values()} == {"not_covered"}
    assert len(gaps(batches)) == 60 * 40
    assert len(massive.paths("/v2/aggs")) == 1


def test_the_key_never_shows_in_errors_or_logs(massive, market, clock, aaa, caplog):
    massive.fault(HISTORY, *[as_json({"status": "ERROR", "error": f"bad {KEY}"}, 500)] * 5)

    with caplog.at_level(logging.DEBUG), pytest.raises(ProviderUnavailableError) as raised:
        load(massive, clock)

    assert KEY not in str(raised.value)
    assert KEY not in caplog.text
