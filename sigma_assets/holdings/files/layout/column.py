"""The cells of a column: kept as Arrow text, which takes a fifth of the memory of Python's, and looked at once per text."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sigma_assets.base.contracts import instrument_of
from sigma_assets.base.frames import BoolArray, FloatArray
from sigma_assets.base.numerals import MAX_WHOLE_DIGITS

Codes = npt.NDArray[np.integer]
Objects = npt.NDArray[np.object_]

_AT_ONCE = 10_000
"""Cells that are Python texts at one time."""
_TOTAL = re.compile(
    r"(?:(?:grand|sub|account|portfolio|positions?|overall)[ -]?)?totals?:?"
    r"|total (?:account|portfolio|positions?|holdings|assets|cost|(?:account |portfolio |market )?value):?",
    re.IGNORECASE,
)
"""The first words of a line that adds up the lines above it."""
_GROUPS = MAX_WHOLE_DIGITS // 3 - 1
_BARE = rf"[0-9]{{1,{MAX_WHOLE_DIGITS}}}"


class Column:
    """The cells of a column, by row, from parts that stand one below the other."""

    def __init__(self, *parts: pa.StringArray | pa.ChunkedArray) -> None:
        self._cells = pa.chunked_array(
            [chunk for part in parts for chunk in getattr(part, "chunks", [part])], type=pa.string()
        )

    @classmethod
    def empty(cls, count: int) -> "Column":
        """Return a column of empty cells."""
        return cls(pa.repeat(pa.scalar("", pa.string()), count))

    def __len__(self) -> int:
        return len(self._cells)

    def __getitem__(self, row: int) -> str:
        return self._cells[int(row)].as_py()

    def index(self, text: str) -> int:
        """Return the first row that has a text, -1 if none has."""
        return pc.index(self._cells, text).as_py()

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self._cells.slice(start, _AT_ONCE).to_pylist()

    @cached_property
    def _coded(self) -> Any:
        return self._cells.dictionary_encode().combine_chunks()

    @property
    def distinct(self) -> list[str]:
        """The different cells, in the order in which they first occur."""
        return self._coded.dictionary.to_pylist()

    @property
    def codes(self) -> npt.NDArray[np.int32]:
        """For each row the place of its cell in `distinct`."""
        return self._coded.indices.to_numpy()

    def having(self, test: Callable[[str], Any]) -> BoolArray:
        """Return in which rows a test of the cell holds; each different cell is tested once."""
        return np.array([bool(test(text)) for text in self.distinct], dtype=bool)[self.codes]

    def among(self, texts: Iterable[str]) -> BoolArray:
        """Return which rows have one of some texts."""
        return pc.is_in(self._cells, value_set=pa.array(list(texts), pa.string())).to_numpy(zero_copy_only=False)

    def matching(self, pattern: str) -> BoolArray:
        """Return in which rows a pattern is found, in RE2's notation."""
        return pc.match_substring_regex(self._cells, pattern).to_numpy(zero_copy_only=False)

    def holds_anything(self) -> bool:
        """Return whether any cell is not empty."""
        return bool(len(self)) and pc.max(pc.binary_length(self._cells)).as_py() > 0

    def at(self, rows: npt.NDArray[Any]) -> "Column":
        """Return the cells of some rows, given by their places or by a flag each."""
        return Column(self._cells.filter(pa.array(rows)) if rows.dtype == bool else self._cells.take(pa.array(rows)))

    def plain_numbers(self, decimal: str) -> tuple[FloatArray, BoolArray]:
        """Return the numbers of plainly written cells, NaN in others; and which cells those plain ones are.

        Plain is what nothing has to be thought about: digits, at most eight of them behind the decimal sign, grouped by
        thousands or not; a sign, a `$`; parentheses for a negative number. Anything else is for `written_number`.
        """
        point, comma = re.escape(decimal), "," if decimal == "." else r"\."
        size = rf"\$?(?:[0-9]{{1,3}}(?:{comma}[0-9]{{3}}){{1,{_GROUPS}}}|{_BARE})(?:{point}[0-9]{{0,8}})?"
        values = np.full(len(self), np.nan)
        is_bare = self.matching(rf"^-?{_BARE}(?:{point}[0-9]{{0,8}})?$")
        is_plain = is_bare if is_bare.all() else is_bare | self.matching(rf"^(?:[+-]?{size}|\({size}\))$")
        for rows in (is_bare, is_plain & ~is_bare):
            if not rows.any():
                continue
            cells = self._cells.filter(pa.array(rows)) if not rows.all() else self._cells
            if rows is not is_bare:
                for sign, meaning in (
                    ("+", ""),
                    ("$", ""),
                    (")", ""),
                    ("(", "-"),
                    ("," if decimal == "." else ".", ""),
                ):
                    cells = pc.replace_substring(cells, sign, meaning)
            if decimal == ",":
                cells = pc.replace_substring(cells, ",", ".")
            values[rows] = pc.cast(cells, pa.float64()).to_numpy(zero_copy_only=False)
        return values, is_plain


def distinct_rows(*codes: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the first row of each different combination of codes, and for each row which combination it has."""
    of_row = np.zeros(len(codes[0]), dtype=np.intp)
    for each in codes:
        of_row = pd.factorize(of_row * (int(each.max(initial=0)) + 1) + each)[0]
    first = np.empty(int(of_row.max(initial=-1)) + 1, dtype=np.intp)
    first[of_row[::-1]] = np.arange(len(of_row) - 1, -1, -1)
    return first, of_row


def total_rows(columns: list[Column]) -> BoolArray:
    """Return which rows are a total by what their first filled cell says."""
    totals = is_empty = np.zeros(0, dtype=bool)
    for place, column in enumerate(columns):
        if not place:
            totals, is_empty = np.zeros(len(column), dtype=bool), np.ones(len(column), dtype=bool)
        words = np.flatnonzero(is_empty & column.matching("(?i)total"))
        totals[words] = column.at(words).having(_TOTAL.fullmatch)
        is_empty &= column.among([""])
    return totals


def prose_rows(columns: list[Column]) -> BoolArray:
    """Return which rows are a line of text as wide as the table: one cell alone is filled, by words that are no symbol."""
    filled = np.sum([~column.among([""]) for column in columns], axis=0, dtype=np.int64)
    is_prose = np.zeros(len(columns[0]), dtype=bool)
    alone = np.flatnonzero(filled == 1)
    for column in columns if len(alone) else ():
        is_prose[alone] |= column.at(alone).having(lambda cell: " " in cell and instrument_of(cell)[0] is None)
    return is_prose
