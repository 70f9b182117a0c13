"""Columns whose name can mean several things, such as Type, Side or Status: they mean what their cells say."""

import re
from collections.abc import Collection, Mapping, Sequence

SIDES: Mapping[str, int] = {
    **dict.fromkeys(("long", "l", "long position", "buy", "bought", "b", "buy to open", "bto", "1", "+1", "+"), 1),
    **dict.fromkeys(("short", "s", "short position", "sell", "sold", "sell short", "short sell", "sold short",
                     "sell to open", "sto", "written", "-1"), -1),
}  # fmt: skip
"""Words for the side of a position: 1 long, -1 short."""
HELD_SIDES = frozenset({"long", "l", "long position", "short", "s", "short position"})
"""Words for a side that is held; the others are what was done, too."""

STATES: Mapping[str, bool] = {
    **dict.fromkeys(("open", "opened", "active", "held", "holding", "current"), True),
    **dict.fromkeys(("closed", "close", "sold", "exited", "expired", "assigned", "exercised"), False),
}
"""Words for whether a lot is open."""

_USD = frozenset({"usd", "us$", "usd$", "$", "us dollar", "us dollars", "u.s. dollar", "u.s. dollars",
                  "united states dollar", "united states dollars", "us-dollar"})  # fmt: skip

_BOND, _FUND, _STOCK = ("PUBLIC", "BOND"), ("PUBLIC", "MUTUAL_FUND"), ("PUBLIC", "STOCK")
_CASH, _MONEY_MARKET = ("PUBLIC", "CASH"), ("PUBLIC", "MONEY_MARKET")
KINDS_OF: Mapping[str, tuple[str, str | None]] = {
    **dict.fromkeys(("stock", "stocks", "equity", "equities", "share", "shares", "common stock", "common", "adr",
                     "preferred stock", "stk"), _STOCK),
    **dict.fromkeys(("etf", "etfs", "exchange traded fund", "exchange-traded fund", "etfs & closed end funds"),
                    ("PUBLIC", "ETF")),
    **dict.fromkeys(("mutual fund", "mutual funds", "fund", "funds"), _FUND),
    **dict.fromkeys(("bond", "bonds", "fixed income", "corporate bond", "corporate bonds", "government bond",
                     "government bonds", "municipal bond", "municipal bonds", "treasury", "treasuries", "treasury bond",
                     "treasury bonds", "treasury note", "treasury notes", "treasury bill", "treasury bills", "t-bill",
                     "t-bills", "note", "notes", "bill", "bills"), _BOND),
    **dict.fromkeys(("option", "options", "equity option", "equity options", "equity and index options", "stock option",
                     "stock options", "opt"), ("OPTIONS", None)),
    **dict.fromkeys(("call", "calls", "call option"), ("OPTIONS", "CALL")),
    **dict.fromkeys(("put", "puts", "put option"), ("OPTIONS", "PUT")),
    **dict.fromkeys(("cash", "cash & cash investments", "cash and cash equivalents", "cash equivalent"), _CASH),
    **dict.fromkeys(("money market", "money market fund", "cash and money market"), _MONEY_MARKET),
}  # fmt: skip
"""Words for kinds of instruments: class and subtype."""

SIDE_NAMES = frozenset({"side", "direction", "long/short", "long or short", "l/s", "position side"})
"""Names of columns that are about the side, whatever their cells say."""
_STATE_NAMES = frozenset({"status", "state", "open/closed", "position status"})
_KIND_NAMES = frozenset({
    "type", "asset type", "security type", "instrument type", "asset category", "product type", "holding type",
    "investment type", "category", "kind",
})  # fmt: skip
OPEN_NAMES = frozenset({*SIDE_NAMES, *_STATE_NAMES, *_KIND_NAMES, "position", "position type", "buy/sell", "b/s", "action",
                        "transaction type", "trans type", "trans code", "transaction", "event", "event type", "activity",
                        "activity type", "operation", "way", "buy / sell", "buy or sell", "trade type",
                        "order side"})  # fmt: skip
"""Names of columns that are looked into for what they mean."""

