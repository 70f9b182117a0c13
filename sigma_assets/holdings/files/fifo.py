"""Lots opened and closed first in first out, as the transactions of a broker come."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from sigma_assets.holdings.files.cells import Cells
from sigma_assets.holdings.files.instruments import Instruments


@dataclass
class OpenLot:
    """An open lot: `quantity` as entered (negative for a short), `splits` since then."""

    row: int
    quantity: Decimal
    price: Decimal
    day: date
    splits: Decimal = Decimal(1)


@dataclass
class Book:
    """What the transactions so far have made."""

    cells: Cells
    instruments: Instruments
    open: dict[str, deque[OpenLot]] = field(default_factory=lambda: defaultdict(deque))
    closed: list[tuple[OpenLot, Decimal, date, Decimal]] = field(default_factory=list)
    flows: dict[tuple[date, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    dividends: list[Decimal] = field(default_factory=list)


@dataclass(frozen=True)
class Trade:
    row: int
    day: date
    verb: str
    symbol: str
    quantity: Decimal
    price: Decimal


def apply_trade(book: Book, trade: Trade, *, is_last: bool) -> bool:
    """Do a trade; answer False if there is too little to sell yet, which is a problem if it `is_last`."""
    lots = book.open[trade.symbol]
    if trade.verb == "split":
        return _split(book, trade, lots)
    if trade.verb in ("expire", "exercise"):
        _end(book, trade, lots)
        return True
    size = abs(trade.quantity)
    is_sale = trade.verb != "buy"
    held = sum((lot.quantity * lot.splits for lot in lots), Decimal(0))
    closes = held > 0 if is_sale else held < 0
    if trade.verb == "sell" and held < size:
        if is_last:
            expected = (
                f"at most {max(held, Decimal(0)).normalize():f}, what the file has bought before; export from the first"
            )
            expected += " trade on, or import the positions; a short sale must say that it is one"
            book.cells.wrong("ERR_POS_030", trade.row, "quantity", expected, "more sold than held")
        return False
    while size and closes and lots:
        lot = lots[0]
        here = abs(lot.quantity * lot.splits)
        taken = min(size, here)
        entered = lot.quantity if taken == here else taken / lot.splits * (1 if lot.quantity > 0 else -1)
        book.closed.append((lot, entered, trade.day, trade.price))
        size -= taken
        if taken == here:
            lots.popleft()
        else:
            lot.quantity -= entered
    if size:
        lots.append(OpenLot(trade.row, -size if is_sale else size, trade.price, trade.day))
    return True


def _split(book: Book, trade: Trade, lots: deque[OpenLot]) -> bool:
    """Apply a split: its quantity is what came to the shares held."""
    held = sum((lot.quantity * lot.splits for lot in lots), Decimal(0))
    if not held or held + trade.quantity <= 0:
        expected = "a split of shares that are held; shares of another company are entered as a lot of their own, see"
        expected += " docs/corporate-actions.md"
        book.cells.wrong("ERR_POS_031", trade.row, "quantity", expected, "no split")
        return True
    factor = (held + trade.quantity) / held
    for lot in lots:
        lot.splits *= factor
    return True


def _end(book: Book, trade: Trade, lots: deque[OpenLot]) -> None:
    """Close an option that expired or was exercised: its value is in the trade of the shares, or gone."""
    size = abs(trade.quantity)
    expiration = book.instruments.terms[trade.row].expiration_date
    day = min(trade.day, expiration) if expiration else trade.day
    while lots and (size > 0 or not trade.quantity):
        lot = lots[0]
        taken = min(size, abs(lot.quantity)) if trade.quantity else abs(lot.quantity)
        entered = taken if lot.quantity > 0 else -taken
        book.closed.append((lot, entered, max(day, lot.day), Decimal(0)))
        lot.quantity -= entered
        size -= taken
        if not lot.quantity:
            lots.popleft()
