"""Trades that a broker cancelled: left out together with the rows that cancel them."""

from collections import defaultdict

import numpy as np

from sigma_assets.base.frames import BoolArray, FloatArray
from sigma_assets.holdings.files.cells import Cells
from sigma_assets.holdings.files.instruments import Instruments
from sigma_assets.holdings.files.transactions.actions import BUYS, SALES, Verbs
from sigma_assets.holdings.files.transactions.fifo import Book

_SAME_MONEY = 0.005


def undo_reversals(book: Book, verbs: Verbs, quantity: FloatArray) -> Verbs:
    """Return what each row does without the trades that were cancelled; a reversal of no trade in the file is noted.

    A row is a reversal if its action says that it cancels, if it buys a negative quantity, or if its amount has the other
    sign than those of the file's trades.
    """
    cells, days, instruments = book.cells, book.days, book.instruments
    is_trade = np.isin(verbs, (*BUYS, *SALES)) & ~instruments.is_cash & ~np.isnat(days) & ~np.isnan(quantity)
    if not is_trade.any():
        return verbs
    amount, price = cells.numbers("amount", "ERR_POS_009"), cells.numbers("price", "ERR_POS_009")
    is_against = _is_against(is_trade, np.isin(verbs, BUYS), amount, np.abs(quantity * price * instruments.factor))
    is_cancel = is_trade & (cells.texts("action").matching("(?i)cancel") | is_against)
    is_cancel |= is_trade & np.isin(verbs, BUYS) & (quantity < 0) & ~_is_marked(cells)
    undone, accounts = verbs.copy(), book.accounts
    earlier = defaultdict(list)
    for row in np.flatnonzero(is_trade & ~is_cancel).tolist():
        earlier[(accounts[row], *_key(instruments, verbs, quantity, row))].append(row)
    for row in np.flatnonzero(is_cancel).tolist():
        same = earlier[(accounts[row], *_key(instruments, verbs, quantity, row))]
        alike = [
            other
            for other in same
            if days[other] <= days[row]
            and not abs(price[other] - price[row]) > _SAME_MONEY
            and not abs(abs(amount[other]) - abs(amount[row])) > _SAME_MONEY
        ]
        if not alike:
            expected = (
                "an earlier trade of as much at the same price, which a row of this sign or action undoes. Mend the"
            )
            expected += " sign (a short sale must say that it is one), or delete what was cancelled"
            cells.wrong("ERR_POS_034", row, "quantity", expected, "a reversal of no trade")
            continue
        other = max(alike, key=lambda one: days[one])
        same.remove(other)
        for each, reason in ((row, f"cancels line {cells.table.lines[other]}"), (other, "was cancelled")):
            text = f"{verbs[each]} {abs(quantity[each]):,g} {instruments.symbol[each]}"
            cells.skip(each, text, reason)
            undone[each] = "skip"
    undone[is_cancel] = "skip"
    return undone


def _key(instruments: Instruments, verbs: Verbs, quantity: FloatArray, row: int) -> tuple[str, bool, float]:
    return instruments.symbol[row], verbs[row] in BUYS, abs(quantity[row])


def _is_marked(cells: Cells) -> BoolArray:
    """Return where a minus is none: the mark of a short position is read as one."""
    mark = cells.table.source.short_mark
    return cells.texts("quantity").having(lambda text: mark and text.upper().endswith(mark))


def _is_against(is_trade: BoolArray, is_buy: BoolArray, amount: FloatArray, gross: FloatArray) -> BoolArray:
    """Return which trades have an amount of the wrong sign, in a file whose amounts have signs.

    Which sign a purchase has is what most trades say. An amount far from the price is what fees left of a small sale.
    """
    if not (amount[is_trade] < 0).any():
        return np.zeros(len(amount), dtype=bool)
    direction = np.where(is_trade, np.sign(np.where(np.isnan(amount), 0.0, amount)), 0.0) * np.where(is_buy, -1.0, 1.0)
    usual = 1.0 if direction.sum() >= 0 else -1.0
    is_cost = (np.abs(amount) < gross / 2) | (np.abs(amount) > gross * 2)
    return (direction == -usual) & ~is_cost
