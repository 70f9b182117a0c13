"""The columns of a table as values; what is found on the way goes to the findings."""

import re
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal

import numpy as np

from sigma_assets.base.errors import Problem
from sigma_assets.base.frames import BoolArray, FloatArray, SessionArray
from sigma_assets.base.numerals import (
    DAY_FIRST,
    MAX_WHOLE_DIGITS,
    MONTH_FIRST,
    NOTHING,
    YEAR_FIRST,
    decimals,
    is_storable,
    spreadsheet_day,
    written_date,
    written_number,
)
from sigma_assets.holdings.files.findings import Doubt, Findings, Skipped
from sigma_assets.holdings.files.layout.column import Column
from sigma_assets.holdings.files.layout.dialects import is_error_value
from sigma_assets.holdings.files.layout.table import Table

PLACES = 8
"""Decimals of a quantity or a price: brokers sell fractions of 0.00000001."""

_A_NUMBER = f"a number such as 1500.25 or 1,500.25, at most {MAX_WHOLE_DIGITS} digits before the point, USD only"
_OTHER_CURRENCY = re.compile(r"[€£¥₣]|(?:^|[^A-Z])(?:EUR|GBP|CHF|CAD|JPY|AUD|HKD|SEK|NOK|DKK|GBX|INR)(?:$|[^A-Z])")


