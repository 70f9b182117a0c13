"""Numbers and dates as people and brokers write them: read exactly, or not at all."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal

MAX_WHOLE_DIGITS = 15
"""A double holds 15 digits; a longer number would be stored as another one (and `1e400` as infinity)."""

MONTH_FIRST = "mdy"
DAY_FIRST = "dmy"
YEAR_FIRST = "ymd"
NOTHING = frozenset({"", "-", "--", "n/a", "N/A", "n.a."})
"""What stands in a cell that has no number."""

_PLAIN_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_GROUPED = {
    ".": re.compile(r"(?:[0-9]{1,3}([, '])[0-9]{3}(?:\1[0-9]{3})*|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+"),
    ",": re.compile(r"(?:[0-9]{1,3}([. '])[0-9]{3}(?:\1[0-9]{3})*|[0-9]+)(?:,[0-9]*)?|,[0-9]+"),
}
"""One sign sets off groups of three digits; anything else, such as `10 20`, is two numbers or a slip."""
_TYPED = str.maketrans("\u2212\u00a0\u202f\u2019", "-  '")
_LONGEST = 60
"""Characters of a number with its signs; a longer cell is something else, and not looked at."""
_CURRENCY = re.compile(r"US\$|\$|USD")
_USD = rf"(?:(?:{_CURRENCY.pattern}) *)?"
_DIGITS = r"[0-9., ']*[0-9.,]"
_WRITTEN = re.compile(
    rf"{_USD}(?P<sign>[+-]?) *{_USD}(?P<digits>{_DIGITS}) *{_USD}|{_USD}\( *{_USD}(?P<negative>{_DIGITS}) *{_USD}\) *{_USD}"
)
_FLOATING = re.compile(r"-?[1-9]\.[0-9]+E(?:-?[1-9]|-1[0-9])")
"""A number as Java writes it, as in Yahoo's exports: exactly. Those of spreadsheets, as 1.5E+03, are rounded for display."""
_AMBIGUOUS = re.compile(r"[0-9]{1,3}[.,][0-9]{3}")

_CLOCK = r"(?:[T;, ]+[0-9]{1,2}:?[0-9]{2}.*)?"
_YEAR_FIRST = re.compile(r"([0-9]{4})([-/.]?)([0-9]{2})\2([0-9]{2})" + _CLOCK)
_YEAR_LAST = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})" + _CLOCK)
_STATED = ""
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}
_SHORT_DAY = re.compile(r"[0-9]{1,2}-[0-9]{1,2}-(?:[0-9]{4}|[0-9]{2})" + _CLOCK)
_DAY_WORD = re.compile(r"([0-9]{1,2})[ -]?([A-Za-z]{3})[a-z]*\.?[ -]?([0-9]{4}|[0-9]{2})" + _CLOCK)
_WORD_DAY = re.compile(r"([A-Za-z]{3})[a-z]*\.?[ -]?([0-9]{1,2})(?:,? +|-)([0-9]{4})" + _CLOCK)
_TIME = re.compile(
    r"[T;, ]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?:\.[0-9]+)?(?: *([AP])M\b)?|[T;]([0-9]{2})([0-9]{2})([0-9]{2})\b",
    re.IGNORECASE,
)
_AS_OF = re.compile(r".* as of (.+)", re.IGNORECASE)


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


def written_number(text: str, decimal: str = ".") -> Decimal | None:
    """Return the number that a cell of a broker's file stands for, else None.

    Parameters
    ----------
    text : with or without thousands separators, `$` or `USD`, a sign; in parentheses for a negative one.
    decimal : the decimal sign of the file, `.` or `,`.

    Examples
    --------
    >>> [str(written_number(text)) for text in ("1,250.5", "($500.00)", "-$5", "+$1.00", "1 250.5", ".5")]
    ['1250.5', '-500.00', '-5', '1.00', '1250.5', '0.5']
    >>> str(written_number("1.250,5", ",")), str(written_number("\u2212 5"))
    ('1250.5', '-5')
    >>> str(written_number("9.0E-6"))
    '0.0000090'
    >>> [written_number(text) for text in ("1,25.0", "12.5 EUR", "1e3", "1.5E+03", "--", "5%", "10 20", "5$5", "($-5)")]
    [None, None, None, None, None, None, None, None, None]
    """
    if _PLAIN_DECIMAL.fullmatch(text) and decimal == ".":
        return Decimal(text)
    if _FLOATING.fullmatch(text) and decimal == ".":
        return Decimal(f"{Decimal(text):f}")
    size, is_negative = _size(text)
    if not _GROUPED[decimal].fullmatch(size):
        return None
    whole, _, part = size.partition(decimal)
    number = Decimal(f"{''.join(filter(str.isdigit, whole))}.{part}")
    return -number if is_negative else number


