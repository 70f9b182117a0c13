"""What the commands that change lots must know of splits: a trade is in the shares of its own day."""

from datetime import date
from typing import TYPE_CHECKING

import pandas as pd

from sigma_assets.base.errors import HoldingsError
from sigma_assets.storage.connection.database import Database

if TYPE_CHECKING:
    from sigma_assets.holdings.changes import Lot


def splits_since_entry(database: Database, done: "Lot", lots: "dict[str, Lot]") -> dict[str, float]:
    """Return the product of the splits of each lot after its entry, up to the day of a trade."""
    days = _splits_of(database, done)
    last = _effective(done["entry_date"])
    return {
        key: float(days[(days.index > _effective(lot["entry_date"])) & (days.index <= last)].prod())
        for key, lot in lots.items()
    }


def check_day(database: Database, lot: "Lot", day: date | None) -> None:
    """Refuse a day without trading before a session with a split: whether it is meant before or after cannot be told."""
    if day is None:
        return
    days = _splits_of(database, lot)
    for session, factor in days[(days.index > day) & (days.index <= _effective(day))].items():
        raise HoldingsError(
            f"{lot['symbol']}: {day} has no trading, and on {session}, on which it would take effect, there is a split of"
            f" {factor:g} for 1; give {session} if quantity and price are those after the split, else the session before"
            f" {day}"
        )


def unknown_splits(database: Database, done: "Lot") -> dict[str, str]:
    """Say how far the splits of a symbol are known, if not up to the day of a trade that closes some of it."""
    from sigma_assets.holdings.changes import kind_of
    from sigma_assets.prices.tables import last_priced

    what, is_cash, _ = kind_of(done)
    if what == "PRIVATE" or is_cash or done["investment_subtype"] == "BOND":
        return {}
    symbol = done["underlying_symbol"] or done["symbol"]
    known_to = last_priced(database, symbol)
    if known_to is not None and known_to >= _effective(done["entry_date"]):
        return {}
    known = "no prices of it are stored" if known_to is None else f"its prices are stored to {known_to}"
    words = (
        f"note: {symbol}: {known}, so splits after that are not known: if there was one by {done['entry_date']}, `undo`"
    )
    return {"splits": f"{words}, `run`, and record the trade again"}


def _splits_of(database: Database, lot: "Lot") -> pd.Series:
    from sigma_assets.prices.tables import splits_of

    return splits_of(database, lot["underlying_symbol"] or lot["symbol"])


def _effective(day: date) -> date:
    """Return the session on which an entry or exit of this day takes effect."""
    from sigma_assets.settings import settings

    return settings().calendar.on_or_after(day)
