"""Lots opened and closed first in first out, as the transactions of a broker come."""

from array import array
from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from sigma_assets.base.contracts import INDICES
from sigma_assets.base.frames import FloatArray, SessionArray
from sigma_assets.holdings.files.cells import PLACES, Cells
from sigma_assets.holdings.files.instruments import Instruments
from sigma_assets.holdings.files.transactions.actions import BUYS

ENDS = ("expire", "exercise")
"""What becomes of an option without a trade of its own."""
_CLOSE = {
    "sell": ("bought", "a short sale must say that it is one", "more sold than held"),
    "cover": ("sold short or written", "a purchase to be held is no cover", "more covered than was sold short"),
}
"""Trades that open nothing: what came before them, a hint, and what is wrong if that was less."""
Holding = tuple[str, str]
"""Account and symbol: each account sells what it holds itself, its oldest lots first."""
_KINDS_OF_ACCOUNT = frozenset({"cash", "margin", "short", "long"})
_SAME_MONEY = 0.01
"""Amounts of money that differ by at most this share of them are the same but for fees."""


@dataclass(slots=True)
class OpenLot:
    """An open lot: `quantity` as entered in a row (negative for a short), `splits` since then."""

    row: int
    quantity: Decimal
    splits: Decimal = Decimal(1)


@dataclass
class Closings:
    """What was closed: of the lot of which row, how much of it as entered, on which day (its ordinal), at which price."""

    rows: "array[int]" = field(default_factory=lambda: array("q"))
    sizes: "array[float]" = field(default_factory=lambda: array("d"))
    days: "array[int]" = field(default_factory=lambda: array("q"))
    prices: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, lot: OpenLot, size: Decimal, day: date, price: float) -> None:
        """Close a lot, or a part of one."""
        self.rows.append(lot.row)
        self.sizes.append(float(size))
        self.days.append(day.toordinal())
        self.prices.append(price)


