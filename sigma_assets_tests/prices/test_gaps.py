"""Which prices to ask for, and what is not asked for again."""

from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from sigma_assets.prices.gaps import (
    carried_actions,
    missing_prices,
    open_gaps,
    remember_renamed,
    remember_unserved,
    renamed_symbols,
)
from sigma_assets.prices.tables import write_prices
from sigma_assets.storage import schema
from sigma_assets.storage.connection.database import Database
from sigma_assets_tests.storage.builders import EVENING, bars, dump

FRIDAY, MONDAY, TUESDAY = date(2026, 1, 2), date(2026, 1, 5), date(2026, 1, 6)
DAYS = [FRIDAY, MONDAY, TUESDAY]


@dataclass(frozen=True)
class Answer:
    """What a price source says it cannot serve."""

    symbol: str
    sessions: tuple[date, ...]
    reason: str
    next_try: date | None = None
    detail: str = "said the source"


def test_missing_is_what_has_no_price(database: Database) -> None:
    write_prices(
        database,
        bars({"FULL": {str(day): 1.0 for day in DAYS}, "HOLE": {"2026-01-02": 1.0, "2026-01-06": 1.0}}),
        "test",
        EVENING,
    )

    missing = missing_prices(database, ["FULL", "HOLE", "NEW"], [TUESDAY, FRIDAY, MONDAY], TUESDAY)

    assert missing == {"HOLE": [MONDAY], "NEW": DAYS}


def test_sessions_between_those_asked_for_do_not_count(database: Database) -> None:
    write_prices(database, bars({"AAA": {"2026-01-02": 1.0, "2026-01-05": 1.0}}), "test", EVENING)

    assert missing_prices(database, ["AAA"], [FRIDAY, TUESDAY], TUESDAY) == {"AAA": [TUESDAY]}
    assert missing_prices(database, [], DAYS, TUESDAY) == missing_prices(database, ["AAA"], [], TUESDAY) == {}


@pytest.mark.parametrize(
    ("next_try", "asked_again"), [(TUESDAY + timedelta(1), False), (TUESDAY, True), (MONDAY, True)]
)
@pytest.mark.parametrize("reason", ["late", "no_bar", "rejected", "not_covered", "unknown_symbol", "delisted"])
def test_a_gap_is_asked_for_again_from_its_day(
    database: Database, reason: str, next_try: date | None, asked_again: bool
) -> None:
    remember_unserved(database, [Answer("LATE", (MONDAY,), reason, next_try)], "test", EVENING)

    missing = missing_prices(database, ["LATE"], [MONDAY], TUESDAY)

    assert missing == ({"LATE": [MONDAY]} if asked_again else {})
    assert open_gaps(database, ["LATE", "ELSE"], TUESDAY, TUESDAY) == missing
    assert open_gaps(database, ["LATE"], MONDAY, TUESDAY) == open_gaps(database, ["ELSE"], TUESDAY, TUESDAY) == {}


@pytest.mark.parametrize(
    ("reason", "is_final"),
    [
        ("delisted", True),
        ("not_yet_listed", True),
        ("no_bar", False),
        ("not_covered", False),
        ("unknown_symbol", False),
    ],
)
def test_for_ever_closed_is_only_what_the_source_named_a_day_of(
    database: Database, reason: str, is_final: bool
) -> None:
    """Before, a hole of 90 days and more was never asked for again: a vendor that filled it was not heard."""
    remember_unserved(database, [Answer("GONE", (MONDAY,), reason, None)], "test", EVENING)

    assert missing_prices(database, ["GONE"], [MONDAY], date(2036, 1, 8)) == ({} if is_final else {"GONE": [MONDAY]})


def test_of_a_delisted_symbol_what_came_before_its_end_is_asked_for(database: Database) -> None:
    """It was ruled out as a whole: a portfolio that held it earlier than all others never got its prices."""
    remember_unserved(database, [Answer("GONE", (MONDAY,), "delisted")], "test", EVENING)

    assert missing_prices(database, ["GONE"], DAYS, TUESDAY) == {"GONE": [FRIDAY]}


