"""The columns of a table as text, and the lines that are not in it."""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest

import numpy as np
import pyarrow as pa

from sigma_assets.base.errors import Problem
from sigma_assets.base.frames import BoolArray
from sigma_assets.base.numerals import NOTHING
from sigma_assets.holdings.brokers.sources import OUR_COLUMNS, Source, known_sources, plain
from sigma_assets.holdings.files.findings import Findings, Skipped
from sigma_assets.holdings.files.layout.column import Column, prose_rows, total_rows
from sigma_assets.holdings.files.layout.dialects import Record, is_error_value, records
from sigma_assets.holdings.files.layout.recognition import Found, bare_name
from sigma_assets.holdings.files.layout.uniform import uniform_columns

_AT_ONCE = 10_000
_ACCOUNT = re.compile(r"#+[0-9]")
"""A masked account number; `# IRA` is a line that somebody has commented out."""
_OUTSIDE, _TEXT = "outside of the table", "a line of text, not a row"


@dataclass
class Table:
    """The rows of one table.

    Attributes
    ----------
    lines : physical line of each row.
    cells : field to its cells, as long as `lines`; fields that the file lacks are not in it. A second and third column of
        fees is `fees#1`, `fees#2`.
    unknown : columns that no field uses and that hold something, by name.
    """

    source: Source
    header_line: int
    names: list[str]
    lines: "array[int]"
    cells: dict[str, Column] = field(default_factory=dict)
    unknown: dict[str, Column] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def texts(self, name: str) -> Column:
        """Return the cells of a field, all empty if the file has no column for it."""
        return self.cells.get(name, self._nothing)

    @cached_property
    def _nothing(self) -> Column:
        return Column.empty(len(self.lines))

    def label(self, name: str) -> str:
        """Return the file's name of a field's column, ours if it has none."""
        return self.labels.get(name) or OUR_COLUMNS.get(name, name)


def read_tables(text: str, found: Found, findings: Findings) -> list[Table]:
    """Return the columns of a table, and of the further sections of its source; lines left out are noted, with reasons.

    Reading ends early when `findings` is full.
    """
    sources = (found.source, *found.source.also)
    builders = [_Builder(source, found, is_first=not number) for number, source in enumerate(sources)]
    problems, sections = findings.problems, {builder.source.section: builder for builder in builders}
    is_row = _row_test(found, findings)
    if found.source.section is not None:
        _read_sections(records(text, found.delimiter, problems), sections, findings)
    elif (cut := uniform_columns(text, found)) is not None:
        _read_plain(records(cut.head, found.delimiter, problems, is_row=is_row), found, builders[0], findings)
        builders[0].fill(found.line + 1, cut.rows, cut.columns)
        rest = records(cut.tail, found.delimiter, problems, lines_before=found.line + cut.rows, is_row=is_row)
        _read_plain(rest, found, builders[0], findings)
    else:
        _read_plain(records(text, found.delimiter, problems, is_row=is_row), found, builders[0], findings)
    tables = [builder.table(findings) for builder in builders if builder.names is not None]
    if not any(len(table.lines) for table in tables) and not problems:
        problems.append(no_holdings(findings.skipped))
    findings.skipped.sort()
    return tables


def no_holdings(skipped: list[Skipped]) -> Problem:
    """Return the refusal of a file without any, which says why its lines are left out."""
    reasons = Counter(each.reason for each in skipped if each.reason != _OUTSIDE)
    told = "; ".join(f"{count:,}: {reason}" for reason, count in reasons.most_common(5))
    expected = "one line per lot below the header"
    if told:
        expected += "; a --mapping can keep lines that this one skips (`import FILE --show-mapping` prints it)"
    message = f"has no holdings, all its lines are left out ({told})" if told else "has no holdings"
    return Problem("ERR_CSV_003", None, None, None, expected, message)


def _row_test(found: Found, findings: Findings) -> Callable[[int, list[str]], bool]:
    """Return what tells whether a line that begins with `#` is a row: it is as wide, and no lot that is commented out."""
    has_account_first = found.source.positions_of(found.names).get("account") == [0]

    def is_row(line: int, cells: list[str]) -> bool:
        if line <= found.line or len(cells) != len(found.names) or not any(cells[1:]):
            return False
        if (has_account_first and _ACCOUNT.match(cells[0])) or is_error_value(cells[0]):
            return True
        findings.skip(line, cells, "a comment (#) with the cells of a row")
        return False

    return is_row


