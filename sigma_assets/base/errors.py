"""Every error that a user can see. Each names the place, what was found, what was expected, and the next step."""

from collections.abc import Sequence
from dataclasses import dataclass

LISTED = 50
"""An error prints this many lines of its list, then the count of the rest: enough to mend, short enough to read."""
SHOWN_CHARACTERS = 60
DISK_IS_FULL = "The disk is full: free some space and run again"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input.

    Attributes
    ----------
    code : stable code of SPEC 2.1, such as `ERR_POS_005`.
    line : physical line of the file, from 1; None where the problem is not in a line.
    column : header name of the column; None where the problem is not in a column.
    value : what was found there; None where there is nothing to show.
    expected : what would have been right.
    message : what is wrong, in a few words.
    """

    code: str
    line: int | None
    column: str | None
    value: str | None
    expected: str
    message: str

    def describe(self, source: str) -> str:
        """Return one printable line that starts with `source:line:`."""
        place = source if self.line is None else f"{source}:{self.line}"
        found = self.message if self.value is None else f"found {shown(self.value)}"
        column = "" if self.column is None else f"column {self.column}: "
        return _one_line(f"{place}: {column}{found}, expected {self.expected} [{self.code}]")


def shown(value: str) -> str:
    """Return a value in quotes, without control characters and not longer than a line allows."""
    text = ascii(value) if not value.isprintable() else repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}... ({len(value):,} characters)"


def _one_line(text: str) -> str:
    """Return a text in which names of a file stand as they are, but for line breaks and control characters."""
    if text.isprintable():
        return text
    words = " ".join(text.split())
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in words)


def listing(lines: Sequence[str], total: int | None = None) -> str:
    """Return the first lines of a list and the count of the rest (`total` if there are more than were kept)."""
    rest = (len(lines) if total is None else total) - len(lines[:LISTED])
    return "\n".join([*lines[:LISTED], *([f"... and {rest:,} more"] if rest else [])])


class SigmaError(Exception):
    """Base of all errors raised on purpose: the command line prints its message without a traceback."""

    exit_code = 1
    """What the command line returns: 1 failed, 2 bad usage or input."""


class SettingsError(SigmaError):
    """A setting has a value that cannot be used."""

    exit_code = 2


class HoldingsError(SigmaError):
    """A holdings file or a portfolio cannot be imported; carries every problem found."""

    exit_code = 2

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    @classmethod
    def of(cls, source: str, problems: Sequence[Problem]) -> "HoldingsError":
        """Return the error that lists these problems of `source` (a file name, or the name of a portfolio)."""
        return cls(listing([each.describe(source) for each in problems[:LISTED]], len(problems)), problems)


class PortfolioNotFoundError(SigmaError):
    """No portfolio has this id."""

    exit_code = 2


class CalendarError(SigmaError):
    """A date is not a session, or lies outside the calendar."""

    exit_code = 2


class ExplainError(SigmaError):
    """There is no such number to explain, or it is not clear which one is meant."""

    exit_code = 2


class StorageError(SigmaError):
    """The database cannot be used as it is."""


class RowsError(StorageError):
    """Rows do not fit their table; nothing was stored."""


class SchemaVersionError(StorageError):
    """The database schema is older or newer than this version of the code."""


class ProviderError(SigmaError):
    """A price source gave no usable answer."""


class ProviderUnavailableError(ProviderError):
    """The source could not be reached or kept failing after retries: try again later."""


class ProviderAccessError(ProviderError):
    """The source refuses us (key, entitlement): a person must act."""


class PriceFileError(ProviderError):
    """A price file has rows that cannot be used; names file, line, column and value."""


class AlertError(SigmaError):
    """A failed run could not be reported to a receiver."""


class UncertainAlertError(AlertError):
    """A receiver may have taken an alert although it did not say so: sent again, the alert may come twice."""
