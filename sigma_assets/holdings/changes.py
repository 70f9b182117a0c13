"""Changes of lots after the import, planned: what a trade closes and opens, and what a new file changes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import uuid4

import numpy as np

from sigma_assets.base.conventions import OPTION_TERMS
from sigma_assets.base.errors import HoldingsError
from sigma_assets.base.frames import cash_equivalents, multipliers
from sigma_assets.holdings.files.cells import PLACES

Lot = dict[str, Any]
"""Columns of the table lots without the ids; days as dates, None for null."""

KIND = ("investment_class", "investment_subtype", "multiplier")
"""What a trade says only if it is the first one of its symbol."""

_HALF_A_UNIT, _ROUNDING = Decimal("5e-9"), Decimal("1e-12")
"""Two quantities are the same within half of the last decimal, or this share of them: after a split of 3 for 7 the shares
that are held are all but whole."""


@dataclass
class Changes:
    """Lots as they shall be, by id; None takes a lot away. `words` says each change, for a person."""

    lots: dict[str, Lot | None] = field(default_factory=dict)
    seen: dict[str, Lot] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)


def plan_trade(
    held: Mapping[str, Lot], trade: Lot, splits: Mapping[str, float], *, lot_id: str | None = None, short: bool = False
) -> Changes:
    """Return what a trade does: what is opposite to it is closed, first in first out, else a lot is opened.

    Parameters
    ----------
    held : open lots of the symbol that were entered by the day of the trade, by id.
    trade : the trade as a lot: signed quantity, price as `entry_price`, day as `entry_date`.
    splits : product of the splits of each lot since its entry: a sale is in the shares of its own day.
    lot_id : the lot to close, instead of the oldest one.
    short : the sale opens a short position.

    Raises
    ------
    HoldingsError
        More is closed than there is, or the lot is not one to be closed by this trade.
    """
    sold, symbol = trade["quantity"] < 0, trade["symbol"]
    opposite = {key: lot for key, lot in held.items() if (lot["quantity"] > 0) == sold}
    if lot_id is not None:
        if lot_id not in opposite:
            what = "long" if sold else "short"
            raise HoldingsError(f"lot {lot_id} is no open {what} lot of {symbol} on {trade['entry_date']}")
        opposite = {lot_id: opposite[lot_id]}
    if short and sold and opposite:
        raise HoldingsError(f"{symbol} is held: sell what there is first, without `--short`")
    if not opposite and (not sold or short):
        return _opened(trade)
    size = abs(Decimal(repr(trade["quantity"])))
    there = sum((_now(lot, splits[key]) for key, lot in opposite.items()), Decimal(0))
    if size > there and not _is_nearly(size, there):
        hint = "" if there else "; `--short` opens a short position"
        raise HoldingsError(
            f"{symbol}: {size.normalize():f} to close on {trade['entry_date']}, found {round(there, PLACES).normalize():f}"
            f" {'held' if sold else 'short'}; expected at most that{hint}"
        )
    changes = Changes()
    left = size
    for key in sorted(opposite, key=lambda key: (opposite[key]["entry_date"], key)):
        if _is_nearly(size - left, size):
            break
        lot = opposite[key]
        here = _now(lot, splits[key])
        taken = here if left >= here or _is_nearly(left, here) else left
        left -= taken
        _close(changes, key, lot, taken, splits[key], trade)
    return changes


def in_the_kind_held(trade: Lot, held: Collection[Lot], given: Collection[str]) -> Lot:
    """Return a trade with the class, subtype and multiplier of the lots that are held of its symbol.

    Parameters
    ----------
    held : lots of the portfolio, closed ones too.
    given : which of `KIND` the trade says itself.

    Raises
    ------
    HoldingsError
        The symbol is held in several kinds, and the trade does not say which one it is of.
    """
    worth = kind_of(trade)[2]
    alike = [
        lot
        for lot in held
        if lot["symbol"] == trade["symbol"]
        and lot["underlying_symbol"] != trade["symbol"]  # an option under its underlying's symbol: the share is meant
        and all(kind_of(lot)[2] == worth if name == "multiplier" else lot[name] == trade[name] for name in given)
    ]
    if not alike:
        return trade
    if len({kind_of(lot) for lot in alike}) > 1:
        kinds = sorted({" ".join(str(lot[name]) for name in KIND if lot[name] is not None) for lot in alike})
        raise HoldingsError(
            f"{trade['symbol']} is held as {' and as '.join(kinds)}; say which one this is with --class, --subtype or"
            " --multiplier"
        )
    newest = max(alike, key=lambda lot: lot["entry_date"])
    return {**trade, **{name: newest[name] for name in (*KIND, *OPTION_TERMS)}}


def kind_of(lot: Lot) -> tuple[str, bool, float]:
    """Return what determines a lot's value: its class, whether it is a cash equivalent, and its multiplier."""
    symbol, what, subtype = (np.array([lot[name]], dtype=object) for name in ("symbol", *KIND[:2]))
    (worth,) = multipliers(what, subtype, np.array([lot["multiplier"]], dtype=float))
    return lot["investment_class"], bool(cash_equivalents(symbol, subtype)[0]), float(worth)


