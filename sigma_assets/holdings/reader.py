"""A file of holdings becomes checked lots and flows, or one error that names every problem in it (SPEC 2.1)."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pandas as pd

from sigma_assets.base.errors import HoldingsError, Problem
from sigma_assets.holdings.brokers.sources import (
    DATE_FIELDS,
    NUMBER_FIELDS,
    OUR_COLUMNS,
    REQUIRED,
    Source,
    as_document,
    plain,
)
from sigma_assets.holdings.cells import Cells, Doubt, Findings, Skipped
from sigma_assets.holdings.dialects import DELIMITERS, MAX_BYTES, decode, stated_delimiter
from sigma_assets.holdings.lots import LOT_COLUMNS, lot_frame, read_lots
from sigma_assets.holdings.numerals import date_orders, decimal_signs, written_date, written_number
from sigma_assets.holdings.table import HEADER_COLUMNS, Found, Table, find_table, read_tables, unknown_columns
from sigma_assets.holdings.trades import FLOW_COLUMNS, read_trades

__all__ = ["FLOW_COLUMNS", "LOT_COLUMNS", "Holdings", "ReadOptions", "read_file", "read_holdings"]

_NOT_TEXT = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers", ".pdf", ".zip")
_SAMPLE = 50_000
"""Cells that tell a file's decimal sign and order of days; those behind are held against it like all others."""


@dataclass(frozen=True)
class ReadOptions:
    """Answers to what a file may leave open.

    Attributes
    ----------
    source : mapping to read the file by; by default recognised by its header.
    entry_date : day from which positions count where the file has no days.
    decimal, dates : `.` or `,`; `mdy` or `dmy`.
    allow_duplicates : rows that stand there twice are meant.
    ignore_columns : columns that hold something and are not wanted, in lower case; `*` for all.
    """

    source: Source | None = None
    entry_date: date | None = None
    decimal: str | None = None
    dates: str | None = None
    allow_duplicates: bool = False
    ignore_columns: frozenset[str] = frozenset()

    def answered(self, doubt: Doubt) -> "ReadOptions":
        """Return the options with a yes to a doubt."""
        if doubt.answer == "ignore_columns":
            return replace(self, ignore_columns=self.ignore_columns | {(doubt.column or "").lower()})
        return replace(self, allow_duplicates=True) if doubt.answer == "allow_duplicates" else self


@dataclass(frozen=True)
class Holdings:
    """What was understood of a file.

    Attributes
    ----------
    source, kind, encoding, delimiter, decimal, dates : how it was read, in words.
    lots : DataFrame of shape (n_lots, 13) with `LOT_COLUMNS`, in the order of the file
        Numbers are float64 and NaN for null, days datetime64[s] and NaT for null, texts objects and None for null.
    flows : DataFrame of shape (n_flows, 3) with `FLOW_COLUMNS`, by day.
    skipped, warnings : lines that are not imported, and what a reader should know.
    doubts : what must be answered first; while there are any, `lots` is not to be stored.
    """

    source: str
    kind: str
    encoding: str
    delimiter: str
    decimal: str
    dates: str
    lots: pd.DataFrame
    flows: pd.DataFrame
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]
    doubts: tuple[Doubt, ...]

    def summary(self) -> dict[str, Any]:
        """Return what was understood, as plain values: what `import` prints before anything is written."""
        cost = self.lots["quantity"] * self.lots["entry_price"] * _factors(self.lots)
        return {
            "source": self.source,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "decimal_sign": self.decimal,
            "dates": self.dates,
            "lots": len(self.lots),
            "lots_by_class": dict(sorted(Counter(self.lots["investment_class"]).items())),
            "closed_lots": int(self.lots["exit_date"].notna().sum()),
            "first_date": _day(self.lots["entry_date"].min()),
            "last_date": _day(max(self.lots["entry_date"].max(), self.lots["exit_date"].max(), key=_or_never)),
            "total_cost_usd": float(cost.sum()),
            "flows": len(self.flows),
            "flows_by_kind": self.flows.groupby("kind")["amount_usd"].sum().to_dict(),
            "skipped": [{"line": each.line, "text": each.text, "reason": each.reason} for each in self.skipped],
            "warnings": list(self.warnings),
            "doubts": [
                {
                    "code": each.code,
                    "line": each.line,
                    "column": each.column,
                    "value": each.value,
                    "question": each.question,
                    "remedy": each.remedy,
                }
                for each in self.doubts
            ],
        }


def read_holdings(content: bytes, file_name: str, today: date) -> pd.DataFrame:
    """Return the lots of a file that leaves nothing open; see `read_file`."""
    holdings = read_file(content, file_name, today)
    if holdings.doubts:
        raise HoldingsError.of(file_name, [doubt.as_problem() for doubt in holdings.doubts])
    return holdings.lots


