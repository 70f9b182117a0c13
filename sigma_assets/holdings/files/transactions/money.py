"""What the rows of transactions pay and receive: amounts, fees, interest accrued and taxes, with their signs."""

from dataclasses import dataclass

import numpy as np

from sigma_assets.base.frames import BoolArray, FloatArray
from sigma_assets.holdings.brokers.words import is_usd
from sigma_assets.holdings.files.cells import Cells, or_nothing
from sigma_assets.holdings.files.instruments import Instruments
from sigma_assets.holdings.files.statements import is_in_another_unit
from sigma_assets.holdings.files.transactions.actions import BUYS, SALES, Verbs

_PAID = "(?i)withdraw|debit|outgoing|transfer out|sent|paid|new card cost"
_RECEIVED = "(?i)deposit|contribut|credit|incoming|transfer in|received|cashback"
_ALIKE, _THOUSANDFOLD = 0.01, 500
_SMALL = 2.0
"""USD: fees without a column, and the rounding of a fraction of a share, may be more than 1 % of a small trade."""
_SHOWN = 5


@dataclass(frozen=True)
class Money:
    """Money of each row in USD, negative for what was paid.

    Attributes
    ----------
    amount : as the file has it but for the sign; NaN where there is none.
    fees, accrued, tax : commissions and fees; interest accrued on a bond that was traded; tax withheld. 0 for none.
    gross : what a trade is worth without fees and interest, as a positive number; NaN where no amount in USD says it.
    """

    amount: FloatArray
    fees: FloatArray
    accrued: FloatArray
    tax: FloatArray
    gross: FloatArray


def read_money(cells: Cells, verbs: Verbs) -> Money:
    """Return what the rows pay and receive."""
    amount = cells.numbers("amount", "ERR_POS_009")
    is_buy, is_sale = np.isin(verbs, BUYS), np.isin(verbs, SALES)
    fees = -_costs(cells, "fees") + or_nothing(cells.numbers("commission", "ERR_POS_009"))
    accrued = np.abs(or_nothing(cells.numbers("accrued", "ERR_POS_009")))
    accrued = np.where(is_buy, -accrued, np.where(is_sale, accrued, 0.0))
    is_signed = bool((amount[is_buy | is_sale] < 0).any())
    paid = amount if is_signed else np.where(is_buy, -amount, amount)
    return Money(
        amount=_signed(cells, verbs, amount) if cells.has("action") else amount,
        fees=fees,
        accrued=accrued,
        tax=-_costs(cells, "tax"),
        gross=np.where(
            _in_usd(cells, "amount_currency", "currency") & (amount != 0), np.abs(paid - fees - accrued), np.nan
        ),
    )


def _costs(cells: Cells, name: str) -> FloatArray:
    """Return the sum of a kind of costs, positive for what was paid: a column in which all are negative means the same."""
    total = np.zeros(len(cells))
    for each in [each for each in cells.table.cells if each.partition("#")[0] == name]:
        values = or_nothing(cells.numbers(each, "ERR_POS_009"))
        total += values if (values > 0).any() else -values
    return total


def _signed(cells: Cells, verbs: Verbs, amount: FloatArray) -> FloatArray:
    """Return amounts of cash, fees and taxes with their signs: in a file without negative ones the action says them."""
    texts = cells.texts("action")
    is_cash = verbs == "cash"
    is_paid = is_cash & texts.matching(_PAID)
    is_cost = np.isin(verbs, ("fee", "tax"))
    is_plus = amount > 0
    source = cells.table.source
    if not (amount < 0).any() and (not source.recognise or (is_plus & np.isin(verbs, BUYS)).any()):
        for row in np.flatnonzero(is_cash & is_plus & (is_paid == texts.matching(_RECEIVED))).tolist():
            expected = "a deposit or a withdrawal, or a sign: no amount of the file is negative"
            cells.wrong("ERR_POS_035", row, "action", expected, "paid or received?")
        return np.where(is_paid | is_cost, -amount, amount)
    for row in np.flatnonzero(is_cash & is_plus & texts.matching("(?i)withdraw")).tolist():
        expected = "a negative amount for a withdrawal, as elsewhere in the file; a deposit, if it came back"
        cells.wrong("ERR_POS_035", row, "amount", expected, "a withdrawal that adds cash")
    refunds = np.flatnonzero(is_cost & is_plus).tolist()
    if refunds:
        row, more = refunds[0], f" (and {len(refunds) - 1} more)" if len(refunds) > 1 else ""
        cells.findings.warnings.append(
            f"line {cells.table.lines[row]}{more}: a {verbs[row]} of {amount[row]:,.2f} USD that adds cash is a refund:"
            " what was paid has a minus in the file"
        )
    return amount


