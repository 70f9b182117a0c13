"""Splits of shares that are held, from what they add to them."""

from collections.abc import Collection, Iterable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from sigma_assets.base.contracts import instrument_of
from sigma_assets.base.frames import BoolArray, SessionArray
from sigma_assets.holdings.files.cells import Cells
from sigma_assets.holdings.files.transactions.actions import BUYS, INSTEAD, SALES, named_in_action
from sigma_assets.holdings.files.transactions.fifo import Book, Holding, Trade

SPLITS = ("split", "split_out", "distribution")
_USUAL = (Fraction(3, 2), Fraction(4, 3), Fraction(5, 4))
"""Splits that are not of one share or into one, such as 10 for 1 and 1 for 8."""
_COMMON = (*_USUAL, *map(Fraction, (2, 3, 4, 5, 10, 15, 20, 25, 50)))
"""Splits for which a row is taken that could be a spin-off as well."""
_ROUNDED = Decimal("0.01")


class Split(NamedTuple):
    """What a row adds to the shares held, negative for what it takes.

    Attributes
    ----------
    ratio : if the row states it: 10 for 10 for 1.
    is_doubtful : the row can be a spin-off as well.
    """

    day: date
    holding: Holding
    row: int
    quantity: Decimal
    cells: Cells
    ratio: Fraction | None = None
    is_doubtful: bool = False


def split_of(trade: Trade, cells: Cells) -> Split:
    """Return the split that a row states among the trades."""
    quantity = -abs(trade.quantity) if trade.verb == "split_out" else trade.quantity
    return Split(trade.day, trade.holding, trade.row, quantity, cells, is_doubtful=trade.verb == "distribution")


def stated_splits(cells: Cells, accounts: list[str], days: SessionArray, is_split: BoolArray) -> list[Split]:
    """Return the splits of a section whose rows name symbol and ratio within their action."""
    quantity = cells.numbers("quantity", "ERR_POS_005")
    splits = []
    for row in np.flatnonzero(is_split & ~np.isnat(days)).tolist():
        named = named_in_action(cells, row)
        instrument, fault = instrument_of(named["symbol"])
        if instrument is None or np.isnan(quantity[row]):
            code, expected, message = fault or ("ERR_POS_004", "the number of shares that were added", "empty")
            cells.wrong(code, row, "action" if instrument is None else "quantity", expected, message)
            continue
        ratio = Fraction(named["new"]) / Fraction(named["old"])
        size = Decimal(repr(float(quantity[row])))
        splits.append(Split(days[row].item(), (accounts[row], instrument.symbol), row, size, cells, ratio))
    return splits


def apply_splits(book: Book, splits: Iterable[Split], trades: Collection[Trade]) -> None:
    """Apply splits before the trades of the last day among them; several rows are one split: old shares out, new ones in."""
    key = itemgetter(0, 1)
    for (day, holding), rows in groupby(sorted(splits, key=key), key):
        of_day = [trade for trade in trades if trade.day == day and trade.holding == holding]
        _apply(book, list(rows), of_day)


def _apply(book: Book, rows: list[Split], trades: list[Trade]) -> None:
    """Split what is held of a symbol at the start of a day, whose trades are in new shares.

    If the quantity is that of a usual split only with these trades before it, they were in old ones: that is refused.
    """
    first = rows[0]
    held, change = book.held[first.holding], sum((row.quantity for row in rows), Decimal(0))
    if first.is_doubtful and not _is_taken(first, held, change):
        return
    if not held or (held + change) / held <= 0:
        expected = "a split of shares that are held at the start of its day; shares of another company are entered as a"
        expected += " lot of their own, see docs/corporate-actions.md"
        first.cells.wrong("ERR_POS_031", first.row, "quantity", expected, "no split")
        return
    if first.ratio is not None and not _makes(first.ratio, held, change):
        expected = (
            f"what {first.ratio.numerator} for {first.ratio.denominator} makes of the {held.normalize():f} shares that"
        )
        expected += " the file has bought before; export from the first trade on"
        first.cells.wrong("ERR_POS_031", first.row, "quantity", expected, "another split than stated")
        return
    traded = sum((_change(trade) for trade in trades), Decimal(0))
    late = held + traded
    if traded and late and first.ratio is None and not _is_usual(held, change) and _is_usual(late, change):
        expected = (
            f"a split of the {held.normalize():f} shares held at the start of the day: it is a usual one only if that"
        )
        expected += " day's trades come before it. If they were in old shares, date them to the day before"
        first.cells.wrong("ERR_POS_031", first.row, "quantity", expected, "a split after trades of its day")
        return
    if first.ratio is None and not first.cells.table.source.recognise and len(rows) == 1:
        _tell(first, held)
    factor = (held + change) / held
    book.held[first.holding] += change
    for lot in book.open[first.holding]:
        lot.splits *= factor


def _is_taken(row: Split, held: Decimal, change: Decimal) -> bool:
    """Return whether a row that can be a spin-off is taken for a split, and say so; it is refused otherwise."""
    ratio = next((ratio for ratio in _COMMON if held and _makes(ratio, held, change)), None)
    if ratio is None:
        expected = "no shares without a trade (a split is named Stock split)." + INSTEAD
        row.cells.wrong("ERR_POS_033", row.row, "action", expected, "shares without a trade")
        return False
    row.cells.findings.warnings.append(
        f"line {row.cells.table.lines[row.row]}: {change.normalize():f} shares of {row.holding[1]} are taken for a split of"
        f" {ratio.numerator} for {ratio.denominator} of the {held.normalize():f} held; if they are a spin-off, enter them"
        " as docs/corporate-actions.md shows"
    )
    return True


def _tell(row: Split, held: Decimal) -> None:
    """Say how a split of a table that is no broker's is read: others write the new total, or the ratio."""
    makes = (held + row.quantity).normalize()
    row.cells.findings.warnings.append(
        f"line {row.cells.table.lines[row.row]}: a split makes {makes:f} of {held.normalize():f} shares of"
        f" {row.holding[1]}: its quantity is what came to those held, not the new total or the ratio"
    )


def _change(trade: Trade) -> Decimal:
    if trade.verb in BUYS:
        return abs(trade.quantity)
    return -abs(trade.quantity) if trade.verb in SALES else Decimal(0)


def _is_usual(held: Decimal, change: Decimal) -> bool:
    factor = (held + change) / held
    if factor <= 0:
        return False
    nearest = Fraction(round(factor)) if factor > 1 else Fraction(1, max(round(1 / factor), 1))
    return any(_makes(ratio, held, change) for ratio in (nearest, *_USUAL) if ratio != 1)


def _makes(ratio: Fraction, held: Decimal, change: Decimal) -> bool:
    """Return whether a split adds this much, but for a fraction of a share that is paid in cash."""
    lost = abs(held) * ratio.numerator / ratio.denominator - abs(held + change)
    return -_ROUNDED <= lost <= (1 - _ROUNDED if change % 1 == 0 else _ROUNDED)
