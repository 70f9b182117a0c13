"""Tables that PostgreSQL holds as arrays look and behave as those that SQLite holds row by row."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from sigma_assets.base.errors import RowsError, StorageError
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames import bulk
from sigma_assets.storage.frames.rows import Rows, as_read, is_stored, read_rows, replace_rows, stored_range
from sigma_assets.storage.schema import ARRAYS, betas_by_position, stored_table, volatility_by_symbol
from sigma_assets_tests.storage.builders import dump, random_rows

YEAR = Rows(date(2026, 1, 1), date(2026, 12, 31))
POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.mark.parametrize("at_once", [bulk.ROWS_AT_ONCE, 40])
def test_rows_come_back_as_they_went_in(database: Database, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last bit; whatever the order of the rows, and however many are text at one time."""
    monkeypatch.setattr(bulk, "ROWS_AT_ONCE", at_once)
    frames = {table: random_rows(table) for table in ARRAYS}

    replace_rows(database, frames, YEAR)

    for table, rows in frames.items():
        found, expected = read_rows(database, table, YEAR), as_read(table, rows)
        pd.testing.assert_frame_equal(found, expected, check_exact=True, obj=table.name)
        if database.dialect == "postgresql":  # SQLite has no -0
            numbers = [name for name in expected if expected[name].dtype == np.float64]
            assert (np.signbit(found[numbers]) == np.signbit(expected[numbers])).all(axis=None)


def test_what_is_stored_is_recognised(database: Database) -> None:
    for table in ARRAYS:
        rows = random_rows(table)
        doubles = [column.name for column in table.columns if isinstance(column.type, sa.Double)]
        summable = np.random.default_rng(1).random(rows[doubles].shape)
        rows[doubles] = np.where(rows[doubles].isna(), np.nan, summable)

        replace_rows(database, {table: rows}, YEAR)

        assert is_stored(database, table, YEAR, as_read(table, rows))
        assert not is_stored(database, table, YEAR, as_read(table, rows.iloc[1:]))
        assert not is_stored(database, table, YEAR, as_read(table, rows.assign(**{doubles[-1]: 0.5})))
        assert stored_range(database, table) == (date(2026, 1, 2), date(2026, 1, 8))


def test_a_row_twice_is_refused_and_nothing_changes(database: Database) -> None:
    for table in ARRAYS:
        rows = random_rows(table)
        replace_rows(database, {table: rows}, YEAR)
        before = dump(database, table)

        with pytest.raises(RowsError, match=f"{table.name}: two rows for portfolio_id"):
            replace_rows(database, {table: pd.concat([rows, rows.iloc[[3]]], ignore_index=True)}, YEAR)

        assert dump(database, table) == before


def test_only_the_scope_is_replaced(database: Database) -> None:
    rows = random_rows(betas_by_position)
    replace_rows(database, {betas_by_position: rows}, YEAR)
    second = Rows(date(2026, 1, 6), date(2026, 1, 7), ["portfolio 1"])
    inside = (rows["portfolio_id"] == "portfolio 1") & rows["session"].between("2026-01-06", "2026-01-07")
    fewer = rows[inside & (rows["session"] == "2026-01-06")].assign(weight=0.25)

    replace_rows(database, {betas_by_position: fewer}, second)

    expected = as_read(betas_by_position, pd.concat([rows[~inside], fewer], ignore_index=True))
    pd.testing.assert_frame_equal(read_rows(database, betas_by_position, YEAR), expected, check_exact=True)
    replace_rows(database, {betas_by_position: rows.iloc[:0]}, YEAR)
    assert read_rows(database, betas_by_position, YEAR).empty


def test_some_symbols_of_some_portfolios_are_read(database: Database) -> None:
    rows = random_rows(volatility_by_symbol)
    replace_rows(database, {volatility_by_symbol: rows}, YEAR)
    few = Rows(date(2026, 1, 5), date(2026, 1, 6), ["portfolio 0", "portfolio 2"], ["BRK.B", 'a,"b"'])

    found = read_rows(database, volatility_by_symbol, few)

    whole = as_read(volatility_by_symbol, rows)
    expected = whole[
        whole["portfolio_id"].isin(["portfolio 0", "portfolio 2"])
        & whole["session"].between("2026-01-05", "2026-01-06")
        & whole["symbol"].isin(["BRK.B", 'a,"b"'])
    ]
    assert len(expected) > 2
    pd.testing.assert_frame_equal(found, expected.reset_index(drop=True), check_exact=True)


@POSTGRESQL
def test_a_session_of_a_portfolio_twice_is_refused_by_the_database_itself(database: Database) -> None:
    """Whoever writes past `replace_rows`."""
    arrays = stored_table(betas_by_position, "postgresql").name
    replace_rows(database, {betas_by_position: random_rows(betas_by_position)}, YEAR)

    with pytest.raises(StorageError, match="duplicate key"), database.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO {arrays} SELECT * FROM {arrays} LIMIT 1")


@POSTGRESQL
@pytest.mark.parametrize("lot_id", ["L1", "8F1E7C1A-0000-4000-8000-000000000000"])
def test_ids_of_lots_that_would_not_come_back_are_refused(database: Database, lot_id: str) -> None:
    rows = random_rows(betas_by_position)
    rows.loc[7, "lot_id"] = lot_id

    with pytest.raises(RowsError, match=f"lot_id: found '{lot_id}'; expected a uuid in lower case"):
        replace_rows(database, {betas_by_position: rows}, YEAR)


@POSTGRESQL
def test_portfolios_and_sessions_are_found_through_the_key(database: Database) -> None:
    """Directly, and when somebody joins the view with a table."""
    replace_rows(database, {betas_by_position: random_rows(betas_by_position, 300, 20)}, YEAR)
    queries = (
        "SELECT * FROM betas_by_position WHERE portfolio_id = 'portfolio 7' AND session = '2026-01-06'",
        "SELECT b.* FROM portfolios p JOIN betas_by_position b USING (portfolio_id) WHERE p.name = 'Growth'",
    )
    with database.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
        for query in queries:
            plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {query}"))

            assert "pk_betas_by_position_arrays" in plan, plan
