"""What each row of a broker's transactions does."""

import re

import numpy as np
import numpy.typing as npt

from sigma_assets.base.frames import BoolArray, FloatArray
from sigma_assets.base.numerals import NOTHING
from sigma_assets.holdings.brokers.sources import Source
from sigma_assets.holdings.files.cells import Cells

Verbs = npt.NDArray[np.object_]
"""What each row does: one of `ACTIONS`, None where a problem was noted."""
BUYS, SALES = ("buy", "cover"), ("sell", "sell_short")
_A_CENT = 0.01
_REINVESTED, _UNDONE = r"(?i)\breinvest|\brein +@", r"(?i)\brev\b|\brevers|\badj|\bcancel|taken back"
_A_SPLIT = r"(?i)^(?:stock|forward|reverse)? *split$"
INSTEAD = (
    " Shares that came are a purchase, at what they had cost, or at the price of the day together with a deposit of as much;"
    " shares that went are a sale. Change the line so, or delete it and use `trade` and `close` after the import; see"
    " `Shares without a trade` in docs/files-from-brokers.md"
)


def read_verbs(cells: Cells, quantity: FloatArray) -> Verbs:
    """Return what each row does; a source without actions says it by the sign of the quantity."""
    source = cells.table.source
    if not cells.has("action") or source.sales == "negative":
        codes = cells.texts("opens")
        opens = codes.having(lambda text: "O" in _codes(text))
        covers = codes.having(lambda text: "C" in _codes(text) and not {"O", "CA"} & _codes(text))
        bought, sold = np.where(covers, "cover", "buy"), np.where(opens, "sell_short", "sell")
        return np.where(quantity < 0, sold, bought).astype(object)
    texts = cells.texts("action")
    known = np.array([_verb(source, text) for text in texts.distinct], dtype=object)
    verbs = known[texts.codes]
    for row in np.flatnonzero(verbs == None).tolist():  # noqa: E711  # of each row
        expected = "an action that is known; `--mapping` can name what it is"
        cells.wrong("ERR_POS_027", row, "action", expected, "not understood")
    for row in np.flatnonzero(verbs == "skip").tolist():
        cells.skip(row, texts[row][:80], "no trade and no cash flow")
    is_split = np.isin(verbs, (*BUYS, *SALES)) & cells.texts("description").matching(_A_SPLIT)  # as Yahoo's pairs
    return np.where(is_split, "move", np.where(_are_reinvested(cells, verbs, quantity), "buy", verbs))


def _codes(text: str) -> set[str]:
    """Return the codes of a trade of Interactive Brokers: O opens, C closes, Ca cancels."""
    return {part.strip() for part in text.upper().split(";")}


def _are_reinvested(cells: Cells, verbs: Verbs, quantity: FloatArray) -> BoolArray:
    """Return which dividends are paid for shares, as E*TRADE names a reinvestment: a purchase that the dividend pays for.

    A dividend that was taken back, or is paid on a short, has a quantity and a negative amount, too: only words tell.
    """
    amount = cells.numbers("amount", "ERR_POS_009")
    is_bought = (quantity > 0) & (amount < 0) & ~_say(cells, _UNDONE)
    is_given_back = (quantity < 0) & (amount > 0)  # the purchase, which a later row takes back
    return (verbs == "dividend") & says_reinvested(cells) & (is_bought | is_given_back)


def says_reinvested(cells: Cells) -> BoolArray:
    """Return which rows say that they reinvest something."""
    return _say(cells, _REINVESTED)


def _say(cells: Cells, pattern: str) -> BoolArray:
    return cells.texts("action").matching(pattern) | cells.texts("description").matching(pattern)


def named_in_action(cells: Cells, row: int) -> dict[str, str]:
    """Return what the named groups of a pattern find in an action that it matches."""
    match = _match(cells.table.source, cells.texts("action")[row])
    return {} if match is None else match[1].groupdict()


def _verb(source: Source, text: str) -> str | None:
    match = _match(source, text)
    return None if match is None else match[0]


def _match(source: Source, text: str) -> tuple[str, re.Match[str]] | None:
    words = " ".join(text.split())
    matches = ((action, pattern.fullmatch(words)) for pattern, action in source.actions)
    return next(((action, match) for action, match in matches if match), None)


def refuse_moves(cells: Cells, verbs: Verbs, quantity: FloatArray, is_cash: BoolArray) -> Verbs:
    """Note rows that move shares without a trade, and return what each row does without them.

    As a deposit such shares would become cash, and without an amount they would vanish; so would a dividend in shares.
    """
    amount = cells.numbers("amount", "ERR_POS_009")
    counts = (quantity != 0) & ~np.isnan(quantity) & ~cells.texts("symbol").among(NOTHING)
    is_nothing = cells.is_empty("amount") | (amount == 0)
    moves = (verbs == "cash") & counts & (~is_cash | is_nothing)
    is_rounded = np.abs(quantity * cells.numbers("price", "ERR_POS_009")) < _A_CENT
    moves |= (verbs == "dividend") & counts & (amount == 0) & ~is_rounded
    for row in np.flatnonzero(moves).tolist():
        expected = "no shares in a row that is no trade." + INSTEAD
        if is_cash[row]:
            expected = "an amount in USD in a column Amount; or delete the line, and record it with `sigma-assets flow`"
        cells.wrong("ERR_POS_033", row, "quantity", expected, "shares without a trade")
    for row in np.flatnonzero(verbs == "move").tolist():
        name, named = ("action", " (a split is named Stock split)") if cells.has("action") else ("symbol", "")
        expected = f"no shares without a trade{named}." + INSTEAD
        cells.wrong("ERR_POS_033", row, name, expected, "shares without a trade")
    return np.where(moves | (verbs == "move"), "skip", verbs)
