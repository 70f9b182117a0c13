"""Many rows at once, in and out, past SQLAlchemy: raw cursors on SQLite, COPY on PostgreSQL.

SQL here has `:name` parameters on both databases. Dates in parameters are ISO text.
"""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from sigma_assets.storage.frames.columns import ColumnValues

ROWS_AT_ONCE = 25_000
"""Rows held as Python objects or text at one time: bounds memory, and is past where speed still grows."""
BYTES_AT_ONCE = 8 << 20
FETCHED_AT_ONCE = 2_000
"""SQLite rows fetched at one time: fewer than fit the processor's cache, more than the loop around them costs."""

Parameters = Mapping[str, Any]


def quoted(names: Iterable[str], alias: str = "") -> str:
    """Return column names for SQL, comma-separated."""
    prefix = f"{alias}." if alias else ""
    return ", ".join(f'{prefix}"{name}"' for name in names)


def utc(moment: datetime) -> datetime:
    """Return an aware moment in UTC: SQLite keeps no time zone, so what it stores must be UTC by itself."""
    return moment.astimezone(UTC)


def among(connection: sa.Connection, column: str, parameter: str) -> str:
    """Return the condition that a text column has one of the values of a list parameter (`as_list_parameter`)."""
    if connection.dialect.name == "sqlite":
        return f"{column} IN (SELECT value FROM json_each(:{parameter}))"
    return f"{column} = ANY (CAST(:{parameter} AS text[]))"


def as_list_parameter(connection: sa.Connection, values: Iterable[str]) -> str | list[str]:
    """Return a list of any length as one parameter for `among` and `unnested`."""
    return json.dumps(list(values)) if connection.dialect.name == "sqlite" else list(values)


def unnested(connection: sa.Connection, parameter: str) -> str:
    """Return a table `s` with the column `value`, one row per item of a list parameter."""
    if connection.dialect.name == "sqlite":
        return f"json_each(:{parameter}) AS s"
    return f"unnest(CAST(:{parameter} AS text[])) AS s(value)"


def ordered(connection: sa.Connection, table: sa.Table, names: Iterable[str]) -> str:
    """Return an ORDER BY list that sorts alike on both databases: text by code point, whatever the collation."""
    collation = "" if connection.dialect.name == "sqlite" else ' COLLATE "C"'
    return ", ".join(f'"{name}"{collation if isinstance(table.c[name].type, sa.Text) else ""}' for name in names)