def decimal_signs(cells: Iterable[str]) -> tuple[int, int, str | None]:
    """Return how many cells show that the decimal sign is `.` and `,`, and one that leaves it open (None if none does).

    Examples
    --------
    >>> decimal_signs(["150.25", "1,250.5", "10"])
    (2, 0, None)
    >>> decimal_signs(["1.250", "10"])
    (0, 0, '1.250')
    """
    point = comma = 0
    open_cell = None
    for cell in cells:
        if "." not in cell and "," not in cell:
            continue
        bare, _ = _size(cell)
        if _AMBIGUOUS.fullmatch(bare) and not bare.startswith("0"):
            open_cell = open_cell or cell
            continue
        point += (bool(_GROUPED["."].fullmatch(bare)) and "." in bare) or bare.count(",") > 1
        comma += (bool(_GROUPED[","].fullmatch(bare)) and "," in bare) or bare.count(".") > 1
    return point, comma, open_cell


def _size(text: str) -> tuple[str, bool]:
    """Return the digits of a number with the signs between them, empty if it is none; and whether it is negative."""
    typed = text.translate(_TYPED).removeprefix("'")  # a text cell of Excel
    match = _WRITTEN.fullmatch(typed) if len(typed) <= _LONGEST else None
    if match is None or len(_CURRENCY.findall(typed)) > 1:
        return "", False
    return match["digits"] or match["negative"], match["digits"] is None or match["sign"] == "-"


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


def written_date(text: str, order: str | None = None) -> date | None:
    """Return the day that a cell of a broker's file stands for, None if it stands for none or could be several.

    Parameters
    ----------
    text : with four digits for the year first, or as `order` says, or with the month in letters; a time of day behind it
        does not count. Of `08/14/2024 as of 08/13/2024` the second day is the one of the trade.
    order : MONTH_FIRST or DAY_FIRST for days such as 03/04/2024, YEAR_FIRST for 24-03-04; None if the file does not tell.

    Examples
    --------
    >>> [str(written_date(text)) for text in ("2024-03-04", "20240304;093000", "Mar-04-2024", "4 Mar 2024")]
    ['2024-03-04', '2024-03-04', '2024-03-04', '2024-03-04']
    >>> str(written_date("03/04/2024", MONTH_FIRST)), str(written_date("03/04/24", DAY_FIRST))
    ('2024-03-04', '2024-04-03')
    >>> str(written_date("24-03-15", YEAR_FIRST)), str(written_date("25/01/2024", YEAR_FIRST))
    ('2024-03-15', '2024-01-25')
    >>> [written_date(text) for text in ("03/04/2024", "24-03-15")]
    [None, None]
    """
    days = set(_days(text, order).values())
    return days.pop() if len(days) == 1 else None


def written_clock(text: str) -> int | None:
    """Return the second of the day that stands behind a day, in the time zone of the file; None without one.

    Examples
    --------
    >>> [written_clock(text) for text in ("2024-03-04, 09:31:05", "20240304;093105", "03/04/2024 1:05 PM EST")]
    [34265, 34265, 47100]
    >>> [written_clock(text) for text in ("2024-03-04", "Mar 4, 2024", "OCT 12 2024", "03/05/2024 as of 03/04/2024")]
    [None, None, None, None]
    """
    match = _TIME.search(text)
    if match is None:
        return None
    hour, minute, second = (int(part or 0) for part in (match.groups()[:3] if match[1] else match.groups()[4:]))
    hour = hour % 12 + 12 * (match[4] in "Pp") if match[4] else hour
    return hour * 3600 + minute * 60 + second


def spreadsheet_day(text: str) -> date | None:
    """Return the day that a number may be in a spreadsheet that counts from 1900, from 1980 to 2064; None for another one.

    Examples
    --------
    >>> str(spreadsheet_day("44930")), spreadsheet_day("1250")
    ('2023-01-04', None)
    """
    days = int(text) if len(text) == 5 and text.isascii() and text.isdigit() else 0
    return date(1899, 12, 30) + timedelta(days) if 29_221 <= days < 60_000 else None


