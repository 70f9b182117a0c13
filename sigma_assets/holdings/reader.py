"""A holdings file (SPEC 2.1) becomes checked lots, or one error that names every problem in it."""

from dataclasses import dataclass, fields
from datetime import date

import numpy as np
import pandas as pd

from sigma_assets.base.conventions import INVESTMENT_CLASSES, SUBTYPES
from sigma_assets.base.errors import HoldingsError, Problem
from sigma_assets.holdings.cells import Cells
from sigma_assets.holdings.contracts import Contract, occ_contract
from sigma_assets.holdings.options import NO_OPTION, OPTION_COLUMNS, OptionTerms, option_terms
from sigma_assets.holdings.table import MAX_PROBLEMS, read_rows

CASH_PREFIX = "CASH_"


@dataclass(frozen=True)
class Lot:
    """One checked lot; the fields are the columns of the table `lots` without its ids."""

    symbol: str
    quantity: float
    entry_price: float
    entry_date: date
    exit_date: date | None
    exit_price: float | None
    investment_class: str
    investment_subtype: str | None
    underlying_symbol: str | None
    strike_price: float | None
    expiration_date: date | None
    option_type: str | None


LOT_COLUMNS = tuple(each.name for each in fields(Lot))


def read_holdings(content: bytes, file_name: str, today: date) -> pd.DataFrame:
    """Read the lots of a holdings file.

    Parameters
    ----------
    content : the file as it is on disk.
    file_name : its name, for the error and for the check that it ends in .csv.
    today : latest day on which a lot may have been entered or closed.

    Returns
    -------
    DataFrame of shape (n_lots, 12) with `LOT_COLUMNS`, in the order of the file
        Numbers are float64 and NaN for null, days datetime64[s] and NaT for null, texts objects and None for null.

    Raises
    ------
    HoldingsError
        Anything is wrong; `problems` has all of it (up to `MAX_PROBLEMS`), in the order of the lines.
    """
    problems: list[Problem] = []
    lots: list[Lot] = []
    seen: dict[tuple[object, ...], int] = {}
    for row in read_rows(content, file_name, problems):
        cells = Cells(row, problems)
        lot = _lot(cells, today, seen)
        if not problems and lot is not None:
            lots.append(lot)
    if problems:
        if len(problems) >= MAX_PROBLEMS:
            end = f"too many problems: checking stopped after {len(problems):,}"
            problems.append(Problem("ERR_CSV_006", None, None, None, "a holdings file", end))
        problems.sort(key=lambda problem: (problem.line is not None, problem.line or 0))
        raise HoldingsError.of(file_name, problems)
    return _frame(lots)


def _lot(cells: Cells, today: date, seen: dict[tuple[object, ...], int]) -> Lot | None:
    """Return the lot of one row, None if it has problems that leave nothing to return."""
    symbol = cells.symbol()
    quantity = cells.quantity()
    entry_price = cells.entry_price()
    entry_date = cells.entry_date(today)
    contract = occ_contract(symbol) if symbol else None
    investment_class = _investment_class(cells, symbol, contract)
    subtype = _subtype(cells, investment_class)
    is_option = investment_class == "OPTIONS"
    terms = option_terms(cells, contract, entry_date) if is_option else NO_OPTION
    exit_date, exit_price = _exit(cells, today, entry_date)
    if symbol is None or entry_date is None:
        return None
    _note_duplicate(cells, (symbol, entry_date, *_contract_key(terms)), seen)
    if quantity is None or entry_price is None or investment_class is None:
        return None
    return Lot(
        symbol=symbol,
        quantity=quantity,
        entry_price=entry_price,
        entry_date=entry_date,
        exit_date=exit_date,
        exit_price=exit_price,
        investment_class=investment_class,
        investment_subtype=subtype,
        **vars(terms),
    )


def _investment_class(cells: Cells, symbol: str | None, contract: Contract | None) -> str | None:
    column = "Investment Class"
    looks_like_option = contract is not None or any(cells.text(name) for name in OPTION_COLUMNS)
    stated = cells.keyword(column)
    if stated is None:
        if looks_like_option:
            return "OPTIONS"
        return "PRIVATE" if symbol is not None and symbol.startswith(CASH_PREFIX) else "PUBLIC"
    if stated not in INVESTMENT_CLASSES:
        cells.wrong("ERR_POS_016", column, f"{', '.join(INVESTMENT_CLASSES)} or nothing", "unknown class")
        return None
    if looks_like_option and stated != "OPTIONS":
        why = "an OCC option code" if contract is not None else "option columns"
        cells.wrong("ERR_POS_016", column, f"OPTIONS or nothing, since the lot has {why}", "contradicts the lot")
        return None
    return stated


def _subtype(cells: Cells, investment_class: str | None) -> str | None:
    column = "Investment Subtype"
    subtype = cells.keyword(column)
    if subtype is None or investment_class is None or subtype in SUBTYPES[investment_class]:
        return subtype
    expected = f"one of {', '.join(SUBTYPES[investment_class])} for class {investment_class}, or nothing"
    cells.wrong("ERR_POS_017", column, expected, "not a subtype of the class")
    return None


def _exit(cells: Cells, today: date, entry_date: date | None) -> tuple[date | None, float | None]:
    date_column, price_column = "Exit Date", "Exit Price Per Share"
    has_date, has_price = bool(cells.text(date_column)), bool(cells.text(price_column))
    if has_date and not has_price:
        cells.missing("ERR_POS_024", price_column, "a price, since the lot has an exit date")
    if has_price and not has_date:
        cells.missing("ERR_POS_024", date_column, "a day, since the lot has an exit price")
    day = cells.past_day(date_column, today) if has_date else None
    if day is not None and entry_date is not None and day < entry_date:
        cells.wrong("ERR_POS_018", date_column, f"the entry date {entry_date} or later", "before the entry")
    return day, cells.price(price_column) if has_price else None


def _contract_key(terms: OptionTerms) -> tuple[object, ...]:
    return terms.underlying_symbol, terms.strike_price, terms.expiration_date, terms.option_type


def _note_duplicate(cells: Cells, key: tuple[object, ...], seen: dict[tuple[object, ...], int]) -> None:
    first = seen.setdefault(key, cells.line)
    if first != cells.line:
        expected = f"one lot per symbol and entry date (options: and contract); line {first} has this one already"
        cells.wrong("ERR_POS_023", "Symbol", expected, f"duplicate of line {first}")


def _frame(lots: list[Lot]) -> pd.DataFrame:
    kinds = {each.name: str(each.type) for each in fields(Lot)}
    columns: dict[str, np.ndarray] = {}
    for name in LOT_COLUMNS:
        values = [getattr(lot, name) for lot in lots]
        if "date" in kinds[name]:
            columns[name] = np.array(values, dtype="datetime64[s]")
        elif "float" in kinds[name]:
            columns[name] = np.array(values, dtype="float64")
        else:
            columns[name] = np.array(values, dtype=object)
    return pd.DataFrame({name: pd.Series(values, dtype=values.dtype) for name, values in columns.items()})
