"""`make same`: the comparison of two versions' databases finds whatever differs, and nothing else."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.same.comparing import (
    CompareError,
    Table,
    check_renames,
    compare,
    labelled,
    labels,
    names_of,
    read_csv,
    read_database,
    renamed,
)
from benchmarks.same.fixed_ids import PREFIX

SCHEMA = """
CREATE TABLE portfolios (portfolio_id TEXT PRIMARY KEY, name TEXT);
CREATE TABLE lots (lot_id TEXT PRIMARY KEY, portfolio_id TEXT, symbol TEXT, quantity REAL);
CREATE TABLE weights (session TEXT, lot_id TEXT, weight REAL, PRIMARY KEY (session, lot_id));
"""


def counted(number: int) -> str:
    return f"{PREFIX}{number:012x}"


def database(path: Path, *, ids: tuple[str, str, str] | None = None, weight: float | None = 0.1) -> dict[str, Table]:
    """Store a portfolio of two lots with a weight each, and return the tables."""
    portfolio, first, second = ids or (counted(1), counted(2), counted(3))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        connection.execute("INSERT INTO portfolios VALUES (?, 'Balanced')", (portfolio,))
        lots = [(first, portfolio, "AAA", 10.0), (second, portfolio, "BBB", 20.0)]
        connection.executemany("INSERT INTO lots VALUES (?, ?, ?, ?)", lots)
        rows = [("2024-01-02", first, weight), ("2024-01-02", second, 0.3)]
        connection.executemany("INSERT INTO weights VALUES (?, ?, ?)", rows)
    return read_database(path)


def difference_of_weights(old: dict[str, Table], new: dict[str, Table]) -> str | None:
    before, after = labelled(old["weights"], labels(old, new)), labelled(new["weights"], labels(new, old))
    found = compare(before, after)
    return None if found is None else f"{found.rows}: {found.first}"


def test_the_same_numbers_are_the_same_whatever_the_ids(tmp_path):
    old = database(tmp_path / "old")
    new = database(tmp_path / "new", ids=(counted(7), counted(9), counted(8)))

    assert difference_of_weights(old, new) is None


def test_the_last_bit_of_a_number_is_found(tmp_path):
    """0.1 and its neighbour among the doubles print alike with 16 digits."""
    old = database(tmp_path / "old")
    new = database(tmp_path / "new", weight=0.1 + 2**-56)

    assert difference_of_weights(old, new) == ("1: 2024-01-02 / AAA|Balanced|10.0: weight 0.1 -> 0.10000000000000002")


def test_a_null_and_a_text_that_reads_alike_differ(tmp_path):
    null = database(tmp_path / "null", weight=None)
    text = database(tmp_path / "text", weight="None")

    assert difference_of_weights(null, text) == "1: 2024-01-02 / AAA|Balanced|10.0: weight None -> 'None'"


def test_a_missing_row_is_found_on_either_side():
    whole = Table(("session", "close"), ("session",), [("2024-01-02", "1.0"), ("2024-01-03", "2.0")])
    part = Table(whole.columns, whole.key, whole.rows[1:])

    lost, gained = compare(whole, part), compare(part, whole)

    assert lost is not None
    assert (lost.rows, lost.first) == (1, "2024-01-02: only in the old code")
    assert gained is not None
    assert (gained.rows, gained.first) == (1, "2024-01-02: only in this tree")


def test_rows_of_an_export_are_compared_in_their_order():
    found = compare(read_csv("symbol,beta\nAAA,1\nBBB,2\n"), read_csv("symbol,beta\nBBB,2\nAAA,1\n"))

    assert found is not None
    assert (found.rows, found.first) == (2, "row 1: symbol AAA -> BBB, beta 1 -> 2")


def test_columns_of_an_export_in_another_order_are_a_difference():
    found = compare(read_csv("symbol,beta\nAAA,1\n"), read_csv("beta,symbol\n1,AAA\n"))

    assert found is not None
    assert found.first == "columns in another order: beta, symbol"


def test_a_renamed_table_and_column_are_compared_under_their_new_names(tmp_path):
    old = renamed(database(tmp_path / "old"), {"weights": "position_weights", "weights.weight": "share"})
    new = database(tmp_path / "new", weight=0.2)

    table = old["position_weights"]

    assert table.columns == ("session", "lot_id", "share")
    found = compare(table, Table(table.columns, table.key, new["weights"].rows))
    assert found is not None
    assert found.first == f"2024-01-02 / {counted(2)}: share 0.1 -> 0.2"


@pytest.mark.parametrize(("pair", "place"), [(("prices", "weights"), "the old code"), (("weights", "x"), "this tree")])
def test_an_unknown_name_is_an_error(tmp_path, pair, place):
    names = names_of(database(tmp_path / "old"))

    with pytest.raises(
        CompareError, match=f"no table or column (prices|x) in {place}; its tables: lots, portfolios, wei"
    ):
        check_renames(dict([pair]), names, names)


def test_a_random_id_is_an_error(tmp_path):
    tables = database(tmp_path / "old", ids=(counted(1), "0b8e4a3e-94f3-4d0c-9f5e-6f1f3a2b1c0d", counted(3)))

    with pytest.raises(
        CompareError, match=r"lots\.lot_id: the id 0b8e4a3e-94f3-4d0c-9f5e-6f1f3a2b1c0d was not made by"
    ):
        labels(tables, tables)


def test_no_database_is_an_error(tmp_path):
    with pytest.raises(CompareError, match="no such database"):
        read_database(tmp_path / "sigma.sqlite")
