"""Numbers and dates as people write them in a holdings file: read exactly, or not at all."""

import re
from datetime import date
from decimal import Decimal

MAX_WHOLE_DIGITS = 15
"""A double holds 15 digits; a longer number would be stored as another one (and `1e400` as infinity)."""

_PLAIN_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def plain_decimal(text: str) -> Decimal | None:
    """Return the number that a text in plain decimal notation stands for, else None.

    Examples
    --------
    >>> plain_decimal("-12.50")
    Decimal('-12.50')
    >>> [plain_decimal(text) for text in ("nan", "inf", "1e400", "1,000", "$5", "(5)", "")]
    [None, None, None, None, None, None, None]
    """
    return Decimal(text) if _PLAIN_DECIMAL.fullmatch(text) else None


def is_storable(number: Decimal) -> bool:
    """Return whether a double can hold the whole part of a number."""
    return number.adjusted() < MAX_WHOLE_DIGITS


def decimals(number: Decimal) -> int:
    """Return the digits after the decimal point, trailing zeros not counted.

    Examples
    --------
    >>> decimals(Decimal("1.2500")), decimals(Decimal("100"))
    (2, 0)
    """
    exponent = number.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) else 0
    digits = number.as_tuple().digits
    zeros = next((count for count, digit in enumerate(reversed(digits)) if digit), len(digits))
    return max(0, places - zeros)


def iso_date(text: str) -> date | None:
    """Return the day that `YYYY-MM-DD` stands for, None for any other notation and for days that do not exist."""
    if not _ISO_DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def years_before(day: date, years: int) -> date:
    """Return the same day so many years earlier; 28 February where there is no 29th."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)
