"""What each row of a table is about: symbol, class, subtype, option terms, multiplier."""

import re
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from sigma_assets.base.conventions import (
    BOND_MULTIPLIER,
    CASH_PREFIX,
    CASH_SUBTYPES,
    INVESTMENT_CLASSES,
    OPTION_MULTIPLIER,
    SUBTYPES,
)
from sigma_assets.holdings.contracts import MAX_SYMBOL_LENGTH, Instrument, is_symbol, read_symbol
from sigma_assets.holdings.files.cells import Cells, Floats, RowCells
from sigma_assets.holdings.files.numerals import NOTHING
from sigma_assets.holdings.files.options import NO_OPTION, OPTION_FIELDS, OptionTerms, contract_terms, option_terms

CASH = "CASH_USD"
_CASH_NAMES = re.compile(
    r"CASH|CASH & CASH INVESTMENTS|CASH & CASH FUND.*|USD|USD CASH|US DOLLARS?|CORE|SETTLEMENT FUND", re.I
)
_ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")
_Objects = npt.NDArray[np.object_]


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

    symbol: _Objects
    investment_class: _Objects
    subtype: _Objects
    terms: _Objects
    multiplier: Floats
    factor: Floats
    is_cash: npt.NDArray[np.bool_]


def read_instruments(cells: Cells, rows: npt.NDArray[np.bool_] | None = None) -> Instruments:
    """Return the instruments of a table; `rows` are those that have one (all by default)."""
    wanted = np.ones(len(cells), dtype=bool) if rows is None else rows
    found = _symbols(cells, wanted)
    classes, subtypes, is_cash = _classes(cells, found, wanted)
    terms = _terms(cells, found, classes)
    multiplier = _multipliers(cells, found, wanted)
    investment_class, subtype = np.array(classes, dtype=object), np.array(subtypes, dtype=object)
    default = np.where(investment_class == "OPTIONS", float(OPTION_MULTIPLIER), 1.0)
    default = np.where(subtype == "BOND", BOND_MULTIPLIER, default)
    factor = np.where(np.isnan(multiplier), default, multiplier)
    symbol = np.array([None if one is None else one.symbol for one in found], dtype=object)
    return Instruments(
        symbol=symbol,
        investment_class=investment_class,
        subtype=subtype,
        terms=terms,
        multiplier=np.where(multiplier == default, np.nan, multiplier),
        factor=factor,
        is_cash=is_cash,
    )


def _symbols(cells: Cells, wanted: npt.NDArray[np.bool_]) -> list[Instrument | None]:
    texts, contracts = cells.texts("symbol"), cells.texts("contract")
    known: dict[str, Instrument | None] = {}
    faults: dict[str, tuple[str, str, str]] = {}
    for text in set(texts):
        known[text], fault = _symbol(text, cells)
        if fault:
            faults[text] = fault
    if cells.has("contract"):
        found = [_described(contract) or known[text] for text, contract in zip(texts, contracts, strict=True)]
    else:
        found = [known[text] for text in texts]
    if faults:
        for row, text in enumerate(texts):
            if text in faults and wanted[row] and (found[row] is None or not found[row].contract):  # type: ignore[union-attr]
                code, expected, message = faults[text]
                if text:
                    cells.wrong(code, row, "symbol", expected, message)
                else:
                    cells.missing(code, row, "symbol", expected)
    return found


def _symbol(text: str, cells: Cells) -> tuple[Instrument | None, tuple[str, str, str] | None]:
    if not text:
        return None, ("ERR_POS_001", "a symbol such as AAPL", "empty")
    if len(text) > MAX_SYMBOL_LENGTH:
        return None, ("ERR_POS_002", f"at most {MAX_SYMBOL_LENGTH} characters", f"{len(text):,} characters")
    source = cells.table.source
    mapped = source.symbols.get(text.upper(), text)
    if not source.is_strict and _CASH_NAMES.fullmatch(mapped):
        return Instrument(CASH, is_core_cash=True), None
    instrument = read_symbol(mapped)
    if instrument is None:
        expected = "an option contract as AAPL250117C00200000 or AAPL 01/17/2025 200.00 C, or a symbol"
        return None, ("ERR_POS_025", expected, "looks like an option contract, but is none")
    if not is_symbol(instrument.symbol):
        return None, ("ERR_POS_003", "only the characters A-Z a-z 0-9 . _ -", "other characters")
    if not source.is_strict and _ISIN.fullmatch(instrument.symbol):
        expected = f"a ticker; `symbols: {{{instrument.symbol}: TICKER}}` in a --mapping names it"
        return None, ("ERR_POS_003", expected, "an ISIN, which price sources do not know")
    return instrument, None


def _described(text: str) -> Instrument | None:
    """Return the contract that a description names, if it is one."""
    if not any(word in text.upper() for word in ("CALL", "PUT")) or len(text) > MAX_SYMBOL_LENGTH:
        return None
    instrument = read_symbol(text.split("\n")[0])
    return instrument if instrument is not None and instrument.contract else None


