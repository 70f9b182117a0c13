"""From a broker's transactions to lots, first in first out, and cash flows."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd

from sigma_assets.base.calendar import entry_day_problem
from sigma_assets.base.conventions import FLOW_KINDS
from sigma_assets.holdings.files.cells import PLACES, Cells, Days, Floats, Skipped
from sigma_assets.holdings.files.fifo import Book, Trade, apply_trade
from sigma_assets.holdings.files.instruments import Instruments, read_instruments
from sigma_assets.holdings.files.lots import LOT_COLUMNS, check_currency, lot_frame, note_same_rows
from sigma_assets.holdings.files.numerals import NOTHING

FLOW_COLUMNS = ("flow_date", "amount_usd", "kind")
_TRADES = ("buy", "sell", "sell_short", "split", "expire", "exercise")
_FLOWS = {"interest": "interest", "fee": "fee", "tax": "tax", "cash": "external"}


def read_trades(tables: list[Cells], today: date, *, allow_duplicates: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the lots that transactions leave, with `LOT_COLUMNS`, and the cash flows, with `FLOW_COLUMNS`.

    Sales close the oldest lot first and split it where they must; commissions, fees, interest and taxes are flows of
    their kind, one for each day. Dividends of symbols with quotes are left to the prices, which have them for every
    holder: entered twice they would count twice. Those of cash and money-market funds are interest. Movements of a core
    cash position are left out, since cash is what is left of the equity.

    Parameters
    ----------
    tables : the table of trades first, then further sections with dividends, interest and the like.
    """
    book = Book(tables[0], None)  # type: ignore[arg-type]
    for number, cells in enumerate(tables):
        days = cells.days("date", lambda day: entry_day_problem(day, today))
        for row in np.flatnonzero(cells.is_empty("date")):
            cells.missing("ERR_POS_012", int(row), "date", "a day as YYYY-MM-DD")
        if number == 0:
            _trade_all(book, days)
            if not allow_duplicates:
                _note_duplicates(cells)
        else:
            verbs = [cells.table.source.action or "skip"] * len(cells)
            _add_flows(book, cells, verbs, days, np.zeros(len(cells), dtype=bool), None)
    findings = tables[0].findings
    if book.dividends:
        findings.warnings.append(
            f"{len(book.dividends)} dividends of {sum(book.dividends):,.2f} USD are not entered: they come with the prices"
            " of each symbol"
        )
    if findings.problems:
        return lot_frame({name: [] for name in LOT_COLUMNS}), _flow_frame([])
    lots = _lots(book)
    return lots, _flows(book, lots)


def _trade_all(book: Book, days: Days) -> None:
    cells = book.cells
    quantity = cells.numbers("quantity", "ERR_POS_005", places_code="ERR_POS_007")
    verbs = _verbs(cells, quantity)
    is_trade = np.array([verb in _TRADES for verb in verbs], dtype=bool)
    book.instruments = read_instruments(cells, is_trade)
    check_currency(cells, is_trade)
    _add_flows(book, cells, verbs, days, is_trade, book.instruments)
    prices = _prices(cells, quantity, verbs, book.instruments, is_trade)
    by_day: dict[date, list[Trade]] = defaultdict(list)
    rows = np.flatnonzero(is_trade & ~np.isnat(days))
    for row in rows[::-1] if _is_newest_first(days) else rows:
        symbol = book.instruments.symbol[row]
        if symbol is None or not _has_quantity(cells, row, verbs[row], quantity):
            continue
        if book.instruments.is_cash[row]:
            text = f"{verbs[row]} {symbol}"
            cells.findings.skipped.append(
                Skipped(cells.table.lines[row], text, "core cash: cash is what is left of equity")
            )
            continue
        size = Decimal(0) if np.isnan(quantity[row]) else Decimal(repr(float(quantity[row])))
        price = Decimal(0) if np.isnan(prices[row]) else Decimal(repr(float(prices[row])))
        by_day[days[row].item()].append(Trade(int(row), days[row].item(), verbs[row], symbol, size, price))
    for day in sorted(by_day):
        late = [trade for trade in by_day[day] if not apply_trade(book, trade, is_last=False)]
        for trade in late:  # sold before it was bought, by the order of the file within the day
            apply_trade(book, trade, is_last=True)


