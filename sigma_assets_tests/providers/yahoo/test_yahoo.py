"""Yahoo's adjusted answers become as-traded rows, and its failures become errors, never empty frames."""

import logging
from collections.abc import Iterator
from datetime import date, timedelta

import pandas as pd
import pytest

from sigma_assets.base.errors import ProviderUnavailableError
from sigma_assets.providers.yahoo.provider import YahooProvider
from sigma_assets_tests.providers.loopback import FakeClock, Loopback, Reply, as_html, as_json
from sigma_assets_tests.providers.massive.fake_massive import CALENDAR, sessions_between
from sigma_assets_tests.providers.massive.test_massive import closes, gaps
from sigma_assets_tests.providers.yahoo.fake_yahoo import CHART, FakeYahoo, Listing, loopback_session, moment

yfinance = pytest.importorskip("yfinance", reason="the extra `yahoo` is not installed")

WEEK = sessions_between("2025-03-10", "2025-03-14")


@pytest.fixture(autouse=True)
def fresh_yfinance(tmp_path) -> Iterator[None]:
    """Give each test a yfinance without a cookie, a crumb or a file from an earlier one."""
    yfinance.data.SingletonMeta._instances.clear()
    yfinance.cache.set_cache_location(str(tmp_path))
    yield
    yfinance.data.SingletonMeta._instances.clear()


@pytest.fixture
def market() -> FakeYahoo:
    """Return an empty market on the Friday of the week."""
    return FakeYahoo(now=WEEK[4])


@pytest.fixture
def yahoo(market) -> Iterator[Loopback]:
    """Serve the market as Yahoo does."""
    with Loopback(market.answer).running() as server:
        yield server


def provider_at(server: Loopback, clock: FakeClock, market: FakeYahoo, **options) -> YahooProvider:
    """Return the provider under test, pointed at the server."""
    options = {"timeout_seconds": 5.0, "pace": None} | options
    return YahooProvider(
        CALENDAR, market.now, session=loopback_session(server), today=lambda: market.now,
        sleep=clock.sleep, **options,
    )  # fmt: skip


def load(server, clock, market, wanted, **options):
    """Return the batches of what is wanted."""
    return list(provider_at(server, clock, market, **options).daily_bars(wanted))


def test_each_symbol_takes_one_chart_call_whatever_its_sessions(yahoo, market, clock):
    sessions = sessions_between("2024-01-02", "2025-03-14")
    for symbol in ("AAA", "BBB"):
        market.listings[symbol] = Listing({session: 10.0 + at for at, session in enumerate(sessions)})

    batches = load(yahoo, clock, market, {"AAA": sessions, "BBB": sessions})

    assert closes(batches, "BBB") == {session: 10.0 + at for at, session in enumerate(sessions)}
    assert yahoo.paths(CHART) == [f"{CHART}AAA", f"{CHART}BBB"]
    assert [batch.cost.requests for batch in batches] == [1, 1]


def test_prices_volume_and_cash_are_un_adjusted_with_the_later_splits(yahoo, market, clock):
    traded = dict(zip(WEEK, (100.0, 99.5, 50.25, 50.5, 10.11), strict=True))
    market.listings["AAA"] = Listing(
        traded, splits={WEEK[2]: (2, 1), WEEK[4]: (5, 1)}, dividends={WEEK[1]: 0.8, WEEK[3]: 0.4}
    )

    rows = load(yahoo, clock, market, {"AAA": WEEK})[0].rows

    assert rows["close"].tolist() == rows["open"].tolist() == list(traded.values())
    assert rows["split_factor"].tolist() == [1.0, 1.0, 2.0, 1.0, 5.0]
    assert rows["dividend"].tolist() == [0.0, 0.8, 0.0, 0.4, 0.0]
    assert rows["volume"].tolist() == [1000.0] * 5


def test_a_later_split_does_not_change_what_a_row_was(yahoo, market, clock):
    market.listings["AAA"] = Listing(
        dict(zip(WEEK, (171.31, 169.02, 172.62, 17.21, 17.4), strict=True)),
        splits={WEEK[3]: (10, 1)}, dividends={WEEK[1]: 0.24},
    )  # fmt: skip
    market.now = WEEK[2]
    before = load(yahoo, clock, market, {"AAA": WEEK[:3]})[0].rows

    market.now = WEEK[4]
    after = load(yahoo, clock, market, {"AAA": WEEK[:3]})[0].rows

    pd.testing.assert_frame_equal(after, before)


