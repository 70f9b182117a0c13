"""What each row of a table is about: symbol, class, subtype, option terms, multiplier."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from sigma_assets.base.contracts import Instrument, contract_in, contract_of, instrument_of, names_underlying
from sigma_assets.base.conventions import CASH_SUBTYPES
from sigma_assets.base.frames import BoolArray, FloatArray, usual_multipliers
from sigma_assets.holdings.files.cells import Cells
from sigma_assets.holdings.files.kinds import read_classes
from sigma_assets.holdings.files.layout.column import Codes, Objects, distinct_rows
from sigma_assets.holdings.files.options import NO_OPTION, OPTION_FIELDS, OptionTerms, contract_terms, option_terms

CASH = "CASH_USD"
_CASH_NAMES = re.compile(
    r"CASH|CASH & CASH INVESTMENTS|CASH & CASH FUND.*|USD|USD CASH|US DOLLARS?|CORE|SETTLEMENT FUND", re.I
)
_CASH_TICKERS = frozenset({"CASH", "CORE", "USD"})
"""Names of cash that are also tickers: Pathward, Core Natural Resources, ProShares Ultra Semiconductors."""
_SIDE = re.compile(r"\b(?:CALL|PUT)\b", re.I)
_NAME = re.compile(r"[A-Z][a-z]{2,}")
_ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")


@dataclass(frozen=True)
class Instruments:
    """What the rows are about; every array has one item per row, None where a problem was noted.

    Attributes
    ----------
    terms : NO_OPTION for what is none.
    multiplier : NaN where the class says it: 100 for options, 0.01 for bonds, else 1.
    factor : the multiplier in any case.
    is_cash : cash and money-market funds, whose price is 1.00 unless one is known.
    """

    symbol: Objects
    investment_class: Objects
    subtype: Objects
    terms: Objects
    multiplier: FloatArray
    factor: FloatArray
    is_cash: BoolArray


def read_instruments(cells: Cells, rows: BoolArray | None = None) -> Instruments:
    """Return the instruments of a table; `rows` are those that have one (all by default)."""
    wanted = np.ones(len(cells), dtype=bool) if rows is None else rows
    found, of_row = _symbols(cells, wanted)
    investment_class, subtype, is_cash = read_classes(cells, found, of_row, wanted)
    terms = _terms(cells, found, of_row, np.flatnonzero(investment_class == "OPTIONS"))
    multiplier = _multipliers(cells, found, of_row, wanted, subtype == "BOND")
    usual = usual_multipliers(investment_class, subtype)
    factor = np.where(np.isnan(multiplier), usual, multiplier)
    symbol = np.array([None if one is None else one.symbol for one in found], dtype=object)[of_row]
    is_code = np.array([one is not None and one.contract is not None for one in found], dtype=bool)[of_row]
    _name_contracts(cells, symbol, terms, np.flatnonzero((investment_class == "OPTIONS") & ~is_code & wanted), wanted)
    return Instruments(
        symbol=symbol,
        investment_class=investment_class,
        subtype=subtype,
        terms=terms,
        multiplier=np.where(multiplier == usual, np.nan, multiplier),
        factor=factor,
        is_cash=is_cash,
    )


def _symbols(cells: Cells, wanted: BoolArray) -> tuple[list[Instrument | None], Codes]:
    """Return the different instruments, and for each row which of them it has."""
    texts = cells.texts("symbol")
    read = [_symbol(text, cells) for text in texts.distinct]
    found = [instrument for instrument, _ in read]
    of_row: Codes = _with_tickers(cells, found)
    is_described = np.zeros(len(cells), dtype=bool)
    if cells.has("contract"):
        contracts = cells.texts("contract")
        names, descriptions = texts.distinct, contracts.distinct
        described = [_described(text) for text in descriptions]
        is_described = np.array([one is not None for one in described], dtype=bool)[contracts.codes]
        named = of_row
        first, of_row = distinct_rows(named, contracts.codes)
        found = [described[contracts.codes[row]] or found[named[row]] for row in first]
        is_unread = np.array(
            [
                _names_option(descriptions[contracts.codes[row]], names[texts.codes[row]], one)
                for row, one in zip(first, found, strict=True)
            ],
            dtype=bool,
        )
        for row in np.flatnonzero(is_unread[of_row] & wanted).tolist():
            expected = "an option contract as AAPL 1/17/2025 Call $200.00"
            cells.wrong("ERR_POS_025", row, "contract", expected, "looks like an option contract, but is none")
    if words := [text for text in texts.distinct if _NAME.fullmatch(text) and not _CASH_NAMES.fullmatch(text)]:
        rows = texts.among(words) & wanted & ~cells.texts("class").having(lambda text: text.upper() == "PRIVATE")
        if shown := texts.at(rows).distinct:
            cells.findings.warnings.append(
                f"{', '.join(shown[:5])}: read as symbols; if these are names of companies, put their tickers there"
            )
    is_wrong = np.array([fault is not None for _, fault in read], dtype=bool)[texts.codes]
    for row in np.flatnonzero(is_wrong & wanted & ~is_described).tolist():
        code, expected, message = read[texts.codes[row]][1]
        if texts[row]:
            cells.wrong(code, row, "symbol", expected, message)
        else:
            cells.missing(code, row, "symbol", expected)
    return found, of_row


def _symbol(text: str, cells: Cells) -> tuple[Instrument | None, tuple[str, str, str] | None]:
    source = cells.table.source
    mapped = source.symbols.get(text.upper(), text)
    if _CASH_NAMES.fullmatch(mapped):
        return Instrument(CASH, is_core_cash=True), None
    instrument, fault = instrument_of(mapped)
    if instrument is None:
        return None, fault
    if not source.is_strict and _ISIN.fullmatch(instrument.symbol):
        expected = f"a ticker; `symbols: {{{instrument.symbol}: TICKER}}` in a --mapping names it"
        return None, ("ERR_POS_003", expected, "an ISIN, which price sources do not know")
    return instrument, None


def _with_tickers(cells: Cells, found: list[Instrument | None]) -> Codes:
    """Return for each row which instrument it has; names of cash that are tickers are added.

    They are tickers at another price than 1, with terms of an option, or with a subtype that is not cash.
    """
    texts = cells.texts("symbol")
    of_row: Codes = texts.codes
    names = texts.distinct
    for place in [number for number, name in enumerate(names) if name.upper() in _CASH_TICKERS]:
        if found[place] == Instrument(CASH, is_core_cash=True):
            price = cells.numbers("price", "ERR_POS_009")
            is_ticker = (price > 0) & (price != 1.0)
            if cells.table.source.is_strict:
                is_ticker |= np.isnan(price)  # forgotten
            is_ticker |= ~cells.texts("subtype").having(lambda text: text.upper() in ("", *CASH_SUBTYPES))
            for name in OPTION_FIELDS:
                is_ticker |= ~cells.is_empty(name)
            of_row = np.where((of_row == place) & is_ticker, len(found), of_row)
            found.append(Instrument(names[place].upper()))
    return of_row


def _described(text: str) -> Instrument | None:
    """Return the contract that a description names, if it is one."""
    contract = contract_in(text.split("\n")[0]) if _SIDE.search(text) else None
    return None if contract is None else Instrument(contract.code, contract)


def _names_option(text: str, symbol: str, instrument: Instrument | None) -> bool:
    """Return whether a description is about an option on the symbol, which it does not name as one that exists."""
    if (instrument is not None and instrument.contract) or not (symbol and _SIDE.search(text)):
        return False
    line = text.split("\n")[0]
    return symbol.upper() in line.upper().split() and any(character.isdigit() for character in line)


def _terms(cells: Cells, found: list[Instrument | None], of_row: Codes, options: npt.NDArray[np.intp]) -> Objects:
    terms = np.full(len(cells), NO_OPTION, dtype=object)
    says_more = np.zeros(len(cells), dtype=bool)
    for name in (*OPTION_FIELDS, "subtype"):
        if cells.has(name):
            says_more |= ~cells.is_empty(name)
    by_code: dict[int, OptionTerms | None] = {}
    for row in options.tolist():
        place = of_row[row]
        instrument = found[place]
        contract = None if instrument is None else instrument.contract
        if contract is not None and not says_more[row]:
            if place not in by_code:
                by_code[place] = contract_terms(contract)
            if (known := by_code[place]) is not None:
                terms[row] = known
                continue
        terms[row] = option_terms(cells, row, contract)
    return terms


def _name_contracts(
    cells: Cells, symbol: Objects, terms: Objects, options: npt.NDArray[np.intp], wanted: BoolArray
) -> None:
    """Give options whose symbol is no code, and not theirs alone, the code that their terms make.

    A name such as MYCALL stays, since a price file may have quotes of it. A contract with the symbol of its underlying
    would be valued at the price of that, and two contracts of one name at one price.
    """
    complete = [row for row in options.tolist() if symbol[row] is not None and _is_complete(terms[row])]
    if not complete:
        return
    is_other = wanted.copy()
    is_other[options] = False
    taken = {*symbol[is_other], *(terms[row].underlying_symbol for row in complete)}
    contracts: dict[str, set[OptionTerms]] = {}
    for row in complete:
        contracts.setdefault(symbol[row], set()).add(terms[row])
    for row in complete:
        name, own = symbol[row], terms[row]
        if not (name in taken or len(contracts[name]) > 1 or names_underlying(name, own.underlying_symbol)):
            continue
        strike = Decimal(repr(own.strike_price))
        contract = contract_of(name, own.underlying_symbol, own.expiration_date, own.option_type, strike)
        if contract is not None:
            symbol[row] = contract.code
        else:
            expected = "a symbol of the contract alone: no option code can say its terms"
            cells.wrong("ERR_POS_025", row, "symbol", expected, "names more than the contract")


def _is_complete(terms: OptionTerms) -> bool:
    parts = (terms.underlying_symbol, terms.strike_price, terms.expiration_date, terms.option_type)
    return all(part is not None for part in parts)


def _multipliers(
    cells: Cells, found: list[Instrument | None], of_row: Codes, wanted: BoolArray, is_bond: BoolArray
) -> FloatArray:
    """Return the multipliers that a file states; a broker writes 1 for a bond, which is none."""
    values = cells.numbers("multiplier", "ERR_POS_026", places_code="ERR_POS_026")
    for row in np.flatnonzero(wanted & ~(values > 0) & ~np.isnan(values)).tolist():
        cells.wrong("ERR_POS_026", row, "multiplier", "a number above 0, or nothing", "not above 0")
    if not cells.table.source.is_strict:
        values = np.where(is_bond & (values == 1.0), np.nan, values)
    is_open = np.zeros(len(found), dtype=bool)
    is_open[of_row[np.isnan(values)]] = True
    adjusted = sorted(
        {
            one.symbol
            for one, open_ in zip(found, is_open, strict=True)
            if open_ and one is not None and one.contract is not None and one.contract.is_adjusted
        }
    )
    if adjusted:
        cells.findings.warnings.append(
            f"{', '.join(adjusted[:5])}: an adjusted contract may deliver another number than 100 shares, which is what it"
            " is counted as; say how many in a column Multiplier"
        )
    return values


def expired_before(terms: OptionTerms, entry: date) -> bool:
    """Return whether an option had expired before its lot was entered."""
    return terms.expiration_date is not None and terms.expiration_date < entry
