"""The planner finds the fewest calls: histories of symbols and whole markets of sessions."""

from datetime import date, timedelta
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sigma_assets.providers.massive.plan import CallPlan, fewest_calls

DAYS = [date(2025, 1, 1) + timedelta(days=at) for at in range(600)]


def wanted(n_symbols, n_sessions):
    """Return a rectangle of pairs."""
    return {f"S{number:04}": DAYS[:n_sessions] for number in range(n_symbols)}


@pytest.mark.parametrize(
    ("n_symbols", "n_sessions", "calls"), [(27, 550, 27), (1193, 1, 1), (1193, 254, 254), (1, 1, 1)]
)
def test_a_rectangle_takes_as_many_calls_as_its_shorter_side(n_symbols, n_sessions, calls):
    plan = fewest_calls(wanted(n_symbols, n_sessions))

    assert len(plan.symbols) + len(plan.sessions) == calls


def test_a_night_with_one_new_symbol_takes_one_market_and_one_history():
    plan = fewest_calls(wanted(1193, 1) | {"NEW": DAYS[:254]})

    assert (plan.symbols, plan.sessions) == (("NEW",), (DAYS[0],))


def test_where_both_ways_cost_the_same_the_smaller_answer_is_asked_for():
    plan = fewest_calls(wanted(3, 3))

    assert (len(plan.symbols), plan.sessions) == (3, ())


def test_nothing_wanted_takes_no_call():
    assert fewest_calls({}) == fewest_calls({"AAA": []}) == CallPlan((), ())


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from("ABCDE"), st.lists(st.sampled_from(DAYS[:5]), max_size=5), max_size=5))
def test_every_pair_is_covered_and_no_smaller_set_of_calls_covers_them(pairs):
    plan = fewest_calls(pairs)
    edges = {(symbol, session) for symbol, sessions in pairs.items() for session in sessions}
    calls = [*{symbol for symbol, _ in edges}, *{session for _, session in edges}]

    def covers(chosen):
        return all(symbol in chosen or session in chosen for symbol, session in edges)

    assert covers({*plan.symbols, *plan.sessions})
    fewest = len(plan.symbols) + len(plan.sessions)
    assert fewest == 0 or not any(covers(set(some)) for some in combinations(calls, fewest - 1))
