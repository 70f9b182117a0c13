"""A file of holdings becomes checked lots and flows, or one error that names every problem in it (SPEC 2.1)."""

from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import pandas as pd

from sigma_assets.base.errors import HoldingsError, Problem
from sigma_assets.base.frames import multipliers
from sigma_assets.holdings.brokers.sources import Source, as_document
from sigma_assets.holdings.files.cells import Cells
from sigma_assets.holdings.files.columns import check_columns
from sigma_assets.holdings.files.findings import Doubt, Findings, Skipped
from sigma_assets.holdings.files.layout.dialects import DELIMITERS, MAX_BYTES, decode, stated_delimiter
from sigma_assets.holdings.files.layout.recognition import Found, find_table, starting_point
from sigma_assets.holdings.files.layout.table import Table, no_holdings, read_tables
from sigma_assets.holdings.files.listings import ask_about_listings
from sigma_assets.holdings.files.lots import LOT_COLUMNS, lot_frame, read_lots
from sigma_assets.holdings.files.notation import date_order, decimal_sign
from sigma_assets.holdings.files.transactions.trades import FLOW_COLUMNS, read_trades

__all__ = ["FLOW_COLUMNS", "LOT_COLUMNS", "Holdings", "ReadOptions", "read_file", "read_holdings"]

_NOT_TEXT = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers", ".pdf", ".zip")


@dataclass(frozen=True)
class ReadOptions:
    """Answers to what a file may leave open.

    Attributes
    ----------
    source : mapping to read the file by; by default recognised by its header.
    entry_date : day from which positions count where the file has no days.
    decimal, dates : `.` or `,`; `mdy`, `dmy` or `ymd`.
    allow_duplicates : rows that stand there twice are meant.
    in_usd : all prices are in USD, those of symbols listed abroad as well.
    ignore_columns : columns that hold something and are not wanted, in lower case; `*` for all.
    """

    source: Source | None = None
    entry_date: date | None = None
    decimal: str | None = None
    dates: str | None = None
    allow_duplicates: bool = False
    in_usd: bool = False
    ignore_columns: frozenset[str] = frozenset()

    def answered(self, doubt: Doubt) -> "ReadOptions":
        """Return the options with a yes to a doubt."""
        if doubt.answer == "ignore_columns":
            return replace(self, ignore_columns=self.ignore_columns | {(doubt.column or "").lower()})
        yes: dict[str, Any] = {doubt.answer: True}
        return replace(self, **yes)


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
            "lots_by_class": self.lots["investment_class"].value_counts().sort_index().to_dict(),
            "closed_lots": int(self.lots["exit_date"].notna().sum()),
            "first_date": _day(self.lots["entry_date"].min()),
            "last_date": _day(self.lots[["entry_date", "exit_date"]].max().max()),
            "total_cost_usd": float(cost.sum()),
            "flows": len(self.flows),
            "flows_by_kind": self.flows.groupby("kind")["amount_usd"].sum().to_dict(),
            "skipped": [each._asdict() for each in self.skipped],
            "warnings": list(self.warnings),
            "doubts": [
                {name: value for name, value in asdict(each).items() if name != "answer"} for each in self.doubts
            ],
        }


def read_holdings(content: bytes, file_name: str, today: date, options: ReadOptions | None = None) -> pd.DataFrame:
    """Return the lots of a file that leaves nothing open; see `read_file`."""
    holdings = read_file(content, file_name, today, options)
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
    decoded = _text_of(content, findings.problems)
    del content  # up to 10 MB, which nobody needs any more if the caller does not; nor the text, once it is cut
    cut = None if decoded is None else _tables(*decoded, options, findings)
    del decoded
    holdings = None if cut is None else _read(*cut, today, options, findings)
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

    Of a header that is not recognised it names what looks like our columns, and leaves the others to be filled in.

    Raises
    ------
    HoldingsError
        The file has no header; `problems` says what it begins with.
    """
    problems: list[Problem] = []
    if (decoded := _text_of(content, problems)) is not None:
        text, delimiter = decoded[0], stated_delimiter(decoded[0])
        if (found := find_table(text, delimiter, None, problems)) is not None:
            return as_document(found.source)
        if (guessed := starting_point(text, delimiter)) is not None:
            return guessed
    raise HoldingsError.of(file_name, problems)


def _text_of(content: bytes, problems: list[Problem]) -> tuple[str, str] | None:
    """Return the text of a file and the name of its encoding; None after noting in `problems` why there is none."""
    if len(content) > MAX_BYTES:
        expected = f"at most {MAX_BYTES:,} bytes (10 MB)"
        problems.append(Problem("ERR_CSV_001", None, None, None, expected, f"too large: {len(content):,} bytes"))
        return None
    return decode(content, problems)


def _tables(
    text: str, encoding: str, options: ReadOptions, findings: Findings
) -> tuple[list[Table], str, Found, str] | None:
    """Return the tables of a file, how it is encoded, where they were found and their decimal sign."""
    found = find_table(text, stated_delimiter(text), options.source, findings.problems, options.ignore_columns)
    tables = [] if found is None else read_tables(text, found, findings)
    if found is None or findings.is_full or not tables:
        return None
    check_columns(tables[0], findings, own_mapping=options.source is not None, ignored_columns=options.ignore_columns)
    if any(problem.code == "ERR_CSV_004" for problem in findings.problems):
        return None
    decimal = options.decimal or found.source.decimal or decimal_sign(tables, text, found, findings)
    return tables, encoding, found, decimal


def _read(
    tables: list[Table],
    encoding: str,
    found: Found,
    decimal: str,
    today: date,
    options: ReadOptions,
    findings: Findings,
) -> Holdings:
    dates = options.dates or found.source.dates or date_order(tables, findings, today)
    cells = [Cells(table, findings, decimal=decimal, dates=dates) for table in tables]
    for each in () if options.in_usd else cells:
        ask_about_listings(each)
    if found.source.kind == "transactions":
        lots, flows = read_trades(cells, today, allow_duplicates=options.allow_duplicates)
    else:
        lots = read_lots(cells[0], today, options.entry_date, allow_duplicates=options.allow_duplicates)
        flows = pd.DataFrame({name: [] for name in FLOW_COLUMNS})
    if not len(lots) and not findings.problems:
        lots = lot_frame({name: [] for name in LOT_COLUMNS})
        findings.problems.append(no_holdings(findings.skipped))
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


def _note_more(table: Table, found: Found, findings: Findings) -> None:
    if found.others:
        findings.warnings.append(f"the file also holds {', '.join(found.others)}; `--source NAME` reads that instead")
    accounts = set(filter(None, table.texts("account").distinct))
    if len(accounts) > 1:
        findings.warnings.append(f"{len(accounts)} accounts in one file are imported as one portfolio")


def _factors(lots: pd.DataFrame) -> pd.Series:
    columns = (lots[name].to_numpy() for name in ("investment_class", "investment_subtype", "multiplier"))
    return pd.Series(multipliers(*columns), index=lots.index)


def _day(day: Any) -> date | None:
    return None if pd.isna(day) else day.date()
