"""Rows as JSON, CSV or Arrow, block by block; and which of these a client accepts."""

import io
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa
from fastapi import HTTPException

from sigma_assets.reports.numbers import csv_text, json_text
from sigma_assets.storage.schema import outgoing_columns

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"


def json_parts(blocks: Iterator["pd.DataFrame"], table: str) -> Iterator[bytes]:
    """Yield a JSON array of rows."""
    start = b"["
    for block in blocks:
        if len(block):
            yield start + json_text(block)[1:-1].encode()
            start = b",\n"
    yield b"[]" if start == b"[" else b"]"


def csv_parts(blocks: Iterator["pd.DataFrame"], table: str) -> Iterator[bytes]:
    """Yield a header and rows."""
    header = True
    for block in blocks:
        yield csv_text(block, header=header).encode()
        header = False


def arrow_parts(blocks: Iterator["pd.DataFrame"], table: str) -> Iterator[bytes]:
    """Yield an Arrow IPC stream, a record batch a block; each field carries what the schema says of it."""
    import pyarrow as pa

    schema = arrow_schema(outgoing_columns(table))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        for block in blocks:
            writer.write_table(pa.Table.from_pandas(block, schema=schema, preserve_index=False))
            yield _taken(sink)
    yield _taken(sink)


RENDERINGS: dict[str, tuple[Callable[[Iterator["pd.DataFrame"], str], Iterator[bytes]], str, str]] = {
    JSON: (json_parts, JSON, "json"),
    CSV: (csv_parts, f"{CSV}; charset=utf-8", "csv"),
    ARROW: (arrow_parts, ARROW, "arrow"),
}
"""What can be accepted: how it is made, the content type of the answer, the extension of its file."""


def arrow_schema(columns: Sequence[sa.Column]) -> "pa.Schema":
    """Return the columns of a table as Arrow has them."""
    import pyarrow as pa

    kinds = {
        sa.Double: pa.float64(), sa.BigInteger: pa.int64(), sa.Integer: pa.int64(), sa.Boolean: pa.bool_(),
        sa.Text: pa.string(), sa.Date: pa.date32(), sa.DateTime: pa.timestamp("us", "UTC"),
    }  # fmt: skip
    fields = [
        pa.field(column.name, kinds[type(column.type)], bool(column.nullable), {"description": column.comment or ""})
        for column in columns
    ]
    return pa.schema(fields)


def accepted(header: str) -> str:
    """Return the format that an `Accept` header prefers; of equals the first that is offered.

    Raises
    ------
    HTTPException
        406: it accepts none that there is.
    """
    ranges = [_range(part) for part in header.split(",") if part.strip()]
    best, quality = "", 0.0
    for form in RENDERINGS:
        whole, major = form, f"{form.split('/')[0]}/*"
        fitting = [(len(name.replace("*", "")), q) for name, q in ranges if name in (whole, major, "*/*")]
        q = max(fitting)[1] if fitting else 0.0
        if q > quality:
            best, quality = form, q
    if not best:
        raise HTTPException(
            406, f"Accept: {header[:100]}: there is no such format here; there are {', '.join(RENDERINGS)}"
        )
    return best


def _range(part: str) -> tuple[str, float]:
    name, *options = (each.strip().lower() for each in part.split(";"))
    quality = next((option[2:] for option in options if option.startswith("q=")), "1")
    try:
        return name, float(quality)
    except ValueError:
        return name, 0.0


def _taken(sink: io.BytesIO) -> bytes:
    """Return what was written since the last look, and forget it."""
    written = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return written
