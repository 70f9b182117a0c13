"""The journal of holdings: whatever changes lots or flows, and by whatever code, says from which day it has effect."""

from datetime import date

import pandas as pd
import pytest
import sqlalchemy as sa

from sigma_assets.base.errors import HoldingsError
from sigma_assets.storage import schema
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames.rows import Rows, replace_rows
from sigma_assets.storage.portfolios import (
    add_cash_flow,
    changed_holdings,
    close_lot,
    correct_lot,
    holdings_revisions,
    lots,
    remove_portfolio,
)
from sigma_assets_tests.storage.builders import add, coverage

SESSIONS = ["2026-01-02", "2026-01-05", "2026-01-06", "2026-01-07"]
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


def test_a_whole_close_keeps_the_lot_and_a_part_splits_it(database: Database) -> None:
    add(database, "A", {"quantity": -100.0})
    lot = lots(database).loc[0, "lot_id"]

    closed = close_lot(database, lot, date(2026, 1, 6), 140.0, quantity=-30.0)

    held = lots(database).set_index("lot_id")
    assert held["quantity"].to_dict() == {lot: -70.0, closed: -30.0}
    assert held.loc[closed, ["exit_date", "exit_price"]].tolist() == [pd.Timestamp("2026-01-06"), 140.0]
    assert held["entry_price"].tolist() == [150.0, 150.0]
    assert close_lot(database, lot, date(2026, 1, 7), 141.0) == lot
    assert lots(database)["exit_price"].notna().all()


def test_closes_that_make_no_sense_change_nothing(database: Database) -> None:
    add(database, "A", {})
    lot = lots(database).loc[0, "lot_id"]
    day = date(2026, 1, 6)

    for arguments, message in (
        ((lot, date(2026, 1, 1), 10.0), "lies before its entry"),
        ((lot, day, -1.0), "exit price"),
        ((lot, day, 10.0, 101.0), "cannot close 101"),
        ((lot, day, 10.0, -5.0), "cannot close -5"),
        ((lot, day, 10.0, 0.0), "cannot close 0"),
        (("nothing", day, 10.0), "no lot has the id nothing"),
    ):
        with pytest.raises(HoldingsError, match=message):
            close_lot(database, *arguments)

    assert journal(database) == [("lot_added", "2026-01-02")]
    close_lot(database, lot, day, 10.0)
    with pytest.raises(HoldingsError, match="was closed on 2026-01-06 already"):
        close_lot(database, lot, day, 10.0)


def test_a_correction_changes_what_it_names(database: Database) -> None:
    add(database, "A", {})
    lot = lots(database).loc[0, "lot_id"]

    correct_lot(database, lot, quantity=120.0, entry_date=date(2026, 1, 5))

    assert lots(database).loc[0, ["quantity", "entry_date"]].tolist() == [120.0, pd.Timestamp("2026-01-05")]
    for changes, message in (
        ({"portfolio_id": "x"}, "cannot correct portfolio_id"),
        ({}, "cannot correct nothing"),
        ({"exit_date": date(2026, 1, 6)}, "go together"),
        ({"exit_date": date(2026, 1, 1), "exit_price": 1.0}, "before entry"),
        ({"quantity": 0.0}, "other than 0"),
        ({"entry_price": float("nan")}, "finite"),
    ):
        with pytest.raises(HoldingsError, match=message):
            correct_lot(database, lot, **changes)


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


def test_a_price_may_be_corrected_to_a_few_cents_but_not_below_nothing(database: Database) -> None:
    portfolio = add(database, "Growth", {})
    (lot,) = lots(database, [portfolio])["lot_id"]

    correct_lot(database, lot, entry_price=0.5)

    assert lots(database, [portfolio])["entry_price"].tolist() == [0.5]
    with pytest.raises(HoldingsError, match=r"entry_price -0\.5"):
        correct_lot(database, lot, entry_price=-0.5)