def insert(connection: sa.Connection, table: str, columns: Mapping[str, ColumnValues]) -> None:
    """Append rows to a table, in the order given."""
    count = len(next(iter(columns.values())).values)
    for start in range(0, count, ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        batch = {name: column.part(part) for name, column in columns.items()}
        if connection.dialect.name == "sqlite":
            marks = ", ".join("?" * len(batch))
            rows = zip(*(column.as_list() for column in batch.values()), strict=True)
            cursor: Any = connection.connection.cursor()
            cursor.executemany(f"INSERT INTO {table} ({quoted(batch)}) VALUES ({marks})", rows)
        else:
            arrays = [column.as_arrow() for column in batch.values()]
            copy_in(connection, table, pa.RecordBatch.from_arrays(arrays, names=list(batch)))


def copy_in(connection: sa.Connection, table: str, rows: pa.RecordBatch) -> None:
    """Append rows to a table of PostgreSQL, their columns in the notation that it reads."""
    text = io.BytesIO()
    pa.csv.write_csv(rows, text, pa.csv.WriteOptions(include_header=False))
    text.seek(0)
    cursor: Any = connection.connection.cursor()
    cursor.copy_expert(f"COPY {table} ({quoted(rows.schema.names)}) FROM STDIN (FORMAT csv)", text)


def stage(connection: sa.Connection, table: sa.Table, columns: Mapping[str, ColumnValues]) -> str:
    """Put rows into a temporary table that lives as long as the transaction, and return its name."""
    name = f"incoming_{table.name}"
    types = ", ".join(f'"{column}" {table.c[column].type.compile(connection.dialect)}' for column in columns)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS temp.{name}")
        key = quoted(column.name for column in table.primary_key)  # PostgreSQL joins by hashing, SQLite only by a key
        connection.exec_driver_sql(f"CREATE TEMP TABLE {name} ({types}, PRIMARY KEY ({key})) WITHOUT ROWID")
        insert(connection, name, columns)
    else:
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS pg_temp.{name}")
        connection.exec_driver_sql(f"CREATE TEMP TABLE {name} ({types}) ON COMMIT DROP")
        insert(connection, name, columns)
        connection.exec_driver_sql(f"ANALYZE {name}")
    return name


def fetch(
    connection: sa.Connection, query: str, parameters: Parameters, types: Mapping[str, TypeEngine]
) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of a query.

    Parameters
    ----------
    types : for each column of the query, in its order, the type of the schema.

    Returns
    -------
    arrays by column name: Date -> datetime64[s], DateTime -> datetime64[us] in UTC, Double -> float64 with NaN, whole
    numbers -> float64 with NaN, Boolean -> float64, Text -> object (str or None). `frame` gives them their final types.
    """
    parts: dict[str, list[npt.NDArray[Any]]] = {
        name: [np.empty(0, dtype=_forms(kind)[0])] for name, kind in types.items()
    }
    batches = _sqlite_batches if connection.dialect.name == "sqlite" else _postgres_batches
    for batch in batches(connection, query, parameters, types):
        for name, values in zip(types, batch, strict=True):
            parts[name].append(values)
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def fetch_frame(
    connection: sa.Connection, query: str, parameters: Parameters, columns: Sequence[sa.Column]
) -> pd.DataFrame:
    """Return the rows of a query over columns of the schema.

    Date -> datetime64[s]; DateTime -> datetime64[us, UTC]; Double -> float64, null = NaN; whole numbers -> int64, or
    Int64 where the column may be null; Boolean -> bool; Text -> object with str, null = None.
    """
    return frame_of(columns, fetch(connection, query, parameters, {column.name: column.type for column in columns}))


def frame_of(columns: Iterable[sa.Column], arrays: Mapping[str, npt.NDArray[Any]]) -> pd.DataFrame:
    """Return columns of the schema as a frame, each with the type that `fetch_frame` gives it."""
    return pd.DataFrame({column.name: _series(column, arrays[column.name]) for column in columns})


def _series(column: sa.Column, values: npt.NDArray[Any]) -> pd.Series:
    if isinstance(column.type, sa.Boolean):
        return pd.Series(values.astype(bool))
    if isinstance(column.type, sa.Integer):
        if not column.nullable:
            return pd.Series(values.astype(np.int64))
        absent = np.isnan(values)
        return pd.Series(pd.arrays.IntegerArray(np.where(absent, 0, values).astype(np.int64), absent))
    if isinstance(column.type, sa.DateTime):
        return pd.Series(values).dt.tz_localize("UTC")
    return pd.Series(values, dtype=values.dtype)


def _forms(kind: TypeEngine) -> tuple[np.dtype, pa.DataType]:
    """Return how `fetch` gives the values of a type of the schema, and how Arrow reads them from PostgreSQL's text."""
    if isinstance(kind, sa.Date):
        return np.dtype("datetime64[s]"), pa.date32()
    if isinstance(kind, sa.DateTime):
        return np.dtype("datetime64[us]"), pa.timestamp("us", "UTC")
    if isinstance(kind, sa.Text):
        return np.dtype(object), pa.string()
    return np.dtype(np.float64), pa.bool_() if isinstance(kind, sa.Boolean) else pa.float64()


def _sqlite_batches(
    connection: sa.Connection, query: str, parameters: Parameters, types: Mapping[str, TypeEngine]
) -> Iterable[list[npt.NDArray[Any]]]:
    cursor = connection.connection.cursor()
    cursor.execute(query, dict(parameters))
    while rows := cursor.fetchmany(FETCHED_AT_ONCE):
        columns = zip(*rows, strict=True)
        yield [_from_sqlite(values, kind) for values, kind in zip(columns, types.values(), strict=True)]


def _from_sqlite(values: tuple[Any, ...], kind: TypeEngine) -> npt.NDArray[Any]:
    form, _ = _forms(kind)
    if form.kind == "M":
        codes, distinct = pd.factorize(np.array(values, dtype=object))
        return np.array([*distinct, "NaT"], dtype=form)[codes]
    return np.array(values, dtype=form)


def _postgres_batches(
    connection: sa.Connection, query: str, parameters: Parameters, types: Mapping[str, TypeEngine]
) -> Iterable[list[npt.NDArray[Any]]]:
    cursor = connection.connection.cursor()
    statement = str(sa.text(query).compile(dialect=connection.dialect))
    complete = cursor.mogrify(statement, dict(parameters)).decode()
    rows = _Rows(types)
    cursor.copy_expert(f"COPY ({complete}) TO STDOUT (FORMAT csv)", rows)
    rows.parse()
    return rows.batches


class _Rows:
    """What COPY writes to: the server sends one whole row per call, so text can be parsed in bounded pieces."""

    def __init__(self, types: Mapping[str, TypeEngine]) -> None:
        self.batches: list[list[npt.NDArray[Any]]] = []
        self._types = types
        self._rows: list[bytes] = []
        self._bytes = 0
        self._convert = pa.csv.ConvertOptions(
            column_types={name: _forms(kind)[1] for name, kind in types.items()},
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )

    def write(self, row: bytes) -> None:
        self._rows.append(row)
        self._bytes += len(row)
        if self._bytes >= BYTES_AT_ONCE:
            self.parse()

    def parse(self) -> None:
        if not self._rows:
            return
        parsed = pa.csv.read_csv(
            io.BytesIO(b"".join(self._rows)),
            pa.csv.ReadOptions(column_names=list(self._types), use_threads=False),
            pa.csv.ParseOptions(newlines_in_values=True),
            self._convert,
        )
        self.batches.append([_from_arrow(parsed[name], kind) for name, kind in self._types.items()])
        self._rows, self._bytes = [], 0


def _from_arrow(values: pa.ChunkedArray, kind: TypeEngine) -> npt.NDArray[Any]:
    form, _ = _forms(kind)
    if form.kind == "O":
        encoded = values.combine_chunks().dictionary_encode()
        distinct = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
        return distinct[encoded.indices.fill_null(-1).to_numpy()]
    return values.to_numpy().astype(form)