def _opened(trade: Lot) -> Changes:
    words = f"open {trade['quantity']:,.8g} {trade['symbol']} at {trade['entry_price']:,.8g} on {trade['entry_date']}"
    return Changes({str(uuid4()): dict(trade)}, {}, [words])


def _now(lot: Lot, splits: float) -> Decimal:
    return abs(Decimal(repr(lot["quantity"])) * Decimal(repr(splits)))


def _is_nearly(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= max(_HALF_A_UNIT, _ROUNDING * max(abs(one), abs(other)))


def _close(changes: Changes, key: str, lot: Lot, taken: Decimal, splits: float, trade: Lot) -> None:
    leaving = {"exit_date": trade["entry_date"], "exit_price": trade["entry_price"]}
    changes.seen[key] = lot
    exact = taken / Decimal(repr(splits))
    entered = float(round(exact, PLACES) or exact)
    if taken == _now(lot, splits) or entered >= abs(lot["quantity"]):
        changes.lots[key] = {**lot, **leaving}
        entered = abs(lot["quantity"])
    else:
        signed = entered if lot["quantity"] > 0 else -entered
        changes.lots[key] = {**lot, "quantity": float(Decimal(repr(lot["quantity"])) - Decimal(repr(signed)))}
        changes.lots[str(uuid4())] = {**lot, "quantity": signed, **leaving}
    changes.words.append(
        f"close {entered:,.8g} {lot['symbol']} of {lot['entry_date']} at {trade['entry_price']:,.8g}"
        f" on {trade['entry_date']}"
    )


def plan_sync(held: Mapping[str, Lot], wanted: Sequence[Lot]) -> Changes:
    """Return what makes the lots of a portfolio those of a file.

    Lots that are the same stay. Of the rest, lots of one symbol, day and direction belong together, the most alike first:
    one that only gains an exit is closed, another one corrected. What is left over is added, or taken away.
    """
    changes = Changes()
    left = dict(held)
    same: dict[tuple[Any, ...], list[str]] = {}
    for key, lot in held.items():
        same.setdefault(tuple(lot[name] for name in sorted(lot)), []).append(key)
    rest = []
    for lot in wanted:
        keys = same.get(tuple(lot[name] for name in sorted(lot)))
        if keys:
            del left[keys.pop()]
        else:
            rest.append(lot)
    for lot in rest:
        alike = [key for key, one in left.items() if _belongs(one, lot)]
        if not alike:
            changes.lots[str(uuid4())] = lot
            changes.words.append(f"add {_in_words(lot)}")
            continue
        key = max(alike, key=lambda key: sum(left[key][name] == lot[name] for name in lot))
        old = left.pop(key)
        changes.lots[key], changes.seen[key] = lot, old
        differing = [name for name in lot if old[name] != lot[name]]
        is_closing = old["exit_date"] is None and set(differing) == {"exit_date", "exit_price"}
        what = ", ".join(f"{name} {old[name]} -> {lot[name]}" for name in differing)
        changes.words.append(f"close {_in_words(lot)}" if is_closing else f"correct {_in_words(old)}: {what}")
    for key, lot in left.items():
        changes.lots[key], changes.seen[key] = None, lot
        changes.words.append(f"remove {_in_words(lot)}")
    return changes


def _belongs(old: Lot, new: Lot) -> bool:
    same = all(old[name] == new[name] for name in ("symbol", "entry_date"))
    return same and (old["quantity"] > 0) == (new["quantity"] > 0)


def _in_words(lot: Lot) -> str:
    closed = "" if lot["exit_date"] is None else f", closed {lot['exit_date']} at {lot['exit_price']:,.8g}"
    return f"{lot['quantity']:,.8g} {lot['symbol']} at {lot['entry_price']:,.8g} on {lot['entry_date']}{closed}"