def _has_quantity(cells: Cells, row: int, verb: str, quantity: Floats) -> bool:
    if verb in ("expire", "exercise"):
        return True
    if cells.texts("quantity")[row] in NOTHING:
        cells.missing("ERR_POS_004", int(row), "quantity", "a number of shares or contracts")
        return False
    if quantity[row] == 0:
        cells.wrong("ERR_POS_006", int(row), "quantity", "a number other than 0", "zero")
    return bool(quantity[row] != 0 and not np.isnan(quantity[row]))


def _verbs(cells: Cells, quantity: Floats) -> list[str]:
    """Return what each row does; a source without actions says it by the sign of the quantity."""
    source = cells.table.source
    if not cells.has("action") or source.sales == "negative":
        opens = cells.texts("opens")
        short = ["O" in {part.strip() for part in text.upper().split(";")} for text in opens]
        return [
            "buy" if not size < 0 else "sell_short" if is_opening else "sell"
            for size, is_opening in zip(quantity, short, strict=True)
        ]
    known: dict[str, str | None] = {}
    verbs = []
    for row, text in enumerate(cells.texts("action")):
        if text not in known:
            found = (action for pattern, action in source.actions if pattern.fullmatch(" ".join(text.split())))
            known[text] = next(found, None)
        verb = known[text]
        if verb is None:
            expected = "an action that is known; `--mapping` can name what it is"
            cells.wrong("ERR_POS_027", row, "action", expected, "not understood")
        verbs.append(verb or "skip")
        if verb == "skip":
            cells.findings.skipped.append(Skipped(cells.table.lines[row], text[:80], "no trade and no cash flow"))
    return verbs


def _prices(cells: Cells, quantity: Floats, verbs: list[str], instruments: Instruments, is_trade: np.ndarray) -> Floats:
    price = cells.numbers("price", "ERR_POS_009")
    amount, fees = cells.numbers("amount", "ERR_POS_009"), _fees(cells)
    needed = is_trade & np.isin(np.array(verbs, dtype=object), ("buy", "sell", "sell_short")) & ~instruments.is_cash
    with np.errstate(divide="ignore", invalid="ignore"):
        derived = np.abs(amount - fees) / np.abs(quantity * instruments.factor)
    price = np.where(np.isnan(price) & np.isfinite(derived), np.round(derived, PLACES), price)
    for row in np.flatnonzero(needed & np.isnan(price) & cells.is_empty("price")):
        expected = "a price in USD; for shares that came by a transfer, what they had cost"
        cells.missing("ERR_POS_008", int(row), "price", expected)
    for row in np.flatnonzero(needed & (price < 0)):
        cells.wrong("ERR_POS_010", int(row), "price", "a price of 0 or more", "negative")
    return price


def _fees(cells: Cells) -> Floats:
    """Return the commissions and fees of each row as they change cash: negative for what was paid."""
    total = np.zeros(len(cells))
    for name in [each for each in cells.table.cells if each.partition("#")[0] == "fees" and cells.has(each)]:
        paid = cells.numbers(name, "ERR_POS_009")
        total -= np.where(np.isnan(paid), 0.0, paid)
    commission = cells.numbers("commission", "ERR_POS_009")
    return total + np.where(np.isnan(commission), 0.0, commission)


