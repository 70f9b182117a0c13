"""The columns of a table as text, and the lines that are not in it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from sigma_assets.base.errors import Problem
from sigma_assets.holdings.brokers.sources import OUR_COLUMNS, Source, known_sources, plain
from sigma_assets.holdings.files.dialects import Record, records
from sigma_assets.holdings.files.recognition import Found, bare_name
from sigma_assets.holdings.files.uniform import extend, uniform_columns

_AT_ONCE = 5_000
_TOTAL = re.compile(
    r"(?:(?:grand|sub|account|portfolio|positions?|overall)[ -]?)?totals?:?"
    r"|total (?:account|portfolio|positions?|holdings|assets|cost|(?:account |portfolio |market )?value):?",
    re.IGNORECASE,
)
"""The first words of a line that adds up the lines above it."""


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
    lines: list[int] = field(default_factory=list)
    cells: dict[str, list[str]] = field(default_factory=dict)
    unknown: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def texts(self, name: str) -> Sequence[str]:
        """Return the cells of a field, all empty if the file has no column for it."""
        return self.cells[name] if name in self.cells else [""] * len(self.lines)

    def unknown_cells(self, name: str) -> set[str]:
        """Return the different cells of a column that no field uses, empty ones left out."""
        return {cell for cell in self.unknown.get(name, ()) if cell}

    def label(self, name: str) -> str:
        """Return the file's name of a field's column, ours if it has none."""
        return self.labels.get(name) or OUR_COLUMNS.get(name, name)


def read_tables(text: str, found: Found, problems: list[Problem]) -> tuple[list[Table], list[tuple[int, str, str]]]:
    """Return the columns of a table, of the further sections of its source too, and the lines left out, with reasons.

    Reading ends early when `problems` reaches `MAX_PROBLEMS`.
    """
    sources = (found.source, *found.source.also)
    builders = [_Builder(source, found, is_first=not number) for number, source in enumerate(sources)]
    skipped: list[tuple[int, str, str]] = []
    sections = {builder.source.section: builder for builder in builders}
    stream = records(text, found.delimiter, problems)
    if found.source.section is None and (rest := uniform_columns(text, found)) is not None:
        head, columns = rest
        _read_plain(records(head, found.delimiter, problems), found, builders[0], problems, skipped)
        builders[0].fill(found.line + 1, columns)
    elif found.source.section is None:
        _read_plain(stream, found, builders[0], problems, skipped)
    else:
        _read_sections(stream, sections, problems, skipped)
    tables = [builder.table(skipped) for builder in builders if builder.names is not None]
    if not any(len(table.lines) for table in tables) and not problems:
        expected = "one line per lot below the header"
        problems.append(Problem("ERR_CSV_003", None, None, None, expected, "has no holdings"))
    return tables, sorted(skipped)


def _read_plain(
    stream: Iterator[Record],
    found: Found,
    builder: "_Builder",
    problems: list[Problem],
    skipped: list[tuple[int, str, str]],
) -> None:
    width, strict = len(found.names), found.source.is_strict
    others = {plain(source.recognise[0]): source for source in known_sources()} if found.source.recognise else {}
    starts = {plain(cells) for source in others.values() for cells in source.recognise}
    add, ended = builder.add, False
    for line, cells in stream:
        if line <= found.line or ended:
            if line != found.line:
                skipped.append((line, _line(cells), "outside of the table"))
            continue
        if len(cells) != width:
            fitted = _fitted(line, cells, width, strict, problems, skipped)
            if fitted is None:
                continue
            cells = fitted
        elif cells == found.names:
            skipped.append((line, _line(cells), "the header again"))
            continue
        elif cells[0].lower() in starts and _is_other_header(found, cells):
            ended = True
            skipped.append((line, _line(cells), "outside of the table"))
            continue
        add(line, cells)


def _is_other_header(found: Found, cells: list[str]) -> bool:
    names = set(map(bare_name, cells))
    return any(source.name in found.others and set(source.recognise) <= names for source in known_sources())


def _fitted(
    line: int, cells: list[str], width: int, strict: bool, problems: list[Problem], skipped: list[tuple[int, str, str]]
) -> list[str] | None:
    """Return a record of another width than the header as wide as that; None if it is no row, or a broken one."""
    filled = [cell for cell in cells if cell]
    if not strict and len(filled) <= 1:
        skipped.append((line, _line(cells), "a line of text, not a row"))
        return None
    if not strict and not any(cells[width:]) and len(cells) >= min(width, 3):
        return cells[:width] if len(cells) > width else cells + [""] * (width - len(cells))
    message = f"has {len(cells):,} fields"
    problems.append(Problem("ERR_CSV_006", line, None, None, f"{width} fields as in the header", message))
    return None


def _read_sections(
    stream: Iterator[Record],
    sections: dict[str | None, "_Builder"],
    problems: list[Problem],
    skipped: list[tuple[int, str, str]],
) -> None:
    for line, cells in stream:
        builder = sections.get(cells[0])
        kind = cells[1].lower() if len(cells) > 1 else ""
        if builder is None:
            skipped.append((line, _line(cells), f"the section {cells[0][:40]}"))
        elif kind == "header":
            builder.start(cells[2:])
        elif kind != "data":
            skipped.append((line, _line(cells), "a total"))
        elif builder.names is None:
            problems.append(
                Problem("ERR_CSV_006", line, None, None, f"a header of {cells[0]} before its rows", "no header")
            )
        else:
            values = cells[2:]
            width = len(builder.names)
            if len(values) < width or any(values[width:]):
                message = f"has {len(values):,} fields"
                problems.append(Problem("ERR_CSV_006", line, None, None, f"{width} fields as in the header", message))
            else:
                builder.add(line, values[:width])


def _line(cells: list[str]) -> str:
    return ",".join(cell for cell in cells if cell)[:80].replace("\n", " ")


class _Builder:
    """Collects rows column by column; equal cells are kept once."""

    def __init__(self, source: Source, found: Found, *, is_first: bool) -> None:
        self.source = source
        self.names: list[str] | None = found.names if is_first else None
        self._header_line = found.line
        self._lines: list[int] = []
        self._rows: list[list[str]] = []
        self._columns: list[list[str]] = []
        self._once: dict[str, str] = {}

    def start(self, names: list[str]) -> None:
        """Begin a section, or go on with it under another header: columns are matched by name."""
        self._flush()
        if self.names is None or not self._columns:
            self.names = names
        elif self.names != names:  # the tables of one section, one per kind of instrument, may differ
            rows = len(self._columns[0])
            merged = dict(zip(self.names, self._columns, strict=True))
            for name in names:
                merged.setdefault(name, [""] * rows)
            order = [*names, *(name for name in merged if name not in names)]
            self.names, self._columns = order, [merged[name] for name in order]

    def add(self, line: int, cells: list[str]) -> None:
        """Add a row as wide as the header."""
        self._lines.append(line)
        self._rows.append(cells)
        if len(self._rows) == _AT_ONCE:
            self._flush()

    def fill(self, first_line: int, columns: list[list[str]]) -> None:
        """Take all rows at once, as columns as wide as the header; they stand in lines that follow each other."""
        self._lines, self._columns = list(range(first_line, first_line + len(columns[0]))), columns

    def _flush(self) -> None:
        if not self._rows:
            return
        width = len(self.names or ())
        if not self._columns:
            self._columns = [[] for _ in range(width)]
        for column, cells in zip(self._columns, zip(*self._rows, strict=True), strict=False):
            extend(column, cells, self._once)
        for column in self._columns[len(self._rows[0]) :]:
            column.extend([""] * len(self._rows))
        self._rows = []

    def table(self, skipped: list[tuple[int, str, str]]) -> Table:
        """Return the table, without the rows that its source leaves out, which go to `skipped`."""
        self._flush()
        names = self.names or []
        columns = self._columns or [[] for _ in names]
        lines, columns = self._without_skipped(names, columns, skipped)
        places = self.source.positions_of(names)
        table = Table(self.source, self._header_line, names, lines)
        for each, positions in places.items():
            for number, position in enumerate(positions):
                key = each if not number else f"{each}#{number}"
                table.cells[key] = columns[position]
                table.labels[key] = names[position] or each
        used = {position for positions in places.values() for position in positions}
        for position, name in enumerate(names):
            if position not in used and plain(name) not in self.source.ignore and any(columns[position]):
                table.unknown[name or f"column {position + 1}"] = columns[position]
        return table

    def _without_skipped(
        self, names: list[str], columns: list[list[str]], skipped: list[tuple[int, str, str]]
    ) -> tuple[list[int], list[list[str]]]:
        plain_names = [plain(name) for name in names]
        reasons: dict[int, str] = {}
        for name, pattern, reason in self.source.skip:
            if name in plain_names:
                column = columns[plain_names.index(name)]
                matches = {cell for cell in set(column) if pattern.fullmatch(cell)}
                reasons |= {row: reason for row, cell in enumerate(column) if cell in matches}
        if self.source.keep and self.source.keep[0] in plain_names:
            column = columns[plain_names.index(self.source.keep[0])]
            present = {cell.lower() for cell in column}
            kept = next((one for one in self.source.keep[1] if one in present), None)
            reasons |= {row: f"not one of the rows {kept}" for row, cell in enumerate(column) if cell.lower() != kept}
        if not self.source.is_strict:
            reasons |= dict.fromkeys(_totals(columns), "a total")
        if not reasons:
            return self._lines, columns
        for row, reason in reasons.items():
            skipped.append((self._lines[row], _line([column[row] for column in columns]), reason))
        rows = np.array([row for row in range(len(self._lines)) if row not in reasons], dtype=int)
        return [self._lines[row] for row in rows], [[column[row] for row in rows] for column in columns]


def _totals(columns: list[list[str]]) -> list[int]:
    """Return the rows whose first filled cell says that they are a total."""
    rows = set()
    for place, column in enumerate(columns):
        words = {cell for cell in set(column) if _TOTAL.fullmatch(cell)}
        if words:
            rows |= {
                row
                for row, cell in enumerate(column)
                if cell in words and not any(before[row] for before in columns[:place])
            }
    return sorted(rows)
