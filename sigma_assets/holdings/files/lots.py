"""From the rows of a table of lots or positions to checked lots."""

from dataclasses import fields
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.base.calendar import entry_day_problem
from sigma_assets.base.errors import HoldingsError
from sigma_assets.base.frames import BoolArray, FloatArray, SessionArray
from sigma_assets.holdings.brokers.words import is_usd
from sigma_assets.holdings.files.cells import PLACES, Cells
from sigma_assets.holdings.files.findings import Doubt
from sigma_assets.holdings.files.instruments import Instruments, expired_before, read_instruments
from sigma_assets.holdings.files.layout.column import distinct_rows
from sigma_assets.holdings.files.options import OptionTerms
from sigma_assets.holdings.files.statements import (
    ask_about_signs,
    ask_about_totals,
    check_costs,
    check_status,
    check_unit,
    is_of_today,
    of_one,
    of_total_cost,
    side_signs,
    warn_of_par,
)

_TEXT, _NUMBER, _DAY = "object", "float64", "datetime64[s]"
_DTYPES = {
    "symbol": _TEXT, "quantity": _NUMBER, "entry_price": _NUMBER, "entry_date": _DAY, "exit_date": _DAY,
    "exit_price": _NUMBER, "investment_class": _TEXT, "investment_subtype": _TEXT, "underlying_symbol": _TEXT,
    "strike_price": _NUMBER, "expiration_date": _DAY, "option_type": _TEXT, "multiplier": _NUMBER,
}  # fmt: skip
LOT_COLUMNS = tuple(_DTYPES)
"""Columns of the table `lots` without its ids."""
_FEW = 1_000
"""Questions about rows that stand there twice."""
_NOT_A_TIME = np.datetime64("NaT", "D")


def read_lots(cells: Cells, today: date, entry_date: date | None, *, allow_duplicates: bool) -> pd.DataFrame:
    """Return the lots of a table, in its order, with `LOT_COLUMNS`; what is wrong is noted, and then there are none.

    Parameters
    ----------
    today : latest day on which a lot may have been entered or closed.
    entry_date : the day from which positions count, where the file says none; asked for if it is None.
    """
    findings = cells.findings
    rows = _rows(cells)
    check_currency(cells, rows)
    instruments = read_instruments(cells, rows)
    stated = _quantities(cells, instruments, rows)
    quantity = stated * side_signs(cells, stated, rows)
    price = _prices(cells, instruments, quantity, rows)
    entry = _entries(cells, today, entry_date, rows)
    exit_date, exit_price = _exits(cells, today, entry, rows)
    for row in np.flatnonzero(instruments.investment_class == "OPTIONS"):
        terms = instruments.terms[row]
        if not np.isnat(entry[row]) and expired_before(terms, entry[row].item()):
            findings.warnings.append(
                f"line {cells.table.lines[row]}: {instruments.symbol[row]} had expired on {terms.expiration_date}, before"
                f" its entry on {entry[row]}: check both days"
            )
    if findings.problems:
        return lot_frame({name: [] for name in LOT_COLUMNS})
    frame = _frame(instruments, quantity, price, entry, exit_date, exit_price)
    if not rows.all():
        frame = frame[rows]
    if not allow_duplicates:
        _note_duplicates(cells, frame)
    if not allow_duplicates and not cells.table.source.is_strict:
        ask_about_totals(cells, frame[np.isnat(exit_date[rows])])
    if not cells.table.source.is_strict and not cells.has("direction"):
        _note_both_sides(cells, frame)
    return frame.reset_index(drop=True)


def check_currency(cells: Cells, rows: BoolArray) -> None:
    """Note each of the rows whose currency is another than USD."""
    texts = cells.texts("currency")
    for row in np.flatnonzero(rows & texts.having(lambda text: text and not is_usd(text))).tolist():
        cells.wrong("ERR_POS_028", row, "currency", "USD: other currencies are not kept", "another currency")


def _rows(cells: Cells) -> BoolArray:
    """Return which rows are lots: positions without symbol and quantity are lines between them."""
    if cells.table.source.kind == "lots":
        return np.ones(len(cells), dtype=bool)
    rows = ~cells.is_empty("symbol") | ~cells.is_empty("quantity")
    for row in np.flatnonzero(~rows).tolist():
        text = cells.texts("description")[row] or cells.texts("account")[row]
        cells.skip(row, text[:80], "no symbol and no quantity")
    return rows


def _quantities(cells: Cells, instruments: Instruments, rows: BoolArray) -> FloatArray:
    quantity = cells.numbers("quantity", "ERR_POS_005", places_code="ERR_POS_007")
    empty = cells.is_empty("quantity")
    if cells.has("value"):
        value = cells.numbers_beside("value")
        is_cash = instruments.is_cash & empty & ~np.isnan(value)
        quantity = np.where(is_cash, value, quantity)
        empty &= ~is_cash
    for row in np.flatnonzero(empty & rows):
        cells.missing("ERR_POS_004", int(row), "quantity", "a number of shares or contracts, negative for a short")
    for row in np.flatnonzero((quantity == 0) & rows):
        cells.wrong("ERR_POS_006", int(row), "quantity", "a number other than 0", "zero")
    return quantity


