"""The journal of holdings: whatever changes lots or flows, and by whatever code, says from which day it has effect."""

from contextlib import nullcontext
from datetime import date

import pandas as pd
import pytest
import sqlalchemy as sa

from sigma_assets.base.errors import HoldingsError
from sigma_assets.storage import schema
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames.rows import Rows, replace_rows
from sigma_assets.storage.holdings import check_lot
from sigma_assets.storage.portfolios import (
    changed_holdings,
    holdings_revisions,
    remove_portfolio,
)
from sigma_assets_tests.storage.builders import add, add_cash_flow, coverage

SESSIONS = ["2026-01-02", "2026-01-05", "2026-01-06", "2026-01-07"]
LOT = {"symbol": "AAPL", "quantity": 100.0, "entry_price": 150.0, "entry_date": date(2026, 1, 2)}
CLOSED = {"exit_date": date(2026, 1, 7), "exit_price": 160.0}


@pytest.mark.parametrize(
    ("lot", "change", "effective_from"),
    [
        ({}, "quantity = 120", "2026-01-02"),
        ({}, "entry_date = '2025-12-30'", "2025-12-30"),
        ({}, "entry_date = '2026-01-06'", "2026-01-02"),
        ({}, "exit_date = '2026-01-06', exit_price = 1", "2026-01-06"),
        (CLOSED, "exit_date = '2026-01-06'", "2026-01-06"),
        (CLOSED, "exit_date = '2026-01-09'", "2026-01-07"),
        (CLOSED, "exit_price = 1", "2026-01-07"),
        (CLOSED, "exit_date = NULL, exit_price = NULL", "2026-01-07"),
        (CLOSED, "exit_date = '2026-01-06', quantity = 1", "2026-01-02"),
        ({}, "underlying_symbol = 'SPY'", "2026-01-02"),
    ],
)
def test_a_changed_lot_has_effect_from_the_first_day_it_alters(
    database: Database, lot: dict, change: str, effective_from: str
) -> None:
    """Written as plain SQL, as a person at a prompt would: no code of ours is in the way."""
    add(database, "A", lot)

    execute(database, f"UPDATE lots SET {change}")

    assert journal(database)[1:] == [("lot_changed", effective_from)]


def test_lots_and_flows_that_come_and_go_have_effect_from_their_day(database: Database) -> None:
    portfolio = add(database, "A", {"entry_date": date(2026, 1, 5), **CLOSED})
    add_cash_flow(database, portfolio, date(2026, 1, 6), 10.0)
    execute(database, "UPDATE cash_flows SET flow_date = '2026-01-08'")
    execute(database, "UPDATE cash_flows SET flow_date = '2026-01-07'")
    execute(database, "DELETE FROM cash_flows")
    execute(database, "DELETE FROM lots")

    assert journal(database) == [
        ("lot_added", "2026-01-05"), ("flow_added", "2026-01-06"), ("flow_changed", "2026-01-06"),
        ("flow_changed", "2026-01-07"), ("flow_removed", "2026-01-07"), ("lot_removed", "2026-01-05"),
    ]  # fmt: skip


def test_a_lot_that_moves_is_journalled_for_both_portfolios(database: Database) -> None:
    first, second = add(database, "A", {}), add(database, "B", {"entry_date": date(2026, 1, 6)})

    execute(database, f"UPDATE lots SET portfolio_id = '{second}' WHERE portfolio_id = '{first}'")

    with database.read() as connection:
        rows = connection.execute(sa.select(schema.holdings_changes.c.portfolio_id)).scalars().all()
    assert sorted(rows) == sorted([first, second, first, second])


