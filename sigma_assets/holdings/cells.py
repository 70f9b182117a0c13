"""The cells of one row, checked one by one: each answers with a value, or notes a problem and answers None."""

import re
from datetime import date
from decimal import Decimal

from sigma_assets.base.errors import Problem
from sigma_assets.holdings.numerals import (
    MAX_WHOLE_DIGITS,
    decimals,
    is_storable,
    iso_date,
    plain_decimal,
    years_before,
)
from sigma_assets.holdings.table import Row

MAX_SYMBOL_LENGTH = 100
MAX_AGE_YEARS = 100
QUANTITY_DECIMALS = 6
PRICE_DECIMALS = 4

_SYMBOL = re.compile(r"[A-Za-z0-9._-]*")
_A_NUMBER = (
    f"a plain number such as 1500.25: no thousands separator, currency sign or exponent, {MAX_WHOLE_DIGITS} digits"
)
_A_DAY = "a day as YYYY-MM-DD"


class Cells:
    """Reads the cells of one row and notes what is wrong with them in `problems`."""

    def __init__(self, row: Row, problems: list[Problem]) -> None:
        self.line = row.line
        self._row = row
        self._problems = problems

    def text(self, column: str) -> str:
        """Return a cell, empty if there is none."""
        return self._row.cells[column]

    def keyword(self, column: str) -> str | None:
        """Return a cell in upper case, None if it is empty."""
        return self.text(column).upper() or None

    def wrong(self, code: str, column: str, expected: str, message: str) -> None:
        """Note a problem with what stands in a column."""
        value = self.text(column)
        self._problems.append(Problem(code, self.line, column, value or None, expected, message))

    def missing(self, code: str, column: str, expected: str) -> None:
        """Note that a cell is empty, unless its whole column is missing, which the header has reported."""
        if column not in self._row.absent:
            self._problems.append(Problem(code, self.line, column, None, expected, "empty"))

    def symbol(self) -> str | None:
        """Return the symbol in upper case."""
        text = self.text("Symbol")
        if not text:
            self.missing("ERR_POS_001", "Symbol", "a symbol such as AAPL")
            return None
        if len(text) > MAX_SYMBOL_LENGTH:
            expected = f"at most {MAX_SYMBOL_LENGTH} characters"
            self.wrong("ERR_POS_002", "Symbol", expected, f"{len(text):,} characters")
        if not is_symbol(text):
            self.wrong("ERR_POS_003", "Symbol", "only the characters A-Z a-z 0-9 . _ -", "other characters")
        return text.upper() if is_symbol(text) and len(text) <= MAX_SYMBOL_LENGTH else None

    def quantity(self) -> float | None:
        """Return the signed quantity."""
        column = "Quantity"
        if not self.text(column):
            self.missing("ERR_POS_004", column, "a number of shares or contracts, negative for a short")
            return None
        number = self._number("ERR_POS_005", column)
        if number is None:
            return None
        if not number:
            self.wrong("ERR_POS_006", column, "a number other than 0", "zero")
            return None
        if decimals(number) > QUANTITY_DECIMALS:
            self.wrong("ERR_POS_007", column, f"at most {QUANTITY_DECIMALS} decimals", "too many decimals")
        return float(number)

    def entry_price(self) -> float | None:
        """Return the entry price."""
        column = "Entry Price Per Share"
        if not self.text(column):
            self.missing("ERR_POS_008", column, "a price in USD")
            return None
        return self.price(column)

    def price(self, column: str) -> float | None:
        """Return a price in USD from a cell that is not empty."""
        number = self._number("ERR_POS_009", column)
        if number is None:
            return None
        if number <= 0:
            self.wrong("ERR_POS_010", column, "a price above 0", "not above 0")
        if decimals(number) > PRICE_DECIMALS:
            self.wrong("ERR_POS_011", column, f"at most {PRICE_DECIMALS} decimals", "too many decimals")
        return float(number)

    def _number(self, code: str, column: str) -> Decimal | None:
        number = plain_decimal(self.text(column))
        if number is None or not is_storable(number):
            self.wrong(code, column, _A_NUMBER, "not a number")
            return None
        return number

    def entry_date(self, today: date) -> date | None:
        """Return the day of entry: not in the future, not more than a century ago."""
        column = "Entry Date"
        if not self.text(column):
            self.missing("ERR_POS_012", column, _A_DAY)
            return None
        day = self.past_day(column, today)
        earliest = years_before(today, MAX_AGE_YEARS)
        if day is not None and day < earliest:
            self.wrong("ERR_POS_015", column, f"{earliest} or later", f"more than {MAX_AGE_YEARS} years ago")
        return day

    def past_day(self, column: str, today: date) -> date | None:
        """Return a day up to today from a cell that is not empty."""
        day = iso_date(self.text(column))
        if day is None:
            self.wrong("ERR_POS_013", column, _A_DAY, "not a day")
        elif day > today:
            self.wrong("ERR_POS_014", column, f"{today} or earlier", "in the future")
        return day


def is_symbol(text: str) -> bool:
    """Return whether a text has only the characters that symbols have."""
    return _SYMBOL.fullmatch(text) is not None
