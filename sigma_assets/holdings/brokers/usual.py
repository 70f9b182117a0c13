"""Tables that are no broker's: columns by their usual names, and by their cells where a name can mean several things."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sigma_assets.holdings.brokers.sources import Source, action_patterns, in_usd, plain
from sigma_assets.holdings.brokers.words import KINDS_OF, OPEN_NAMES, SIDE_NAMES, is_held_side, meaning

USUAL_NAMES = {
    "symbol": [
        "symbol", "ticker", "ticker symbol", "stock symbol", "symbol/ticker", "ticker/symbol", "symbol/cusip",
        "symbol/ cusip", "instrument code", "instrument", "security", "stock",
    ],
    "quantity": [
        "quantity", "qty", "shares", "units", "number of shares", "no. of shares", "num shares", "contracts",
        "filled qty", "filled quantity", "shares owned", "shares held", "# of shares", "no of shares",
    ],
    "price": [
        "entry price per share", "entry price", "purchase price", "buy price", "cost per share", "cost/share",
        "price per share", "average cost", "avg cost", "average price", "avg price", "average cost basis", "unit cost",
        "price paid", "cost basis per share", "avg. price", "avg. cost", "cost price", "trade price", "price", "share price",
        "price/share",
    ],
    "cost": ["total cost", "cost basis", "cost basis total", "total cost basis", "book value"],
    "value": ["market value", "current value", "mkt value", "mkt val", "position value", "total value", "value"],
    "closing": [
        "last price", "current price", "market price", "closing price", "price today", "mark price", "mark", "last",
        "latest price",
    ],
    "date": [
        "entry date", "trade date", "purchase date", "buy date", "date acquired", "acquired", "acquisition date",
        "date purchased", "open date", "opened date", "opened", "transaction date", "filled time", "bought", "bought on",
        "purchased", "date of purchase", "date",
    ],
    "exit_date": ["exit date", "sell date", "sale date", "date sold", "sold on", "close date", "closed date", "closed"],
    "exit_price": [
        "exit price per share", "exit price", "sell price", "sale price", "close price per share", "proceeds per share",
    ],
    "class": ["investment class", "asset class"],
    "subtype": ["investment subtype"],
    "underlying": ["underlying symbol", "underlying"],
    "strike": ["strike price", "strike"],
    "expiration": ["expiration date", "expiration", "expiry", "expiry date"],
    "option_type": ["option type", "put/call", "call/put"],
    "multiplier": ["multiplier", "contract size"],
    "action": ["action", "side", "buy/sell", "b/s", "transaction type", "trans code", "trans type", "transaction"],
    "fees": ["fees", "fee", "commission", "commissions", "commissions and fees", "reg fee", "brokerage"],
    "amount": ["amount", "net amount", "total amount"],
    "currency": ["currency", "currency code"],
    "exchange": ["exchange", "stock exchange", "listing exchange", "primary exchange", "exchange code", "market code"],
    "account": ["account", "account number", "account name"],
    "description": ["description", "name", "notes", "note", "comment", "memo", "security name", "company"],
}  # fmt: skip
OPEN_PRICES = frozenset({"price", "share price"})
"""Names of a price that can be the entry's or today's."""
_GENERIC_ACTIONS = [
    ["(you )?(buy|bought|b|purchased?|(buy|bought) to open|bto)", "buy"],
    ["(you )?((buy|bought) to (close|cover)|btc|cover|cover short|buy cover)", "cover"],
    ["(reinvest(ed)? shares|reinvestment)", "buy"],
    ["(you )?(sell|sold|s|sale|(sell|sold) to close|stc|redemption)", "sell"],
    ["(you )?((sell|sold) short|short|short (sell|sale)|(sell|sold) to open|sto)", "sell_short"],
    ["(dividend|div|cash dividend)", "dividend"],
    ["interest", "interest"],
    ["(fee|fees|commission)", "fee"],
    ["(tax|withholding tax)", "tax"],
    ["(deposit|withdrawal|transfer|contribution|cash)", "cash"],
    ["(stock |forward )?split", "split"],
]
_UNLESS = r"(?!.*\b(?:revers|reject|expire|pending|fail|placed|correct))"
_COVERED = "bought (?:short cover|to (?:close|cover)|closing)"
_DESCRIBED_ACTIONS = [
    [_UNLESS + rf"(you )?{_COVERED}\b.*", "cover"],
    [_UNLESS + r"(you )?(bought|purchased)\b.*", "buy"],
    [_UNLESS + r"(you )?sold (short|to open|opening)\b.*", "sell_short"],
    [_UNLESS + r"(you )?sold\b.*", "sell"],
    [r"(ordinary|qualified|non-?qualified) dividend \([a-z./]+\)", "dividend"],
    ["free balance interest adjustment.*", "interest"],
    ["client requested electronic funding (receipt|disbursement).*", "cash"],
]
"""What a column Description of trades says, as TD Ameritrade's; anything else is refused, line by line."""
_A_TRADE = re.compile(
    rf"(?:you (?:({_COVERED}|sold)|bought|purchased)|(?:({_COVERED}|sold)|bought|purchased)(?=.*[0-9]))\b.*",
    re.IGNORECASE,
)


