"""The columns of a plain table, cut many lines at a time: for long files, which mostly are plain."""

import codecs
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from sigma_assets.holdings.brokers.sources import known_sources, plain
from sigma_assets.holdings.files.layout.dialects import DELIMITERS, LONGEST_CELL
from sigma_assets.holdings.files.layout.recognition import Found

_AT_ONCE = 250_000
"""Characters that are cut at once."""
_BLANK = re.compile(r"[^\S\n]")
"""What `strip` takes off, besides line breaks."""


@dataclass(frozen=True)
class Uniform:
    """What could be cut at once.

    Attributes
    ----------
    head, tail : the text up to the header, and what is left below the rows, to be read line by line.
    rows : how many rows there are; they stand in lines that follow each other.
    columns : for each column its parts, one below the other.
    """

    head: str
    tail: str
    rows: int
    columns: list[list[pa.StringArray]]


def uniform_columns(text: str, found: Found) -> Uniform | None:
    """Return the columns of the rows below the header, as far as no line needs a look by itself; None if the first does.

    The rows are those of a reading line by line: nothing is quoted, and no line is blank, a comment, a header, or of
    another width. The cells are stripped.
    """
    width = len(found.names)
    if found.delimiter not in DELIMITERS or width < 2:
        return None
    lines = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    start = _below_the_header(lines, found)
    if start is None:
        return None
    begin, end = start, len(lines)
    if (quote := lines.find('"', start)) >= 0:
        end = max(start, lines.rfind("\n", 0, quote) + 1)
    starts = {plain(cells) for source in known_sources() for cells in source.recognise} | {plain(found.names[0])}
    columns: list[list[pa.StringArray]] = [[] for _ in range(width)]
    rows = 0
    while start < end:
        stop = lines.find("\n", min(start + _AT_ONCE, end - 1), end) + 1 or end
        parts = _cut(lines[start:stop].removesuffix("\n"), found.delimiter, width)
        if parts is None or any(cell.lower() in starts for cell in parts[0].unique().to_pylist()):
            break
        for column, part in zip(columns, parts, strict=True):
            column.append(part)
        rows += len(parts[0])
        start = stop
    return Uniform(lines[:begin], lines[start:], rows, columns) if rows else None


def _below_the_header(lines: str, found: Found) -> int | None:
    """Return where the first line below the header begins; None if the header is not one whole line."""
    start = before = 0
    for _ in range(found.line):
        before, start = start, lines.find("\n", start) + 1
        if not start:
            return None
    header = lines[before:start]
    if '"' in header:
        try:
            (cells,) = csv.reader([header], strict=True, skipinitialspace=True, delimiter=found.delimiter)
        except csv.Error:
            return None
        if list(map(str.strip, cells)) != found.names:
            return None
    return start


def _cut(chunk: str, delimiter: str, width: int) -> Sequence[pa.StringArray] | None:
    """Return the columns of whole lines, None if any line needs a look by itself."""
    if chunk.startswith("#") or "\n#" in chunk:
        return None
    content = chunk.encode("utf-8")
    if content.startswith(codecs.BOM_UTF8) or not _has_width(content, delimiter, width):
        return None
    if _BLANK.search(chunk.replace(delimiter, "") if delimiter == "\t" else chunk):
        cells = list(map(str.strip, chunk.replace("\n", delimiter).split(delimiter)))
        parts = [pa.array(cells[place::width], pa.string()) for place in range(width)]
    else:
        names = [str(place) for place in range(width)]
        table = pyarrow.csv.read_csv(
            pa.BufferReader(content),
            pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(content) + 1),
            pyarrow.csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
        parts = [table[name].chunk(0) for name in names]
    is_empty = np.ones(len(parts[0]), dtype=bool)
    for part in parts:
        is_empty &= pc.equal(pc.binary_length(part), 0).to_numpy(zero_copy_only=False)
    return None if is_empty.any() else parts


def _has_width(content: bytes, delimiter: str, width: int) -> bool:
    """Return whether each line has so many cells, and none is longer than one cell may be."""
    signs = np.frombuffer(content + b"\n", dtype=np.uint8)
    ends, cuts = np.flatnonzero(signs == ord("\n")), np.flatnonzero(signs == ord(delimiter))
    if len(cuts) != len(ends) * (width - 1) or np.diff(ends, prepend=-1).max() > LONGEST_CELL:
        return False
    of_line = cuts.reshape(len(ends), width - 1)
    return bool((of_line[:, -1] < ends).all() and (of_line[1:, 0] > ends[:-1]).all())