def test_a_session_before_a_stored_split_is_asked_for_with_the_row_that_has_it(database: Database) -> None:
    """The split may be of the halted session: if its price came alone, the split would count twice."""
    rows = bars({name: {"2025-12-31": 8.0, "2026-01-06": 4.0, "2026-01-07": 4.0} for name in ("HALT", "CALM", "DONE")})
    rows.loc[(rows["symbol"] != "CALM") & (rows["session"] == "2026-01-06"), "split_factor"] = 2.0
    write_prices(database, rows, "test", EVENING)
    halted = [Answer(name, (FRIDAY, MONDAY), "no_bar", TUESDAY) for name in ("HALT", "CALM")]
    later = [Answer("DONE", (FRIDAY, MONDAY), "no_bar", TUESDAY + timedelta(1))]
    remember_unserved(database, [*halted, *later], "test", EVENING)

    missing = missing_prices(database, ["HALT", "CALM", "DONE"], [MONDAY], TUESDAY)

    assert missing == {"HALT": [FRIDAY, MONDAY, TUESDAY], "CALM": [MONDAY]}
    assert open_gaps(database, ["HALT", "CALM", "DONE"], TUESDAY, TUESDAY) == {
        "HALT": [FRIDAY, MONDAY, TUESDAY], "CALM": [FRIDAY, MONDAY],
    }  # fmt: skip


def test_where_an_action_is_whose_session_has_no_close_is_read_from_the_note(database: Database) -> None:
    note = f"no bar; its split or dividend is in the row of {TUESDAY}, in prices.csv"
    halted = Answer("HALT", (FRIDAY, MONDAY), "no_bar", detail=note)
    remember_unserved(database, [halted, Answer("CALM", (FRIDAY,), "no_bar")], "test", EVENING)

    found = carried_actions(database, ["CALM", "HALT", "NEW"])

    told = [(row.symbol, row.session.date(), row.carrier.date()) for row in found.itertuples()]
    assert told == [("HALT", FRIDAY, TUESDAY), ("HALT", MONDAY, TUESDAY)]
    assert carried_actions(database, ["CALM"]).empty


@pytest.mark.parametrize(
    ("reason", "status"), [("unknown_symbol", "unknown"), ("delisted", "delisted"), ("not_yet_listed", None)]
)
def test_a_symbol_that_is_gone_is_not_asked_for_on_new_days(
    database: Database, reason: str, status: str | None
) -> None:
    next_try = TUESDAY + timedelta(1) if status == "unknown" else None
    remember_unserved(database, [Answer("GONE", (FRIDAY,), reason, next_try)], "test", EVENING)

    assert [row[1] for row in dump(database, schema.symbols)["symbols"]] == ([status] if status else [])
    assert missing_prices(database, ["GONE"], DAYS, TUESDAY) == ({} if status else {"GONE": [MONDAY, TUESDAY]})


def test_a_symbol_that_is_served_is_active_again_and_its_gap_gone(database: Database) -> None:
    answers = [Answer("BACK", (FRIDAY, MONDAY), "unknown_symbol"), Answer("GONE", (FRIDAY,), "delisted")]
    remember_unserved(database, answers, "test", EVENING)

    write_prices(database, bars({"BACK": {"2026-01-02": 1.0}}), "test", EVENING)

    assert [row[:2] for row in dump(database, schema.symbols)["symbols"]] == [("BACK", "active"), ("GONE", "delisted")]
    assert [row[:2] for row in dump(database, schema.price_gaps)["price_gaps"]] == [("BACK", MONDAY), ("GONE", FRIDAY)]


def test_the_later_answer_stands_and_the_same_one_changes_nothing(database: Database) -> None:
    remember_unserved(database, [Answer("AAA", (FRIDAY,), "late", MONDAY)], "test", EVENING)
    remember_unserved(database, [Answer("AAA", (FRIDAY,), "no_bar")], "test", EVENING)
    once = dump(database, schema.price_gaps)

    remember_unserved(database, [Answer("AAA", (FRIDAY,), "no_bar")], "test", EVENING)

    assert once["price_gaps"][0][2] == "no_bar"
    assert dump(database, schema.price_gaps) == once


def test_what_has_a_price_by_now_is_no_gap(database: Database) -> None:
    write_prices(database, bars({"AAA": {"2026-01-02": 1.0}}), "test", EVENING)

    remember_unserved(database, [Answer("AAA", (FRIDAY, MONDAY), "late", TUESDAY)], "test", EVENING)

    assert [row[:2] for row in dump(database, schema.price_gaps)["price_gaps"]] == [("AAA", MONDAY)]


def test_a_rename_is_remembered_beside_the_status(database: Database) -> None:
    remember_unserved(database, [Answer("FB", (FRIDAY,), "delisted")], "test", EVENING)

    remember_renamed(database, {"FB": "META", "SQ": "XYZ"}, "test", EVENING)
    remember_unserved(database, [Answer("FB", (MONDAY,), "delisted")], "test", EVENING)

    rows = [(row[0], row[1], row[3]) for row in dump(database, schema.symbols)["symbols"]]
    assert rows == [("FB", "delisted", "META"), ("SQ", "active", "XYZ")]
    assert renamed_symbols(database) == {"FB", "META", "SQ", "XYZ"}