def _prices(cells: Cells, instruments: Instruments, quantity: FloatArray, rows: BoolArray) -> FloatArray:
    """Return entry prices: the total cost is exact where a broker rounds the average; without a cost, the file's price."""
    code = "ERR_POS_009"
    price = cells.numbers("price", code, places_code="ERR_POS_011")
    size = np.where(quantity == 0, np.nan, quantity * instruments.factor)
    closing, value = cells.numbers_beside("closing"), cells.numbers_beside("value")
    from_cost, from_value = (np.round(of_one(total, size), PLACES) for total in (cells.numbers("cost", code), value))
    ask_about_signs(cells, rows & (quantity > 0) & ~instruments.is_cash)
    held = np.where(instruments.is_cash | ~rows, np.nan, size)
    if of_today := is_of_today(cells, price, from_cost, from_value, held):
        closing, price = np.where(np.isnan(closing), price, closing), np.full(len(cells), np.nan)
        from_value = np.where(np.isnan(closing), from_value, closing)  # as printed, not as rounded
    if cells.has("cost"):
        check_unit(cells, instruments, "price", price, from_cost, "cost", rows)
        price = of_total_cost(cells, instruments, from_cost, size, price, rows)
    is_alone = np.isnan(from_cost) & np.isnan(closing)
    check_unit(
        cells, instruments, "price", price, from_value, "value", rows & is_alone & (instruments.subtype == "BOND")
    )
    if cells.table.source.kind == "positions":
        check_unit(cells, instruments, "closing", closing, from_value, "value", rows)
        for total in (from_value, closing):
            used = np.isnan(price) & np.isfinite(total) & ~instruments.is_cash & rows
            price = np.where(used, np.round(total, PLACES), price)
            if used.any():
                cells.findings.warnings.append(
                    f"{int(used.sum())} positions have no cost in the file and are entered at its price: their profit"
                    " counts from that day"
                )
    check_costs(cells, instruments, price, np.where(is_alone, from_value, np.nan))
    warn_of_par(cells, instruments, price, rows)
    price = np.where(instruments.is_cash & np.isnan(price), 1.0, price)
    for row in np.flatnonzero(instruments.is_cash & (price > 0) & (price != 1.0) & rows):
        cells.findings.warnings.append(
            f"line {cells.table.lines[row]}: {instruments.symbol[row]} is cash, worth 1.00 each unless a price source has a"
            f" price, but was entered at {price[row]:,.8g}: enter the amount as the quantity, at a price of 1"
        )
    name = "cost" if cells.has("cost") and (of_today or not cells.has("price")) else "price"
    for row in np.flatnonzero(np.isnan(price) & (cells.is_empty(name) | of_today) & rows):
        cells.missing("ERR_POS_008", int(row), name, "a price in USD, 0 for what was free")
    for row in np.flatnonzero((price < 0) & rows):
        cells.wrong("ERR_POS_010", int(row), name, "a price of 0 or more", "negative")
    return price


def _entries(cells: Cells, today: date, entry_date: date | None, rows: BoolArray) -> SessionArray:
    if entry_date is not None and (problem := entry_day_problem(entry_date, today)):
        code, expected, message = problem
        raise HoldingsError(f"entry date {entry_date}: {message}, expected {expected} [{code}]")
    if not cells.has("date"):
        if entry_date is None:
            cells.findings.doubts.append(
                Doubt(
                    "ERR_POS_012",
                    None,
                    None,
                    None,
                    "the file has no dates: on which day were its positions entered?",
                    "`--entry-date YYYY-MM-DD`",
                )
            )
            return np.full(len(cells), np.datetime64(today), dtype="datetime64[D]")
        return np.full(len(cells), np.datetime64(entry_date), dtype="datetime64[D]")
    days = cells.days("date", lambda day: entry_day_problem(day, today))
    empty = cells.is_empty("date")
    if entry_date is not None:
        return np.where(empty, np.datetime64(entry_date), days)
    for row in np.flatnonzero(empty & rows):
        remedy = "a day as YYYY-MM-DD, or `--entry-date YYYY-MM-DD` for all rows without one"
        cells.missing("ERR_POS_012", int(row), "date", remedy)
    return days


