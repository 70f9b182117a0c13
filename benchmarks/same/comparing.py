"""Compare the tables and exports of two sides, byte for byte; rows are matched by key, columns by name."""

import csv
import io
import re
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.same.fixed_ids import PREFIX

STAMPS = frozenset(
    {
        "loaded_at",
        "created_at",
        "deleted_at",
        "updated_at",
        "asked_at",
        "changed_at",
        "noted_at",
        "adopted_at",
        "edited_at",
    }
)
"""Columns that hold the clock's time, which differs from run to run."""
MIGRATIONS = "alembic_version"
"""End of the name of the table that holds the newest migration's name: not a number."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class CompareError(Exception):
    """The comparison cannot be made; the message says what to do."""


@dataclass(frozen=True)
class Table:
    """A table or an export as text.

    Attributes
    ----------
    columns : in their order.
    key : the columns that identify a row; empty = its position does.
    rows : one tuple of cells per row; numbers as `repr` writes them, which is exact.
    """

    columns: tuple[str, ...]
    key: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Difference:
    """What differs between two tables: how many rows, and the first of them in words."""

    rows: int
    first: str


def read_database(path: Path) -> dict[str, Table]:
    """Return every table of an SQLite file, rows sorted by key.

    Raises
    ------
    CompareError
        There is no such file.
    """
    if not path.is_file():
        raise CompareError(f"{path}: no such database; expected the embedded one of DAGSTER_HOME")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        names = [name for (name,) in connection.execute(query)]
        return {name: _read_table(connection, name) for name in names if not name.endswith(MIGRATIONS)}


def _read_table(connection: sqlite3.Connection, name: str) -> Table:
    described = connection.execute(f'PRAGMA table_info("{name}")').fetchall()
    columns = tuple(row[1] for row in described)
    key = tuple(row[1] for row in sorted(described, key=lambda row: row[5]) if row[5])
    order = ", ".join(f'"{column}"' for column in key or columns)
    rows = connection.execute(f'SELECT * FROM "{name}" ORDER BY {order}').fetchall()
    return Table(columns, key, [tuple(_text(cell) for cell in row) for row in rows])


def _text(cell: object) -> str:
    """Return a cell as text; a text that reads like a number or None is quoted, so that it differs from these."""
    if not isinstance(cell, str):
        return repr(cell)
    try:
        float(cell)
    except ValueError:
        return repr(cell) if cell == "None" else cell
    return repr(cell)


def read_csv(text: str) -> Table:
    """Return what an export printed; rows have no key but their position."""
    header, *rows = csv.reader(io.StringIO(text, newline="")) if text.strip() else [[]]
    return Table(tuple(header), (), [tuple(row) for row in rows])


def without_columns(table: Table, names: Collection[str]) -> Table:
    """Return a table without some columns."""
    kept = [place for place, column in enumerate(table.columns) if column not in names]
    rows = [tuple(row[place] for place in kept) for row in table.rows]
    return Table(
        tuple(table.columns[place] for place in kept), tuple(name for name in table.key if name not in names), rows
    )


def renamed(tables: Mapping[str, Table], names: Mapping[str, str]) -> dict[str, Table]:
    """Return tables under their new names.

    Parameters
    ----------
    names : old name to new name, of a table, of a column in every table, or `table.column` (the table's old name) to a
        column's new name.

    Names that nothing has are of no effect; `check_renames` finds them.
    """

    def new_name(table: str, column: str) -> str:
        return names.get(f"{table}.{column}", names.get(column, column)).rpartition(".")[2]

    return {
        names.get(name, name): Table(
            tuple(new_name(name, column) for column in table.columns),
            tuple(new_name(name, column) for column in table.key),
            table.rows,
        )
        for name, table in tables.items()
    }


def check_renames(names: Mapping[str, str], old: Collection[str], new: Collection[str]) -> None:
    """Check that each rename leads from a name of the old code to one of this tree, as `names_of` lists them.

    Raises
    ------
    CompareError
        One of them is unknown.
    """
    for was, now in names.items():
        for name, known, where in ((was, old, "the old code"), (now, new, "this tree")):
            if name not in known:
                tables = _listed({each.partition(".")[0] for each in known if "." in each})
                raise CompareError(f"--renamed {was}={now}: no table or column {name} in {where}; its tables: {tables}")


def names_of(tables: Mapping[str, Table]) -> set[str]:
    """Return what can be renamed: tables, columns, and `table.column`."""
    pairs = [(name, column) for name, table in tables.items() for column in table.columns]
    return {*tables, *(column for _, column in pairs), *(f"{name}.{column}" for name, column in pairs)}


def labels(tables: Mapping[str, Table], others: Mapping[str, Table]) -> dict[str, str]:
    """Return a label for each id of a side's portfolios, lots and flows: the content of its row.

    Only columns that the other side has too make a label, so that both sides call the same lot the same.

    Raises
    ------
    CompareError
        An id is random: lots are added up in the order of their ids, so the last digits would be random, too.
    """
    for name, table in tables.items():
        if len(table.key) == 1 and (free := _random_ids(table)):
            raise CompareError(
                f"{name}.{table.key[0]}: the id {free[0]} was not made by uuid.uuid4 or uuid5 called from the package;"
                " benchmarks/same/fixed_ids.py has to fix it as well"
            )
    found: dict[str, str] = {}
    pending = {name: table for name, table in tables.items() if _has_ids(table) and name in others}
    while pending:
        ready = [name for name, table in pending.items() if not _unlabelled(table, found)]
        if not ready:
            raise CompareError(f"ids of {_listed(pending)} refer to each other in a circle; they cannot be labelled")
        for name in ready:
            table = pending.pop(name)
            ids = [row[table.columns.index(table.key[0])] for row in table.rows]
            common = set(others[name].columns) - STAMPS - set(table.key)
            contents = _contents(table, sorted(common & set(table.columns), key=_telling_first), found)
            seen: Counter[str] = Counter()
            for identity, content in sorted(zip(ids, contents, strict=True)):
                seen[content] += 1
                label = content if seen[content] == 1 else f"{content} #{seen[content]}"
                found.setdefault(identity, label)  # the portfolio's own row, not what is noted of it
    return found


def _telling_first(column: str) -> tuple[bool, str]:
    return column not in ("name", "symbol"), column


def _random_ids(table: Table) -> list[str]:
    place = table.columns.index(table.key[0])
    return [row[place] for row in table.rows if _UUID.fullmatch(row[place]) and not row[place].startswith(PREFIX)]


def _has_ids(table: Table) -> bool:
    if len(table.key) != 1:
        return False
    place = table.columns.index(table.key[0])
    return bool(table.rows) and all(row[place].startswith(PREFIX) for row in table.rows)


def _unlabelled(table: Table, found: Mapping[str, str]) -> bool:
    own = table.columns.index(table.key[0])
    return any(
        cell.startswith(PREFIX) and cell not in found
        for row in table.rows
        for place, cell in enumerate(row)
        if place != own
    )


def _contents(table: Table, columns: Sequence[str], found: Mapping[str, str]) -> list[str]:
    places = [table.columns.index(column) for column in columns]
    return [
        "|".join(found.get(row[place], row[place]) for place in places if row[place] != "None") for row in table.rows
    ]


def labelled(table: Table, names: Mapping[str, str]) -> Table:
    """Return a table with labels in the place of ids."""
    return Table(table.columns, table.key, [tuple(names.get(cell, cell) for cell in row) for row in table.rows])


def compare(old: Table, new: Table) -> Difference | None:
    """Compare the columns that both tables have, all cells as text; None if they are the same.

    A row is identified by the key columns that both have, by its position where there are none.
    """
    common = [column for column in old.columns if column in new.columns]
    if common != [column for column in new.columns if column in old.columns]:
        return Difference(max(len(old.rows), len(new.rows)), f"columns in another order: {', '.join(new.columns)}")
    key = [column for column in old.key if column in new.key]
    before, after = _by_key(old, key, common), _by_key(new, key, common)
    differing = list(_differing(before, after, common))
    return Difference(len(differing), differing[0]) if differing else None


def _by_key(table: Table, key: Sequence[str], columns: Sequence[str]) -> dict[tuple[str, ...], tuple[str, ...]]:
    places = [table.columns.index(column) for column in columns]
    identifying = [table.columns.index(column) for column in key]
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    seen: Counter[tuple[str, ...]] = Counter()
    for row in table.rows:
        identity = tuple(row[place] for place in identifying)
        seen[identity] += 1
        number = () if key and seen[identity] == 1 else (f"row {seen[identity]}",)
        found[(*identity, *number)] = tuple(row[place] for place in places)
    return found


def _differing(
    before: Mapping[tuple[str, ...], tuple[str, ...]],
    after: Mapping[tuple[str, ...], tuple[str, ...]],
    columns: Sequence[str],
) -> Iterator[str]:
    for key in [*before, *(key for key in after if key not in before)]:
        place = " / ".join(key)
        if key not in after:
            yield f"{place}: only in the old code"
        elif key not in before:
            yield f"{place}: only in this tree"
        elif before[key] != after[key]:
            pairs = zip(columns, before[key], after[key], strict=True)
            yield f"{place}: " + ", ".join(f"{name} {was} -> {now}" for name, was, now in pairs if was != now)


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
