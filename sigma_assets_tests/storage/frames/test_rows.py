"""Computed rows: a scope is replaced whole, by one writer at a time, and comes back as it went in."""

import signal
import subprocess
import sys
import threading
from datetime import date

import numpy as np
import pandas as pd
import pytest

from sigma_assets.base.errors import StorageError
from sigma_assets.storage import schema
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames.rows import Rows, as_read, is_stored, read_rows, replace_rows
from sigma_assets_tests.storage.builders import coverage, dump

JANUARY = Rows(date(2026, 1, 1), date(2026, 1, 31))
TABLE = schema.price_coverage


def test_rows_come_back_as_they_went_in(database: Database) -> None:
    """Every type of the schema, with and without a value; floats to the last bit; text with every awkward character."""
    awkward = 'a,"b"\n\\N é \t'
    values = pd.DataFrame(
        {
            "portfolio_id": ["p", "p", "P"],
            "session": pd.to_datetime(["2026-01-05", "2026-01-02", "2026-01-02"]).astype("datetime64[s]"),
            "lot_id": ["1", "2", "3"],
            "symbol": [awkward, "", "BRK.B"],
            "investment_class": "PUBLIC",
            "quantity": [0.1 + 0.2, -1e-300, np.nextafter(1.0, 2.0)],
            "price": [1 / 3, 5e-324, 1.7976931348623157e308],
            "price_session": pd.to_datetime(["2026-01-05", None, None]).astype("datetime64[s]"),
            "is_stale": [True, False, False],
            "is_modelled": [False, False, True],
            **dict.fromkeys(("market_value", "cost_basis", "unrealized_pnl", "daily_pnl"), -0.1),
            "weight": [np.nan, 0.5, 0.0],
            "risk_symbol": [None, "", "BRK.B"],
            "risk_value": np.nan,
            "risk_weight": np.nan,
        }
    )

    replace_rows(database, {schema.position_values: values}, JANUARY)
    found = read_rows(database, schema.position_values, JANUARY)

    expected = values.iloc[[2, 1, 0]].reset_index(drop=True)
    for name in expected:
        pd.testing.assert_series_equal(found[name], expected[name], check_dtype=False, check_exact=True)
    assert found["risk_symbol"].tolist() == ["BRK.B", "", None]
    assert found.dtypes[["session", "price_session", "quantity", "is_stale", "symbol"]].astype(str).tolist() == [
        "datetime64[s]", "datetime64[s]", "float64", "bool", "object",
    ]  # fmt: skip
    pd.testing.assert_frame_equal(as_read(schema.position_values, values), found, check_exact=True)


def test_counts_that_may_be_absent_are_whole_numbers_with_gaps(database: Database) -> None:
    rows = pd.DataFrame(
        {
            **{column.name: np.nan for column in schema.symbol_factors.columns if not column.primary_key},
            "session": [pd.Timestamp("2026-01-02")] * 2,
            "symbol": ["AAA", "BBB"],
            "market_observations": [90, np.nan],
            "prices_revision": [7, 7],
        }
    )

    replace_rows(database, {schema.symbol_factors: rows}, JANUARY)
    found = read_rows(
        database, schema.symbol_factors, JANUARY, ["market_observations", "prices_revision", "rates_beta"]
    )

    assert found.dtypes.astype(str).tolist() == ["Int64", "int64", "float64"]
    assert found["market_observations"].tolist() == [90, pd.NA]
    whole = read_rows(database, schema.symbol_factors, JANUARY)
    pd.testing.assert_frame_equal(as_read(schema.symbol_factors, rows), whole, check_exact=True)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE volatility_by_portfolio SET realized_21d = realized_21d + 1e-9 WHERE session = '2026-01-05'",
        "UPDATE volatility_by_portfolio SET realized_63d = 0.0 WHERE session = '2026-01-02'",
        "UPDATE volatility_by_portfolio SET realized_21d = NULL",
        "DELETE FROM volatility_by_portfolio WHERE session = '2026-01-05'",
    ],
)
def test_rows_that_the_database_has_otherwise_are_not_taken_for_stored(database: Database, change: str) -> None:
    table = schema.volatility_by_portfolio
    numbers = {column.name: np.nan for column in table.columns if not column.primary_key}
    days = pd.to_datetime(["2026-01-05", "2026-01-02"]).astype("datetime64[s]")
    rows = pd.DataFrame({"portfolio_id": "p", "session": days, **numbers, "realized_21d": [0.1, 0.2]})
    rows = rows.assign(**{column.name: 0 for column in table.columns if not column.nullable and column.name in numbers})
    replace_rows(database, {table: rows}, JANUARY)
    assert is_stored(database, table, JANUARY, as_read(table, rows))

    with database.begin() as connection:
        connection.exec_driver_sql(change)

    assert not is_stored(database, table, JANUARY, as_read(table, rows))


