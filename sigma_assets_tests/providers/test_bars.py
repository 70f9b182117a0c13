"""Actions on sessions without a price keep the value of a share, and missing sessions say when to ask again."""

import math
from datetime import date, timedelta

import pytest

from sigma_assets.providers.actions import Action
from sigma_assets.providers.bars import Quote, SymbolLedger, make_bars, missing
from sigma_assets.providers.http import Meter
from sigma_assets_tests.providers.massive.fake_massive import CALENDAR, sessions_between

WEEK = sessions_between("2025-03-10", "2025-03-14")


def quote(close):
    """Return a bar with one price."""
    return Quote(close, close, close, close, 100.0)


def test_two_actions_carried_to_one_session_are_worth_what_they_were_apart():
    """One share at 100: 2 shares, each gets 1 and becomes 5 shares, each gets 0.4 and closes at 9: 2 + 4 + 90."""
    both = Action(2.0, 1.0).then(Action(5.0, 0.4))

    assert both.split_factor * (9.0 + both.dividend) == pytest.approx(2 * 1.0 + 10 * 0.4 + 10 * 9.0)


def test_an_action_followed_by_none_is_itself_to_the_bit():
    action = Action(1 / 3, 0.1)

    assert Action().then(action) == action


def test_an_action_at_the_end_of_what_was_asked_waits_for_its_own_price():
    ledger = SymbolLedger("AAA", {WEEK[1]: Action(2.0, 0.0)}, CALENDAR, WEEK[1])

    ledger.enter(WEEK[0], [quote(100.0)])
    ledger.enter(WEEK[1], [])
    ledger.finish()

    gap = make_bars("x", [ledger], Meter()).unserved[0]
    assert (gap.reason, gap.next_try) == ("late", WEEK[1] + timedelta(days=1))


def test_an_action_is_not_carried_over_a_session_that_was_not_asked_for():
    """The session in between is stored already, so the row after it must not take the split."""
    ledger = SymbolLedger("AAA", {WEEK[0]: Action(2.0, 0.0)}, CALENDAR, WEEK[4])

    ledger.enter(WEEK[0], [])
    ledger.enter(WEEK[2], [quote(50.0)])

    bars = make_bars("x", [ledger], Meter())
    assert bars.rows["split_factor"].tolist() == [1.0]
    assert [(gap.reason, gap.sessions) for gap in bars.unserved] == [("late", (WEEK[0],))]


def test_rows_have_the_types_of_the_protocol_even_when_there_are_none():
    rows = make_bars("x", [], Meter()).rows

    assert [str(kind) for kind in rows.dtypes] == ["str", "datetime64[s]"] + ["float64"] * 7


@pytest.mark.parametrize(
    ("age", "reason", "next_try"),
    [(0, "late", 1), (7, "late", 1), (8, "no_bar", 7), (90, "no_bar", 7), (91, "no_bar", 7), (3000, "no_bar", 7)],
)
def test_a_missing_price_is_asked_for_daily_then_weekly(age, reason, next_try):
    as_of = date(2025, 3, 14)

    absence = missing(as_of - timedelta(days=age), as_of, "no bar")

    assert absence.reason == reason
    assert absence.next_try == as_of + timedelta(days=next_try)


@pytest.mark.parametrize("close", [0.0, -1.0, math.inf, -math.inf])
def test_what_is_not_finite_and_positive_is_no_price(close):
    ledger = SymbolLedger("AAA", {}, CALENDAR, WEEK[4])

    ledger.enter(WEEK[0], [quote(close)])

    bars = make_bars("x", [ledger], Meter())
    assert bars.rows.empty
    assert bars.unserved[0].reason == "rejected"


@pytest.mark.parametrize(("closes", "stated"), [([10.0], 1), ([], 0)])
def test_only_a_symbol_that_is_served_states_its_actions(closes, stated):
    """Without a bar under this name the instrument may have another one by now, and its actions with it."""
    ledger = SymbolLedger("AAA", {}, CALENDAR, WEEK[4], stated=(WEEK[0], WEEK[4]))

    ledger.enter(WEEK[4], [quote(close) for close in closes])
    ledger.finish()

    assert len(make_bars("x", [ledger], Meter()).statements) == stated