def test_backfill_and_night_after_night_store_the_same_rows_across_a_reverse_split(yahoo, market, clock):
    market.listings["AAA"] = Listing(
        dict(zip(WEEK, (1.01, 0.9876, 10.05, 10.1, 9.9), strict=True)),
        splits={WEEK[2]: (1, 10)}, dividends={WEEK[3]: 0.05},
    )  # fmt: skip
    nights = []
    for night in WEEK:
        market.now = night
        nights.append(load(yahoo, clock, market, {"AAA": [night]})[0].rows)

    backfill = load(yahoo, clock, market, {"AAA": WEEK})[0].rows

    pd.testing.assert_frame_equal(pd.concat(nights, ignore_index=True), backfill)
    assert backfill["split_factor"].tolist() == [1.0, 1.0, 0.1, 1.0, 1.0]


def test_a_mutual_fund_has_no_volume_and_its_capital_gains_are_cash(yahoo, market, clock):
    market.listings["VFIAX"] = Listing(
        dict(zip(WEEK, (500.0, 501.0, 480.0, 481.0, 482.0), strict=True)),
        dividends={WEEK[2]: 1.5}, capital_gains={WEEK[2]: 18.0}, meta={"instrumentType": "MUTUALFUND"},
    )  # fmt: skip

    rows = load(yahoo, clock, market, {"VFIAX": WEEK})[0].rows

    assert rows["dividend"].tolist() == [0.0, 0.0, 19.5, 0.0, 0.0]
    assert rows["volume"].isna().all()


def test_capital_gains_that_the_dividend_holds_already_are_not_counted_twice(yahoo, market, clock):
    """The fund falls by 20: its dividend of 19.5 explains that, 19.5 + 18 would not."""
    market.listings["VFIAX"] = Listing(
        dict(zip(WEEK, (500.0, 501.0, 481.0, 481.0, 482.0), strict=True)),
        dividends={WEEK[2]: 19.5}, capital_gains={WEEK[2]: 18.0}, meta={"instrumentType": "MUTUALFUND"},
    )  # fmt: skip

    assert load(yahoo, clock, market, {"VFIAX": WEEK})[0].rows["dividend"].max() == 19.5


def test_a_session_of_nulls_is_missing_and_asked_for_tomorrow(yahoo, market, clock):
    market.listings["VFIAX"] = Listing(dict(zip(WEEK, (500.0, 501.0, 502.0, 503.0, None), strict=True)))

    batches = load(yahoo, clock, market, {"VFIAX": WEEK})

    assert list(closes(batches, "VFIAX")) == WEEK[:4]
    gap = gaps(batches)["VFIAX", WEEK[4]]
    assert (gap.reason, gap.next_try) == ("late", WEEK[4] + timedelta(days=1))


def test_a_bar_that_repeats_an_earlier_value_before_the_fund_has_traded_is_missing(yahoo, market, clock):
    """Yahoo shows today's row with yesterday's value until the fund's price is out: its market time says so."""
    market.listings["VFIAX"] = Listing(
        dict.fromkeys(WEEK, 500.0), meta={"regularMarketTime": 1741910400}  # 13 March 2025, 20:00 New York
    )  # fmt: skip

    assert list(closes(load(yahoo, clock, market, {"VFIAX": WEEK}), "VFIAX")) == WEEK[:4]


def test_zero_and_negative_closes_are_rejected(yahoo, market, clock):
    market.listings["AAA"] = Listing(dict(zip(WEEK, (10.0, 0.0, -1.0, 10.0, 10.0), strict=True)))

    batches = load(yahoo, clock, market, {"AAA": WEEK})

    assert {day: gap.reason for (_, day), gap in gaps(batches).items()} == {WEEK[1]: "rejected", WEEK[2]: "rejected"}


def test_a_split_on_a_day_without_a_bar_stands_on_the_next_bar_and_not_on_the_one_before(yahoo, market, clock):
    market.listings["AAA"] = Listing({WEEK[0]: 100.0, WEEK[2]: 51.0}, splits={WEEK[1]: (2, 1)})

    rows = load(yahoo, clock, market, {"AAA": WEEK[:3]})[0].rows

    assert rows["close"].tolist() == [100.0, 51.0]
    assert rows["split_factor"].tolist() == [1.0, 2.0]


def test_a_bar_of_a_holiday_is_left_out_and_named(yahoo, market, clock, caplog):
    """The exchange was closed on 9 January 2025, a day of mourning."""
    days = sessions_between("2025-01-08", "2025-01-10")
    market.listings["AAA"] = Listing({days[0]: 10.0, date(2025, 1, 9): 11.0, days[1]: 12.0, WEEK[4]: 13.0})

    batches = load(yahoo, clock, market, {"AAA": days})

    assert closes(batches, "AAA") == {days[0]: 10.0, days[1]: 12.0}
    assert "no NYSE session: 2025-01-09" in caplog.text


