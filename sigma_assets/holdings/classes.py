"""Classes of symbols from a CSV file: `symbol, scheme, class, weight`; every problem reported together (SPEC 4.13)."""

import csv
import io
import math
from collections import defaultdict
from dataclasses import dataclass

from sigma_assets.base.contracts import instrument_of
from sigma_assets.base.conventions import KIND_SCHEME, UNCLASSIFIED
from sigma_assets.base.errors import HoldingsError, Problem

REQUIRED, COLUMNS = ("symbol", "scheme", "class"), ("symbol", "scheme", "class", "weight")
LONGEST = 100
RESERVED = {"scheme": KIND_SCHEME, "class": UNCLASSIFIED}
"""Names that reports use themselves."""
ROUNDING = 1e-6
"""Weights of a symbol and scheme may miss 1 by this: files round."""


@dataclass(frozen=True)
class ClassRow:
    """One row of the file; several rows of a symbol and scheme are its look-through."""

    symbol: str
    scheme: str
    class_name: str
    weight: float
    line: int


def read_classes(content: bytes, source: str) -> list[ClassRow]:
    """Return the rows of a file.

    A blank weight is 1; lines that start with `#` and blank lines are skipped; symbols are spelled as those of holdings.

    Raises
    ------
    HoldingsError
        The file is not such a CSV, a cell cannot be used, a row comes twice, or the weights of a symbol and scheme do not
        add up to 1. Lists all problems with line, column, what was found and what was expected.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HoldingsError(f"{source}: not UTF-8 (byte {error.start}); save it as CSV UTF-8") from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if _counts(line)]
    if not lines:
        raise HoldingsError(f"{source}: no rows; expected the header `{','.join(COLUMNS)}`")
    header = [name.strip().lower() for name in _cells(lines[0][1]) or ()]
    missing = [name for name in REQUIRED if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    if missing or unknown:
        wrong = [
            f"{what} column {', '.join(names)}" for what, names in (("missing", missing), ("unknown", unknown)) if names
        ]
        raise HoldingsError(f"{source}: {'; '.join(wrong)}; expected the header `{','.join(COLUMNS)}`")
    if len(lines) == 1:
        raise HoldingsError(f"{source}: a header and no rows; expected a row for each symbol and scheme")
    problems: list[Problem] = []
    rows = []
    for number, line in lines[1:]:
        cells = _cells(line)
        if cells is None:
            problems.append(
                _problem(number, None, line, f"cells of at most {csv.field_size_limit():,} characters", "too long")
            )
            continue
        if len(cells) > len(header):
            problems.append(_problem(number, None, line, f"{len(header)} values", "too many values"))
            continue
        row = _row(dict(zip(header, map(str.strip, cells), strict=False)), number, problems)
        if row is not None:
            rows.append(row)
    problems += _contradictions(rows)
    if problems:
        raise HoldingsError.of(source, sorted(problems, key=lambda problem: problem.line or 0))
    return rows


def _cells(line: str) -> list[str] | None:
    """Return the cells of a line; None if one is longer than CSV readers take."""
    try:
        return next(csv.reader(io.StringIO(line)))
    except csv.Error:
        return None


def _counts(line: str) -> bool:
    return bool(line.strip(" ,;\t")) and not line.lstrip().startswith("#")


def _row(cells: dict[str, str], line: int, problems: list[Problem]) -> ClassRow | None:
    before = len(problems)
    symbol = cells.get("symbol", "")
    instrument, fault = instrument_of(symbol)
    if fault is not None:
        code, expected, message = fault
        problems.append(Problem(code, line, "symbol", symbol, expected, message))
    for column in ("scheme", "class"):
        value = cells.get(column, "")
        if not value or len(value) > LONGEST or not value.isprintable():
            problems.append(_problem(line, column, value, f"1 to {LONGEST} characters", "not a name"))
        elif value.casefold() == RESERVED[column]:
            problems.append(_problem(line, column, value, f"another name than {value!r}", "has a meaning of its own"))
    text = cells.get("weight", "")
    weight = 1.0
    if text:
        try:
            weight = float(text)
        except ValueError:
            weight = math.nan
        if not 0 < weight <= 1:
            problems.append(_problem(line, "weight", text, "a number above 0, at most 1", "not a weight"))
    if instrument is None or len(problems) > before:
        return None
    return ClassRow(instrument.symbol, cells["scheme"], cells["class"], weight, line)


def _contradictions(rows: list[ClassRow]) -> list[Problem]:
    problems = []
    seen: dict[tuple[str, str, str], int] = {}
    totals: dict[tuple[str, str], list[ClassRow]] = defaultdict(list)
    for row in rows:
        key = (row.symbol, row.scheme, row.class_name)
        if key in seen:
            problems.append(
                _problem(row.line, "class", row.class_name, f"a class not yet in line {seen[key]}", "comes twice")
            )
        seen.setdefault(key, row.line)
        totals[row.symbol, row.scheme].append(row)
    for (symbol, scheme), parts in totals.items():
        total = math.fsum(part.weight for part in parts)
        if abs(total - 1.0) > ROUNDING:
            words = f"weights of {symbol} and {scheme} that add up to 1"
            problems.append(_problem(parts[-1].line, "weight", f"{total:g}", words, "not the whole"))
    return problems


def _problem(line: int, column: str | None, value: str, expected: str, message: str) -> Problem:
    return Problem("ERR_CLASS_001", line, column, value, expected, message)