def compare_with_prices(
    cells: Cells, money: Money, worth: FloatArray, instruments: Instruments, rows: BoolArray
) -> None:
    """Warn of trades whose amount is not what quantity x price makes, and refuse those that are in another unit.

    Parameters
    ----------
    worth : |quantity x price x multiplier|; a price printed in cents and fees that have no column explain 1 % of it.
    rows : which rows are trades.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.abs(worth - money.gross)
        is_off = rows & (off > _ALIKE * np.maximum(worth, money.gross)) & (off > _SMALL)
        is_wrong = is_off & is_in_another_unit(money.gross / worth, instruments)
    for row in np.flatnonzero(is_wrong).tolist():
        expected = (
            f"about {worth[row]:,.2f}, which quantity and price make. A bond has the class BOND, its face value as the"
            " quantity, and a price in per cent of par; an option is quoted per share"
        )
        times = "1,000" if max(worth[row] / money.gross[row], money.gross[row] / worth[row]) > _THOUSANDFOLD else "100"
        cells.wrong("ERR_POS_035", row, "amount", expected, f"{times} times as much, or as little")
    lines = np.flatnonzero(is_off & ~is_wrong).tolist()
    for row in lines[:_SHOWN]:
        cells.findings.warnings.append(
            f"line {cells.table.lines[row]}: quantity and price make {worth[row]:,.2f} USD, but the amount without fees is"
            f" {money.gross[row]:,.2f}: the price is used; check the line"
        )
    if len(lines) > _SHOWN:
        cells.findings.warnings.append(f"... and {len(lines) - _SHOWN} more lines whose amount and price differ")


def refuse_foreign_fees(cells: Cells, money: Money, rows: BoolArray) -> BoolArray:
    """Return which rows have a fee in another currency than USD: noted, or listed if the source leaves them out."""
    is_foreign = np.zeros(len(cells), dtype=bool)
    for name in [each for each in cells.table.cells if each.partition("#")[0] == "fee_currency"]:
        texts = cells.texts(name)
        found = rows & (money.fees != 0) & texts.having(lambda text: text and not is_usd(text)) & ~is_foreign
        is_foreign |= found
        for row in np.flatnonzero(found).tolist():
            if cells.table.source.foreign_fees == "skip":
                cells.skip(row, f"a fee of {money.fees[row]:,.2f} {texts[row]}", "only USD is kept")
            else:
                expected = "a fee in USD; `foreign_fees: skip` in a --mapping leaves such fees out"
                cells.wrong("ERR_POS_028", row, name, expected, "another currency")
    return is_foreign


def check_flows(cells: Cells, money: Money, verbs: Verbs, rows: BoolArray, is_dividend: BoolArray) -> None:
    """Note flows in another currency, without an amount, or with a fee that the amount may hold or not.

    Parameters
    ----------
    rows, is_dividend : which rows are flows; which of them are dividends that come with the prices, with nothing but a fee
        or a tax to be entered.
    """
    is_other = ~_in_usd(cells, "amount_currency", "currency")
    for row in np.flatnonzero(rows & is_other).tolist():
        expected = "an amount in USD: other currencies are not kept"
        cells.wrong("ERR_POS_028", row, "amount", expected, "another currency")
    for row in np.flatnonzero(is_dividend & (money.tax != 0) & ~_in_usd(cells, "tax_currency", "currency")).tolist():
        cells.wrong("ERR_POS_028", row, "tax", "a tax in USD: other currencies are not kept", "another currency")
    for row in np.flatnonzero(rows & ~is_other & cells.is_empty("amount")).tolist():
        cells.missing("ERR_POS_029", row, "amount", "an amount in USD")
    is_counted = np.isin(verbs, ("fee", "tax")) & (np.abs(money.fees) == np.abs(money.amount))
    for row in np.flatnonzero(rows & ~is_dividend & (money.fees != 0) & ~is_counted).tolist():
        expected = f"a line of its own for the fee of {-money.fees[row]:,.2f}: is it a part of the amount or not?"
        cells.wrong("ERR_POS_035", row, "amount", expected, "an amount with a fee")


def _in_usd(cells: Cells, name: str, otherwise: str) -> BoolArray:
    """Return which rows are in USD by one column, or by another where that says nothing."""
    usd = [cells.texts(each).having(lambda text: not text or is_usd(text)) for each in (name, otherwise)]
    return np.where(cells.texts(name).among([""]), usd[1], usd[0])
