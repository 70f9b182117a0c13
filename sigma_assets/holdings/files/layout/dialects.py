"""From the bytes of a file to its records: encoding, delimiter, physical lines."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from sigma_assets.base.errors import Problem

if TYPE_CHECKING:
    from _csv import Reader

MAX_BYTES = 10 * 1024 * 1024
MAX_PROBLEMS = 100_000
"""Checking ends here: the file is something else, and two million complaints would fill the memory, not help."""
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

LONGEST_CELL = csv.field_size_limit()
_AT_ONCE = 200_000
"""Characters that are cut into lines at once."""

Record = tuple[int, list[str]]
"""First physical line of a record, from 1, and its cells, stripped."""

_UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_FORMATS = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"%PDF": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
}
_OTHER_TEXT = {
    "JSON": re.compile(r"\s*(?:\[\s*)?\{\s*\"|\s*\[\s*\[\s*\""),
    "a web page or XML": re.compile(r"\s*<(?:[?!]|[a-z][^<>]*>\s*<)", re.IGNORECASE),
}
_ERROR_VALUE = re.compile(r"#(?:[¡¿]?\w[\w/]*[!?]|N/?[AVD]|GETTING_DATA)")
"""Errors of spreadsheets, in whatever language: most end with a sign, `#N/A` (`#NV` in German) does not."""
_QUOTED = re.compile(r'((?:^|(?<=[,;\t|\r])) *"[^"]*(?:""[^"]*)*") *(?=[,;\t|\r\n]|\Z)', re.MULTILINE)
_NOT_TEXT = {
    ord(character): None for character in map(chr, range(32)) if character not in "\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"
}


def decode(content: bytes, problems: list[Problem]) -> tuple[str, str] | None:
    """Return the text of a file and the name of its encoding; None after noting in `problems` why there is none.

    UTF-8 and UTF-16 are proven by their bytes. Anything else is read as Windows-1252, which is what spreadsheets write in
    western countries: symbols, numbers and days are ASCII in all of its relatives, so only names could come out wrong.
    """
    for start, what in _FORMATS.items():
        if content.startswith(start):
            problems.append(Problem("ERR_CSV_002", None, None, None, "text: save or export it as CSV", f"is {what}"))
            return None
    encoding = _UTF_16.get(content[:2]) or _bare_utf_16(content)
    if encoding:
        try:
            return _checked(content.decode(encoding).removeprefix("\ufeff"), "UTF-16", problems)
        except UnicodeDecodeError as error:
            problems.append(_problem("UTF-16 all through", f"is UTF-16, but broken at byte {error.start:,}"))
            return None
    try:
        return _checked(content.decode("utf-8-sig"), "UTF-8", problems)
    except UnicodeDecodeError as error:
        try:
            return _checked(content.decode("cp1252"), "Windows-1252", problems)
        except UnicodeDecodeError:
            found = f"is neither UTF-8 nor Windows-1252: byte 0x{content[error.start]:02x}"
            line = _line_at(content[: error.start])
            problems.append(_problem("UTF-8 (save as `CSV UTF-8`)", found, line))
            return None


def _bare_utf_16(content: bytes) -> str | None:
    """Return the byte order of UTF-16 without a mark: text of our alphabet has a zero in every other byte."""
    sample = content[:200]
    if len(sample) < 4 or len(content) % 2:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > 0.9 * len(sample) / 2 and not even:
        return "utf-16-le"
    return "utf-16-be" if even > 0.9 * len(sample) / 2 and not odd else None


def _checked(text: str, encoding: str, problems: list[Problem]) -> tuple[str, str] | None:
    for code in _NOT_TEXT:
        position = text.find(chr(code))
        if position >= 0:
            what = "a NUL byte" if not code else f"the control character 0x{code:02x}"
            problems.append(_problem("text", f"holds {what}", _line_at(text[:position].encode())))
            return None
    for what, pattern in _OTHER_TEXT.items():
        if pattern.match(text):
            problems.append(Problem("ERR_CSV_002", None, None, None, "a table: save or export it as CSV", f"is {what}"))
            return None
    return _without_blanks_behind_quotes(text), encoding


def _without_blanks_behind_quotes(text: str) -> str:
    """Return a text without the blanks between a closing quote and the end of its field, as Merrill writes them."""
    if any(f'" {end}' in text for end in (*DELIMITERS, "\r", "\n")):
        return _QUOTED.sub(r"\1", text)
    return text


def _line_at(before: bytes) -> int:
    """Return the physical line after some bytes; lines end with LF, CR LF or CR."""
    return before.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 1


def _problem(expected: str, message: str, line: int | None = 1) -> Problem:
    return Problem("ERR_CSV_006", line, None, None, expected, message)


def stated_delimiter(text: str) -> str | None:
    """Return the delimiter that a first line such as `sep=;` states, None without one."""
    first = text[:20].splitlines()[:1]
    line = first[0].strip().strip('"').lower() if first else ""
    return line[4:5] or None if line.startswith("sep=") else None


def _physical_lines(text: str) -> Iterator[str]:
    """Yield the lines of a text with their ends, without a copy of the whole text."""
    start = 0
    while start < len(text):
        stop = text.find("\n", start + _AT_ONCE) + 1 or len(text)
        yield from io.StringIO(text[start:stop], newline="")
        start = stop


def is_error_value(cell: str) -> bool:
    """Return whether a cell holds what a spreadsheet shows instead of a result, such as `#N/A`.

    Examples
    --------
    >>> [is_error_value(cell) for cell in ("#N/A", "#REF!", "#NAME?", "#DIV/0!", "#NV", "#4567", "#AAPL", "N/A")]
    [True, True, True, True, True, False, False, False]
    """
    return _ERROR_VALUE.fullmatch(cell) is not None


def records(
    text: str,
    delimiter: str,
    problems: list[Problem],
    *,
    lines_before: int = 0,
    is_row: Callable[[int, list[str]], bool] | None = None,
) -> Iterator[Record]:
    """Yield each record that is not blank; comments (`#`) and a `sep=` line are skipped, but counted.

    `lines_before` are those above the text in its file. `is_row` is asked of each comment, cut into cells like a row,
    whether it is one.
    """

    number, first, is_at_start = lines_before, lines_before, True

    def is_comment(line: str) -> bool:
        try:
            return is_row is None or not is_row(number, list(map(str.strip, *_cut([line], delimiter))))
        except csv.Error:
            return True

    def lines() -> Iterator[str]:
        """Yield the physical lines without comments and blank lines, but never leave one out inside a quoted field."""
        nonlocal number, first, is_at_start
        for line in _physical_lines(text):
            number += 1
            if is_at_start:
                if not line.strip() or (number == 1 and stated_delimiter(line)):
                    continue
                if line.startswith("#") and is_comment(line):
                    continue
                first, is_at_start = number, False
            yield line

    reader = _cut(lines(), delimiter)
    while len(problems) < MAX_PROBLEMS:
        is_at_start = True
        try:
            cells = list(map(str.strip, next(reader)))
        except StopIteration:
            return
        except csv.Error as error:
            found = f"cannot be read: {error}".replace("\t", "tab")
            problems.append(_problem('fields as in `a,"b, c"`, quotes closed', found, first))
            if number > first:  # an open quote swallowed lines: where the next record starts is unknown
                return
            continue
        if any(cells):
            yield first, cells


def _cut(lines: Iterable[str], delimiter: str) -> "Reader":
    return csv.reader(lines, strict=True, skipinitialspace=True, delimiter=delimiter)