SALES = frozenset({"sell", "sold", "sale", "sell to close", "sold to close", "stc", "you sold"})
"""Words for what closes a lot: no lot has one."""
TELLING = frozenset(
    {
        "short",
        "sell",
        "sold",
        "put",
        "call",
        "option",
        "bond",
        "treasury",
        "closed",
        "cancelled",
        "canceled",
        "rejected",
    }
)
"""Words that change what a lot is: a column that has one and is not used is pointed at."""
TELLING_PATTERN = f"(?i){'|'.join(sorted(TELLING))}"
"""What cells with one of them match, and some others."""
_ENDED_OR_SHORT = re.compile(
    r"(?:sold )?short(?: sale| position)?|closed(?: out)?|exited|sold(?: out)?|you sold .*"
    r"|sold (?:all|half|on|at|for|[0-9]).*"
)
_LONGEST = 4
"""Words in a cell that states something; longer ones are prose."""


def is_usd(currency: str) -> bool:
    """Return whether a cell names the US dollar.

    Examples
    --------
    >>> [is_usd(currency) for currency in ("usd", "US Dollar", "US$", "EUR", "C$", "Dollar")]
    [True, True, True, False, False, False]
    """
    return in_words(currency) in _USD


def in_words(cell: str) -> str:
    """Return a cell as its words are compared: lower case, single blanks, no underscores."""
    return " ".join(cell.lower().replace("_", " ").split())


def meaning(cells: Collection[str]) -> str | None:
    """Return the field that a column is whose cells are all understood: `direction`, `class` or `status`; None if none is.

    Examples
    --------
    >>> [meaning(cells) for cells in (["Long", "SHORT"], ["Stock", "Bond"], ["Open", "Closed"], ["Stock", "Margin"], [])]
    ['direction', 'class', 'status', None, None]
    """
    words = {in_words(cell) for cell in cells if cell}
    vocabularies = {"direction": SIDES, "class": KINDS_OF, "status": STATES}
    return next((name for name, known in vocabularies.items() if words - {"1"} and words <= known.keys()), None)


def is_held_side(cells: Collection[str]) -> bool:
    """Return whether cells say what is held, long or short, and not what was done.

    Examples
    --------
    >>> [is_held_side(cells) for cells in (["Long", "Flat"], ["Short"], ["Long", "Sell"], ["Short", "Cover"], ["B", "S"])]
    [True, True, False, False, False]
    """
    words = {in_words(cell) for cell in cells if cell}
    if not words.isdisjoint(SIDES.keys() - HELD_SIDES):
        return False
    return not words.isdisjoint({"long", "l"}) or (bool(words) and words <= HELD_SIDES and words != {"s"})


def not_understood(name: str, cells: Sequence[str], fields: Collection[str]) -> str | None:
    """Return a cell that keeps a column from being one of some fields, as its name or its other cells say that it is.

    Examples
    --------
    >>> fields = ("direction", "class", "status")
    >>> columns = {"type": ["Stock", "Margin"], "direction": ["up"], "kind": ["IRA"]}
    >>> [not_understood(name, cells, fields) for name, cells in columns.items()]
    ['Margin', 'up', None]
    """
    vocabularies = {"direction": SIDES.keys() - {"1", "+1", "-1"}, "class": KINDS_OF.keys(), "status": STATES.keys()}
    known = [vocabularies[each] for each in fields]
    filled = [cell for cell in cells if cell]
    in_use = [words for words in known if any(in_words(cell) in words for cell in filled)]
    if not in_use and not (name in SIDE_NAMES and "direction" in fields):
        return None
    strange = [cell for cell in filled if not any(in_words(cell) in words for words in in_use)]
    return next(iter(strange or filled), None)


def ends_or_is_short(cell: str) -> bool:
    """Return whether a cell says of its lot that it is short or was sold; names of instruments do not.

    Examples
    --------
    >>> cells = ("short", "Sold", "YOU SOLD APPLE INC", "sold 40 @ 190", "Short-Term Bond", "Salesforce", "closed", "Put")
    >>> [ends_or_is_short(cell) for cell in cells]
    [True, True, True, True, False, False, True, False]
    """
    return _ENDED_OR_SHORT.fullmatch(in_words(cell)) is not None


def telling_cell(cells: Sequence[str]) -> str | None:
    """Return the first of some cells that has a word which changes what a lot is, None if none has."""
    for cell in cells:
        words = in_words(cell).replace("-", " ").split()
        if len(words) <= _LONGEST and not TELLING.isdisjoint({*words, *(word.removesuffix("s") for word in words)}):
            return cell
    return None