def _exits(cells: Cells, today: date, entry: SessionArray, rows: BoolArray) -> tuple[SessionArray, FloatArray]:
    check_status(cells, rows)
    if not cells.has("exit_date") and not cells.has("exit_price"):
        return np.full(len(cells), _NOT_A_TIME), np.full(len(cells), np.nan)

    def check(day: date) -> tuple[str, str, str] | None:
        return ("ERR_POS_014", f"{today} or earlier", "in the future") if day > today else None

    has_date, has_price = ~cells.is_empty("exit_date"), ~cells.is_empty("exit_price")
    for row in np.flatnonzero(has_date & ~has_price & rows):
        cells.missing("ERR_POS_024", int(row), "exit_price", "a price, since the lot has an exit date")
    for row in np.flatnonzero(has_price & ~has_date & rows):
        cells.missing("ERR_POS_024", int(row), "exit_date", "a day, since the lot has an exit price")
    day = cells.days("exit_date", check)
    price = cells.numbers("exit_price", "ERR_POS_009", places_code="ERR_POS_011")
    for row in np.flatnonzero((day < entry) & rows):
        cells.wrong("ERR_POS_018", int(row), "exit_date", f"the entry date {entry[row]} or later", "before the entry")
    for row in np.flatnonzero((price < 0) & rows):
        cells.wrong("ERR_POS_010", int(row), "exit_price", "a price of 0 or more", "negative")
    return day, price


def _frame(
    instruments: Instruments,
    quantity: FloatArray,
    price: FloatArray,
    entry: SessionArray,
    exit_date: SessionArray,
    exit_price: FloatArray,
) -> pd.DataFrame:
    return lot_frame(
        {
            "symbol": instruments.symbol,
            "quantity": quantity,
            "entry_price": price,
            "entry_date": entry,
            "exit_date": exit_date,
            "exit_price": exit_price,
            "investment_class": instruments.investment_class,
            "investment_subtype": instruments.subtype,
            "multiplier": instruments.multiplier,
            **term_columns(instruments.terms, instruments.investment_class == "OPTIONS"),
        }
    )


def lot_frame(columns: dict[str, Any]) -> pd.DataFrame:
    """Return lots as a frame: numbers float64 (NaN for null), days datetime64[s] (NaT), texts objects (None)."""
    arrays = {name: np.asarray(columns[name], dtype) for name, dtype in _DTYPES.items()}
    series = {name: pd.Series(values, dtype=_DTYPES[name], copy=False) for name, values in arrays.items()}
    return pd.DataFrame(series, copy=False)


def term_columns(terms: npt.NDArray[np.object_], is_option: BoolArray) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of the lots' option terms, which most lots have not."""
    rows = np.flatnonzero(is_option)
    nothing = {"strike_price": np.nan, "expiration_date": np.datetime64("NaT", "s")}
    columns = {}
    for name in (each.name for each in fields(OptionTerms)):
        values = np.full(len(terms), nothing.get(name), dtype=None if name in nothing else object)
        values[rows] = [nothing.get(name) if (one := getattr(terms[row], name)) is None else one for row in rows]
        columns[name] = values
    return columns


def _note_duplicates(cells: Cells, frame: pd.DataFrame) -> None:
    names = [name for name in LOT_COLUMNS if frame[name].notna().any()]
    likeness = np.zeros(len(frame), dtype=np.uint64)
    for name in names:
        likeness = likeness * np.uint64(31) + pd.util.hash_array(frame[name].to_numpy())
    alike = frame[pd.Series(likeness).duplicated(keep=False).to_numpy()]
    rows = alike.index.to_numpy()
    codes = (pd.factorize(alike[name])[0] + 1 for name in names)
    note_same_rows(cells, rows, cells.texts("account").codes[rows], *codes)


def _note_both_sides(cells: Cells, frame: pd.DataFrame) -> None:
    """Warn of symbols that are held long and short: such a table is rather one of trades."""
    is_open = frame["exit_date"].isna()
    sides = [set(frame["symbol"][is_open & (frame["quantity"] * sign > 0)]) for sign in (1, -1)]
    if both := sorted(sides[0] & sides[1]):
        named = ", ".join(both[:5]) + (f" and {len(both) - 5} more" if len(both) > 5 else "")
        cells.findings.warnings.append(
            f"{named}: bought and sold short at the same time, by the signs of the quantities; if negative ones are sales,"
            " add a column Action (Buy, Sell), or `sales: negative` to a --mapping"
        )


def note_same_rows(cells: Cells, rows: npt.NDArray[np.intp], *codes: npt.NDArray[Any]) -> None:
    """Ask whether rows that stand there twice are meant: those whose combination of codes an earlier row has."""
    first, of_row = distinct_rows(*codes)
    lines = cells.table.lines
    for place in np.flatnonzero(first[of_row] != np.arange(len(rows)))[:_FEW].tolist():
        row, earlier = rows[place], rows[first[of_row[place]]]
        cells.findings.doubts.append(
            Doubt(
                "ERR_POS_023",
                lines[row],
                cells.table.label("symbol"),
                cells.texts("symbol")[row],
                f"the same as line {lines[earlier]}: are both intended?",
                "one of the two lines, or `--allow-duplicates`",
                "allow_duplicates",
            )
        )
