"""What further columns of a lot state: its side, whether it is closed, and what its price adds up to."""

import shlex

import numpy as np
import pandas as pd

from sigma_assets.base.frames import BoolArray, FloatArray
from sigma_assets.base.numerals import NOTHING
from sigma_assets.holdings.brokers.sources import in_usd, plain
from sigma_assets.holdings.brokers.usual import OPEN_PRICES
from sigma_assets.holdings.brokers.words import SIDES, STATES, in_words
from sigma_assets.holdings.files.cells import Cells
from sigma_assets.holdings.files.columns import NAME_THE_COST
from sigma_assets.holdings.files.findings import Doubt
from sigma_assets.holdings.files.instruments import Instruments

_HUNDREDFOLD, _OF_BONDS, _NEARLY = (0.01, 100.0), (0.001, 1_000.0), 0.1
"""A price that is off by this factor from what the file says it adds up to is in another unit: per cent of par, cents, or
USD per contract; that of a bond may be beside the number of bonds of 1,000 each. Accrued interest and rounding make it
differ by up to this share."""
_USUAL_PAR = (10.0, 300.0)
"""Between these lie the prices of nearly all bonds, in per cent of par."""
_LEAST, _FEW = 5e-9, 1_000
"""Half of the last decimal that a quantity has; questions of one kind."""
_SAME, _ROUNDED = 0.001, 0.006
"""Prices that differ by no more than this share, or this many USD, are the same: an average cost is printed in cents."""


def side_signs(cells: Cells, quantity: FloatArray, rows: BoolArray) -> FloatArray:
    """Return -1 for quantities without a sign that a column of sides makes those of shorts, else 1."""
    texts = cells.texts("direction")
    known = np.array([0 if text in NOTHING else SIDES.get(in_words(text), 2) for text in texts.distinct], dtype=float)
    side = known[texts.codes] if len(texts) else np.zeros(0)
    for row in np.flatnonzero((side == 2) & rows).tolist():
        cells.wrong("ERR_POS_037", row, "direction", "Long or Short, Buy or Sell, or nothing", "not understood")
    for row in np.flatnonzero((side == 1) & (quantity < 0) & rows).tolist():
        cells.wrong("ERR_POS_037", row, "direction", "Short for a negative quantity", "contradicts the quantity")
    return np.where((side == -1) & (quantity > 0), -1.0, 1.0)


def check_status(cells: Cells, rows: BoolArray) -> None:
    """Refuse lots that are closed by a word alone, and words that are not understood."""
    texts, is_ended = cells.texts("status"), ~cells.is_empty("exit_date")
    is_unknown = texts.having(lambda text: text not in NOTHING and in_words(text) not in STATES)
    is_closed = texts.having(lambda text: STATES.get(in_words(text)) is False)
    for row in np.flatnonzero(is_unknown & rows).tolist():
        cells.wrong("ERR_POS_037", row, "status", "Open, Closed or nothing", "not understood")
    for row in np.flatnonzero(is_closed & ~is_ended & rows).tolist():
        expected = "an exit date and an exit price, or the line left out: without them the lot would be open"
        cells.wrong("ERR_POS_024", row, "status", expected, "closed, without an exit")


def is_of_today(
    cells: Cells, price: FloatArray, from_cost: FloatArray, from_value: FloatArray, size: FloatArray
) -> bool:
    """Return whether a column named Price alone has today's prices, which the values of the positions prove; it is said.

    Parameters
    ----------
    from_cost, from_value : what total cost and value make of one; NaN where the file does not say.
    size : units of each lot, NaN for what is no lot, or cash.
    """
    if not _may_be_of_today(cells):
        return False
    rounding = _SAME * price + np.minimum(_ROUNDED, _ROUNDED * price) + _ROUNDED / np.abs(size)
    is_value, is_cost = (np.abs(each - price) <= rounding for each in (from_value, from_cost))
    known = np.isfinite(from_value) & np.isfinite(size) & (price > 0)
    if not (known & is_value & ~is_cost).any() or (known & ~is_value).any():
        return False
    is_proven = (known & ~is_cost & np.isfinite(from_cost)).any()
    if cells.table.source.kind == "lots" and not is_proven:
        if cells.table.source.document:
            return False  # the user's own mapping says what it is
        row = int(np.flatnonzero(known & ~is_cost)[0])
        cells.doubt(
            "ERR_POS_036",
            row,
            "value",
            "price times quantity is what the lot is worth today: is that price the one of the entry, too?",
            "a column Entry Price Per Share or Total Cost; or `--ignore-column {}` if it is the price of the entry",
        )
        return False
    if np.isfinite(from_cost[known]).any():
        cells.findings.warnings.append(
            f"the column {cells.table.label('price')!r} is today's price, since {cells.table.label('value')} is that times"
            " the quantity: lots are entered at their cost"
        )
    return True