def read_file(content: bytes, file_name: str, today: date, options: ReadOptions | None = None) -> Holdings:
    """Read a holdings file of any known form.

    Parameters
    ----------
    content : the file as it is on disk.
    file_name : its name, for the error.
    today : latest day on which a lot may have been entered or closed.

    Raises
    ------
    HoldingsError
        Anything is wrong; `problems` has all of it (up to `MAX_PROBLEMS`), in the order of the lines.
    """
    options = options or ReadOptions()
    findings = Findings()
    if file_name.lower().endswith(_NOT_TEXT):
        expected = "a text file such as CSV: export or save it as one"
        findings.problems.append(Problem("ERR_CSV_002", None, None, None, expected, "is not a .csv file"))
    holdings = _read(content, today, options, findings)
    if findings.problems:
        findings.problems = list(dict.fromkeys(findings.problems))
        findings.problems += [doubt.as_problem() for doubt in findings.doubts]
        if findings.is_full:
            end = f"too many problems: checking stopped after {len(findings.problems):,}"
            findings.problems.append(Problem("ERR_CSV_006", None, None, None, "a holdings file", end))
        findings.problems.sort(key=lambda problem: (problem.line is not None, problem.line or 0))
        raise HoldingsError.of(file_name, findings.problems)
    assert holdings is not None
    return holdings


def mapping_of(content: bytes, file_name: str) -> str:
    """Return the mapping that a file is read by, as YAML: a starting point for one of the user's own.

    Raises
    ------
    HoldingsError
        The file has no table that is recognised; `problems` names what its header lacks.
    """
    problems: list[Problem] = []
    located = _locate(content, ReadOptions(), problems)
    if located is None:
        raise HoldingsError.of(file_name, problems)
    return as_document(located[2].source)


def _locate(content: bytes, options: ReadOptions, problems: list[Problem]) -> tuple[str, str, Found] | None:
    if len(content) > MAX_BYTES:
        expected = f"at most {MAX_BYTES:,} bytes (10 MB)"
        problems.append(Problem("ERR_CSV_001", None, None, None, expected, f"too large: {len(content):,} bytes"))
        return None
    decoded = decode(content, problems)
    if decoded is None:
        return None
    text, encoding = decoded
    found = find_table(text, stated_delimiter(text), options.source, problems)
    return None if found is None else (text, encoding, found)


def _read(content: bytes, today: date, options: ReadOptions, findings: Findings) -> Holdings | None:
    located = _locate(content, options, findings.problems)
    if located is None:
        return None
    text, encoding, found = located
    tables, skipped = read_tables(text, found, findings.problems)
    findings.skipped += [Skipped(*each) for each in skipped]
    if findings.is_full or not tables:
        return None
    _check_columns(tables[0], options, findings)
    if any(problem.code == "ERR_CSV_004" for problem in findings.problems):
        return None
    decimal = options.decimal or found.source.decimal or _decimal(tables, text, found, findings)
    dates = options.dates or found.source.dates or _dates(tables, findings)
    cells = [Cells(table, findings, decimal=decimal, dates=dates) for table in tables]
    if found.source.kind == "transactions":
        lots, flows = read_trades(cells, today, allow_duplicates=options.allow_duplicates)
    else:
        lots = read_lots(cells[0], today, options.entry_date, allow_duplicates=options.allow_duplicates)
        flows = pd.DataFrame({name: [] for name in FLOW_COLUMNS})
    if not len(lots) and not findings.problems:
        lots = lot_frame({name: [] for name in LOT_COLUMNS})
        findings.problems.append(Problem("ERR_CSV_003", None, None, None, "at least one lot", "has no holdings"))
    _note_more(tables[0], found, findings)
    return Holdings(
        source=found.source.name,
        kind=found.source.kind,
        encoding=encoding,
        delimiter=DELIMITERS.get(found.delimiter, repr(found.delimiter)),
        decimal=decimal,
        dates={"mdy": "month/day/year", "dmy": "day/month/year"}.get(dates or "", "year-month-day"),
        lots=lots,
        flows=flows,
        skipped=tuple(sorted(findings.skipped, key=lambda each: each.line)),
        warnings=tuple(findings.warnings),
        doubts=tuple(findings.doubts),
    )


