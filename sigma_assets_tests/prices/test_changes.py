"""Which portfolios and sessions prices of later loads concern, on both databases."""

from datetime import date

import numpy as np

from sigma_assets.prices.changes import (
    changed_prices,
    first_sessions,
    looked_at,
    note_price_looks,
    oldest_revision,
    portfolios_behind_prices,
    portfolios_to_look_at,
)
from sigma_assets.prices.tables import write_prices
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames.rows import Rows, replace_rows
from sigma_assets.storage.portfolios import remove_portfolio
from sigma_assets.storage.schema import market_prices, price_coverage
from sigma_assets_tests.storage.builders import EVENING, add, bars, coverage

DAYS = ("2026-01-05", "2026-01-06", "2026-01-07")


START, END = date(2026, 1, 1), date(2026, 1, 31)


def compute(database: Database, revision: int, *portfolio_ids: str) -> None:
    """Leave the portfolios as runs leave them that saw prices up to a load."""
    for portfolio_id in portfolio_ids:
        rows = coverage([portfolio_id], DAYS, prices_revision=revision)
        everything = Rows(date(2026, 1, 1), date(2026, 1, 31), (portfolio_id,))
        replace_rows(database, {price_coverage: rows}, everything)


def load(database: Database, symbol: str, session: str, close: float) -> int:
    revision = write_prices(database, bars({symbol: {session: close}}), "test", EVENING)
    assert revision is not None
    return revision


def test_holders_of_a_changed_price_are_behind_others_are_not(database: Database) -> None:
    """Each once, however many of its symbols and sessions it concerns; sorted; also by an option's underlying."""
    first = load(database, "AAPL", "2026-01-05", 150.0)
    holder = add(database, "holds", {"symbol": "AAPL"}, {"symbol": "MSFT"})
    option = {"symbol": "AAPL270115C00200000", "investment_class": "OPTIONS", "underlying_symbol": "AAPL"}
    contract = {"strike_price": 200.0, "expiration_date": date(2027, 1, 15), "option_type": "CALL"}
    writer = add(database, "writes calls", option | contract)
    other = add(database, "holds others", {"symbol": "XOM"})
    compute(database, first, holder, writer, other)

    load(database, "MSFT", "2026-01-05", 400.0)
    newest = load(database, "AAPL", "2026-01-05", 151.0)

    assert portfolios_behind_prices(database, (), START, since=first) == sorted([holder, writer])
    assert portfolios_behind_prices(database, ("MSFT",), START, since=first) == sorted([holder, writer, other])
    assert portfolios_behind_prices(database, (), START, since=newest) == []
    compute(database, newest, holder)
    assert portfolios_behind_prices(database, (), START, since=first) == [writer]
    remove_portfolio(database, writer)
    assert portfolios_behind_prices(database, ("MSFT",), START, since=first) == [other]


def test_a_price_after_the_last_computed_session_concerns_nobody_yet(database: Database) -> None:
    first = load(database, "AAPL", "2026-01-05", 150.0)
    compute(database, first, add(database, "holds", {"symbol": "AAPL"}))

    load(database, "AAPL", "2026-01-08", 160.0)

    assert portfolios_behind_prices(database, (), START, since=first) == []


def test_the_prices_of_a_night_leave_nobody_behind_who_was_computed_after_them(database: Database) -> None:
    """After each night all were looked at one by one, since the newest load is later than that of the day before."""
    evening = load(database, "AAPL", "2026-01-06", 150.0)
    holder, late = (add(database, name, {"symbol": "AAPL"}) for name in ("holds", "is computed late"))
    night = load(database, "AAPL", "2026-01-07", 151.0)
    for portfolio, revisions in ((holder, [evening, evening, night]), (late, [evening, evening, evening])):
        rows = coverage([portfolio], DAYS, prices_revision=revisions)
        replace_rows(database, {price_coverage: rows}, Rows(date(2026, 1, 1), date(2026, 1, 31), (portfolio,)))

    assert portfolios_behind_prices(database, (), START) == [late]
    compute(database, night, late)
    assert portfolios_behind_prices(database, (), START) == []
    load(database, "AAPL", "2026-01-06", 149.0)
    assert portfolios_behind_prices(database, (), START) == sorted([holder, late])


