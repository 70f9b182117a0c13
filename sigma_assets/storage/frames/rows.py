"""Computed rows: a scope of sessions, portfolios and symbols is replaced as a whole, or read as a whole."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from sigma_assets.base.errors import RowsError, StorageError
from sigma_assets.base.frames import BoolArray
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames import arrays, bulk
from sigma_assets.storage.frames.columns import ColumnValues, checked_columns, column_values
from sigma_assets.storage.frames.matrices import packed, unpacked
from sigma_assets.storage.schema import ARRAYS, PACKED, stored_table

_ROUNDING = 1e-11
"""A sum differs by less than this, as a share of the sum of absolute values, when it is added up in another order."""
LOCKED_ONE_BY_ONE = 64
"""A writer of more portfolios than this locks the whole table: PostgreSQL has a bounded number of locks."""


@dataclass(frozen=True)
class Rows:
    """Which rows: sessions from `first` to `last`, both included, of some portfolios and symbols; None = of all."""

    first: date
    last: date
    portfolio_ids: Sequence[str] | None = None
    symbols: Sequence[str] | None = None

    def _lists(self) -> dict[str, Sequence[str]]:
        lists = {"portfolio_id": self.portfolio_ids, "symbol": self.symbols}
        return {column: values for column, values in lists.items() if values is not None}


def replace_rows(db: Database, frames: Mapping[sa.Table, pd.DataFrame], scope: Rows) -> dict[str, int]:
    """Replace all rows of a scope, in all the given tables, in one transaction.

    Doing it twice leaves the same rows. Of two writers at once one comes after the other: never a mix.

    Parameters
    ----------
    frames : per table a DataFrame with exactly its columns, in any order; dates as datetime64 or date, NaN, NaT or None
        where there is no value. A frame without rows empties the scope.

    Returns
    -------
    rows written per table name.

    Raises
    ------
    RowsError
        A frame does not fit its table, or has rows outside the scope; nothing is changed.
    """
    checked: dict[sa.Table, dict[str, ColumnValues]] = {}
    for table, frame in frames.items():
        checked[table] = checked_columns(table, frame)
        _check_inside(table, frame, checked[table], scope)
        if table in PACKED:
            checked[PACKED[table]] = checked_columns(PACKED[table], packed(frame))
            del checked[table]

    def write(connection: sa.Connection) -> dict[str, int]:
        _lock(connection, checked, scope)
        for table, columns in checked.items():
            stored = stored_table(table, db.dialect)
            condition, parameters = _condition(connection, stored, scope)
            connection.execute(sa.text(f"DELETE FROM {stored.name} WHERE {condition}"), parameters)
            if stored in ARRAYS.values():
                arrays.insert(connection, stored, columns)
            else:
                bulk.insert(connection, stored.name, columns)
        return {table.name: len(frame) for table, frame in frames.items()}

    return db.in_transaction(write)


def read_rows(db: Database, table: sa.Table, scope: Rows, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the rows of a scope, sorted by the key of the table, text by code point.

    Parameters
    ----------
    columns : which ones, in this order; by default all.

    Returns
    -------
    DataFrame
        Date -> datetime64[s]; Double -> float64, null = NaN; counts -> int64, or Int64 where null is allowed; Boolean
        -> bool; Text -> object with str, null = None; moments -> datetime64[us, UTC].

    Raises
    ------
    StorageError
        The table has no such column, or none of the scope's.
    """
    names = list(columns) if columns is not None else list(table.columns.keys())
    unknown = [name for name in names if name not in table.columns]
    if unknown:
        raise StorageError(f"{table.name}: no column {', '.join(unknown)}; there are {', '.join(table.columns.keys())}")

    if table in PACKED:
        matrices = read_rows(db, PACKED[table], replace(scope, symbols=None))
        pairs = unpacked(matrices)
        wanted = pairs if scope.symbols is None else pairs[pairs["symbol"].isin(list(scope.symbols))]
        return wanted[names].reset_index(drop=True)

    def read(connection: sa.Connection) -> pd.DataFrame:
        condition, parameters = _condition(connection, table, scope)
        order = bulk.ordered(connection, table, table.primary_key.columns.keys())
        query = f"SELECT {bulk.quoted(names)} FROM {table.name} WHERE {condition} ORDER BY {order}"
        return bulk.fetch_frame(connection, query, parameters, [table.c[name] for name in names])

    return db.in_snapshot(read)


