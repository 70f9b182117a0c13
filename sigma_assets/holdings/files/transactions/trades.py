"""From a broker's transactions to lots, first in first out, and cash flows."""

from collections import deque
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.base.calendar import entry_day_problem
from sigma_assets.base.conventions import FLOW_KINDS
from sigma_assets.base.frames import BoolArray, FloatArray, SessionArray
from sigma_assets.base.numerals import written_clock
from sigma_assets.holdings.files.cells import PLACES, Cells, exactly, or_nothing
from sigma_assets.holdings.files.instruments import Instruments, read_instruments
from sigma_assets.holdings.files.lots import LOT_COLUMNS, check_currency, lot_frame, note_same_rows, term_columns
from sigma_assets.holdings.files.statements import warn_of_par
from sigma_assets.holdings.files.transactions.actions import (
    BUYS,
    SALES,
    Verbs,
    read_verbs,
    refuse_moves,
    says_reinvested,
)
from sigma_assets.holdings.files.transactions.fifo import ENDS, Book, Trade, accounts_of, apply_trade
from sigma_assets.holdings.files.transactions.money import (
    Money,
    check_flows,
    compare_with_prices,
    read_money,
    refuse_foreign_fees,
)
from sigma_assets.holdings.files.transactions.reversals import undo_reversals
from sigma_assets.holdings.files.transactions.splits import SPLITS, Split, apply_splits, split_of, stated_splits

FLOW_COLUMNS = ("flow_date", "amount_usd", "kind")
_TRADES = (*BUYS, *SALES, *SPLITS, *ENDS)
_FLOWS = {"interest": "interest", "fee": "fee", "tax": "tax", "cash": "external"}


