"""One key, so many calls a minute: whoever makes them."""

import time
from datetime import date

import pytest

from sigma_assets.assets.tables import Tables
from sigma_assets.prices.source import LOOK_BACK_SESSIONS, longest_run_seconds
from sigma_assets.providers.http import Caller
from sigma_assets.settings import read_settings


def test_a_call_waits_until_its_reserved_start():
    asked, waits = [], []

    def pace(now: float) -> float:
        asked.append(now)
        return now + 7.0 * len(asked)

    caller = Caller("massive", pace=pace, sleep=waits.append)
    answers = [caller.call("what", lambda: time.time()) for _ in range(2)]

    assert len(answers) == 2
    assert len(asked) == 2
    assert waits == pytest.approx([7.0, 14.0], abs=1e-3)
    assert caller.meter.waited_seconds == pytest.approx(21.0, abs=1e-3)


def test_a_run_may_take_as_long_as_its_source_needs():
    """v0.1 ended the first load at five calls a minute after 30 minutes; its own page said that it takes 54."""
    first, last = date(2024, 1, 2), date(2024, 12, 31)
    slow = read_settings({"SIGMA_PRICES": "massive,yahoo"})
    paid = read_settings({"SIGMA_PRICES": "massive", "SIGMA_MASSIVE_CALLS_PER_MINUTE": "0"})

    assert longest_run_seconds(slow, first, last) >= 1800 + (252 + Tables(slow).lookback + 15) * 60 / 5
    assert longest_run_seconds(paid, first, last) == longest_run_seconds(read_settings({}), first, last) == 1800
    assert Tables(slow).lookback <= LOOK_BACK_SESSIONS
