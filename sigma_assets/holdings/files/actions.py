"""What each row of a broker's transactions does."""

import numpy as np
import numpy.typing as npt

from sigma_assets.base.frames import BoolArray, FloatArray
from sigma_assets.holdings.brokers.sources import Source
from sigma_assets.holdings.files.cells import Cells, Skipped
from sigma_assets.holdings.files.numerals import NOTHING

Verbs = npt.NDArray[np.object_]
"""What each row does: one of `ACTIONS`, None where a problem was noted."""
_INSTEAD = (
    " Change the line: shares that came are a purchase, at what they had cost, or at the price of the day together with a"
    " deposit of as much; shares that went are a sale; see `Shares without a trade` in docs/files-from-brokers.md"
)


def read_verbs(cells: Cells, quantity: FloatArray) -> Verbs:
    """Return what each row does; a source without actions says it by the sign of the quantity."""
    source = cells.table.source
    if not cells.has("action") or source.sales == "negative":
        opens = cells.texts("opens").having(lambda text: "O" in {part.strip() for part in text.upper().split(";")})
        return np.where(quantity < 0, np.where(opens, "sell_short", "sell"), "buy").astype(object)
    texts = cells.texts("action")
    known = np.array([_verb(source, text) for text in texts.distinct], dtype=object)
    verbs = known[texts.codes]
    for row in np.flatnonzero(verbs == None).tolist():  # noqa: E711  # of each row
        expected = "an action that is known; `--mapping` can name what it is"
        cells.wrong("ERR_POS_027", row, "action", expected, "not understood")
    for row in np.flatnonzero(verbs == "skip").tolist():
        cells.findings.skipped.append(Skipped(cells.table.lines[row], texts[row][:80], "no trade and no cash flow"))
    return verbs


def _verb(source: Source, text: str) -> str | None:
    words = " ".join(text.split())
    return next((action for pattern, action in source.actions if pattern.fullmatch(words)), None)


def refuse_moves(cells: Cells, verbs: Verbs, quantity: FloatArray, is_cash: BoolArray) -> Verbs:
    """Note rows that move shares without a trade, and return what each row does without them.

    As a deposit such shares would become cash, and without an amount they would vanish; so would a dividend in shares.
    """
    amount = cells.numbers("amount", "ERR_POS_009")
    counts = (quantity != 0) & ~np.isnan(quantity) & ~cells.texts("symbol").among(NOTHING)
    is_nothing = cells.is_empty("amount") | (amount == 0)
    moves = (verbs == "cash") & counts & (~is_cash | is_nothing)
    moves |= (verbs == "dividend") & counts & (amount == 0)
    for row in np.flatnonzero(moves).tolist():
        expected = "no shares in a row that is no trade." + _INSTEAD
        cells.wrong("ERR_POS_033", row, "quantity", expected, "shares without a trade")
    for row in np.flatnonzero(verbs == "move").tolist():
        expected = "a trade, a cash flow or, for a split, Stock split." + _INSTEAD
        cells.wrong("ERR_POS_033", row, "action", expected, "shares without a trade")
    return np.where(moves | (verbs == "move"), "skip", verbs)