def _check_columns(table: Table, options: ReadOptions, findings: Findings) -> None:
    """Columns that nothing uses: refused if they look like ours, asked about if they hold numbers, else said."""
    source = table.source
    _check_header(table, findings)
    if source.recognise or options.source is not None:
        return  # a broker's further columns are known not to matter
    ignored = []
    for name, value, line, near in unknown_columns(table):
        if name.lower() in options.ignore_columns or "*" in options.ignore_columns:
            ignored.append(name)
        elif near is not None:
            expected = f"only columns of {HEADER_COLUMNS} (did you mean {near}?)"
            findings.problems.append(Problem("ERR_CSV_006", line, name, value, expected, f"unknown column {name!r}"))
        elif any(written_number(cell) is not None or written_date(cell) for cell in table.unknown_cells(name)):
            findings.doubts.append(
                Doubt(
                    "ERR_CSV_006",
                    line,
                    name,
                    value,
                    f"the column {name!r} holds numbers or days and is not known: leave it out?",
                    f"one of {HEADER_COLUMNS}, or `--ignore-column {name!r}`",
                    "ignore_columns",
                )
            )
        else:
            ignored.append(name)
    if ignored:
        findings.warnings.append(f"columns that are not used: {', '.join(ignored)}")


def _check_header(table: Table, findings: Findings) -> None:
    """Columns without which there are no lots, and columns that stand there twice."""
    needed = [
        ("symbol",),
        ("quantity",),
        ("price", "amount" if table.source.kind == "transactions" else "cost", "value", "closing"),
    ]
    if table.source.kind == "transactions":
        needed.append(("date",))
    for alternatives in needed:
        if not any(name in table.cells for name in alternatives):
            column, expected = (
                table.label(alternatives[0]),
                f"all of {', '.join(OUR_COLUMNS[name] for name in REQUIRED)}",
            )
            findings.problems.append(Problem("ERR_CSV_004", table.header_line, column, None, expected, "missing"))
    names = [plain(name) for name in table.names]
    for label in dict.fromkeys(table.labels.values()):
        if names.count(plain(label)) > 1:
            problem = Problem("ERR_CSV_006", table.header_line, label, None, "each column once", "stands there twice")
            findings.problems.append(problem)


def _place(tables: list[Table], names: tuple[str, ...], cell: str) -> tuple[int | None, str | None]:
    """Return line and column of a cell."""
    for table in tables:
        for name in names:
            if cell in table.texts(name):
                return table.lines[table.texts(name).index(cell)], table.label(name)
    return None, None


def _decimal(tables: list[Table], text: str, found: Found, findings: Findings) -> str:
    if found.delimiter == "," and '"' not in text:
        return "."  # a decimal comma would end the cell
    cells = [
        cell
        for table in tables
        for name, column in table.cells.items()
        if name.partition("#")[0] in NUMBER_FIELDS
        for cell in column[:_SAMPLE]
        if "," in cell or "." in cell
    ]
    if found.delimiter == "," and not any("," in cell for cell in cells):
        return "."
    point, comma, open_cell = decimal_signs(cells)
    if point or comma or open_cell is None:
        return "," if comma > point else "."
    if found.source.dates == "mdy":
        return "."
    findings.doubts.append(
        Doubt(
            "ERR_POS_005",
            *_place(tables, NUMBER_FIELDS, open_cell),
            open_cell,
            "could be a thousand or a fraction: which sign is the decimal one?",
            "`--decimal .` or `--decimal ,`",
            "",
        )
    )
    return "."


def _dates(tables: list[Table], findings: Findings) -> str | None:
    cells = {cell for table in tables for name in DATE_FIELDS if name in table.cells for cell in table.cells[name][:]}
    month_first, day_first, open_cell = date_orders(cells)
    if month_first and day_first:
        findings.warnings.append("some days have the month first, others the day")
    if month_first or day_first:
        return "mdy" if month_first >= day_first else "dmy"
    if open_cell is not None:
        findings.doubts.append(
            Doubt(
                "ERR_POS_013",
                *_place(tables, DATE_FIELDS, open_cell),
                open_cell,
                "is the month or the day first?",
                "`--dates mdy` or `--dates dmy`, or days as YYYY-MM-DD",
                "",
            )
        )
        return "mdy"
    return None


def _note_more(table: Table, found: Found, findings: Findings) -> None:
    if found.others:
        findings.warnings.append(f"the file also holds {', '.join(found.others)}; `--source NAME` reads that instead")
    accounts = {text for text in table.texts("account") if text}
    if len(accounts) > 1:
        findings.warnings.append(f"{len(accounts)} accounts in one file are imported as one portfolio")


def _factors(lots: pd.DataFrame) -> pd.Series:
    from sigma_assets.base.conventions import default_multiplier

    pairs = zip(lots["investment_class"], lots["investment_subtype"], strict=True)
    default = pd.Series([default_multiplier(*pair) for pair in pairs], index=lots.index, dtype=float)
    return lots["multiplier"].fillna(default)


def _or_never(day: Any) -> pd.Timestamp:
    return pd.Timestamp.min if pd.isna(day) else day


def _day(day: Any) -> date | None:
    return None if pd.isna(day) else day.date()