def _classes(
    cells: Cells, found: list[Instrument | None], wanted: npt.NDArray[np.bool_]
) -> tuple[list[str | None], list[str | None], npt.NDArray[np.bool_]]:
    option_columns = [name for name in OPTION_FIELDS if cells.has(name)]
    has_terms = np.zeros(len(cells), dtype=bool)
    for name in option_columns:
        has_terms |= ~cells.is_empty(name)
    kinds = {id(each): _kind(each) for each in found}
    of_rows = (cells.texts("class"), cells.texts("subtype"), [kinds[id(each)] for each in found], has_terms.tolist())
    keys = list(zip(*of_rows, strict=True))
    known = {
        key: _class(key[0], key[1], each, key[3], cells) for key, each in dict(zip(keys, found, strict=True)).items()
    }
    if any(faults for _, _, faults in known.values()):
        for row in np.flatnonzero(wanted).tolist():
            for code, name, expected, message in known[keys[row]][2]:
                cells.wrong(code, row, name, expected, message)
    classes = [known[key][0] for key in keys]
    subtypes = [known[key][1] for key in keys]
    cash = {key for key, (_, subtype, _) in known.items() if subtype in CASH_SUBTYPES or (key[2] and key[2][1])}
    is_cash = np.fromiter(map(cash.__contains__, keys), bool, len(keys))
    return classes, subtypes, is_cash


def _kind(instrument: Instrument | None) -> tuple[bool, ...] | None:
    """Return what of an instrument its class depends on."""
    if instrument is None:
        return None
    is_cash_symbol = instrument.symbol.startswith(CASH_PREFIX)
    return instrument.contract is not None, is_cash_symbol, instrument.is_core_cash, instrument.is_money_market


def _class(
    stated: str, stated_subtype: str, instrument: Instrument | None, has_terms: bool, cells: Cells
) -> tuple[str | None, str | None, list[tuple[str, str, str, str]]]:
    """Return class, subtype and what is wrong with them, as (code, field, expected, message)."""
    faults: list[tuple[str, str, str, str]] = []
    text, subtype = stated.upper(), stated_subtype.upper() or None
    if stated in NOTHING:
        text = ""
    source = cells.table.source
    if text and source.classes:
        pair = source.classes.get(text.lower())
        if pair is None:
            expected = f"one of {', '.join(source.classes)}: nothing else is imported"
            return None, None, [("ERR_POS_016", "class", expected, "a kind of instrument that is not known")]
        text, subtype = str(pair[0]), pair[1]
        if instrument is not None and instrument.contract is not None:
            text, subtype = "OPTIONS", None
    looks_like_option = has_terms or (instrument is not None and instrument.contract is not None)
    if not text:
        text = _implied(instrument, looks_like_option)
        if subtype is None and text != "OPTIONS" and instrument is not None:
            subtype = "CASH" if instrument.symbol.startswith(CASH_PREFIX) or instrument.is_core_cash else None
            subtype = subtype or ("MONEY_MARKET" if instrument.is_money_market else None)
        elif subtype in CASH_SUBTYPES and subtype not in SUBTYPES[text]:
            text = "PRIVATE"
    if text not in INVESTMENT_CLASSES:
        return None, None, [("ERR_POS_016", "class", f"{', '.join(INVESTMENT_CLASSES)} or nothing", "unknown class")]
    if looks_like_option and text != "OPTIONS":
        why = "an option code" if instrument is not None and instrument.contract else "option columns"
        expected = f"OPTIONS or nothing, since the lot has {why}"
        return None, None, [("ERR_POS_016", "class", expected, "contradicts the lot")]
    if subtype is not None and subtype not in SUBTYPES[text]:
        expected = f"one of {', '.join(SUBTYPES[text])} for class {text}, or nothing"
        faults.append(("ERR_POS_017", "subtype", expected, "not a subtype of the class"))
    return text, subtype, faults


def _implied(instrument: Instrument | None, looks_like_option: bool) -> str:
    if looks_like_option:
        return "OPTIONS"
    return "PRIVATE" if instrument is not None and instrument.symbol.startswith(CASH_PREFIX) else "PUBLIC"


def _terms(cells: Cells, found: list[Instrument | None], classes: list[str | None]) -> _Objects:
    terms = np.full(len(found), NO_OPTION, dtype=object)
    empty = [cells.is_empty(name) for name in (*OPTION_FIELDS, "subtype") if cells.has(name)]
    by_code: dict[str, OptionTerms | None] = {}
    for row, investment_class in enumerate(classes):
        if investment_class != "OPTIONS":
            continue
        instrument = found[row]
        contract = None if instrument is None else instrument.contract
        if contract is not None and instrument is not None and all(column[row] for column in empty):
            if instrument.symbol not in by_code:
                by_code[instrument.symbol] = contract_terms(contract)
            if (known := by_code[instrument.symbol]) is not None:
                terms[row] = known
                continue
        terms[row] = option_terms(RowCells(cells, row), contract)
    return terms


def _multipliers(cells: Cells, found: list[Instrument | None], wanted: npt.NDArray[np.bool_]) -> Floats:
    values = cells.numbers("multiplier", "ERR_POS_026", places_code="ERR_POS_026")
    for row in np.flatnonzero(wanted & ~(values > 0) & ~np.isnan(values)):
        cells.wrong("ERR_POS_026", int(row), "multiplier", "a number above 0, or nothing", "not above 0")
    adjusted = sorted(
        {
            instrument.symbol
            for row, instrument in enumerate(found)
            if instrument is not None and instrument.contract is not None and instrument.contract.is_adjusted
            and np.isnan(values[row])
        }
    )  # fmt: skip
    if adjusted:
        cells.findings.warnings.append(
            f"{', '.join(adjusted[:5])}: an adjusted contract may deliver another number than 100 shares, which is what it"
            " is counted as; say how many in a column Multiplier"
        )
    return values


def expired_before(terms: OptionTerms, entry: date) -> bool:
    """Return whether an option had expired before its lot was entered."""
    return terms.expiration_date is not None and terms.expiration_date < entry
