"""Gaps are open again once their source has changed; processes share one pace; the age of the newest price is known."""

from datetime import date

import pytest
import sqlalchemy as sa

from sigma_assets.base.calendar import nyse_calendar
from sigma_assets.prices.gaps import missing_prices, remember_unserved
from sigma_assets.prices.source_state import is_asked, mark_asked, price_age, reopen_gaps, reserve_call
from sigma_assets.prices.tables import write_prices
from sigma_assets.providers.base import Unserved
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.schema import symbols as symbols_table
from sigma_assets_tests.storage.builders import EVENING, bars

TODAY, MONDAY, TUESDAY = date(2026, 1, 8), date(2026, 1, 5), date(2026, 1, 6)
WANTED = ("AAA", "NEW", "ZZZ")


def remember(database: Database) -> None:
    """Remember gaps that v0.1 would have kept closed for months, and for ever."""
    gaps = [
        Unserved("AAA", (MONDAY,), "no_bar", "no row", date(2027, 6, 1)),
        Unserved("NEW", (MONDAY,), "not_yet_listed", "first row later", None),
        Unserved("ZZZ", (MONDAY, TUESDAY), "unknown_symbol", "no rows", date(2027, 6, 1)),
    ]
    remember_unserved(database, gaps, "files", EVENING)


def test_gaps_are_asked_again_once_the_source_has_changed_and_only_then(database: Database):
    remember(database)
    assert missing_prices(database, WANTED, [MONDAY], TODAY) == {}

    assert not reopen_gaps(database, "one", TODAY, EVENING), "the first source of a database is no change of one"
    assert missing_prices(database, WANTED, [MONDAY], TODAY) == {name: [MONDAY] for name in WANTED}

    remember(database)
    assert not reopen_gaps(database, "one", TODAY, EVENING)
    assert missing_prices(database, WANTED, [MONDAY], TODAY) == {}

    assert reopen_gaps(database, "two", TODAY, EVENING)
    assert missing_prices(database, WANTED, [MONDAY], TODAY) == {name: [MONDAY] for name in WANTED}


def test_what_is_known_of_a_living_symbol_stays(database: Database):
    row = {"symbol": "OLD", "status": "active", "renamed_to": "AAA", "source": "x", "updated_at": EVENING}
    with database.begin() as connection:
        connection.execute(sa.insert(symbols_table), row)

    reopen_gaps(database, "one", TODAY, EVENING)

    with database.read() as connection:
        assert connection.execute(sa.select(symbols_table.c.next_try)).scalar_one() is None


def test_the_universe_is_owed_a_look_after_each_change(database: Database):
    assert is_asked(database, "one")
    reopen_gaps(database, "one", TODAY, EVENING)
    write_prices(database, bars({"AAA": {"2026-01-05": 10.0}}), "files", EVENING)
    assert is_asked(database, "one")

    assert not is_asked(database, "two")
    reopen_gaps(database, "two", TODAY, EVENING)
    assert not is_asked(database, "two")
    mark_asked(database, "one")
    assert not is_asked(database, "two")
    mark_asked(database, "two")
    assert is_asked(database, "two")


def test_five_calls_a_minute_are_five_of_all_processes_together(database: Database, database_url: str):
    """v0.1 counted in each process: two of them made ten calls a minute with one key."""
    other = Database(database_url)

    starts = [reserve_call(each, "massive", 5, 1000.0 + at) for at, each in enumerate([database, other] * 6)]
    other.dispose()

    assert starts == [1000.0, 1001.0, 1002.0, 1003.0, 1004.0, 1060.0, 1061.0, 1062.0, 1063.0, 1064.0, 1120.0, 1121.0]
    assert reserve_call(database, "yahoo", 60, 1000.0) == 1000.0
    assert reserve_call(database, "massive", 5, 2000.0) == 2000.0


def test_a_clock_that_was_ahead_keeps_nobody_waiting_until_its_time_comes(database):
    """A machine that started with the date of next year took all slots of the minute."""
    for _ in range(5):
        reserve_call(database, "massive", 5, 1000.0 + 365 * 86_400)

    starts = [reserve_call(database, "massive", 5, 1000.0) for _ in range(7)]

    assert starts == [1000.0] * 5 + [1060.0] * 2


@pytest.mark.parametrize(
    ("current", "words"),
    [
        (date(2026, 1, 5), "newest price 2026-01-05, up to date"),
        (date(2026, 1, 6), "newest price 2026-01-05, 1 session old"),
        (date(2026, 2, 5), "newest price 2026-01-05, 22 sessions old"),
    ],
)
def test_the_age_of_the_newest_price_is_counted_in_sessions(database: Database, current, words):
    """From 5 January to 5 February 2026 there are 23 weekdays after the 5th, less Martin Luther King Day."""
    calendar = nyse_calendar()
    assert price_age(database, calendar, current) == "no prices yet"

    write_prices(database, bars({"AAA": {"2026-01-02": 10.0, "2026-01-05": 11.0}}), "files", EVENING)

    assert price_age(database, calendar, current) == words