def test_a_writer_with_a_search_path_of_its_own_is_journalled(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no search_path")
    portfolio = add(database, "A")

    execute(
        database,
        "SET LOCAL search_path TO public;"
        f" INSERT INTO sigma.cash_flows VALUES ('flow', '{portfolio}', '2026-01-06', 10)",
    )

    assert journal(database) == [("flow_added", "2026-01-06")]


def test_the_journal_is_in_utc(database: Database) -> None:
    before = pd.Timestamp.now("UTC").floor("ms")
    add(database, "A", {})
    after = pd.Timestamp.now("UTC")

    with database.read() as connection:
        moment = pd.Timestamp(connection.execute(sa.select(schema.holdings_changes.c.changed_at)).scalar_one())
    moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment

    assert before <= moment <= after


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exit_date": date(2026, 1, 6)}, "go together"),
        ({"exit_date": date(2026, 1, 1), "exit_price": 1.0}, "before entry"),
        ({"quantity": 0.0}, "other than 0"),
        ({"entry_price": float("nan")}, "a number of less than 1,000,000,000,000,000"),
        ({"entry_price": -0.5}, r"entry_price -0\.5"),
        ({"entry_price": 0.5}, None),
    ],
)
def test_columns_of_a_lot_that_do_not_fit_each_other_are_refused(changes: dict, message: str | None) -> None:
    lot = {**LOT, "exit_date": None, "exit_price": None, **changes}

    with pytest.raises(HoldingsError, match=message) if message else nullcontext():
        check_lot("lot", lot)


def test_a_revision_counts_the_changes_in_effect_by_a_session(database: Database) -> None:
    first, second = add(database, "A", {}, {"entry_date": date(2026, 1, 6)}), add(database, "B")
    add_cash_flow(database, first, date(2026, 1, 6), 10.0)

    revisions = holdings_revisions(database, [second, first], [date.fromisoformat(day) for day in SESSIONS])

    assert revisions.groupby("portfolio_id")["holdings_revision"].agg(list).to_dict() == {
        first: [1, 1, 3, 3],
        second: [0, 0, 0, 0],
    }


def test_changed_holdings_are_those_computed_from_an_older_revision(database: Database) -> None:
    """After a change with effect from the 6th, rows of the 6th and later are out of date, those before are not."""
    changed, same, never = (add(database, name, {}) for name in ("changed", "same", "never"))
    computed = coverage([changed, same], SESSIONS, holdings_revision=1)
    replace_rows(database, {schema.price_coverage: computed}, Rows(date(2026, 1, 1), date(2026, 1, 31)))
    assert changed_holdings(database).empty

    add_cash_flow(database, changed, date(2026, 1, 6), 10.0)
    add_cash_flow(database, never, date(2026, 1, 6), 10.0)

    found = changed_holdings(database, [changed, same, never])
    assert found.to_dict("list") == {"portfolio_id": [changed], "first_session": [pd.Timestamp("2026-01-06")]}
    assert changed_holdings(database, [same]).empty
    remove_portfolio(database, changed)
    assert changed_holdings(database).empty


def test_rows_from_before_the_first_change_count_too(database: Database) -> None:
    """A lot entered late leaves the sessions before it without any change: they must have been computed with zero."""
    portfolio = add(database, "A", {"entry_date": date(2026, 1, 6)})
    computed = coverage([portfolio], SESSIONS[:2], holdings_revision=[0, 5])

    replace_rows(database, {schema.price_coverage: computed}, Rows(date(2026, 1, 1), date(2026, 1, 31)))

    assert changed_holdings(database)["first_session"].tolist() == [pd.Timestamp("2026-01-05")]


def execute(database: Database, statement: str) -> None:
    """Run a statement as it is."""
    with database.begin() as connection:
        connection.exec_driver_sql(statement)


def journal(database: Database) -> list[tuple[str, str]]:
    """Return kind and day of every change, in order."""
    table = schema.holdings_changes
    with database.read() as connection:
        rows = connection.execute(sa.select(table.c.kind, table.c.effective_from).order_by(table.c.change_id)).all()
    return [(row.kind, str(row.effective_from)) for row in rows]
