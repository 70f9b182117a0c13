"""The option columns of a lot: read, filled from the OCC code where they are empty, and held against it."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sigma_assets.base.contracts import MAX_SYMBOL_LENGTH, Contract, instrument_of
from sigma_assets.base.conventions import SUBTYPES
from sigma_assets.base.numerals import decimals
from sigma_assets.holdings.brokers.words import KINDS_OF, in_words
from sigma_assets.holdings.files.cells import Cells, a_day

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


def option_terms(cells: Cells, row: int, contract: Contract | None) -> OptionTerms:
    """Return the terms of an option lot."""
    strike = _strike(cells, row, contract)
    return OptionTerms(
        underlying_symbol=_underlying(cells, row, contract),
        strike_price=None if strike is None else float(strike),
        expiration_date=_expiration(cells, row, contract),
        option_type=_type(cells, row, contract),
    )


def _underlying(cells: Cells, row: int, contract: Contract | None) -> str | None:
    code, column = "ERR_POS_019", "underlying"
    text = cells.text(row, column)
    if not text:
        if contract is None or contract.underlying is None:
            cells.missing(code, row, column, "the symbol that the option is on")
            return None
        return contract.underlying
    instrument, _ = instrument_of(text)
    if instrument is None:
        expected = f"a symbol of A-Z a-z 0-9 . _ -, at most {MAX_SYMBOL_LENGTH} characters"
        cells.wrong(code, row, column, expected, "not a symbol")
        return None
    if contract is not None and not contract.may_be_on(instrument.symbol):
        _contradict(cells, row, code, column, contract.root)
    return instrument.symbol


def _strike(cells: Cells, row: int, contract: Contract | None) -> Decimal | None:
    code, column = "ERR_POS_020", "strike"
    text = cells.text(row, column)
    if not text:
        if contract is None:
            cells.missing(code, row, column, "the strike in USD")
            return None
        return contract.strike
    number = cells.number(text)
    if number is None or number <= 0 or decimals(number) > STRIKE_PLACES:
        cells.wrong(code, row, column, f"a number above 0, at most {STRIKE_PLACES} decimals", "not a strike")
        return None
    if contract is not None and number != contract.strike:
        _contradict(cells, row, code, column, contract.strike)
    return number


def _expiration(cells: Cells, row: int, contract: Contract | None) -> date | None:
    code, column = "ERR_POS_021", "expiration"
    text = cells.text(row, column)
    if not text:
        if contract is None:
            cells.missing(code, row, column, "a day as YYYY-MM-DD")
            return None
        return contract.expiration
    day = cells.day(text)
    if day is None:
        cells.wrong(code, row, column, a_day(text, cells.dates), "not a day")
    elif contract is not None and day != contract.expiration:
        _contradict(cells, row, code, column, contract.expiration)
    return day


def _type(cells: Cells, row: int, contract: Contract | None) -> str | None:
    code, column = "ERR_POS_022", "option_type"
    stated = cells.text(row, column).upper()
    stated = {"C": "CALL", "P": "PUT"}.get(stated, stated)
    if stated and stated not in SUBTYPES["OPTIONS"]:
        cells.wrong(code, row, column, "CALL or PUT", "no option type")
        return None
    if stated and contract is not None and stated != contract.option_type:
        _contradict(cells, row, code, column, contract.option_type)
        return None
    subtype = cells.text(row, "subtype").upper() or KINDS_OF.get(in_words(cells.text(row, "class")), (None, None))[1]
    known = stated or (contract.option_type if contract is not None else None)
    if known is None:
        if subtype in SUBTYPES["OPTIONS"]:
            return subtype
        cells.missing(code, row, column, "CALL or PUT")
    elif subtype in SUBTYPES["OPTIONS"] and subtype != known:
        cells.wrong("ERR_POS_017", row, "subtype", f"{known}, as the option type says", "another option type")
    return known


def _contradict(cells: Cells, row: int, code: str, column: str, said: object) -> None:
    cells.wrong(code, row, column, f"{said}, as in the OCC code, or nothing", "contradicts the OCC code")
