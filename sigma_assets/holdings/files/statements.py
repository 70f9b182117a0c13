"""What further columns of a lot state: its side, whether it is closed, and what its price adds up to."""

import numpy as np

from sigma_assets.base.frames import BoolArray, FloatArray
from sigma_assets.base.numerals import NOTHING
from sigma_assets.holdings.brokers.words import SIDES, STATES, in_words
from sigma_assets.holdings.files.cells import Cells
from sigma_assets.holdings.files.instruments import Instruments

_HUNDREDFOLD, _NEARLY = (0.01, 100.0), 0.1
"""A price that is off by this factor from what the file says it adds up to is in another unit: per cent of par, cents, or
USD per contract. Accrued interest and rounding make it differ by up to this share."""


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


def check_unit(
    cells: Cells,
    instruments: Instruments,
    name: str,
    price: FloatArray,
    from_total: FloatArray,
    total: str,
    rows: BoolArray,
) -> None:
    """Refuse prices that are a hundred times, or a hundredth of, what the total in the file makes of one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = from_total / price
    is_off = np.any([np.abs(ratio / factor - 1.0) < _NEARLY for factor in _HUNDREDFOLD], axis=0)
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