def _may_be_of_today(cells: Cells) -> bool:
    """Return whether the name of the price leaves open whether it is the entry's; those of brokers are known."""
    return not cells.table.source.recognise and in_usd(plain(cells.table.label("price"))) in OPEN_PRICES


def check_costs(cells: Cells, instruments: Instruments, price: FloatArray, from_value: FloatArray) -> None:
    """Warn of fees that a table of lots cannot enter, and of options whose price may be that of a contract.

    Parameters
    ----------
    from_value : what the value makes of one where nothing but that contradicts the price; else NaN.
    """
    fees = [name for name in cells.table.cells if name.partition("#")[0] == "fees"]
    paid = sum(float(np.nansum(np.abs(cells.numbers_beside(name)))) for name in fees)
    if paid:
        cells.findings.warnings.append(
            f"fees of {paid:,.2f} USD in {', '.join(map(cells.table.label, fees))} are not entered: a table of lots has no"
            " day for them. Add them to the entry prices, or record them with `sigma-assets flow ... --kind fee`"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = price / from_value
    is_off = (instruments.investment_class == "OPTIONS") & (ratio > 50.0) & (ratio < 200.0)
    for row in np.flatnonzero(is_off).tolist():
        cells.findings.warnings.append(
            f"line {cells.table.lines[row]}: {instruments.symbol[row]} was entered at {price[row]:,.8g} and is worth"
            f" {from_value[row]:,.8g} per share of the underlying by {cells.table.label('value')}: if the price is that of a"
            " contract, divide it by 100"
        )


def check_unit(
    cells: Cells,
    instruments: Instruments,
    name: str,
    price: FloatArray,
    from_total: FloatArray,
    total: str,
    rows: BoolArray,
) -> None:
    """Refuse prices that are 100 times, or a hundredth of, what the total in the file makes of one; of a bond also 1,000."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = from_total / price
    is_off = is_in_another_unit(ratio, instruments)
    for row in np.flatnonzero(is_off & rows).tolist():
        if instruments.investment_class[row] == "OPTIONS":
            expected = "a price per share of the underlying, and Multiplier where a contract is not 100 shares"
        elif instruments.subtype[row] == "BOND":
            expected = "a bond's face value as its quantity, and its price in per cent of par"
        else:
            expected = (
                "a price in USD; of a bond, in per cent of par, with BOND in a column Investment Subtype (and with"
                " `subtype: Investment Subtype` in a --mapping, if the file is a broker's)"
            )
        stated = f"{cells.table.label(total)} of {cells.texts(total)[row]}, which makes {from_total[row]:,.8g}"
        cells.wrong("ERR_POS_036", row, name, expected, f"contradicts the {stated}")


def is_in_another_unit(ratio: FloatArray, instruments: Instruments) -> BoolArray:
    """Return which rows are off by what a unit makes of a number, and not by what interest, fees and rounding do."""
    is_hundred, is_thousand = (
        np.any([np.abs(ratio / factor - 1.0) < _NEARLY for factor in factors], axis=0)
        for factors in (_HUNDREDFOLD, _OF_BONDS)
    )
    return is_hundred | (is_thousand & (instruments.subtype == "BOND"))


def warn_of_par(cells: Cells, instruments: Instruments, price: FloatArray, rows: BoolArray) -> None:
    """Warn of bonds whose price is hardly one in per cent of par: per bond of 1,000 USD it is ten times as much."""
    is_odd = (instruments.subtype == "BOND") & np.isnan(instruments.multiplier) & (price > 0) & rows
    for row in np.flatnonzero(is_odd & ((price < _USUAL_PAR[0]) | (price > _USUAL_PAR[1]))).tolist():
        cells.findings.warnings.append(
            f"line {cells.table.lines[row]}: {instruments.symbol[row]} is a bond at {price[row]:,.8g} % of par: the quantity"
            " is the face value, the price in per cent of it; check both"
        )


def of_one(total: FloatArray, size: FloatArray) -> FloatArray:
    """Return what a total makes of one share: brokers write the cost and the value of a short with either sign."""
    return np.where(size < 0, np.abs(total), total) / np.abs(size)


def ask_about_signs(cells: Cells, rows: BoolArray) -> None:
    """Ask about amounts whose signs tell purchases and sales apart, since each row is a lot.

    Parameters
    ----------
    rows : which rows are long lots; those that have an exit may have the amount of that.
    """
    if cells.table.source.document:
        return  # the user's own mapping says that they are lots
    amount, is_open = cells.numbers_beside("amount"), rows & cells.is_empty("exit_date")
    paid, received = np.flatnonzero((amount < 0) & is_open), np.flatnonzero((amount > 0) & is_open)
    if len(paid) and len(received):
        cells.doubt(
            "ERR_POS_027",
            int(max(paid[0], received[0])),
            "amount",
            "amounts of both signs in a table without actions: which rows are sales?",
            "a column Action with Buy and Sell, or `--ignore-column {}` if each row is a lot that is held",
        )


def ask_about_totals(cells: Cells, lots: pd.DataFrame) -> None:
    """Ask about a lot that is as much as all others of its symbol together: brokers print a position above its lots.

    Not where all have one price, as cash and bonds at par: there any two numbers that add up to a third one would do.

    Parameters
    ----------
    lots : open lots by row of the table; their number, and what they cost, have to add up.
    """
    sizes = pd.DataFrame({"quantity": lots["quantity"], "cost": lots["quantity"] * lots["entry_price"]})
    of_symbol = sizes.groupby(lots["symbol"].to_numpy())
    prices = lots["entry_price"].groupby(lots["symbol"].to_numpy())
    varies = prices.transform("max") - prices.transform("min") > _SAME * lots["entry_price"]
    is_total = (sizes * 2 - of_symbol.transform("sum")).abs() <= _SAME * sizes.abs()
    is_exact = (sizes["quantity"] * 2 - of_symbol["quantity"].transform("sum")).abs() < _LEAST
    for row in sizes.index[is_total.all(axis=1) & is_exact & varies & (of_symbol["cost"].transform("size") > 2)][:_FEW]:
        line, label, symbol = cells.table.lines[row], cells.table.label("symbol"), cells.texts("symbol")[row]
        question = f"as much as all other lots of {symbol} together, at the same cost: is it a lot of its own?"
        remedy = (
            f"the lots of {symbol} or their total: this line is as much as all others of it together, at the same cost."
        )
        remedy += " Leave out the total, or `--allow-duplicates` if it is a lot of its own"
        cells.findings.doubts.append(Doubt("ERR_POS_023", line, label, symbol, question, remedy, "allow_duplicates"))


def of_total_cost(
    cells: Cells, instruments: Instruments, from_cost: FloatArray, size: FloatArray, price: FloatArray, rows: BoolArray
) -> FloatArray:
    """Return the price that the total cost makes, where the file's own is empty or rounded; a third kind is warned of.

    A column named Price alone that the total cost contradicts in every row is asked about: it may be today's.
    """
    is_rounded = np.abs(from_cost - price) <= _ROUNDED + _ROUNDED / np.abs(size)
    is_known = np.isfinite(price) & np.isfinite(from_cost) & rows
    with np.errstate(divide="ignore", invalid="ignore"):
        is_refused = is_in_another_unit(from_cost / price, instruments)
    off = np.flatnonzero(is_known & ~is_rounded & ~is_refused).tolist()
    agrees = bool((is_known & is_rounded).any()) or bool(cells.table.source.document)
    cost, stated_rows = cells.table.label("cost"), np.flatnonzero(np.isfinite(from_cost) & rows)
    if len(stated_rows) and not agrees and not cells.table.source.recognise and in_usd(plain(cost)) == "cost":
        question = "is this the cost of one share or of the lot?"
        cells.doubt("ERR_POS_036", int(stated_rows[0]), "cost", question, NAME_THE_COST)
        return price
    if off and not agrees and _may_be_of_today(cells):
        stated = f"{cost} makes {from_cost[off[0]]:,.8g} each"
        remedy = f"the price of the entry, but {stated}: `--ignore-column {{}}` if it is today's price;"
        remedy += f" `--ignore-column {shlex.quote(cost)}` if it is what was paid"
        cells.doubt(
            "ERR_POS_036", off[0], "price", f"{stated}: is this today's price, and the cost what counts?", remedy
        )
        return price
    for row in off:
        cells.findings.warnings.append(
            f"line {cells.table.lines[row]}: {instruments.symbol[row]} has a price of {price[row]:,.8g} and a total cost"
            f" that makes {from_cost[row]:,.8g} each: the price is used"
        )
    is_closer = is_rounded & (np.abs(size) >= 1.0)  # a cost in cents is all the less exact for a part of a share
    return np.where(np.isnan(price) | is_closer, np.where(np.isnan(from_cost), price, from_cost), price)
