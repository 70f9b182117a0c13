"""Which class and subtype each row has: as stated, in our words or a broker's, else told from the symbol (SPEC 2.1)."""

import shlex

import numpy as np

from sigma_assets.base.contracts import Instrument
from sigma_assets.base.conventions import CASH_PREFIX, CASH_SUBTYPES, INVESTMENT_CLASSES, SUBTYPES
from sigma_assets.base.frames import BoolArray
from sigma_assets.base.numerals import NOTHING
from sigma_assets.holdings.bonds import describes_bond, is_bond, may_be_cusip
from sigma_assets.holdings.brokers.sources import plain
from sigma_assets.holdings.brokers.words import KINDS_OF, in_words
from sigma_assets.holdings.files.cells import Cells
from sigma_assets.holdings.files.layout.column import Codes, Objects, distinct_rows
from sigma_assets.holdings.files.options import OPTION_FIELDS

_LONGEST_TICKER = 5
_FEW = 40
"""Kinds that a message lists."""


def read_classes(
    cells: Cells, found: list[Instrument | None], of_row: Codes, wanted: BoolArray
) -> tuple[Objects, Objects, BoolArray]:
    has_terms = np.zeros(len(cells), dtype=bool)
    for name in OPTION_FIELDS:
        if cells.has(name):
            has_terms |= ~cells.is_empty(name)
    stated, subtype = cells.texts("class"), cells.texts("subtype")
    is_described = np.zeros(len(cells), dtype=bool)
    if any(one is not None and may_be_cusip(one.symbol) for one in found):
        is_described = cells.texts("description").having(describes_bond)
    first, of_kind = distinct_rows(of_row, stated.codes, subtype.codes, has_terms, is_described)
    known = [
        _class(stated[row], subtype[row], found[of_row[row]], bool(is_described[row]), bool(has_terms[row]), cells)
        for row in first
    ]
    is_wrong = np.array([bool(faults) for _, _, faults in known], dtype=bool)[of_kind]
    for row in np.flatnonzero(is_wrong & wanted).tolist():
        for code, name, expected, message in known[of_kind[row]][2]:
            cells.wrong(code, row, name, expected, message)
    _note_bonds(
        cells,
        {
            found[of_row[row]]
            for row, kind in zip(first, known, strict=True)
            if kind[1] == "BOND" and wanted[row] and not subtype[row] and _says_no_kind(stated[row])
        },
    )
    is_core = [(one := found[of_row[row]]) is not None and one.is_core_cash for row in first]
    is_cash = [subtype in CASH_SUBTYPES or core for (_, subtype, _), core in zip(known, is_core, strict=True)]
    _check_cash(cells, np.array(is_cash, dtype=bool)[of_kind] & wanted)
    return (
        np.array([each for each, _, _ in known], dtype=object)[of_kind],
        np.array([each for _, each, _ in known], dtype=object)[of_kind],
        np.array(is_cash, dtype=bool)[of_kind],
    )


def _check_cash(cells: Cells, is_cash: BoolArray) -> None:
    """Refuse cash at another price than 1 that a word of a table makes cash: it may be about the account."""
    if not is_cash.any() or cells.table.source.classes is not KINDS_OF:
        return
    rows = is_cash & ~cells.texts("class").having(_says_no_kind)
    price = cells.numbers("price", "ERR_POS_009") if rows.any() else np.zeros(len(cells))
    for row in np.flatnonzero(rows & (price > 0) & (price != 1.0)).tolist():
        ignoring = f"`--ignore-column {shlex.quote(cells.table.label('class'))}`"
        expected = f"another kind, since cash is worth 1.00 each; {ignoring} if the column is about the account"
        cells.wrong("ERR_POS_016", row, "class", expected, f"cash at a price of {price[row]:,.8g}")


def _note_bonds(cells: Cells, bonds: set[Instrument | None]) -> None:
    """Say which instruments are taken for bonds without a word of the file."""
    if named := sorted(bond.symbol for bond in bonds if bond is not None):
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        cells.findings.warnings.append(
            f"{', '.join(named[:5])}{more}: read as bonds, by their CUSIP: the quantity is the face value, the price in per"
            " cent of par"
        )


def _class(
    stated: str,
    stated_subtype: str,
    instrument: Instrument | None,
    is_described: bool,
    has_terms: bool,
    cells: Cells,
) -> tuple[str | None, str | None, list[tuple[str, str, str, str]]]:
    """Return class, subtype and what is wrong with them, as (code, field, expected, message)."""
    faults: list[tuple[str, str, str, str]] = []
    text, subtype = stated.upper(), stated_subtype.upper() or None
    if stated in NOTHING:
        text = ""
    source = cells.table.source
    if text and source.classes and text not in INVESTMENT_CLASSES:
        pair = source.classes.get(plain(text)) or source.classes.get(in_words(text))
        if pair is None:
            known = ", ".join(list(source.classes)[:_FEW])
            more = f" and {len(source.classes) - _FEW} more" if len(source.classes) > _FEW else ""
            expected = f"one of {known}{more}: nothing else is imported"
            return None, None, [("ERR_POS_016", "class", expected, "a kind of instrument that is not known")]
        if subtype is not None and pair[1] not in (None, subtype):
            faults.append(
                ("ERR_POS_017", "subtype", f"{pair[1]}, as the kind says, or nothing", "contradicts the kind")
            )
        is_ticker = instrument is not None and instrument.symbol.isalpha() and len(instrument.symbol) <= _LONGEST_TICKER
        if source.classes is KINDS_OF and pair[1] == "BOND" and subtype is None and is_ticker:
            expected = "ETF or Mutual Fund for a fund of bonds; for a bond its CUSIP, or BOND in Investment Subtype"
            faults.append(("ERR_POS_016", "class", expected, "a bond with the ticker of a share or fund"))
        text, subtype = str(pair[0]), subtype or pair[1]
        contract = None if instrument is None else instrument.contract
        if contract is not None and text != "OPTIONS":
            text, subtype = "OPTIONS", None
        elif contract is not None and pair[1] not in (None, contract.option_type):
            expected = f"{contract.option_type.capitalize()}, as in the code, or Option"
            faults.append(("ERR_POS_022", "class", expected, "contradicts the OCC code"))
        if instrument is not None and instrument.is_money_market and subtype == "MUTUAL_FUND":
            subtype = "MONEY_MARKET"
    looks_like_option = has_terms or (instrument is not None and instrument.contract is not None)
    if not text:
        text = _implied(instrument, looks_like_option)
        if subtype is None and text != "OPTIONS" and instrument is not None:
            subtype = "CASH" if instrument.symbol.startswith(CASH_PREFIX) or instrument.is_core_cash else None
            subtype = subtype or ("MONEY_MARKET" if instrument.is_money_market else None)
        elif subtype in CASH_SUBTYPES and subtype not in SUBTYPES[text]:
            text = "PRIVATE"
    is_open = text == "PUBLIC" and subtype is None and _says_no_kind(stated) and not looks_like_option
    if is_open and instrument is not None and is_bond(instrument.symbol, is_described=is_described):
        subtype = "BOND"
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


def _says_no_kind(stated: str) -> bool:
    """Return whether a class leaves open which of its subtypes it is."""
    return stated in NOTHING or stated.upper() in INVESTMENT_CLASSES


def _implied(instrument: Instrument | None, looks_like_option: bool) -> str:
    if looks_like_option:
        return "OPTIONS"
    return "PRIVATE" if instrument is not None and instrument.symbol.startswith(CASH_PREFIX) else "PUBLIC"