def as_read(table: sa.Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows that were stored as `read_rows` would return them, without reading them.

    Parameters
    ----------
    frame : as it was given to `replace_rows`.
    """
    values = column_values(table, frame)
    keys = [pd.factorize(values[name].values, sort=True)[0] for name in table.primary_key.columns.keys()]  # noqa: SIM118
    order = np.lexsort(keys[::-1])
    rows = bulk.frame_of(
        table.columns, {column.name: _as_fetched(column, values[column.name]) for column in table.columns}
    )
    return rows if (np.diff(order) == 1).all() else rows.iloc[order].reset_index(drop=True)


def is_stored(db: Database, table: sa.Table, scope: Rows, rows: pd.DataFrame) -> bool:
    """Return whether a scope has as many rows as these, and each of its columns of numbers the same sum but for rounding.

    The database adds up, and hands over a line. What it stored otherwise than it was told (a trigger, a type of another
    width, a row that is gone) shows. A packed table has no such columns: it is never taken for stored.
    """
    if table in PACKED:
        return False
    numbers = [column.name for column in table.columns if isinstance(column.type, sa.Double)]
    sums = "".join(f', sum("{name}")' for name in numbers)

    def read(connection: sa.Connection) -> Sequence[Any]:
        condition, parameters = _condition(connection, table, scope)
        return connection.execute(
            sa.text(f"SELECT count(*){sums} FROM {table.name} WHERE {condition}"), parameters
        ).one()

    count, *totals = db.in_snapshot(read)
    return count == len(rows) and all(
        _adds_up_to(rows[name].to_numpy(), total) for name, total in zip(numbers, totals, strict=True)
    )


def _adds_up_to(values: npt.NDArray[np.float64], total: float | None) -> bool:
    known = values[~np.isnan(values)]
    if total is None:
        return len(known) == 0
    return len(known) > 0 and bool(abs(total - known.sum()) <= _ROUNDING * np.abs(known).sum())


def _as_fetched(column: sa.Column, values: ColumnValues) -> npt.NDArray[Any]:
    if isinstance(column.type, sa.Date):
        return values.values.astype("datetime64[s]")
    if isinstance(column.type, sa.Integer) and not isinstance(column.type, sa.Boolean):
        return np.where(values.absent, np.nan, values.values)
    return values.values


def stored_range(db: Database, table: sa.Table, portfolio_id: str | None = None) -> tuple[date, date] | None:
    """Return the first and last session with a row (of a portfolio, if one is given); None without any."""
    table = stored_table(table, db.dialect)
    query = sa.select(sa.func.min(table.c.session), sa.func.max(table.c.session))
    if portfolio_id is not None:
        query = query.where(table.c.portfolio_id == portfolio_id)
    first, last = db.in_snapshot(lambda connection: connection.execute(query).one())
    return None if first is None else (first, last)


def _condition(connection: sa.Connection, table: sa.Table, scope: Rows) -> tuple[str, dict[str, Any]]:
    conditions = ["session BETWEEN :first AND :last"]
    parameters: dict[str, Any] = {"first": scope.first.isoformat(), "last": scope.last.isoformat()}
    for column, values in scope._lists().items():
        if column not in table.columns:
            raise StorageError(f"{table.name}: a scope of {column}s was asked for, but it has no column {column}")
        conditions.append(bulk.among(connection, column, f"{column}s"))
        parameters[f"{column}s"] = bulk.as_list_parameter(connection, values)
    return " AND ".join(conditions), parameters


def _check_inside(table: sa.Table, frame: pd.DataFrame, columns: Mapping[str, ColumnValues], scope: Rows) -> None:
    days = columns["session"].values
    _refuse_outside(table, frame, (days < np.datetime64(scope.first)) | (days > np.datetime64(scope.last)), scope)
    for name, allowed in scope._lists().items():
        if name in columns:
            permitted = set(allowed)
            codes, distinct = pd.factorize(columns[name].values)
            outside = np.array([value not in permitted for value in distinct], dtype=bool)
            _refuse_outside(table, frame, outside[codes], scope)


def _refuse_outside(table: sa.Table, frame: pd.DataFrame, outside: BoolArray, scope: Rows) -> None:
    if outside.any():
        row = frame.iloc[int(outside.argmax())]
        key = ", ".join(f"{name} {row[name]}" for name in table.primary_key.columns.keys())  # noqa: SIM118 (no dict)
        lists = ", ".join(f"{len(values)} {column}s" for column, values in scope._lists().items())
        raise RowsError(
            f"{table.name}: {int(outside.sum())} rows outside the scope, the first is {key};"
            f" expected sessions from {scope.first} to {scope.last}"
            + (f" of the {lists} of the scope" if lists else "")
        )


def _lock(connection: sa.Connection, tables: Iterable[sa.Table], scope: Rows) -> None:
    """Queue up behind writers of the same rows; SQLite has one writer anyway.

    A few portfolios: each of them, and the tables shared with writers of other portfolios. Else: the tables alone. Keys
    are taken in ascending order, tables before portfolios, so that no two writers wait for each other.
    """
    if connection.dialect.name == "sqlite":
        return
    portfolios = scope.portfolio_ids if scope.portfolio_ids is not None else ()
    few = 0 < len(portfolios) <= LOCKED_ONE_BY_ONE
    names = [f"table {table.name}" for table in tables]
    _advisory_lock(connection, "pg_advisory_xact_lock_shared" if few else "pg_advisory_xact_lock", names)
    if few:
        _advisory_lock(connection, "pg_advisory_xact_lock", [f"portfolio {portfolio}" for portfolio in portfolios])


def _advisory_lock(connection: sa.Connection, function: str, names: Iterable[str]) -> None:
    keys = sorted(lock_key(name) for name in names)
    connection.execute(sa.text(f"SELECT {function}(key) FROM unnest(CAST(:keys AS bigint[])) AS key"), {"keys": keys})


def lock_key(name: str) -> int:
    """Return the number of an advisory lock of PostgreSQL: the same in every process, distinct from others' locks."""
    return int.from_bytes(hashlib.blake2b(f"sigma_assets {name}".encode(), digest_size=8).digest(), "big", signed=True)
