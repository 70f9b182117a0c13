"""How a setting is read from text: each reader returns the value, or raises ValueError that says what was expected."""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sigma_assets.base.calendar import FIRST_DAY, today
from sigma_assets.base.contracts import read_symbol
from sigma_assets.base.conventions import FactorModel

Reader = Callable[[str], Any]

MAX_PORT = 65_535
FIRST_CLOSE, LAST_MINUTE = time(13, 0), time(23, 59)
"""The NYSE closes at 13:00 on its short days: before, no close of the day is there."""
_HOST = re.compile(r"\[?[0-9A-Fa-f:]*:[0-9A-Fa-f:]*\]?|[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_MAILBOX = re.compile(r"[^\s@,;<>\"]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_SYMBOL = re.compile(r"[A-Z][A-Z0-9.-]{0,9}")


def number(least: float, most: float) -> Reader:
    """Return a reader of numbers from `least` to `most`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError("expected a number") from None
        if not least <= value <= most:  # nor is NaN
            raise ValueError(f"expected a number from {least:g} to {most:g}")
        return value

    return read


def whole_number(least: int, most: int) -> Reader:
    """Return a reader of whole numbers from `least` to `most`."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise ValueError(f"expected a whole number from {least} to {most}")
        return int(text)

    return read


def address(*schemes: str) -> Reader:
    """Return a reader of addresses with one of these schemes."""
    expected = " or ".join(f"{scheme}://HOST" for scheme in schemes)

    def read(text: str) -> str:
        try:
            parts = urlsplit(text)
            usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
            usable &= text.isprintable() and " " not in text and "@" not in parts.path
        except ValueError:
            usable = False  # a port that is none, or an unfinished IPv6 address
        if not usable:
            raise ValueError(f"expected {expected}; in a password, write %40 for @, %2F for / and %3A for :")
        return text

    return read


def host(text: str) -> str:
    """Read the name or number of a host."""
    if not _HOST.fullmatch(text):
        raise ValueError("expected a host's name or number, such as 127.0.0.1, without http:// and port")
    return text.strip("[]")


def hosts(text: str) -> tuple[str, ...]:
    """Read the names of hosts, by comma."""
    return tuple(host(part.strip()).lower() for part in text.split(",") if part.strip())


def mailbox(text: str) -> str:
    """Read a mail address."""
    if not _MAILBOX.fullmatch(text):
        raise ValueError("expected one mail address such as risk@example.org")
    return text


def token(text: str) -> str:
    """Read a token that goes into an HTTP header."""
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("expected printable ASCII without spaces, such as what `openssl rand -hex 24` prints")
    return text


def day(text: str) -> date:
    """Read a date."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise ValueError(f"expected a date such as 2026-01-08, found {text!r}") from None


def days(text: str) -> tuple[date, ...]:
    """Read dates, by comma, on which the exchange is closed though it is not a weekend."""
    found = sorted({day(part.strip()) for part in text.split(",") if part.strip()})
    for each in found:
        if each.weekday() >= 5:
            raise ValueError(f"expected weekdays: {each} is a {each:%A}, on which the NYSE is closed anyway")
    return tuple(found)


def first_session(text: str) -> date:
    """Read the start of the date dimension: from the start of the calendar to today."""
    value = day(text)
    if not FIRST_DAY <= value <= today():
        raise ValueError(f"expected a date from {FIRST_DAY}, where the NYSE calendar of this version starts, to today")
    return value


def cutoff(text: str) -> time:
    """Read the time of the day from which its closes are expected."""
    try:
        value = datetime.strptime(text, "%H:%M").time()
    except ValueError:
        raise ValueError("expected a time such as 16:30") from None
    if not FIRST_CLOSE <= value <= LAST_MINUTE:
        raise ValueError(f"expected a time from {FIRST_CLOSE:%H:%M}, the earliest close of the NYSE, to 23:59")
    return value


def symbol(text: str) -> str:
    """Read a symbol in any of the notations that holdings may have: BRK-B is BRK.B."""
    found = read_symbol(text)
    if found is None or found.contract is not None or not _SYMBOL.fullmatch(found.symbol.removeprefix("^")):
        raise ValueError("expected the symbol of a stock, fund or index, such as SPY")
    return found.symbol


def etfs(text: str) -> tuple[tuple[str, str], ...]:
    """Read ETFs by role."""
    roles = ("market", "rates", *FactorModel().styles)
    chosen: dict[str, str] = {}
    for part in text.split(","):
        role, separator, named = (piece.strip() for piece in part.partition("="))
        if not separator or role not in roles or not _SYMBOL.fullmatch(named.upper()):
            raise ValueError(f"expected ROLE=SYMBOL with a role of {', '.join(roles)}; found {part.strip()!r}")
        if role in chosen:
            raise ValueError(f"expected each role once; found {role} twice")
        chosen[role] = symbol(named)
    return tuple(chosen.items())


def folder(text: str) -> Path:
    """Read the name of a folder."""
    return Path(text).expanduser()
