"""How a file writes numbers and days: its decimal sign, and whether the day or the month comes first."""

from datetime import date
from itertools import islice

from sigma_assets.base.numerals import (
    DAY_FIRST,
    MONTH_FIRST,
    YEAR_FIRST,
    date_orders,
    decimal_signs,
    may_begin_with_year,
    written_date,
)
from sigma_assets.holdings.brokers.sources import DATE_FIELDS, NUMBER_FIELDS
from sigma_assets.holdings.files.findings import Doubt, Findings
from sigma_assets.holdings.files.layout.recognition import Found
from sigma_assets.holdings.files.layout.table import Table

_FEW, _SAMPLE = 2_000, 50_000
"""Cells that tell a file's decimal sign and order of days; those behind are held against it like all others. The
first few mostly tell already."""


def decimal_sign(tables: list[Table], text: str, found: Found, findings: Findings) -> str:
    if found.delimiter == "," and '"' not in text:
        return "."  # a decimal comma would end the cell
    columns = [
        column
        for table in tables
        for name, column in table.cells.items()
        if name.partition("#")[0] in NUMBER_FIELDS and not (name in ("value", "closing") and _is_priced(table))
    ]
    for sample in (_FEW, _SAMPLE):
        cells = [cell for column in columns for cell in islice(column, sample) if "," in cell or "." in cell]
        if found.delimiter == "," and sample == _SAMPLE and not any("," in cell for cell in cells):
            return "."
        point, comma, open_cell = decimal_signs(cells)
        if point or comma:
            break
    if point or comma or open_cell is None:
        return "," if comma > point else "."
    if found.source.dates == "mdy":
        return "."
    findings.doubts.append(
        Doubt(
            "ERR_POS_005",
            *_place(tables, NUMBER_FIELDS, open_cell),
            open_cell,
            "could be a thousand or a fraction: which is the decimal sign?",
            "`--decimal .` or `--decimal ,`",
        )
    )
    return "."


def date_order(tables: list[Table], findings: Findings, today: date) -> str | None:
    """Return the order of days in a file, a guess with a question where it does not show one; None if all say it."""
    latest: dict[str, date | None] = {}
    for table in tables:
        for name in DATE_FIELDS:
            for cell in table.texts(name).distinct:
                latest[cell] = None if name == "expiration" else latest.get(cell, today)
    shown_orders, open_cell = date_orders(latest)
    if len(shown_orders) > 1:
        findings.warnings.append("some days have the month first, others the day")
    if shown_orders:
        return max((MONTH_FIRST, DAY_FIRST, YEAR_FIRST), key=shown_orders.__getitem__)
    if open_cell is None:
        return None
    may_have_year_first = may_begin_with_year(open_cell)
    findings.doubts.append(
        Doubt(
            "ERR_POS_013",
            *_place(tables, DATE_FIELDS, open_cell),
            open_cell,
            f"does {'the year, ' if may_have_year_first else ''}the month or the day come first?",
            f"`--dates mdy`{', `--dates ymd`' if may_have_year_first else ''} or `--dates dmy`, or days as YYYY-MM-DD",
        )
    )
    return max(
        (MONTH_FIRST, DAY_FIRST, YEAR_FIRST),
        key=lambda order: sum(written_date(cell, order) is not None for cell in latest),
    )


def _is_priced(table: Table) -> bool:
    """Return whether a table of no broker has prices or costs of its own, so that its values are beside the lots."""
    return not table.source.recognise and bool({"price", "cost"} & table.cells.keys())


def _place(tables: list[Table], names: tuple[str, ...], cell: str) -> tuple[int | None, str | None]:
    """Return line and column of a cell."""
    for table in tables:
        for name in names:
            if (row := table.texts(name).index(cell)) >= 0:
                return table.lines[row], table.label(name)
    return None, None
