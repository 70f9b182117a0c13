"""Rows with many per portfolio and session, on PostgreSQL: one line per portfolio and session, an array per column.

A row of its own for each lot repeats portfolio, session and lot, and the index of its key does so again: most of its
bytes. Who reads sees rows: a view of the old name unpacks the arrays. The key of a line is portfolio and session, so that
PostgreSQL itself refuses a portfolio's session twice; that no lot comes twice within it, `checked_columns` sees to.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from sigma_assets.base.conventions import PORTFOLIO_SESSION
from sigma_assets.base.errors import RowsError
from sigma_assets.storage.frames import bulk
from sigma_assets.storage.frames.columns import ColumnValues

_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def insert(connection: sa.Connection, table: sa.Table, columns: Mapping[str, ColumnValues]) -> None:
    """Append rows to a table of arrays (`ARRAYS`), a bounded number of them as text at one time.

    Parameters
    ----------
    columns : of the rows, as `checked_columns` returns them, in any order of rows. Items of an array keep this order, the
        same in each column. A column without any value in a session is one null there, not an array of them.

    Raises
    ------
    RowsError
        An id that the table keeps as a uuid is none, or is not written as PostgreSQL would return it.
    """
    for column in table.columns:
        if isinstance(column.type, ARRAY) and isinstance(column.type.item_type, UUID):
            _check_uuids(column, columns[column.name])
    for lines in _batches(columns):
        bulk.copy_in(connection, table.name, lines)


def _check_uuids(column: sa.Column, ids: ColumnValues) -> None:
    values = ids.as_arrow()
    odd = values.filter(pc.invert(pc.match_substring_regex(values, _UUID)))
    if len(odd):
        raise RowsError(f"{column.table.name}.{column.name}: found {odd[0].as_py()!r}; expected a uuid in lower case")


def _batches(columns: Mapping[str, ColumnValues]) -> Iterator[pa.RecordBatch]:
    lines = _lines(columns)
    starts = _starts(lines)
    if len(pd.unique(lines[starts])) < len(starts):  # some session's rows do not lie together
        order = np.argsort(lines, kind="stable")
        columns = {name: column.part(order) for name, column in columns.items()}
        starts = _starts(lines[order])
    limits = np.append(starts, len(lines))
    # a batch is the sessions that begin within as many rows; the last cut is behind all of them
    cuts = np.flatnonzero(np.diff(starts // bulk.ROWS_AT_ONCE, prepend=-1, append=len(lines)))
    for first, end in pairwise(cuts):
        offsets = limits[first : end + 1]
        batch = {
            name: column.part(offsets[:-1]).as_arrow()
            if name in PORTFOLIO_SESSION
            else _literals(column.part(slice(offsets[0], offsets[-1])), offsets - offsets[0])
            for name, column in columns.items()
        }
        yield pa.RecordBatch.from_arrays(list(batch.values()), names=list(batch))


def _lines(columns: Mapping[str, ColumnValues]) -> npt.NDArray[np.int64]:
    """Return a number for each row, the same for all rows of a portfolio's session."""
    portfolios, days = (columns[name].values for name in PORTFOLIO_SESSION)
    sessions, distinct = pd.factorize(days)
    return pd.factorize(portfolios)[0] * len(distinct) + sessions


def _starts(lines: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    return np.flatnonzero(np.diff(lines, prepend=-1))


def _literals(column: ColumnValues, offsets: npt.NDArray[np.intp]) -> pa.Array:
    """Return the arrays as PostgreSQL reads them: {1.5,NULL} or {"AAPL","a \\"quote\\""}; null where nothing is known."""
    values = column.as_arrow()
    if pa.types.is_string(values.type):
        escaped = pc.replace_substring(pc.replace_substring(values, "\\", "\\\\"), '"', '\\"')
        items = pc.binary_join_element_wise('"', escaped, '"', "")
    else:
        items = values.cast(pa.string())
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items.fill_null("NULL"))
    arrays = pc.binary_join_element_wise("{", pc.binary_join(lists, ","), "}", "")
    is_known = np.add.reduceat(~column.absent, offsets[:-1], dtype=np.int64) > 0
    return pc.if_else(pa.array(is_known), arrays, None)