def test_an_unknown_symbol_is_remembered_for_five_sessions_and_takes_no_other_with_it(yahoo, market, clock):
    market.listings["AAA"] = Listing(dict.fromkeys(WEEK, 10.0))

    batches = load(yahoo, clock, market, {"NOPE": WEEK, "AAA": WEEK})

    assert list(closes(batches, "AAA")) == WEEK
    gap = gaps(batches)["NOPE", WEEK[0]]
    assert (gap.reason, gap.next_try) == ("unknown_symbol", WEEK[4] + timedelta(days=7))
    assert "No data found, symbol may be delisted" in gap.detail


def test_a_symbol_that_stopped_trading_is_delisted_after_its_last_trade(yahoo, market, clock):
    sessions = sessions_between("2025-02-03", "2025-03-14")
    market.listings["TWTR"] = Listing(dict.fromkeys(sessions[:5], 53.7))

    batches = load(yahoo, clock, market, {"TWTR": sessions})

    assert list(closes(batches, "TWTR")) == sessions[:5]
    assert gaps(batches)["TWTR", WEEK[4]].reason == "delisted"


def test_sessions_before_the_first_trade_are_never_asked_for_again(yahoo, market, clock):
    market.listings["NEWCO"] = Listing(dict.fromkeys(WEEK[3:], 20.0), meta={"firstTradeDate": moment(WEEK[3])})

    gap = gaps(load(yahoo, clock, market, {"NEWCO": WEEK}))["NEWCO", WEEK[0]]

    assert (gap.reason, gap.next_try, gap.sessions) == ("not_yet_listed", None, tuple(WEEK[:3]))


def test_an_answer_without_bars_that_knows_the_symbol_is_an_answer(yahoo, market, clock):
    market.listings["TWTR"] = Listing({}, meta={"regularMarketTime": 1666900800})

    gap = gaps(load(yahoo, clock, market, {"TWTR": WEEK}))["TWTR", WEEK[0]]

    assert (gap.reason, gap.detail) == ("delisted", "yahoo: last traded on 2022-10-27")


def test_a_quote_in_another_currency_is_not_covered(yahoo, market, clock):
    market.listings["VOD-L"] = Listing(dict.fromkeys(WEEK, 70.0), meta={"currency": "GBp"})

    gap = gaps(load(yahoo, clock, market, {"VOD.L": WEEK}))["VOD.L", WEEK[0]]

    assert (gap.reason, gap.detail) == ("not_covered", "yahoo: quoted in GBp; only USD is supported")


def test_share_classes_are_spelled_as_yahoo_does_and_stored_as_asked(yahoo, market, clock):
    market.listings["BRK-B"] = Listing(dict.fromkeys(WEEK, 500.0))

    assert closes(load(yahoo, clock, market, {"BRK.B": WEEK}), "BRK.B") == dict.fromkeys(WEEK, 500.0)


@pytest.mark.parametrize("ratio", [(2, 0), (0, 1), (-2, 1)])
def test_a_split_that_cannot_be_read_leaves_no_price_on_either_side_of_it(yahoo, market, clock, ratio, caplog):
    """Prices before it cannot be un-adjusted, and returns and quantities after it would be wrong."""
    market.listings["AAA"] = Listing(dict.fromkeys(WEEK, 10.0), dividends={WEEK[0]: 0.5})
    market.listings["BBB"] = Listing(dict.fromkeys(WEEK, 10.0))
    plain = market._result("AAA", market.listings["AAA"])
    numerator, denominator = ratio
    at = {"date": moment(WEEK[2]), "numerator": numerator, "denominator": denominator, "splitRatio": "?"}
    plain["events"]["splits"] = {str(moment(WEEK[2])): at}
    yahoo.fault(f"{CHART}AAA", as_json({"chart": {"result": [plain], "error": None}}))

    batches = load(yahoo, clock, market, {"AAA": WEEK, "BBB": WEEK})

    assert closes(batches, "AAA") == {}
    assert {gap.reason for gap in gaps(batches).values()} == {"rejected"}
    assert f"split of AAA on {WEEK[2]} cannot be read" in caplog.text
    assert closes(batches, "BBB") == dict.fromkeys(WEEK, 10.0)