def test_the_universe_is_looked_at_like_a_portfolio_and_its_look_says_nothing_of_any(database: Database) -> None:
    newest = load(database, "AAPL", "2026-01-05", 150.0)
    holder = add(database, "holds", {"symbol": "AAPL"})
    assert (looked_at(database, "", START), oldest_revision(database, price_coverage)) == (0, 0)

    note_price_looks(database, [""], newest, START, END)
    compute(database, newest, holder)

    assert (looked_at(database, "", START), oldest_revision(database, price_coverage)) == (newest, newest)
    assert looked_at(database, "", date(2025, 1, 1)) == 0, "from a later session on only"
    assert portfolios_to_look_at(database, newest, START) == [holder]


def test_what_was_looked_at_is_not_behind_until_another_load_and_nobody_forgets_a_look(database: Database) -> None:
    """Also by a process that began its look earlier, and ends it later."""
    first = load(database, "AAPL", "2026-01-05", 150.0)
    looked, other = (add(database, name, {"symbol": "AAPL"}) for name in ("is looked at", "is not"))
    compute(database, first, looked, other)
    second = load(database, "AAPL", "2026-01-05", 151.0)

    note_price_looks(database, [looked], second, START, END)
    note_price_looks(database, [looked], first, START, END)
    note_price_looks(database, [], second, START, END)

    assert portfolios_to_look_at(database, second, START) == [other]
    assert portfolios_behind_prices(database, (), START) == [other]
    assert portfolios_behind_prices(database, ("AAPL",), START, [looked]) == []
    third = load(database, "AAPL", "2026-01-06", 149.0)
    assert portfolios_to_look_at(database, third, START) == sorted([looked, other])
    assert portfolios_behind_prices(database, (), START) == sorted([looked, other])
    note_price_looks(database, [looked, other], third, START, END)
    assert (portfolios_to_look_at(database, third, START), portfolios_behind_prices(database, ("AAPL",), START)) == (
        [],
        [],
    )
    remove_portfolio(database, other)
    assert portfolios_to_look_at(database, third + 1, START) == [looked]


def test_a_look_says_nothing_of_sessions_that_it_did_not_compare(database: Database) -> None:
    """The first session can be moved on and back; a price source can come to have a session less, and have it again."""
    first = load(database, "AAPL", "2026-01-05", 150.0)
    holder = add(database, "holds", {"symbol": "AAPL"})
    compute(database, first, holder)
    later, middle, newest = date(2026, 1, 7), date(2026, 1, 6), load(database, "AAPL", "2026-01-05", 151.0)

    note_price_looks(database, [holder], newest, START, middle)
    assert portfolios_behind_prices(database, (), START) == [holder], "there is a row after the last session"

    note_price_looks(database, [holder], newest, later, END)
    assert portfolios_to_look_at(database, newest, later) == portfolios_behind_prices(database, (), later) == []
    assert portfolios_to_look_at(database, newest, START) == portfolios_behind_prices(database, (), START) == [holder]
    note_price_looks(database, [holder], newest, START, END)
    note_price_looks(database, [holder], newest, later, END)
    assert portfolios_to_look_at(database, newest, START) == portfolios_behind_prices(database, (), START) == []


def test_changed_prices_are_those_of_later_loads_within_bounds(database: Database) -> None:
    first = load(database, "AAPL", "2026-01-05", 150.0)
    second = load(database, "AAPL", "2026-01-06", 151.0)
    load(database, "AAPL", "2026-01-09", 152.0)
    load(database, "MSFT", "2026-01-06", 400.0)

    changed = changed_prices(database, first, ["AAPL"], date(2026, 1, 5), date(2026, 1, 8))

    assert changed["symbol"].tolist() == ["AAPL"]
    assert changed["session"].to_numpy(dtype="datetime64[D]").tolist() == [date(2026, 1, 6)]
    assert changed["revision"].tolist() == [second]


def test_the_first_session_of_each_symbol_is_its_first_price(database: Database) -> None:
    load(database, "AAPL", "2026-01-06", 150.0)
    load(database, "AAPL", "2026-01-05", 149.0)
    load(database, "MSFT", "2026-01-09", 400.0)

    first = first_sessions(database, market_prices, ["AAPL", "MSFT", "XOM"], date(2026, 1, 8))

    assert first.index.tolist() == ["AAPL"]
    assert first.to_numpy(dtype="datetime64[D]").tolist() == [np.datetime64("2026-01-05").item()]