def _read_plain(stream: Iterator[Record], found: Found, builder: "_Builder", findings: Findings) -> None:
    width, strict = len(found.names), found.source.is_strict
    others = [set(source.recognise) for source in known_sources() if source.name in found.others]
    add, ended = builder.add, False
    for line, cells in stream:
        if line <= found.line or ended:
            if line != found.line:
                findings.skip(line, cells, _OUTSIDE)
            continue
        if len(cells) != width:
            fitted = _fitted(line, cells, width, strict, findings)
            if fitted is None:
                continue
            cells = fitted
        elif cells == found.names:
            findings.skip(line, cells, "the header again")
            continue
        elif others and any(names <= set(map(bare_name, cells)) for names in others):
            ended = True
            findings.skip(line, cells, _OUTSIDE)
            continue
        add(line, cells)


def _fitted(line: int, cells: list[str], width: int, strict: bool, findings: Findings) -> list[str] | None:
    """Return a record of another width than the header as wide as that; None if it is no row, or a broken one."""
    filled = [cell for cell in cells if cell]
    if not strict and len(filled) <= 1:
        findings.skip(line, cells, _TEXT)
        return None
    if not strict and not any(cells[width:]) and len(cells) >= min(width, 3):
        return cells[:width] if len(cells) > width else cells + [""] * (width - len(cells))
    findings.problems.append(_of_another_width(line, cells, width))
    return None


def _of_another_width(line: int, cells: list[str], width: int) -> Problem:
    message = f"has {len(cells):,} fields"
    return Problem("ERR_CSV_006", line, None, None, f"{width} fields as in the header", message)


def _read_sections(stream: Iterator[Record], sections: dict[str | None, "_Builder"], findings: Findings) -> None:
    for line, cells in stream:
        builder = sections.get(cells[0])
        kind = cells[1].lower() if len(cells) > 1 else ""
        if builder is None:
            findings.skip(line, cells, f"the section {cells[0][:40]}")
        elif kind == "header":
            builder.start(cells[2:])
        elif kind != "data":
            findings.skip(line, cells, "a total")
        elif builder.names is None:
            expected = f"a header of {cells[0]} before its rows"
            findings.problems.append(Problem("ERR_CSV_006", line, None, None, expected, "no header"))
        else:
            values, width = cells[2:], builder.width
            if len(values) < width or any(values[width:]):
                findings.problems.append(_of_another_width(line, values, width))
            else:
                builder.add(line, values[:width])


def _numbered(names: list[str]) -> list[tuple[str, int]]:
    """Return each name with how often it has come before: several columns may have none."""
    return [(name, names[:place].count(name)) for place, name in enumerate(names)]


