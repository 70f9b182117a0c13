"""What the schema promises of every row, checked on rows that are stored: no nulls, no infinities, nothing out of range."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import sqlalchemy as sa


def broken_promises(table: sa.Table, rows: pd.DataFrame) -> Iterator[str]:
    """Yield one line per column that breaks its promise: table, column, what was found, where first.

    Parameters
    ----------
    rows : rows of the table, all its columns.
    """
    for column in table.columns:
        values = rows[column.name]
        if not column.nullable and values.isna().any():
            yield _line(table, rows, column.name, values.isna(), "is null")
        if isinstance(column.type, sa.Double | sa.BigInteger):
            numbers = values.to_numpy(dtype=float, na_value=np.nan)
            below, above = column.info.get("min", -np.inf), column.info.get("max", np.inf)
            if np.isinf(numbers).any():
                yield _line(table, rows, column.name, np.isinf(numbers), "is infinite")
            if ((numbers < below) | (numbers > above)).any():
                outside = (numbers < below) | (numbers > above)
                yield _line(table, rows, column.name, outside, f"is outside {below} to {above}")


def _line(table: sa.Table, rows: pd.DataFrame, name: str, broken: np.ndarray | pd.Series, words: str) -> str:
    broken = np.asarray(broken)
    first = rows.iloc[int(broken.argmax())]
    key = ", ".join(str(first[part.name]) for part in table.primary_key.columns)
    return f"{table.name}.{name} {words} on {int(broken.sum())} rows, first {key}: {first[name]}"
