"""Columns between DataFrames and tables: checked and brought to one form per type of the schema."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from sigma_assets.base.errors import RowsError
from sigma_assets.base.frames import BoolArray

_NUMBERS = {"floating", "integer", "mixed-integer-float", "empty", "boolean", "decimal"}


@dataclass(frozen=True)
class ColumnValues:
    """The values of one column.

    Attributes
    ----------
    values : array of shape (n_rows,)
        datetime64[D], datetime64[us] (UTC), float64, int64, bool or str (object), by the type of the column.
    absent : bool array of shape (n_rows,)
        Where the value is null; `values` has NaN, NaT, None or 0 there.
    """

    values: npt.NDArray[Any]
    absent: BoolArray

    def part(self, rows: slice | npt.NDArray[np.intp]) -> "ColumnValues":
        """Return the values of some rows."""
        return ColumnValues(self.values[rows], self.absent[rows])

    def as_list(self) -> list[Any]:
        """Return what SQLite stores: dates and moments as ISO text that sorts, NaN as it is (SQLite makes it null)."""
        kind = self.values.dtype.kind
        if kind == "f":
            return self.values.tolist()
        if kind == "M":
            codes, distinct = pd.factorize(self.values)
            text = np.array([None, *(_iso(value) for value in distinct)], dtype=object)
            return text[codes + 1].tolist()
        if kind != "O" and self.absent.any():
            return [None if null else value for value, null in zip(self.values.tolist(), self.absent, strict=True)]
        return self.values.tolist()

    def as_arrow(self) -> pa.Array:
        """Return the same as an Arrow array, nulls marked."""
        if self.values.dtype == "datetime64[us]":
            return pa.array(self.values, type=pa.timestamp("us", "UTC"), mask=self.absent)
        if self.values.dtype == object:
            return pa.array(self.values, type=pa.string(), mask=self.absent)
        return pa.array(self.values, mask=self.absent)


def checked_columns(
    table: sa.Table, frame: pd.DataFrame, names: Iterable[str] | None = None
) -> dict[str, ColumnValues]:
    """Return the columns of a frame in the order of the table, fit to be stored.

    Parameters
    ----------
    names : the columns that the frame must have, neither more nor fewer; by default all of the table.

    Raises
    ------
    RowsError
        A column is missing or unknown, a value has the wrong type, is infinite, or is absent where it must not be, or a
        key comes twice. Names table, column and the first offending key.
    """
    wanted = [column for column in table.columns if names is None or column.name in set(names)]
    _check_names(table, frame, [column.name for column in wanted])
    stored = {column.name: _values(column, frame) for column in wanted}
    for column in wanted:
        absent = stored[column.name].absent
        if not column.nullable and absent.any():
            raise _refused(column, frame, int(absent.argmax()), "no value", "a value in every row")
    _check_unique(table, frame, stored)
    return stored


def column_values(table: sa.Table, frame: pd.DataFrame) -> dict[str, ColumnValues]:
    """Return the columns of a frame that `checked_columns` has found fit to be stored."""
    return {column.name: _values(column, frame) for column in table.columns}


def _check_names(table: sa.Table, frame: pd.DataFrame, wanted: list[str]) -> None:
    missing = [name for name in wanted if name not in frame.columns]
    unknown = [str(name) for name in frame.columns if name not in wanted]
    repeated = [str(name) for name in frame.columns[frame.columns.duplicated()]]
    for names, problem in ((missing, "missing"), (unknown, "unknown"), (repeated, "repeated")):
        if names:
            raise RowsError(f"{table.name}: {problem} column {', '.join(names)}; expected {', '.join(wanted)}")


def _check_unique(table: sa.Table, frame: pd.DataFrame, stored: dict[str, ColumnValues]) -> None:
    keys = [column.name for column in table.primary_key if column.name in stored]
    if len(keys) < len(table.primary_key) or len(frame) < 2:
        return
    codes = pd.DataFrame({name: pd.factorize(stored[name].values)[0] for name in keys})
    twice = codes.duplicated().to_numpy()
    if twice.any():
        first = int(twice.argmax())
        raise RowsError(
            f"{table.name}: two rows for {_key(table, frame, first)}; expected one row per {', '.join(keys)}"
        )


def _values(column: sa.Column, frame: pd.DataFrame) -> ColumnValues:
    series = frame[column.name]
    if isinstance(column.type, sa.Date):
        return _days(column, frame, series)
    if isinstance(column.type, sa.DateTime):
        return _moments(column, frame, series)
    if isinstance(column.type, sa.Text):
        return _texts(column, frame, series)
    return _numbers(column, frame, series)


def _days(column: sa.Column, frame: pd.DataFrame, series: pd.Series) -> ColumnValues:
    if series.dtype.kind != "M":
        if pd.api.types.infer_dtype(series, skipna=True) not in {"date", "datetime64", "datetime", "empty"}:
            row = int(series.notna().to_numpy().argmax())
            raise _refused(column, frame, row, repr(series.iloc[row]), "dates")
        series = series.astype("datetime64[s]")
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        raise RowsError(f"{column.table.name}.{column.name}: found {series.dtype}; expected dates without a time zone")
    moments = series.to_numpy()
    days = moments.astype("datetime64[D]")
    absent = np.isnat(days)
    inexact = (days != moments) & ~absent
    if inexact.any():
        row = int(inexact.argmax())
        raise _refused(column, frame, row, str(moments[row]), "a date without a time of day")
    return ColumnValues(days, absent)


def _moments(column: sa.Column, frame: pd.DataFrame, series: pd.Series) -> ColumnValues:
    if not isinstance(series.dtype, pd.DatetimeTZDtype) and series.notna().any():
        row = int(series.notna().to_numpy().argmax())
        raise _refused(column, frame, row, repr(series.iloc[row]), "moments with a time zone")
    moments = pd.to_datetime(series, utc=True).dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    return ColumnValues(moments, np.isnat(moments))


def _texts(column: sa.Column, frame: pd.DataFrame, series: pd.Series) -> ColumnValues:
    texts = series.to_numpy(dtype=object)
    absent = series.isna().to_numpy()
    if not isinstance(series.dtype, pd.StringDtype) and pd.api.types.infer_dtype(texts[~absent]) not in {
        "string",
        "empty",
    }:
        row = next(row for row, value in enumerate(texts) if not absent[row] and not isinstance(value, str))
        raise _refused(column, frame, row, repr(texts[row]), "text")
    if absent.any():
        texts = texts.copy()
        texts[absent] = None
    return ColumnValues(texts, absent)


def _numbers(column: sa.Column, frame: pd.DataFrame, series: pd.Series) -> ColumnValues:
    if (
        not pd.api.types.is_numeric_dtype(series.dtype)
        and pd.api.types.infer_dtype(series, skipna=True) not in _NUMBERS
    ):
        row = int(series.notna().to_numpy().argmax())
        raise _refused(column, frame, row, repr(series.iloc[row]), "numbers")
    if (
        series.dtype.kind in "iub"
        and not isinstance(column.type, sa.Double)
        and series.dtype == series.to_numpy().dtype
    ):
        numbers, absent = series.to_numpy(), np.zeros(len(series), dtype=bool)
    else:
        numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
        absent = np.isnan(numbers)
    if isinstance(column.type, sa.Double):
        infinite = np.isinf(numbers)
        if infinite.any():
            raise _refused(column, frame, int(infinite.argmax()), str(numbers[infinite.argmax()]), "finite numbers")
        return ColumnValues(numbers, absent)
    whole = np.where(absent, 0, numbers)
    is_flag = isinstance(column.type, sa.Boolean)
    odd = ~np.isin(whole, (0, 1)) if is_flag else whole != np.floor(whole)
    odd |= np.isinf(whole)
    if odd.any():
        row = int(odd.argmax())
        raise _refused(column, frame, row, str(numbers[row]), "true or false" if is_flag else "whole numbers")
    return ColumnValues(whole.astype(bool if is_flag else np.int64), absent)


def _refused(column: sa.Column, frame: pd.DataFrame, row: int, found: str, expected: str) -> RowsError:
    place = f"{column.table.name}.{column.name}"
    return RowsError(f"{place}: found {found} in the row {_key(column.table, frame, row)}; expected {expected}")


def _key(table: sa.Table, frame: pd.DataFrame, row: int) -> str:
    names = [column.name for column in table.primary_key if column.name in frame.columns]
    parts = []
    for name in names or list(frame.columns[:3]):
        value = frame[name].iloc[row]
        parts.append(f"{name} {value.date() if isinstance(value, pd.Timestamp) else value}")
    return ", ".join(parts)


def _iso(value: Any) -> str:
    return str(value).replace("T", " ")
