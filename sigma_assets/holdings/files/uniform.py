"""The columns of a plain table, cut many lines at a time: for long files, which mostly are plain."""

import re
from collections.abc import Sequence

import numpy as np

from sigma_assets.holdings.brokers.sources import known_sources, plain
from sigma_assets.holdings.files.dialects import DELIMITERS, LONGEST_CELL
from sigma_assets.holdings.files.recognition import Found

_AT_ONCE = 500_000
"""Characters that are cut at once."""
_BLANK = re.compile(r"[^\S\n]")
"""What `strip` takes off, besides line breaks."""


def uniform_columns(text: str, found: Found) -> tuple[str, list[list[str]]] | None:
    """Return the text up to the header, and the columns of all rows below; None where any line needs a look by itself.

    The rows are those of a reading line by line: nothing is quoted, and no line is blank, a comment, a header, or of
    another width. The cells are stripped, and repeated ones kept once.
    """
    if '"' in text or found.delimiter not in DELIMITERS:
        return None
    lines = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    start = 0
    for _ in range(found.line):
        start = lines.find("\n", start) + 1
        if not start:
            return None
    end = len(lines) - 1 if lines.endswith("\n") else len(lines)
    width = len(found.names)
    if end <= start or lines.startswith("#", start) or lines.find("\n#", start) >= 0:
        return None
    if not _has_width(lines[start:end], found.delimiter, width):
        return None
    starts = {plain(cells) for source in known_sources() for cells in source.recognise} | {plain(found.names[0])}
    columns: list[list[str]] = [[] for _ in range(width)]
    once: dict[str, str] = {}
    head = lines[:start]
    while start < end:
        stop = lines.find("\n", min(start + _AT_ONCE, end), end)
        stop = end if stop < 0 else stop
        chunk = lines[start:stop]
        cells = chunk.replace("\n", found.delimiter).split(found.delimiter)
        if _BLANK.search(chunk):
            cells = list(map(str.strip, cells))
        parts = [cells[place::width] for place in range(width)]
        first = set(parts[0])
        is_blank = "" in first and any(not any(row) for row in zip(*parts, strict=True))
        if is_blank or any(cell.lower() in starts for cell in first):
            return None
        for column, part in zip(columns, parts, strict=True):
            extend(column, part, once)
        start = stop + 1
    return head, columns


def extend(column: list[str], cells: Sequence[str], once: dict[str, str]) -> None:
    """Add cells to a column; where most are repeated, equal ones are kept once."""
    distinct = set(cells)
    if len(distinct) < len(cells) / 2:
        kept = {cell: once.setdefault(cell, cell) for cell in distinct}
        column.extend(map(kept.__getitem__, cells))
    else:
        column.extend(cells)


def _has_width(body: str, delimiter: str, width: int) -> bool:
    """Return whether each line has so many cells, two or more, and is not longer than one cell may be."""
    signs = np.frombuffer(body.encode("utf-8", "surrogatepass") + b"\n", dtype=np.uint8)
    ends, cuts = np.flatnonzero(signs == ord("\n")), np.flatnonzero(signs == ord(delimiter))
    if width < 2 or len(cuts) != len(ends) * (width - 1) or np.diff(ends, prepend=-1).max() > LONGEST_CELL:
        return False
    of_line = cuts.reshape(len(ends), width - 1)
    return bool((of_line[:, -1] < ends).all() and (of_line[1:, 0] > ends[:-1]).all())