def test_a_dividend_that_is_no_amount_is_left_out_and_said_so(yahoo, market, clock, caplog):
    market.listings["AAA"] = Listing(dict.fromkeys(WEEK, 10.0), dividends={WEEK[1]: 0.3, WEEK[2]: -0.5})

    rows = load(yahoo, clock, market, {"AAA": WEEK})[0].rows

    assert rows["dividend"].tolist() == [0.0, 0.3, 0.0, 0.0, 0.0]
    assert f"dividend of AAA on {WEEK[2]} left out" in caplog.text


FAULTS = {
    "429": Reply(429, b"Too Many Requests"),
    "500": as_html(500),
    "502": as_html(502),
    "HTML with 200": as_html(200),
    "truncated JSON": Reply(200, b'{"chart":{"result":[{"meta":{"cur'),
    "connection reset in the body": Reply(200, b'{"chart":{"result":[]}}', cut_at=9),
    "empty result": as_json({"chart": {"result": [], "error": None}}),
    "an error that is no explanation": as_json(
        {"chart": {"result": None, "error": {"code": "x", "description": "Oops"}}}
    ),
    "another form": as_json({"finance": {"error": {"code": "Unauthorized", "description": "Invalid Cookie"}}}, 401),
    "another symbol": as_json({"chart": {"result": [{"meta": {"symbol": "BBB"}, "indicators": {"quote": [{}]}}]}}),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_that_stays_is_an_error_and_never_no_data(yahoo, market, clock, fault):
    market.listings["AAA"] = Listing(dict.fromkeys(WEEK, 10.0))
    yahoo.fault(CHART, *[fault] * 20)

    with pytest.raises(ProviderUnavailableError, match="yahoo: AAA: no usable answer after 4 attempt"):
        load(yahoo, clock, market, {"AAA": WEEK})


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_that_passes_is_retried_and_everything_arrives(yahoo, market, clock, fault):
    """yfinance itself asks a second time after a status of 400 and above, so the fault is given twice."""
    market.listings["AAA"] = Listing(dict.fromkeys(WEEK, 10.0))
    yahoo.fault(CHART, *[fault] * 2)

    batches = load(yahoo, clock, market, {"AAA": WEEK})

    assert closes(batches, "AAA") == dict.fromkeys(WEEK, 10.0)
    assert 1 <= batches[0].cost.retries <= 2


def test_what_came_before_a_failure_is_kept(yahoo, market, clock):
    for symbol in ("AAA", "BBB", "CCC"):
        market.listings[symbol] = Listing(dict.fromkeys(WEEK, 10.0))
    yahoo.fault("BBB", *[as_html(502)] * 20)
    kept = []

    with pytest.raises(ProviderUnavailableError, match="nothing for BBB"):
        kept.extend(provider_at(yahoo, clock, market).daily_bars(dict.fromkeys(("AAA", "BBB", "CCC"), WEEK)))

    assert [set(batch.rows["symbol"]) for batch in kept] == [{"AAA"}, {"CCC"}]


def test_a_silent_server_is_given_up_on(yahoo, market, clock):
    yahoo.fault(CHART, *[Reply(hang=True)] * 4)

    with pytest.raises(ProviderUnavailableError, match="yahoo: AAA"):
        load(yahoo, clock, market, {"AAA": WEEK}, timeout_seconds=0.2, attempts=2)


def test_the_last_session_is_the_last_one_with_a_close(yahoo, market, clock):
    market.listings["SPY"] = Listing(dict(zip(WEEK, (560.0, 561.0, 562.0, 563.0, None), strict=True)))

    assert provider_at(yahoo, clock, market).last_session() == WEEK[3]


def test_the_run_log_has_a_line_for_each_symbol(yahoo, market, clock, caplog):
    market.listings["AAA"] = Listing(dict.fromkeys(WEEK, 10.0))

    with caplog.at_level(logging.INFO, "sigma_assets"):
        load(yahoo, clock, market, {"AAA": WEEK})

    assert any(record.getMessage().startswith("AAA: 5 sessions in ") for record in caplog.records)


def test_the_period_asked_for_reaches_back_to_the_first_session(yahoo, market, clock):
    market.listings["AAA"] = Listing(dict.fromkeys(WEEK, 10.0))

    for first in ("2025-03-10", "2024-12-20", "2024-03-18", "2023-03-20", "2015-03-20"):
        load(yahoo, clock, market, {"AAA": [CALENDAR.on_or_after(date.fromisoformat(first)), *WEEK]})

    assert [r.query["range"] for r in yahoo.requests if CHART in r.path] == ["1mo", "3mo", "1y", "2y", "10y"]