def generic_source(
    header: Sequence[str], cells: Mapping[str, Sequence[str]], ignored: Collection[str] = ()
) -> Source | None:
    """Return a mapping for a table with the usual names of columns, None if it has no symbol and quantity.

    It is about transactions if it has a column of actions, such as buy and sell, and none of exit dates.

    Parameters
    ----------
    cells : name of a column to its first cells, of those whose cells decide what they mean.
    ignored : columns that are left out although their names are usual, in lower case.
    """
    source = Source(
        "a table", "lots", USUAL_NAMES, actions=action_patterns(_GENERIC_ACTIONS, "the generic table"), classes=KINDS_OF
    )
    found = source.positions_of(header)
    if "symbol" not in found or "quantity" not in found:
        return None
    columns: dict[str, Any] = {each: header[places[0]] for each, places in found.items()}
    names = [plain(name) for name in header]
    for each in ("price", "cost", "value", "closing", "amount", "fees", "description", "account", "exchange"):
        if each not in columns:
            continue
        is_twice = each in ("value", "closing") and names.count(plain(columns[each])) > 1  # of which day?
        if is_twice or columns[each].lower() in ignored:
            del columns[each], found[each]
    if "fees" in found:
        columns["fees"] = [header[place] for place in found["fees"]]
    action = columns.pop("action", None)
    told = cells.get(action) if action is not None else None
    if action is not None and (action.lower() in ignored or (told and not any(told))):
        action = None  # left out, or empty
    if "exit_date" not in columns:
        if action is None or is_held_side(cells.get(action, ())):
            places = {name: told for name, told in cells.items() if "date" in columns}
            action = next((name for name, told in places.items() if _are_actions(source, name, told)), None)
        described = columns.get("description") if action is None and {"date", "amount"} <= columns.keys() else None
        if described is not None and _are_trades(described, cells.get(described, ())):
            action = described
            source = replace(source, actions=action_patterns(_DESCRIBED_ACTIONS, "the generic table"))
        if action is not None:
            columns["action"] = action
            source = replace(source, kind="transactions", name="a table of transactions", columns=columns)
            return with_meanings(source, cells)
    kind = "lots" if "date" in columns else "positions"
    columns |= _beside_the_entry_price(columns, header)
    if "*" in ignored and "price" in columns:
        columns = {each: name for each, name in columns.items() if each not in ("value", "closing", "amount", "fees")}
    return with_meanings(replace(source, kind=kind, name=f"a table of {kind}", columns=columns), cells)


def _beside_the_entry_price(columns: Mapping[str, str], header: Sequence[str]) -> dict[str, str]:
    """Return what Price and Cost mean beside an entry price: today's price, unless lots have exits, and the total cost."""
    price = in_usd(plain(columns.get("price", "price")))
    if price in OPEN_PRICES or price == "price per share":
        return {}
    names = [in_usd(plain(name)) for name in header]
    meant = {"closing": "price", "cost": "cost"} if "exit_date" not in columns else {"cost": "cost"}
    return {each: header[names.index(name)] for each, name in meant.items() if each not in columns and name in names}


def with_meanings(source: Source, cells: Mapping[str, Sequence[str]]) -> Source:
    """Return a mapping with the fields that further columns are by what their cells say: direction, class or status.

    A broker's own columns are known; only one about the side is added, so that no short of it becomes a long.
    """
    columns = dict(source.columns)
    used = {plain(name) for spelling in columns.values() for name in _spellings(spelling)}
    for name, first in cells.items():
        if plain(name) in USUAL_NAMES["description"]:
            continue
        field_of_ours = meaning(first)
        if field_of_ours is None or field_of_ours in columns or plain(name) in used:
            continue
        if source.recognise and not (field_of_ours == "direction" and plain(name) in SIDE_NAMES):
            continue
        if field_of_ours != "class" and source.kind == "transactions":
            continue
        columns[field_of_ours] = name
    if columns == source.columns:
        return source
    document = {**source.document, "columns": columns} if source.document else {}
    classes = source.classes or (KINDS_OF if "class" in columns.keys() - source.columns.keys() else {})
    return replace(source, columns=columns, classes=classes, document=document)


def open_columns(
    header: Sequence[str], rows: Iterable[Sequence[str]], ignored: Collection[str]
) -> dict[str, list[str]]:
    """Return the columns whose cells decide what they mean, with the cells of some rows, but totals; none of `ignored`."""
    names = OPEN_NAMES.union(USUAL_NAMES["description"])
    places = {name: place for place, name in reversed(list(enumerate(header))) if plain(name) in names}
    places = {name: place for name, place in places.items() if name.lower() not in ignored}
    if not places:
        return {}
    whole = [fitted for row in rows if (fitted := _as_wide(row, len(header)))]
    return {name: [row[place] for row in whole if "total" not in row[place].lower()] for name, place in places.items()}


def _as_wide(row: Sequence[str], width: int) -> list[str]:
    """Return a row as wide as the header, empty cells at its end left out or added; nothing of a line of another table."""
    if len(row) > width:
        return list(row[:width]) if not any(row[width:]) else []
    return [*row, *[""] * (width - len(row))] if len(row) * 2 > width else []


def _are_trades(name: str, cells: Sequence[str]) -> bool:
    """Return whether a column describes trades, not lots: most cells say what was bought or sold, and some close lots."""
    if plain(name) != "description":
        return False
    trades = [match for cell in cells if (match := _A_TRADE.fullmatch(" ".join(cell.split())))]
    return len(trades) * 2 > len(cells) and any(match[1] or match[2] for match in trades)


def _are_actions(source: Source, name: str, cells: Sequence[str]) -> bool:
    if plain(name) in USUAL_NAMES["description"]:
        return False
    words = [" ".join(cell.split()) for cell in cells if cell]
    found = {next((verb for pattern, verb in source.actions if pattern.fullmatch(each)), None) for each in words}
    return None not in found and not found.isdisjoint({"buy", "cover", "sell"}) and not is_held_side(cells)


def _spellings(spelling: Any) -> list[str]:
    return [spelling] if isinstance(spelling, str) else list(spelling) if not isinstance(spelling, Mapping) else []