def may_be_day(text: str) -> bool:
    """Return whether a cell is a day in any order of year, month and day.

    Examples
    --------
    >>> [may_be_day(text) for text in ("06/03/2024", "24-03-15", "2024-06-03", "06/31/2024", "3/4")]
    [True, True, True, False, False]
    """
    return bool(_days(text))


def may_begin_with_year(text: str) -> bool:
    """Return whether a cell is a day whose year, of two digits, could be its first part; only dashes are written so."""
    return YEAR_FIRST in _days(text)


def date_orders(cells: Mapping[str, date | None]) -> tuple[Counter[str], str | None]:
    """Return how many cells are days in one order only, and a cell that could be of several.

    No other notation says whether 24-03-15 begins with the year: beside such a cell, only those of its own count. Of these
    1-15-24 does not, and so none does.

    Parameters
    ----------
    cells : different cells, each with the last day that it can be; None if it can be any.

    Examples
    --------
    >>> date_orders(dict.fromkeys(["01/25/2024", "06/03/2024", "2024-03-15"]))
    (Counter({'mdy': 1}), '06/03/2024')
    >>> date_orders(dict.fromkeys(["25/01/2024", "24-03-15"]))
    (Counter(), '24-03-15')
    >>> date_orders(dict.fromkeys(["03-15-24", "03-04-24"]))
    (Counter({'mdy': 1}), '03-04-24')
    >>> date_orders(dict.fromkeys(["10-11-24", "1-5-24"]))
    (Counter(), '10-11-24')
    >>> date_orders(dict.fromkeys(["31-12-24"], date(2026, 1, 8)))
    (Counter({'dmy': 1}), None)
    """
    shown: Counter[str] = Counter()
    shown_by_short: Counter[str] = Counter()
    open_cell = open_year = None
    read = {cell: _up_to(latest, _days(cell)) for cell, latest in cells.items()}
    has_year_last = any(days and YEAR_FIRST not in days and _SHORT_DAY.fullmatch(cell) for cell, days in read.items())
    for cell, days in read.items():
        if has_year_last:
            days = {order: day for order, day in days.items() if order != YEAR_FIRST}
        if len(days) == 1:
            shown.update(days.keys() - {_STATED})
            shown_by_short.update(days.keys() if _SHORT_DAY.fullmatch(cell) else ())
        elif len(set(days.values())) > 1 and YEAR_FIRST in days:
            open_year = open_year or cell
        elif len(set(days.values())) > 1:
            open_cell = open_cell or cell
    return (shown_by_short, open_year) if open_year else (shown, open_cell)


def _up_to(latest: date | None, days: dict[str, date]) -> dict[str, date]:
    """Return readings without one that begins with the year and lies behind the latest day."""
    return {order: day for order, day in days.items() if order != YEAR_FIRST or latest is None or day <= latest}


def _days(text: str, order: str | None = None) -> dict[str, date]:
    """Return which days a cell may stand for, by the order of its parts; `_STATED` where the cell itself says it."""
    behind = _AS_OF.fullmatch(text)
    if behind:
        text = behind.group(1)
    readings: dict[str, tuple[str, str, str]] = {}
    if match := _YEAR_FIRST.fullmatch(text):
        readings[_STATED] = (match.group(1), match.group(3), match.group(4))
    elif match := _YEAR_LAST.fullmatch(text):
        first, sign, second, third = match.groups()
        readings = {MONTH_FIRST: (third, first, second), DAY_FIRST: (third, second, first)}
        if len(first) == len(third) == 2 and (sign == "-" or order == YEAR_FIRST):
            readings[YEAR_FIRST] = (first, second, third)
    elif match := _DAY_WORD.fullmatch(text):
        day, month, year = match.groups()
        readings[_STATED] = (year, str(_MONTHS.get(month.lower(), 0)), day)
    elif match := _WORD_DAY.fullmatch(text):
        month, day, year = match.groups()
        readings[_STATED] = (year, str(_MONTHS.get(month.lower(), 0)), day)
    wanted = [order] if order in readings else readings
    days = {each: _day(*readings[each]) for each in wanted}
    return {each: day for each, day in days.items() if day is not None}


def _day(year: str, month: str, day: str) -> date | None:
    century = 0 if len(year) == 4 else 2000
    try:
        return date(century + int(year), int(month), int(day))
    except ValueError:
        return None