def test_no_rows_have_the_same_types_as_many(database: Database) -> None:
    empty = read_rows(database, TABLE, JANUARY)
    replace_rows(database, {TABLE: coverage(["p"], ["2026-01-02"])}, JANUARY)

    assert empty.empty
    pd.testing.assert_frame_equal(as_read(TABLE, empty), empty)
    assert empty.dtypes.to_dict() == read_rows(database, TABLE, JANUARY).dtypes.to_dict()


def test_only_the_scope_is_replaced(database: Database) -> None:
    replace_rows(database, {TABLE: coverage(["a", "b"], ["2026-01-02", "2026-01-05", "2026-01-06"], needed=1)}, JANUARY)

    scope = Rows(date(2026, 1, 5), date(2026, 1, 5), portfolio_ids=["a"])
    written = replace_rows(database, {TABLE: coverage(["a"], ["2026-01-05"], needed=2)}, scope)

    found = read_rows(database, TABLE, JANUARY).set_index(["portfolio_id", "session"])["needed"]
    assert written == {"price_coverage": 1}
    assert found[found == 2].index.tolist() == [("a", pd.Timestamp("2026-01-05"))]
    assert len(found) == 6


def test_rows_that_are_no_longer_computed_go_away(database: Database) -> None:
    replace_rows(database, {TABLE: coverage(["a", "b"], ["2026-01-02"])}, JANUARY)

    replace_rows(database, {TABLE: coverage(["a"], ["2026-01-02"]).iloc[:0]}, Rows(JANUARY.first, JANUARY.last, ["a"]))

    assert read_rows(database, TABLE, JANUARY)["portfolio_id"].tolist() == ["b"]


def test_the_same_work_twice_leaves_the_same_rows(database: Database) -> None:
    frame = coverage(["a", "b"], ["2026-01-02", "2026-01-05"])
    replace_rows(database, {TABLE: frame}, JANUARY)
    once = dump(database, TABLE)

    replace_rows(database, {TABLE: frame.sample(frac=1, random_state=1)}, JANUARY)

    assert dump(database, TABLE) == once


def test_a_scope_may_name_many_portfolios(database: Database) -> None:
    ids = [f"portfolio {number:04d}" for number in range(1_200)]
    scope = Rows(JANUARY.first, JANUARY.last, portfolio_ids=ids)

    replace_rows(database, {TABLE: coverage(ids, ["2026-01-02"])}, scope)

    assert read_rows(database, TABLE, scope, ["portfolio_id"])["portfolio_id"].tolist() == ids


