"""The option columns of a lot: read, filled from the OCC code where they are empty, and held against it."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sigma_assets.base.contracts import MAX_SYMBOL_LENGTH, Contract, instrument_of
from sigma_assets.base.conventions import SUBTYPES
from sigma_assets.base.numerals import decimals
from sigma_assets.holdings.brokers.words import KINDS_OF, in_words
from sigma_assets.holdings.files.cells import RowCells

STRIKE_PLACES = 4
OPTION_FIELDS = ("underlying", "strike", "expiration", "option_type")


@dataclass(frozen=True)
class OptionTerms:
    """What an option is on; every field is None for a lot that is no option, or where a problem was noted."""

    underlying_symbol: str | None = None
    strike_price: float | None = None
    expiration_date: date | None = None
    option_type: str | None = None


NO_OPTION = OptionTerms()


def contract_terms(contract: Contract) -> OptionTerms | None:
    """Return the terms that an OCC code says alone; None if it does not say the underlying."""
    if contract.underlying is None:
        return None
    return OptionTerms(contract.underlying, float(contract.strike), contract.expiration, contract.option_type)


def option_terms(cells: RowCells, contract: Contract | None) -> OptionTerms:
    """Return the terms of an option lot."""
    strike = _strike(cells, contract)
    return OptionTerms(
        underlying_symbol=_underlying(cells, contract),
        strike_price=None if strike is None else float(strike),
        expiration_date=_expiration(cells, contract),
        option_type=_type(cells, contract),
    )


def _underlying(cells: RowCells, contract: Contract | None) -> str | None:
    code, column = "ERR_POS_019", "underlying"
    text = cells.keyword(column)
    if text is None:
        if contract is None or contract.underlying is None:
            cells.missing(code, column, "the symbol that the option is on")
            return None
        return contract.underlying
    instrument, _ = instrument_of(cells.text(column))
    if instrument is None:
        expected = f"a symbol of A-Z a-z 0-9 . _ -, at most {MAX_SYMBOL_LENGTH} characters"
        cells.wrong(code, column, expected, "not a symbol")
        return None
    if contract is not None and not contract.may_be_on(instrument.symbol):
        cells.wrong(code, column, f"{contract.root}, as in the OCC code, or nothing", "contradicts the OCC code")
    return instrument.symbol


def _strike(cells: RowCells, contract: Contract | None) -> Decimal | None:
    code, column = "ERR_POS_020", "strike"
    if not cells.text(column):
        if contract is None:
            cells.missing(code, column, "the strike in USD")
            return None
        return contract.strike
    number = cells.number(column)
    if number is None or number <= 0 or decimals(number) > STRIKE_PLACES:
        cells.wrong(code, column, f"a number above 0, at most {STRIKE_PLACES} decimals", "not a strike")
        return None
    if contract is not None and number != contract.strike:
        cells.wrong(code, column, f"{contract.strike}, as in the OCC code, or nothing", "contradicts the OCC code")
    return number


def _expiration(cells: RowCells, contract: Contract | None) -> date | None:
    code, column = "ERR_POS_021", "expiration"
    if not cells.text(column):
        if contract is None:
            cells.missing(code, column, "a day as YYYY-MM-DD")
            return None
        return contract.expiration
    day = cells.day(column)
    if day is None:
        cells.wrong(code, column, cells.a_day(column), "not a day")
    elif contract is not None and day != contract.expiration:
        cells.wrong(code, column, f"{contract.expiration}, as in the OCC code, or nothing", "contradicts the OCC code")
    return day


def _type(cells: RowCells, contract: Contract | None) -> str | None:
    code, column = "ERR_POS_022", "option_type"
    stated = cells.keyword(column)
    stated = {"C": "CALL", "P": "PUT"}.get(stated or "", stated)
    if stated is not None and stated not in SUBTYPES["OPTIONS"]:
        cells.wrong(code, column, "CALL or PUT", "no option type")
        return None
    if stated is not None and contract is not None and stated != contract.option_type:
        cells.wrong(code, column, f"{contract.option_type}, as in the OCC code, or nothing", "contradicts the OCC code")
        return None
    subtype = cells.keyword("subtype") or KINDS_OF.get(in_words(cells.text("class")), (None, None))[1]
    known = stated or (contract.option_type if contract is not None else None)
    if known is None:
        if subtype in SUBTYPES["OPTIONS"]:
            return subtype
        cells.missing(code, column, "CALL or PUT")
    elif subtype in SUBTYPES["OPTIONS"] and subtype != known:
        cells.wrong("ERR_POS_017", "subtype", f"{known}, as the option type says", "another option type")
    return known