@dataclass
class Book:
    """What the transactions so far have made.

    Attributes
    ----------
    open : the open lots of a holding, oldest first.
    held : what they add up to, splits included.
    money : what each row paid or received without its fees, 0 where it does not say.
    """

    cells: Cells
    days: SessionArray
    accounts: list[str]
    prices: FloatArray = field(init=False)
    money: FloatArray = field(init=False)
    instruments: Instruments = field(init=False)
    open: dict[Holding, deque[OpenLot]] = field(default_factory=lambda: defaultdict(deque))
    held: dict[Holding, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    closed: Closings = field(default_factory=Closings)
    flows: dict[tuple[date, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    dividends: list[Decimal] = field(default_factory=list)


def accounts_of(tables: list[Cells]) -> list[list[str]]:
    """Return the account of each row of each table; kinds of one account, such as Cash and Margin, are no accounts."""
    columns = [cells.texts("account") for cells in tables]
    named = {text for column in columns for text in column.distinct if text}
    if len(named) < 2 or {text.lower() for text in named} <= _KINDS_OF_ACCOUNT:
        return [[""] * len(column) for column in columns]
    return [list(column) for column in columns]


class Trade(NamedTuple):
    """One transaction of shares or contracts; `quantity` as in the file."""

    row: int
    day: date
    verb: str
    holding: Holding
    quantity: Decimal


def apply_trade(book: Book, trade: Trade, *, is_last: bool) -> bool:
    """Do a trade; answer False if there is too little to close or to end yet, which is a problem if it `is_last`."""
    lots = book.open[trade.holding]
    if trade.verb in ENDS:
        return _end(book, trade, lots, is_last=is_last)
    size = abs(trade.quantity)
    is_sale = trade.verb not in BUYS
    held = book.held[trade.holding]
    closes = held > 0 if is_sale else held < 0
    if trade.verb in _CLOSE and (held if is_sale else -held) < size:
        if is_last and _move_from_others(book, trade, (size if is_sale else -size) - held):
            return apply_trade(book, trade, is_last=True)
        if is_last:
            _refuse_to_close(book, trade, held if is_sale else -held)
        return False
    book.held[trade.holding] += -size if is_sale else size
    if closes:
        size = _close(book, lots, held, size, trade.day, float(book.prices[trade.row]))
    if size:
        lots.append(OpenLot(trade.row, -size if is_sale else size))
    return True


def _refuse_to_close(book: Book, trade: Trade, there: Decimal) -> None:
    how, hint, message = _CLOSE[trade.verb]
    expected = f"{_at_most(book, trade, max(there, Decimal(0)), how)}; {hint}"
    book.cells.wrong("ERR_POS_030", trade.row, "quantity", expected, message)


def _move_from_others(book: Book, trade: Trade, lacking: Decimal) -> bool:
    """Move what a trade that closes lacks from the oldest lots of other accounts, as a transfer would.

    False if they have too little. `lacking` is negative for a short, as the quantities of its lots are.
    """
    account, symbol = trade.holding
    sign = -1 if lacking < 0 else 1
    others = [other for other in book.open if other[1] == symbol and other != trade.holding]
    others = [other for other in others if book.held[other] * sign > 0]
    is_opposite = book.held[trade.holding] * sign < 0
    if is_opposite or abs(sum((book.held[other] for other in others), Decimal(0))) < abs(lacking):
        return False
    lots = book.open[trade.holding]
    size, own = abs(trade.quantity).normalize(), book.held[trade.holding].normalize()
    book.cells.findings.warnings.append(
        f"line {book.cells.table.lines[trade.row]}: account {account or 'without a name'} {trade.verb}s {size:f} {symbol}"
        f" and holds {own:f}: the oldest ones of the other accounts are taken as moved to it"
    )
    while lacking:
        source = min(
            (other for other in others if book.held[other]), key=lambda other: book.days[book.open[other][0].row]
        )
        lot = book.open[source][0]
        here = _size_of_oldest(book.open[source], book.held[source])
        moved = min(lacking, here, key=abs)
        if moved == here:
            lots.append(book.open[source].popleft())
        else:
            lots.append(OpenLot(lot.row, moved / lot.splits, lot.splits))
            lot.quantity -= moved / lot.splits
        book.held[source] -= moved
        book.held[trade.holding] += moved
        lacking -= moved
    book.open[trade.holding] = deque(sorted(lots, key=lambda lot: book.days[lot.row]))
    return True


def _size_of_oldest(lots: deque[OpenLot], held: Decimal) -> Decimal:
    """Return what the first of the lots that add up to `held` is by now."""
    # the last lot is what is held: after a split of 3 for 7 its own product is all but exact
    return held if len(lots) == 1 else lots[0].quantity * lots[0].splits


def _close(book: Book, lots: deque[OpenLot], held: Decimal, size: Decimal, day: date, price: float) -> Decimal:
    """Close the oldest of the lots that add up to `held`; answer what is left of `size`.

    None is closed before it was entered: an option that is bought after it had expired ends on that day.
    """
    while size and lots:
        lot = lots[0]
        here = abs(_size_of_oldest(lots, held))
        taken = min(size, here)
        entered = lot.quantity if taken == here else taken / lot.splits * (1 if lot.quantity > 0 else -1)
        book.closed.add(lot, entered, max(day, book.days[lot.row].item()), price)
        size -= taken
        held -= taken if held > 0 else -taken
        if taken == here:
            lots.popleft()
        else:
            lot.quantity -= entered
    return size


def _at_most(book: Book, trade: Trade, held: Decimal, how: str) -> str:
    account, symbol = trade.holding
    elsewhere = any(book.held[other] for other in [*book.held] if other[1] == symbol and other[0] != account)
    where = f" in account {account or 'without a name'}" if elsewhere else ""
    return (
        f"at most {held.normalize():f}, what the file has {how} before{where}; export from the first trade on, or import"
        " the positions"
    )


def _end(book: Book, trade: Trade, lots: deque[OpenLot], *, is_last: bool) -> bool:
    """Close an option that expired or was exercised, at what it was settled for. Without a quantity all of it ends."""
    if book.instruments.investment_class[trade.row] != "OPTIONS":
        name = "contract" if book.cells.has("contract") else "symbol"
        expected = "an option contract, such as AAPL 1/17/2025 Call $200.00; a worthless right or warrant is sold at 0"
        book.cells.wrong("ERR_POS_032", trade.row, name, expected, f"{trade.verb}d, but no option")
        return True
    held = book.held[trade.holding]
    size = abs(trade.quantity or held)
    if not held or abs(held) < size:
        if is_last:
            expected = _at_most(book, trade, abs(held), "bought or written")
            book.cells.wrong("ERR_POS_030", trade.row, "quantity", expected, f"more {trade.verb}d than held")
        return False
    expiration = book.instruments.terms[trade.row].expiration_date
    price = _settlement(book, trade, size)
    _close(book, lots, held, size, min(trade.day, expiration) if expiration else trade.day, price)
    book.held[trade.holding] -= size if held > 0 else -size
    return True


def _settlement(book: Book, trade: Trade, size: Decimal) -> float:
    """Return the price at which an option ends: 0 if its value is in a trade of the shares, or gone.

    Index options are settled in cash. An amount that is the strike's is paid for the shares, which have a row of their own.
    """
    terms = book.instruments.terms[trade.row]
    units = float(size) * float(book.instruments.factor[trade.row])
    money = float(book.money[trade.row])
    is_index = terms.underlying_symbol in INDICES
    if is_index and trade.verb == "exercise" and not money:
        expected = "the cash for which it was settled, since an index cannot be delivered; or make the row a trade at"
        expected += " the price of settlement"
        book.cells.missing("ERR_POS_029", trade.row, "amount", expected)
    if not is_index and terms.strike_price and abs(money / (units * terms.strike_price) - 1) <= _SAME_MONEY:
        return 0.0
    return round(money / units, PLACES)
