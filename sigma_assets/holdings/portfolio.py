"""Checks of a portfolio's own fields before it is created: the ERR_PORT problems of SPEC 2.1."""

from collections.abc import Collection

from sigma_assets.base.conventions import ACCOUNT_TYPES
from sigma_assets.base.errors import HoldingsError, Problem
from sigma_assets.base.numerals import plain_decimal

MAX_NAME_LENGTH = 255
MAX_EQUITY_USD = 10**12
LEAST_FLOW_USD = 0.01


def check_portfolio(
    name: str, initial_equity: str | None, account_type: str, existing_names: Collection[str]
) -> list[Problem]:
    """Return everything that is wrong with a new portfolio; an empty list if nothing is.

    Parameters
    ----------
    name : surrounding blanks do not count; characters that do not print (line breaks, NUL) cannot be stored or shown.
    initial_equity : USD as typed, in plain decimal notation; `nan`, `inf` and `1e400` are no amount above 0.
    account_type : one of `ACCOUNT_TYPES`, in lower case.
    existing_names : names of the active portfolios.
    """
    return [
        *_name_problems(name.strip(), existing_names),
        *_equity_problems((initial_equity or "").strip()),
        *_account_problems(account_type),
    ]


def check_flow_amount(amount: float) -> None:
    """Make sure that a cash flow is an amount: from a cent to the largest equity, in either direction.

    Raises
    ------
    HoldingsError
        It is not; NaN and infinity are none.
    """
    if not LEAST_FLOW_USD <= abs(amount) <= MAX_EQUITY_USD:
        raise HoldingsError(
            f"cash flow of {amount:,.10g} USD: expected {LEAST_FLOW_USD} to {MAX_EQUITY_USD:,} USD,"
            " negative for a withdrawal"
        )


def _name_problems(name: str, existing_names: Collection[str]) -> list[Problem]:
    if not name:
        return [_problem("ERR_PORT_002", "name", None, f"1 to {MAX_NAME_LENGTH} characters", "missing")]
    if not name.isprintable():
        return [_problem("ERR_PORT_002", "name", name, "a name of printable characters", "not printable")]
    if len(name) > MAX_NAME_LENGTH:
        return [_problem("ERR_PORT_003", "name", name, f"at most {MAX_NAME_LENGTH} characters", "too long")]
    if name in existing_names:
        return [_problem("ERR_PORT_001", "name", name, "a name that no active portfolio has", "taken")]
    return []


def _equity_problems(text: str) -> list[Problem]:
    column = "initial equity"
    if not text:
        return [_problem("ERR_PORT_004", column, None, "an amount in USD such as 1000000", "missing")]
    amount = plain_decimal(text)
    if amount is None:
        expected = "a plain number above 0 such as 1000000: no thousands separator, currency sign or exponent"
        return [_problem("ERR_PORT_005", column, text, expected, "not a number")]
    if amount > MAX_EQUITY_USD:
        return [_problem("ERR_PORT_006", column, text, f"at most {MAX_EQUITY_USD:,} USD", "too much")]
    if float(amount) <= 0:
        return [_problem("ERR_PORT_005", column, text, "an amount above 0", "not above 0")]
    return []


def _account_problems(account_type: str) -> list[Problem]:
    if account_type in ACCOUNT_TYPES:
        return []
    expected = f"one of {', '.join(ACCOUNT_TYPES)}"
    return [_problem("ERR_PORT_009", "account type", account_type or None, expected, "no account type")]


def _problem(code: str, column: str, value: str | None, expected: str, message: str) -> Problem:
    return Problem(code, None, column, value, expected, message)