def _add_flows(
    book: Book, cells: Cells, verbs: list[str], days: Days, is_trade: np.ndarray, instruments: Instruments | None
) -> None:
    amount, fees = cells.numbers("amount", "ERR_POS_009"), _fees(cells)
    fee_currency = cells.texts("fee_currency")
    for row, verb in enumerate(verbs):
        if np.isnat(days[row]):
            continue
        day = days[row].item()
        if is_trade[row] and fees[row]:
            if fee_currency[row] and fee_currency[row].upper() != "USD":
                text = f"a fee of {fees[row]:,.2f} {fee_currency[row]}"
                cells.findings.skipped.append(Skipped(cells.table.lines[row], text, "only USD is kept"))
            else:
                book.flows[(day, "fee")] += Decimal(repr(float(fees[row])))
        if verb not in _FLOWS and verb != "dividend":
            continue
        name = "amount" if cells.has("amount") else "value"
        currency = cells.texts("amount_currency")[row] or cells.texts("currency")[row]
        if currency and currency.upper() != "USD":
            if not currency.lower().startswith("total"):
                cells.wrong(
                    "ERR_POS_028", row, name, "an amount in USD: other currencies are not kept", "another currency"
                )
            continue
        if np.isnan(amount[row]):
            if cells.texts("amount")[row] in NOTHING:
                cells.missing("ERR_POS_029", row, name, "an amount in USD")
            continue
        value = Decimal(repr(float(amount[row])))
        if verb != "dividend":
            book.flows[(day, _FLOWS[verb])] += value
        elif instruments is not None and instruments.is_cash[row]:
            book.flows[(day, "interest")] += value
        else:
            book.dividends.append(value)


def _is_newest_first(days: Days) -> bool:
    known = days[~np.isnat(days)]
    return bool(len(known) > 1 and known[0] > known[-1])


def _lots(book: Book) -> pd.DataFrame:
    instruments = book.instruments
    rows: list[tuple[int, float, float, date, date | None, float | None]] = [
        (lot.row, float(size), float(lot.price), lot.day, day, float(price)) for lot, size, day, price in book.closed
    ]
    rows += [
        (lot.row, float(lot.quantity), float(lot.price), lot.day, None, None)
        for lots in book.open.values()
        for lot in lots
    ]
    at = [row[0] for row in rows]
    terms = [instruments.terms[row] for row in at]
    return lot_frame(
        {
            "symbol": instruments.symbol[at],
            "quantity": [row[1] for row in rows],
            "entry_price": [row[2] for row in rows],
            "entry_date": [row[3] for row in rows],
            "exit_date": [row[4] for row in rows],
            "exit_price": [np.nan if row[5] is None else row[5] for row in rows],
            "investment_class": instruments.investment_class[at],
            "investment_subtype": instruments.subtype[at],
            "underlying_symbol": [each.underlying_symbol for each in terms],
            "strike_price": [each.strike_price for each in terms],
            "expiration_date": [each.expiration_date for each in terms],
            "option_type": [each.option_type for each in terms],
            "multiplier": instruments.multiplier[at],
        }
    ).sort_values(["entry_date", "symbol"], kind="stable", ignore_index=True)


def _flows(book: Book, lots: pd.DataFrame) -> pd.DataFrame:
    """Return the flows after the first entry: what came and went until then is in the initial equity."""
    first = lots["entry_date"].min().date() if len(lots) else date.min
    early = sum((amount for (day, _), amount in book.flows.items() if day <= first), Decimal(0))
    if early:
        book.cells.findings.warnings.append(
            f"cash flows of {early:,.2f} USD up to {first}, the day of the first lot, are part of the initial equity and are"
            " not entered"
        )
    kept = [(day, float(amount), kind) for (day, kind), amount in book.flows.items() if amount and day > first]
    return _flow_frame(sorted(kept, key=lambda flow: (flow[0], FLOW_KINDS.index(flow[2]))))


def _flow_frame(flows: list[tuple[date, float, str]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "flow_date": np.array([flow[0] for flow in flows], dtype="datetime64[s]"),
            "amount_usd": np.array([flow[1] for flow in flows], dtype=float),
            "kind": np.array([flow[2] for flow in flows], dtype=object),
        }
    )


def _note_duplicates(cells: Cells) -> None:
    names = [
        name for name in ("date", "action", "symbol", "contract", "quantity", "price", "amount") if cells.has(name)
    ]
    seen: dict[tuple[str, ...], int] = {}
    pairs = []
    for row, key in enumerate(zip(*(cells.texts(name) for name in names), strict=True)):
        first = seen.setdefault(key, row)
        if first != row:
            pairs.append((row, first))
    note_same_rows(cells, pairs)
