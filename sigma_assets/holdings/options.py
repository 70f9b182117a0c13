"""The option columns of a lot: read, filled from the OCC code where they are empty, and held against it."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sigma_assets.base.conventions import SUBTYPES
from sigma_assets.holdings.cells import MAX_SYMBOL_LENGTH, PRICE_DECIMALS, Cells, is_symbol
from sigma_assets.holdings.contracts import Contract
from sigma_assets.holdings.numerals import decimals, is_storable, iso_date, plain_decimal

OPTION_COLUMNS = ("Underlying Symbol", "Strike Price", "Expiration Date", "Option Type")


@dataclass(frozen=True)
class OptionTerms:
    """What an option is on; every field is None for a lot that is no option, or where a problem was noted."""

    underlying_symbol: str | None = None
    strike_price: float | None = None
    expiration_date: date | None = None
    option_type: str | None = None


NO_OPTION = OptionTerms()


def option_terms(cells: Cells, contract: Contract | None, entry_date: date | None) -> OptionTerms:
    """Return the terms of an option lot."""
    strike = _strike(cells, contract)
    return OptionTerms(
        underlying_symbol=_underlying(cells, contract),
        strike_price=None if strike is None else float(strike),
        expiration_date=_expiration(cells, contract, entry_date),
        option_type=_type(cells, contract),
    )


def _underlying(cells: Cells, contract: Contract | None) -> str | None:
    code, column = "ERR_POS_019", "Underlying Symbol"
    text = cells.keyword(column)
    if text is None:
        if contract is None or contract.underlying is None:
            cells.missing(code, column, "the symbol that the option is on")
            return None
        return contract.underlying
    if not is_symbol(cells.text(column)) or len(text) > MAX_SYMBOL_LENGTH:
        expected = f"a symbol of A-Z a-z 0-9 . _ -, at most {MAX_SYMBOL_LENGTH} characters"
        cells.wrong(code, column, expected, "not a symbol")
        return None
    if contract is not None and not contract.may_be_on(text):
        cells.wrong(code, column, f"{contract.root}, as in the OCC code, or nothing", "contradicts the OCC code")
    return text


def _strike(cells: Cells, contract: Contract | None) -> Decimal | None:
    code, column = "ERR_POS_020", "Strike Price"
    text = cells.text(column)
    if not text:
        if contract is None:
            cells.missing(code, column, "the strike in USD")
            return None
        return contract.strike
    number = plain_decimal(text)
    if number is None or not is_storable(number) or number <= 0 or decimals(number) > PRICE_DECIMALS:
        cells.wrong(code, column, f"a plain number above 0, at most {PRICE_DECIMALS} decimals", "not a strike")
        return None
    if contract is not None and number != contract.strike:
        cells.wrong(code, column, f"{contract.strike}, as in the OCC code, or nothing", "contradicts the OCC code")
    return number


def _expiration(cells: Cells, contract: Contract | None, entry_date: date | None) -> date | None:
    code, column = "ERR_POS_021", "Expiration Date"
    text = cells.text(column)
    if not text and contract is None:
        cells.missing(code, column, "a day as YYYY-MM-DD")
        return None
    day = iso_date(text) if text else contract.expiration if contract is not None else None
    if day is None:
        cells.wrong(code, column, "a day as YYYY-MM-DD", "not a day")
    elif contract is not None and day != contract.expiration:
        cells.wrong(code, column, f"{contract.expiration}, as in the OCC code, or nothing", "contradicts the OCC code")
    elif entry_date is not None and day < entry_date:
        cells.wrong(code, column, f"the entry date {entry_date} or later", f"expired on {day}, before the entry")
    return day


def _type(cells: Cells, contract: Contract | None) -> str | None:
    code, column = "ERR_POS_022", "Option Type"
    stated = cells.keyword(column)
    if stated is not None and stated not in SUBTYPES["OPTIONS"]:
        cells.wrong(code, column, "CALL or PUT", "no option type")
        return None
    if stated is not None and contract is not None and stated != contract.option_type:
        cells.wrong(code, column, f"{contract.option_type}, as in the OCC code, or nothing", "contradicts the OCC code")
        return None
    subtype = cells.keyword("Investment Subtype")
    known = stated or (contract.option_type if contract is not None else None)
    if known is None:
        if subtype in SUBTYPES["OPTIONS"]:
            return subtype
        cells.missing(code, column, "CALL or PUT")
    elif subtype in SUBTYPES["OPTIONS"] and subtype != known:
        cells.wrong("ERR_POS_017", "Investment Subtype", f"{known}, as the option type says", "another option type")
    return known