class Cells:
    """The columns of a table, read with the file's decimal sign and order of days; what is wrong goes to `findings`."""

    def __init__(self, table: Table, findings: Findings, *, decimal: str, dates: str | None) -> None:
        self.table = table
        self.findings = findings
        self.decimal = decimal
        self.dates = dates
        self._numbers: dict[str, Decimal | None] = {}
        self._days: dict[str, date | None] = {}
        self._empty: dict[str, BoolArray] = {}

    def __len__(self) -> int:
        return len(self.table.lines)

    def has(self, name: str) -> bool:
        """Return whether the file has a column for a field."""
        return name in self.table.cells

    def texts(self, name: str) -> Column:
        """Return the cells of a field, all empty if the file has no column for it."""
        return self.table.texts(name)

    def text(self, row: int, name: str) -> str:
        """Return a cell, empty if it says that there is nothing."""
        text = self.texts(name)[row]
        return "" if text in NOTHING else text

    def wrong(self, code: str, row: int, name: str, expected: str, message: str) -> None:
        """Note a problem with what stands in a cell."""
        if not self.findings.is_full:
            value = self.texts(name)[row] or None
            if value is not None and is_error_value(value):
                expected = f"{expected}; it is an error value of a spreadsheet: mend its formula there"
            label = self.table.label(name)
            self.findings.problems.append(Problem(code, self.table.lines[row], label, value, expected, message))

    def missing(self, code: str, row: int, name: str, expected: str) -> None:
        """Note that a cell is empty."""
        if not self.findings.is_full:
            label = self.table.label(name)
            self.findings.problems.append(Problem(code, self.table.lines[row], label, None, expected, "empty"))

    def doubt(self, code: str, row: int, name: str, question: str, remedy: str) -> None:
        """Ask about a column by what stands in one of its cells; see `Doubt.of_column`."""
        where = self.table.lines[row], self.table.label(name), self.texts(name)[row]
        self.findings.doubts.append(Doubt.of_column(code, *where, question, remedy))

    def skip(self, row: int, text: str, reason: str) -> None:
        """Note a row that is not imported."""
        self.findings.skipped.append(Skipped(self.table.lines[row], text, reason))

    def is_empty(self, name: str) -> BoolArray:
        """Return which cells of a field hold nothing."""
        if name not in self._empty:
            self._empty[name] = self.texts(name).among(NOTHING)
        return self._empty[name].copy()

    def numbers(self, name: str, code: str, *, places_code: str | None = None) -> FloatArray:
        """Return the numbers of a field; NaN where the cell is empty, or holds none, which is noted under `code`.

        More than `PLACES` decimals are noted under `places_code`, if one is given, else they are rounded.
        """
        if not self.has(name):
            return np.full(len(self), np.nan)
        texts = self.texts(name)
        values, is_read = texts.plain_numbers(self.decimal)
        for row in np.flatnonzero(~is_read & ~self.is_empty(name)).tolist():
            text = texts[row]
            number = self.number(text)
            if number is None and name == "quantity":
                number = self._short(text)
            if number is None:
                foreign = _OTHER_CURRENCY.search(text.upper())
                self.wrong(code, row, name, _A_NUMBER, "another currency than USD" if foreign else "not a number")
                continue
            if places_code and decimals(number) > PLACES:
                self.wrong(places_code, row, name, f"at most {PLACES} decimals", "too many decimals")
            values[row] = float(number)
        return values + 0.0  # -0.0 is 0

    def numbers_beside(self, name: str) -> FloatArray:
        """Return numbers that are no part of a lot, such as values: in a table of no broker, what is no number is NaN."""
        if self.table.source.recognise or not self.has(name):
            return self.numbers(name, "ERR_POS_009")
        texts = self.texts(name)
        known = [self.number(text) for text in texts.distinct]
        return np.array([np.nan if one is None else float(one) for one in known], dtype=float)[texts.codes]

    def number(self, text: str) -> Decimal | None:
        """Return the number of a text, None if it is none or too large."""
        if text not in self._numbers:
            number = written_number(text, self.decimal)
            self._numbers[text] = number if number is not None and is_storable(number) else None
        return self._numbers[text]

    def _short(self, text: str) -> Decimal | None:
        """Return the number of a quantity that the source marks as short: 1S is -1."""
        mark = self.table.source.short_mark
        if not mark or not text.upper().endswith(mark):
            return None
        number = self.number(text[: -len(mark)])
        return None if number is None else -abs(number)

    def day(self, text: str) -> date | None:
        """Return the day of a text, None if it is none."""
        if text not in self._days:
            self._days[text] = written_date(text, self.dates)
        return self._days[text]

    def days(self, name: str, check: Callable[[date], tuple[str, str, str] | None]) -> SessionArray:
        """Return the days of a field; NaT where the cell is empty or holds none.

        `check` answers with code, expectation and message where a day cannot be.
        """
        texts = self.texts(name)
        distinct = texts.distinct
        known = np.full(len(distinct), np.datetime64("NaT", "D"))
        faults: dict[int, tuple[str, str, str]] = {}
        for place, text in enumerate(distinct):
            if text in NOTHING:
                continue
            if (day := self.day(text)) is None:
                faults[place] = ("ERR_POS_013", a_day(text, self.dates), "not a day")
            else:
                known[place] = day
                if fault := check(day):
                    faults[place] = fault
        for row in np.flatnonzero(np.isin(texts.codes, list(faults))).tolist() if faults else ():
            code, expected, message = faults[texts.codes[row]]
            self.wrong(code, row, name, expected, message)
        return known[texts.codes]


def a_day(text: str, order: str | None) -> str:
    """Return what is expected where a text is no day, or one in another order than that of the file."""
    if serial := spreadsheet_day(text):
        return f"a day as YYYY-MM-DD; format what a spreadsheet counts from 1900 as {serial} as a day there"
    others = [each for each in (MONTH_FIRST, DAY_FIRST, YEAR_FIRST) if each != order and written_date(text, each)]
    if not others:
        return "a day as YYYY-MM-DD"
    choices = " or ".join(f"`--dates {each}`" for each in others)
    return f"a day as YYYY-MM-DD; or {choices} (`dates:` in a --mapping), if all days of the file are written so"


def or_nothing(numbers: FloatArray) -> FloatArray:
    """Return numbers with 0 where a row states none: a fee that was not paid, the price of a split, the size of an expiry.

    Where a number is needed and lacks, that is noted as a problem, and nothing of the file is used.
    """
    return np.where(np.isnan(numbers), 0.0, numbers)


def exactly(numbers: FloatArray) -> Iterator[Decimal]:
    """Yield numbers as they are written."""
    return (Decimal(repr(number)) for number in or_nothing(numbers).tolist())
