"""From the bytes of a holdings file to its rows of text, each with its physical line: the ERR_CSV problems."""

import csv
import difflib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from sigma_assets.base.errors import Problem, shown

MAX_BYTES = 10 * 1024 * 1024
MAX_COLUMNS = 100
"""A header beyond this is no holdings file; refused at once rather than name by name."""
MAX_PROBLEMS = 100_000
"""Checking ends here: the file is something else, and two million complaints would fill the memory, not help."""

REQUIRED_COLUMNS = ("Symbol", "Quantity", "Entry Price Per Share", "Entry Date")
COLUMNS = (
    *REQUIRED_COLUMNS,
    "Investment Class",
    "Investment Subtype",
    "Underlying Symbol",
    "Strike Price",
    "Expiration Date",
    "Option Type",
    "Exit Date",
    "Exit Price Per Share",
)
HEADER = ",".join(COLUMNS)
_CANONICAL = {name.lower(): name for name in COLUMNS}
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Row:
    """One line of holdings: `cells` has all of `COLUMNS`, stripped, empty where the file has nothing.

    `absent` are the required columns that the header lacks; they are reported once, not again for each row.
    """

    line: int
    cells: dict[str, str]
    absent: frozenset[str]


def read_rows(content: bytes, file_name: str, problems: list[Problem]) -> Iterator[Row]:
    """Yield the rows of a holdings file as text, and add to `problems` what is wrong with its form.

    Lines starting with `#`, blank lines and lines of empty cells are skipped, but counted: `Row.line` is what an editor
    shows. Columns that are not in `COLUMNS` are refused if anything stands in them: a misspelt header must not lose the
    exit of a lot without a word. Reading ends early when `problems` reaches `MAX_PROBLEMS`.
    """
    if not PurePath(file_name).name.lower().endswith(".csv"):
        problems.append(_problem("ERR_CSV_002", "a name that ends in .csv", "is not a .csv file"))
    if len(content) > MAX_BYTES:
        size = f"too large: {len(content):,} bytes"
        problems.append(_problem("ERR_CSV_001", f"at most {MAX_BYTES:,} bytes (10 MB)", size))
        return
    text = _decode(content, problems)
    if text is None:
        return
    already = len(problems)
    records = _records(text, problems)
    header = next(records, None)
    if header is None:
        if len(problems) == already:
            problems.append(_problem("ERR_CSV_003", f"the header {HEADER} and one line per lot", "is empty"))
        return
    names = _header(*header, problems)
    if names is not None:
        yield from _rows(names, header[0], records, problems)


def _problem(code: str, expected: str, message: str, line: int | None = None) -> Problem:
    return Problem(code, line, None, None, expected, message)


def _decode(content: bytes, problems: list[Problem]) -> str | None:
    if content.startswith(_BYTE_ORDER_MARKS):
        problems.append(_problem("ERR_CSV_006", "UTF-8 (save as `CSV UTF-8`)", "is UTF-16", 1))
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = _line_of(content, error.start)
        found = f"is not UTF-8: byte 0x{content[error.start]:02x}"
        problems.append(_problem("ERR_CSV_006", "UTF-8 (save as `CSV UTF-8`)", found, line))
        return None
    if "\0" in text:
        line = _line_of(content, content.index(b"\0"))
        problems.append(_problem("ERR_CSV_006", "text without NUL bytes", "holds a NUL byte", line))
        return None
    return text


def _line_of(content: bytes, offset: int) -> int:
    """Return the physical line of a byte; lines end with LF, CR LF or CR."""
    before = content[:offset].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return before.count(b"\n") + 1


class _Lines:
    """Feeds physical lines to the csv reader and drops comments and blank lines, but never inside a quoted field."""

    def __init__(self, text: str) -> None:
        self._stream = io.StringIO(text, newline="")
        self._at_start = True
        self.number = 0
        self.first = 0

    def start_record(self) -> None:
        self._at_start = True

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        for line in self._stream:
            self.number += 1
            if self._at_start:
                if line.startswith("#") or not line.strip():
                    continue
                self._at_start = False
                self.first = self.number
            return line
        raise StopIteration


def _records(text: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """Yield (first physical line, cells) of each record that is not blank."""
    lines = _Lines(text)
    reader = csv.reader(lines, strict=True, skipinitialspace=True)
    while len(problems) < MAX_PROBLEMS:
        lines.start_record()
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            found = f"cannot be read: {error}"
            problems.append(_problem("ERR_CSV_006", 'fields as in `a,"b, c"`, quotes closed', found, lines.first))
            if lines.number > lines.first:  # an open quote swallowed lines: where the next record starts is unknown
                return
            continue
        if any(cells):
            yield lines.first, cells


def _header(line: int, cells: list[str], problems: list[Problem]) -> list[str] | None:
    """Return the column of each field, its own spelling where it is unknown; None if this is no header."""
    if len(cells) > MAX_COLUMNS:
        found = f"has {len(cells):,} columns"
        problems.append(_problem("ERR_CSV_006", f"the {len(COLUMNS)} columns {HEADER}", found, line))
        return None
    names = [_CANONICAL.get(" ".join(cell.lower().split()), cell) for cell in cells]
    if not set(names) & set(COLUMNS):
        hint = " separated by commas" if len(cells) == 1 else ""
        expected = f"the header {HEADER}{hint}"
        problems.append(Problem("ERR_CSV_005", line, None, ",".join(cells), expected, "no header"))
        return None
    for name in REQUIRED_COLUMNS:
        if name not in names:
            problems.append(
                Problem("ERR_CSV_004", line, name, None, f"all of {', '.join(REQUIRED_COLUMNS)}", "missing")
            )
    for position, name in enumerate(names):
        if name and name in names[:position]:
            problems.append(Problem("ERR_CSV_006", line, name, None, "each column once", "stands there twice"))
    return names


def _rows(
    names: list[str], header_line: int, records: Iterator[tuple[int, list[str]]], problems: list[Problem]
) -> Iterator[Row]:
    unknown = {position: name for position, name in enumerate(names) if name not in COLUMNS}
    absent = frozenset(REQUIRED_COLUMNS) - set(names)
    empty = dict.fromkeys(COLUMNS, "")
    has_rows = False
    for line, cells in records:
        has_rows = True
        if len(cells) != len(names):
            expected = f"{len(names)} fields as in the header"
            problems.append(_problem("ERR_CSV_006", expected, f"has {len(cells):,} fields", line))
            continue
        for position in [place for place in unknown if cells[place]]:
            problems.append(_unknown_column(unknown.pop(position), header_line, line, cells[position]))
        known = {name: cell for name, cell in zip(names, cells, strict=True) if name in empty}
        yield Row(line, empty | known, absent)
    if not has_rows and not problems:
        problems.append(_problem("ERR_CSV_003", "one line per lot below the header", "has no holdings"))


def _unknown_column(name: str, header_line: int, line: int, value: str) -> Problem:
    near = difflib.get_close_matches(name.lower(), _CANONICAL, n=1)
    hint = f" (did you mean {_CANONICAL[near[0]]}?)" if near else ""
    message = f"unknown column {name!r} in the header on line {header_line} holds values"
    column = shown(name)[1:-1] or "without a name"
    return Problem("ERR_CSV_006", line, column, value, f"only columns of {HEADER}{hint}", message)