def read_trades(tables: list[Cells], today: date, *, allow_duplicates: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the lots that transactions leave, with `LOT_COLUMNS`, and the cash flows, with `FLOW_COLUMNS`.

    Sales close the oldest lot of their account first and split it where they must; commissions, fees, interest and taxes
    are flows of their kind, one for each day. Dividends of symbols with quotes are left to the prices, which have them for
    every holder: entered twice they would count twice. Those of cash and money-market funds are interest. Movements of a
    core cash position are left out, since cash is what is left of the equity.

    Parameters
    ----------
    tables : the table of trades first, then further sections with dividends, interest and the like.
    """
    all_days, accounts = [_days(cells, today) for cells in tables], accounts_of(tables)
    book = Book(tables[0], all_days[0], accounts[0])
    splits: list[Split] = []
    for cells, days, owners in zip(tables[1:], all_days[1:], accounts[1:], strict=True):
        verbs = _section_verbs(cells)
        splits += stated_splits(cells, owners, days, verbs == "split")
        _add_flows(book, cells, read_money(cells, verbs), verbs, days, np.zeros(len(cells), dtype=bool))
    _trade_all(book, splits)
    if not allow_duplicates:
        _note_duplicates(tables[0])
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


def _days(cells: Cells, today: date) -> SessionArray:
    days = cells.days("date", lambda day: entry_day_problem(day, today))
    for row in np.flatnonzero(cells.is_empty("date")).tolist():
        cells.missing("ERR_POS_012", row, "date", "a day as YYYY-MM-DD")
    return days


def _section_verbs(cells: Cells) -> Verbs:
    quantity = cells.numbers("quantity", "ERR_POS_005")
    action = cells.table.source.action or "skip"
    verbs = read_verbs(cells, quantity) if cells.has("action") else np.full(len(cells), action, dtype=object)
    return refuse_moves(cells, verbs, quantity, np.zeros(len(cells), dtype=bool))


def _trade_all(book: Book, splits: list[Split]) -> None:
    cells, days = book.cells, book.days
    quantity = cells.numbers("quantity", "ERR_POS_005", places_code="ERR_POS_007")
    verbs = read_verbs(cells, quantity)
    is_trade = np.isin(verbs, _TRADES)
    book.instruments = read_instruments(cells, is_trade)
    check_currency(cells, is_trade)
    verbs = refuse_moves(cells, verbs, quantity, book.instruments.is_cash)
    verbs = undo_reversals(book, verbs, quantity)
    is_trade = np.isin(verbs, _TRADES)
    money = read_money(cells, verbs)
    _add_flows(book, cells, money, verbs, days, book.instruments.is_cash)
    book.money = or_nothing(money.gross)
    book.prices = or_nothing(_prices(cells, quantity, verbs, book.instruments, money))
    is_known = is_trade & ~np.isnat(days) & (book.instruments.symbol != None)  # noqa: E711  # of each row
    is_known &= _has_quantity(cells, verbs, quantity, is_known)
    for row in np.flatnonzero(is_known & book.instruments.is_cash).tolist():
        text = f"{verbs[row]} {book.instruments.symbol[row]}"
        cells.skip(row, text, "core cash: cash is what is left of equity")
    rows = np.flatnonzero(is_known & ~book.instruments.is_cash)
    rows = rows[::-1] if _is_newest_first(days) else rows
    rows = rows[np.lexsort((_clock(cells, rows), days[rows]))]
    holdings = [(book.accounts[row], book.instruments.symbol[row]) for row in rows.tolist()]
    trades = map(Trade, rows.tolist(), days[rows].tolist(), verbs[rows], holdings, exactly(quantity[rows]))
    _match(book, trades, splits)


def _match(book: Book, trades: Iterator[Trade], splits: list[Split]) -> None:
    """Open and close lots day by day, the splits of a day before its trades, which are in new shares."""
    ahead = deque(sorted(splits, key=attrgetter("day")))
    for day, group in groupby(trades, key=attrgetter("day")):
        of_day = list(group)
        due = [split_of(trade, book.cells) for trade in of_day if trade.verb in SPLITS]
        while ahead and ahead[0].day <= day:
            due.append(ahead.popleft())
        of_day = [trade for trade in of_day if trade.verb not in SPLITS]
        apply_splits(book, due, of_day)
        late = [trade for trade in of_day if not apply_trade(book, trade, is_last=False)]
        for trade in late:  # sold or ended before it was bought, by the order of the file within the day
            apply_trade(book, trade, is_last=True)
    apply_splits(book, ahead, ())


def _has_quantity(cells: Cells, verbs: Verbs, quantity: FloatArray, is_known: BoolArray) -> BoolArray:
    ends = np.isin(verbs, ENDS)
    for row in np.flatnonzero(is_known & ~ends & cells.is_empty("quantity")).tolist():
        cells.missing("ERR_POS_004", row, "quantity", "a number of shares or contracts")
    for row in np.flatnonzero(is_known & ~ends & (quantity == 0)).tolist():
        cells.wrong("ERR_POS_006", row, "quantity", "a number other than 0", "zero")
    return ends | ((quantity != 0) & ~np.isnan(quantity))


def _prices(cells: Cells, quantity: FloatArray, verbs: Verbs, instruments: Instruments, money: Money) -> FloatArray:
    price = cells.numbers("price", "ERR_POS_009")
    is_trade = np.isin(verbs, (*BUYS, *SALES))
    is_unpriced = is_trade & (price == 0) & says_reinvested(cells)  # E*TRADE leaves it out; the amount says it
    price = np.where(is_unpriced, np.nan, price)
    needed = is_trade & ~instruments.is_cash
    stated = np.where(np.isnan(price) & instruments.is_cash, 1.0, price)
    compare_with_prices(cells, money, np.abs(quantity * stated * instruments.factor), instruments, is_trade)
    with np.errstate(divide="ignore", invalid="ignore"):
        derived = money.gross / np.abs(quantity * instruments.factor)
    price = np.where(np.isnan(price) & np.isfinite(derived), np.round(derived, PLACES), price)
    for row in np.flatnonzero(needed & np.isnan(price) & cells.is_empty("price")):
        expected = "a price in USD; for shares that came by a transfer, what they had cost"
        cells.missing("ERR_POS_008", int(row), "price", expected)
    for row in np.flatnonzero(needed & (price < 0)):
        cells.wrong("ERR_POS_010", int(row), "price", "a price of 0 or more", "negative")
    warn_of_par(cells, instruments, price, needed)
    return price


def _add_flows(book: Book, cells: Cells, money: Money, verbs: Verbs, days: SessionArray, is_cash: BoolArray) -> None:
    """Add the flows of a table: fees, interest accrued and taxes withheld, then the rows that are flows themselves."""
    is_dividend, is_dated = (verbs == "dividend") & ~is_cash, ~np.isnat(days)
    has_costs = np.isin(verbs, _TRADES) | is_dividend
    has_fee = has_costs & ~refuse_foreign_fees(cells, money, has_costs)
    for kind, amounts, rows in (
        ("fee", money.fees, has_fee), ("interest", money.accrued, has_costs), ("tax", money.tax, is_dividend),
    ):  # fmt: skip
        rows = np.flatnonzero(rows & is_dated & (amounts != 0))
        for day, amount in zip(days[rows].tolist(), exactly(amounts[rows]), strict=True):
            book.flows[(day, kind)] += amount
    is_flow = np.isin(verbs, (*_FLOWS, "dividend")) & is_dated
    check_flows(cells, money, verbs, is_flow, is_dividend)
    rows = np.flatnonzero(is_flow & ~np.isnan(money.amount))
    for row, day, value in zip(rows.tolist(), days[rows].tolist(), exactly(money.amount[rows]), strict=True):
        if is_dividend[row]:
            book.dividends.append(value)
        else:
            book.flows[(day, _FLOWS.get(verbs[row], "interest"))] += value


def _is_newest_first(days: SessionArray) -> bool:
    """Return whether most steps from line to line go back; a file by symbol goes back once for each of them."""
    steps = np.diff(days[~np.isnat(days)].astype(np.int64))
    return bool((steps < 0).sum() > (steps > 0).sum())


def _clock(cells: Cells, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """Return the second of the day of some rows; 0 for all if any of them has none: the order of the file counts then."""
    column = cells.texts("date")
    known = [written_clock(text) for text in column.distinct]
    seconds = np.array([-1 if each is None else each for each in known], dtype=np.int64)[column.codes][rows]
    return np.where((seconds >= 0).all(), seconds, 0)


def _lots(book: Book) -> pd.DataFrame:
    instruments = book.instruments
    closed, still = book.closed, [lot for lots in book.open.values() for lot in lots]
    at = np.concatenate([np.array(closed.rows, dtype=np.intp), np.array([lot.row for lot in still], dtype=np.intp)])
    investment_class = instruments.investment_class[at]
    exit_days = np.array(closed.days, dtype=np.int64) - date(1970, 1, 1).toordinal()
    return lot_frame(
        {
            "symbol": instruments.symbol[at],
            "quantity": np.concatenate([closed.sizes, [float(lot.quantity) for lot in still]]),
            "entry_price": book.prices[at],
            "entry_date": book.days[at],
            "exit_date": np.concatenate(
                [exit_days.astype("datetime64[D]"), np.full(len(still), "NaT", "datetime64[D]")]
            ),
            "exit_price": np.concatenate([closed.prices, np.full(len(still), np.nan)]),
            "investment_class": investment_class,
            "investment_subtype": instruments.subtype[at],
            "multiplier": instruments.multiplier[at],
            **term_columns(instruments.terms[at], investment_class == "OPTIONS"),
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
        name
        for name in ("account", "date", "action", "symbol", "contract", "quantity", "price", "amount")
        if cells.has(name)
    ]
    note_same_rows(cells, np.arange(len(cells)), *(cells.texts(name).codes for name in names))
