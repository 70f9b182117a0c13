"""Symbols that lack bars are explained by the source's reference data, never by an empty answer."""

from datetime import date, timedelta

from sigma_assets_tests.providers.massive.fake_massive import TODAY, dividend, provider_at, sessions_between
from sigma_assets_tests.providers.massive.test_massive import closes, gaps

WEEK = sessions_between("2025-03-10", "2025-03-14")


def load(massive, clock, wanted):
    """Return the batches of what is wanted."""
    return list(provider_at(massive, clock).daily_bars(wanted))


def test_an_unknown_symbol_is_remembered_for_five_sessions_and_takes_no_other_with_it(massive, market, clock):
    market.prices("AAA", dict.fromkeys(WEEK, 10.0))

    batches = load(massive, clock, {"AAA": WEEK, "NOPE": WEEK})

    assert list(closes(batches, "AAA")) == WEEK
    gap = gaps(batches)["NOPE", WEEK[0]]
    assert (gap.reason, gap.sessions) == ("unknown_symbol", tuple(WEEK))
    assert gap.next_try == TODAY + timedelta(days=7)


def test_an_empty_answer_for_a_listed_symbol_is_not_taken_for_an_unknown_one(massive, market, clock):
    market.prices("AAA", {})

    batches = load(massive, clock, {"AAA": WEEK})

    assert {gap.reason for gap in gaps(batches).values()} == {"late"}
    assert gaps(batches)["AAA", WEEK[0]].next_try == TODAY + timedelta(days=1)


def test_a_delisted_symbol_keeps_its_history_and_is_not_asked_for_after_its_end(massive, market, clock):
    market.prices("TWTR", dict.fromkeys(WEEK[:2], 53.7))
    del market.details["TWTR"]
    market.delisted["TWTR"] = {"ticker": "TWTR", "active": False, "delisted_utc": "2025-03-12T00:00:00Z"}

    batches = load(massive, clock, {"TWTR": WEEK})

    assert list(closes(batches, "TWTR")) == WEEK[:2]
    gap = gaps(batches)["TWTR", WEEK[2]]
    assert (gap.reason, gap.next_try, gap.detail) == ("delisted", None, "delisted on 2025-03-12")


def test_sessions_before_the_listing_are_never_asked_for_again(massive, market, clock):
    market.prices("NEWCO", dict.fromkeys(WEEK[3:], 20.0))
    market.details["NEWCO"]["list_date"] = "2025-03-13"

    batches = load(massive, clock, {"NEWCO": WEEK})

    assert list(closes(batches, "NEWCO")) == WEEK[3:]
    gap = gaps(batches)["NEWCO", WEEK[0]]
    assert (gap.reason, gap.next_try, gap.sessions) == ("not_yet_listed", None, tuple(WEEK[:3]))


def test_an_old_symbol_is_followed_to_its_new_name_with_its_dividends(massive, market, clock):
    market.prices("FB", dict.fromkeys(WEEK[:2], 196.0))
    market.prices("META", dict.fromkeys(WEEK[2:], 184.0))
    del market.details["FB"]
    market.delisted["FB"] = {"ticker": "FB", "delisted_utc": "2025-03-12T00:00:00Z", "composite_figi": "BBG000MM2P62"}
    market.renames["BBG000MM2P62"] = [("2025-03-12", "META"), ("2012-05-18", "FB")]
    market.dividends = [dividend("META", "2025-03-13", 0.5)]

    batches = load(massive, clock, {"FB": WEEK})

    assert closes(batches, "FB") == dict(zip(WEEK, (196.0, 196.0, 184.0, 184.0, 184.0), strict=True))
    assert batches[0].rows["dividend"].tolist() == [0.0, 0.0, 0.0, 0.5, 0.0]
    assert batches[0].renamed == {"FB": "META"}


def test_a_new_symbol_gets_its_history_under_its_old_name(massive, market, clock):
    market.prices("FB", dict.fromkeys(WEEK[:2], 196.0))
    market.prices("META", dict.fromkeys(WEEK[2:], 184.0))
    market.renames["META"] = [("2025-03-12", "META"), ("2012-05-18", "FB")]

    batches = load(massive, clock, {"META": WEEK})

    assert closes(batches, "META") == dict(zip(WEEK, (196.0, 196.0, 184.0, 184.0, 184.0), strict=True))
    assert batches[0].renamed == {"FB": "META"}


def test_a_rename_is_followed_in_the_whole_market_of_a_night(massive, market, clock):
    for symbol in ("AAA", "META"):
        market.prices(symbol, {WEEK[4]: 10.0})
    market.delisted["FB"] = {"ticker": "FB", "delisted_utc": "2025-03-12T00:00:00Z", "composite_figi": "F"}
    market.renames["F"] = [("2025-03-12", "META"), ("2012-05-18", "FB")]

    batches = load(massive, clock, {"AAA": WEEK[4:], "FB": WEEK[4:]})

    assert closes(batches, "FB") == {WEEK[4]: 10.0}
    assert batches[0].renamed == {"FB": "META"}


def test_a_hole_in_a_history_is_asked_for_weekly_however_old(massive, market, clock):
    sessions = sessions_between("2024-06-03", "2025-03-14")
    old, young = sessions[3], date(2025, 2, 12)
    market.prices("AAA", {session: 10.0 for session in sessions if session not in (old, young)})

    found = gaps(load(massive, clock, {"AAA": sessions}))

    assert {day: (gap.reason, gap.next_try) for (_, day), gap in found.items()} == {
        old: ("no_bar", TODAY + timedelta(days=7)),
        young: ("no_bar", TODAY + timedelta(days=7)),
    }
    assert not massive.paths("/v3/reference/tickers")


def test_every_wanted_pair_comes_back_exactly_once(massive, market, clock):
    sessions = sessions_between("2025-02-03", "2025-03-14")
    wanted = {f"S{number}": sessions[-3:] for number in range(20)} | {
        "LONG": sessions,
        "NOPE": sessions,
        "VFIAX": sessions,
    }
    for number in range(0, 20, 2):
        market.prices(f"S{number}", dict.fromkeys(sessions[number % 3 :: 2], 10.0))
    market.prices("LONG", dict.fromkeys(sessions[5:], 10.0))

    batches = load(massive, clock, wanted)

    answered = [
        (symbol, day.date()) for b in batches for symbol, day in zip(b.rows["symbol"], b.rows["session"], strict=True)
    ]
    answered += [(gap.symbol, day) for batch in batches for gap in batch.unserved for day in gap.sessions]
    assert sorted(answered) == sorted((symbol, day) for symbol, days in wanted.items() for day in days)