def test_a_family_is_written_together_or_not_at_all(database: Database) -> None:
    other = coverage(["a"], ["2026-01-02"]).drop(columns="holdings_revision")
    replace_rows(database, {TABLE: coverage(["a"], ["2026-01-02"])}, JANUARY)
    before = dump(database, TABLE, schema.factor_coverage)

    with pytest.raises(StorageError, match=r"factor_coverage\.needed"):
        replace_rows(
            database,
            {TABLE: coverage(["b"], ["2026-01-02"]), schema.factor_coverage: other.assign(needed=np.nan)},
            JANUARY,
        )

    assert dump(database, TABLE, schema.factor_coverage) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.drop(columns="stale"), "price_coverage: missing column stale"),
        (lambda rows: rows.assign(extra=1), "price_coverage: unknown column extra"),
        (
            lambda rows: rows.assign(needed=[1, np.nan]),
            "price_coverage.needed: found no value .* b, session 2026-01-02",
        ),
        (lambda rows: rows.assign(needed=[1, np.inf]), "price_coverage.needed: found inf .* b, session 2026-01-02"),
        (lambda rows: rows.assign(needed=[1, 1.5]), "price_coverage.needed: found 1.5 .* expected whole numbers"),
        (lambda rows: rows.assign(needed="many"), "price_coverage.needed: found 'many' .* expected numbers"),
        (
            lambda rows: rows.assign(missing_symbols=["AAA", 3]),
            "price_coverage.missing_symbols: found 3 .* expected text",
        ),
        (lambda rows: rows.assign(portfolio_id="a"), "two rows for portfolio_id a, session 2026-01-02"),
        (lambda rows: rows.assign(portfolio_id=["a", "c"]), "1 rows outside the scope, the first is portfolio_id c"),
        (lambda rows: rows.assign(session=pd.Timestamp("2026-02-02")), "2 rows outside the scope"),
        (
            lambda rows: rows.assign(session="2026-01-02"),
            "price_coverage.session: found '2026-01-02' .* expected dates",
        ),
        (lambda rows: rows.assign(session=pd.Timestamp("2026-01-02 16:00")), "expected a date without a time of day"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_name(database: Database, change, message: str) -> None:
    scope = Rows(JANUARY.first, JANUARY.last, portfolio_ids=["a", "b"])

    with pytest.raises(StorageError, match=message):
        replace_rows(database, {TABLE: change(coverage(["a", "b"], ["2026-01-02"]))}, scope)

    assert read_rows(database, TABLE, JANUARY).empty


def test_infinite_numbers_are_refused(database: Database) -> None:
    names = [column.name for column in schema.symbol_metrics.columns]
    row = pd.DataFrame([[1.0] * len(names)], columns=names).assign(session=pd.Timestamp("2026-01-02"), symbol="A")

    with pytest.raises(
        StorageError, match=r"symbol_metrics\.return_ytd: found -inf in the row session 2026-01-02, symbol A"
    ):
        replace_rows(database, {schema.symbol_metrics: row.assign(return_ytd=-np.inf)}, JANUARY)


def test_a_scope_that_the_table_cannot_have_is_refused(database: Database) -> None:
    with pytest.raises(StorageError, match=r"symbol_metrics: .* no column portfolio_id"):
        read_rows(database, schema.symbol_metrics, Rows(JANUARY.first, JANUARY.last, portfolio_ids=["a"]))


@pytest.mark.parametrize("portfolios", [3, 100], ids=["locked one by one", "locked as a table"])
def test_two_writers_of_one_partition_never_mix(database: Database, portfolios: int) -> None:
    ids = [f"p{number}" for number in range(portfolios)]
    scope = Rows(JANUARY.first, JANUARY.last, portfolio_ids=ids)
    sessions = ["2026-01-02", "2026-01-05", "2026-01-06"]
    together = threading.Barrier(4)

    def write(writer: int) -> None:
        frame = coverage(ids[writer % 2 :], sessions[writer % 3 :], needed=writer)
        together.wait()
        for _ in range(5):
            replace_rows(database, {TABLE: frame}, scope)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = read_rows(database, TABLE, scope)
    writer = int(found["needed"].iloc[0])
    expected = coverage(ids[writer % 2 :], sessions[writer % 3 :], needed=writer)
    assert (found["needed"] == writer).all()
    assert len(found) == len(expected)


def test_a_writer_that_is_killed_leaves_the_old_rows(database: Database, database_url: str) -> None:
    replace_rows(database, {TABLE: coverage(["a"], ["2026-01-02"])}, JANUARY)
    before = dump(database, TABLE)
    program = (
        "import sys, time; from sigma_assets.storage.connection.database import Database\n"
        "with Database(sys.argv[1]).begin() as connection:\n"
        "    connection.exec_driver_sql('DELETE FROM price_coverage')\n"
        "    print('deleted', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, database_url], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"deleted\n"

    process.send_signal(signal.SIGKILL)
    process.communicate()

    assert dump(database, TABLE) == before
    replace_rows(database, {TABLE: coverage(["b"], ["2026-01-02"])}, JANUARY)
    assert read_rows(database, TABLE, JANUARY)["portfolio_id"].tolist() == ["b"]


def test_a_partition_is_read_through_the_key(database: Database) -> None:
    ids = [f"p{number:03d}" for number in range(200)]
    sessions = [str(day.date()) for day in pd.bdate_range("2026-01-02", periods=40)]
    scope = Rows(date(2026, 1, 1), date(2026, 12, 31))
    replace_rows(database, {TABLE: coverage(ids, sessions)}, scope)

    plan = explain(
        database,
        "SELECT * FROM price_coverage WHERE portfolio_id = 'p007' AND session BETWEEN '2026-01-05' AND '2026-01-09'",
    )

    assert "pk_price_coverage" in plan or "sqlite_autoindex_price_coverage_1 (portfolio_id=? AND session>?" in plan


def explain(database: Database, query: str) -> str:
    """Return the plan of a query, after the statistics that a database gathers by itself."""
    sqlite = database.dialect == "sqlite"
    with database.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
        rows = connection.exec_driver_sql(f"EXPLAIN {'QUERY PLAN' if sqlite else ''} {query}").all()
    return "\n".join(str(row[-1]) for row in rows)