class _Builder:
    """Collects rows column by column."""

    def __init__(self, source: Source, found: Found, *, is_first: bool) -> None:
        self.source = source
        self.names: list[str] | None = found.names if is_first else None
        self.width = len(found.names) if is_first else 0
        self._header_line = found.line
        self._lines = array("q")
        self._rows: list[list[str]] = []
        self._columns: list[list[pa.StringArray]] = []

    def start(self, names: list[str]) -> None:
        """Begin a section, or go on with it under another header: columns are matched by name."""
        self._flush()
        self.width = len(names)
        if self.names is None or not self._columns:
            self.names = names
        elif self.names != names:  # the tables of one section, one per kind of instrument, may differ
            merged = dict(zip(_numbered(self.names), self._columns, strict=True))
            wanted = _numbered(names)
            for key in wanted:
                merged.setdefault(key, [pa.array([""] * len(self._lines), pa.string())])
            order = [*wanted, *(key for key in merged if key not in wanted)]
            self.names, self._columns = [name for name, _ in order], [merged[key] for key in order]

    def add(self, line: int, cells: list[str]) -> None:
        """Add a row as wide as the header."""
        self._lines.append(line)
        self._rows.append(cells)
        if len(self._rows) == _AT_ONCE:
            self._flush()

    def fill(self, first_line: int, count: int, columns: list[list[pa.StringArray]]) -> None:
        """Take many rows at once, as columns as wide as the header; they stand in lines that follow each other."""
        self._flush()
        self._lines.extend(range(first_line, first_line + count))
        self._columns = self._columns or [[] for _ in columns]
        for column, parts in zip(self._columns, columns, strict=True):
            column.extend(parts)

    def _flush(self) -> None:
        if not self._rows:
            return
        self._columns = self._columns or [[] for _ in self.names or ()]
        nothing = [""] * len(self._rows)
        for column, cells in zip_longest(self._columns, zip(*self._rows, strict=True), fillvalue=nothing):
            column.append(pa.array(cells, pa.string()))
        self._rows = []

    def table(self, findings: Findings) -> Table:
        """Return the table, without the rows that its source leaves out, which are noted."""
        self._flush()
        names = self.names or []
        columns = [Column(*parts) for parts in self._columns] or [Column() for _ in names]
        lines, columns = self._without_skipped(names, columns, findings)
        places = self.source.positions_of(names)
        table = Table(self.source, self._header_line, names, lines)
        for each, positions in places.items():
            for number, position in enumerate(positions):
                key = each if not number else f"{each}#{number}"
                table.cells[key] = columns[position]
                table.labels[key] = names[position] or each
        used = {position for positions in places.values() for position in positions}
        for position, name in enumerate(names):
            if position not in used and plain(name) not in self.source.ignore and columns[position].holds_anything():
                is_new = name and name not in table.unknown
                table.unknown[name if is_new else f"{name} column {position + 1}".lstrip()] = columns[position]
        return table

    def _without_skipped(
        self, names: list[str], columns: list[Column], findings: Findings
    ) -> tuple["array[int]", list[Column]]:
        plain_names = [plain(name) for name in names]
        reasons: dict[int, str] = {}
        for name, pattern, reason in self.source.skip:
            if name in plain_names:
                column = columns[plain_names.index(name)]
                reasons |= dict.fromkeys(np.flatnonzero(column.having(pattern.fullmatch)).tolist(), reason)
        if self.source.keep and self.source.keep[0] in plain_names:
            column = columns[plain_names.index(self.source.keep[0])]
            present = {cell.lower() for cell in column.distinct}
            kept = next((one for one in self.source.keep[1] if one in present), None)
            others = column.having(lambda cell: kept is not None and cell.lower() != kept)
            reasons |= dict.fromkeys(np.flatnonzero(others).tolist(), f"not one of the rows {kept}")
        reasons |= dict.fromkeys(np.flatnonzero(self._totals(names, columns)).tolist(), "a total")
        if not self.source.is_strict:
            reasons |= dict.fromkeys(np.flatnonzero(prose_rows(columns)).tolist(), _TEXT)
        if self.source.kind == "transactions":
            reasons |= dict.fromkeys(self._texts(names, columns), _TEXT)
        if not reasons:
            return self._lines, columns
        for row, reason in reasons.items():
            findings.skip(self._lines[row], (column[row] for column in columns), reason)
        is_kept = np.ones(len(self._lines), dtype=bool)
        is_kept[list(reasons)] = False
        lines = array("q", np.asarray(self._lines)[is_kept].tobytes())
        return lines, [column.at(is_kept) for column in columns]

    def _totals(self, names: list[str], columns: list[Column]) -> BoolArray:
        """Return which rows are totals; in our own format only those without a day, which a lot of that symbol has."""
        is_total = total_rows(columns)
        if self.source.is_strict:
            for position in self.source.positions_of(names).get("date", ()):
                is_total &= columns[position].among(NOTHING)
        return is_total

    def _texts(self, names: list[str], columns: list[Column]) -> list[int]:
        """Return the rows with nothing of what a transaction is made of, such as a disclaimer as wide as the table."""
        places = self.source.positions_of(names)
        is_text = np.ones(len(self._lines), dtype=bool)
        for name in ("date", "action", "symbol", "contract", "quantity", "price", "amount"):
            for position in places.get(name, ()):
                is_text &= columns[position].among([""])
        return np.flatnonzero(is_text).tolist()
