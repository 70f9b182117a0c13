"""From what a vendor says of a symbol and a session to checked price rows and reasons for what is missing."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby

import pandas as pd

from sigma_assets.base.calendar import TradingCalendar
from sigma_assets.base.conventions import LEAST_PRICE, MOST_PRICE
from sigma_assets.providers.actions import CARRIED, NO_ACTION, Action, Statement
from sigma_assets.providers.base import BAR_COLUMNS, Bars, Reason, Unserved, later
from sigma_assets.providers.http import Meter

LATE_DAYS = 7
"""A price that is missing so soon after its session is expected late (fund prices) and asked for daily."""


@dataclass(frozen=True)
class Quote:
    """One bar as a vendor gives it, as traded; NaN where it has no number."""

    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True)
class Absence:
    """Why a session has no price, and when to ask again (None = never)."""

    reason: Reason
    detail: str
    next_try: date | None


class SymbolLedger:
    """Collects the rows of one symbol, session by session in ascending order.

    A split or a dividend on a session that never gets a price would be lost, and with it the return across it. So it
    moves to the next priced session, if that follows without a gap in what was asked for; whoever asks for the session
    that it came from again must ask for the one that it moved to, too, or the action would count twice. A split that
    cannot be read (NaN) blocks its session and those after it: every return and quantity across it would be wrong.

    Parameters
    ----------
    stated : `actions` has everything after the first of these sessions and up to the second; None = no such thing is said.
    """

    def __init__(
        self,
        symbol: str,
        actions: Mapping[date, Action],
        calendar: TradingCalendar,
        as_of: date,
        *,
        stated: tuple[date, date] | None = None,
    ) -> None:
        self.symbol = symbol
        self._actions = dict(actions)
        self._calendar = calendar
        self._as_of = as_of
        self._stated = stated
        self._is_served = False
        self._rows: list[tuple[object, ...]] = []
        self._unserved: list[tuple[date, Absence]] = []
        self._carried = NO_ACTION
        self._waiting: list[tuple[date, Absence]] = []
        self._statement: Statement | None = None

    def add_actions(self, actions: Mapping[date, Action]) -> None:
        """Learn of further actions, from another name of the same instrument."""
        self._actions.update(actions)

    def enter(self, session: date, quotes: Iterable[Quote], absence: Absence | None = None) -> None:
        """Enter what the vendor has for one session; `absence` says why there is nothing, where that is known."""
        if self._waiting and self._calendar.shift(self._waiting[-1][0], 1) != session:
            self._give_up_waiting()
        action = self._carried.then(self._actions.get(session, NO_ACTION))
        quote = self._checked(session, list(quotes), absence)
        if math.isnan(action.split_factor):
            quote = Absence("rejected", "a split that cannot be read", self._as_of + timedelta(days=1))
        if isinstance(quote, Quote):
            self._settle_carried(session)
            self._is_served = True
            self._rows.append(
                (self.symbol, session, quote.open, quote.high, quote.low, quote.close, quote.volume,
                 action.split_factor, action.dividend)
            )  # fmt: skip
        elif action == NO_ACTION:
            self._unserved.append((session, quote))
        else:
            self._carried = action
            self._waiting.append((session, quote))

    def finish(self) -> None:
        """End the ledger: an action that still waits for a price is left to its own session, which may come late."""
        self._give_up_waiting()
        if self._stated is not None and self._is_served:  # else another name may have the actions
            self._statement = Statement(self.symbol, *self._stated, dict(self._actions))

    def drain(self) -> tuple[list[tuple[object, ...]], list[Unserved], list[Statement]]:
        """Return, once, the rows and the missing sessions that are settled, and what is stated at the end."""
        rows, unserved, statement = self._rows, self._unserved, self._statement
        self._rows, self._unserved, self._statement = [], [], None
        return rows, _grouped(self.symbol, unserved), [statement] if statement is not None else []

    def _give_up_waiting(self) -> None:
        self._unserved.extend(self._waiting)
        self._waiting, self._carried = [], NO_ACTION

    def _settle_carried(self, session: date) -> None:
        for day, absence in self._waiting:
            detail = f"{absence.detail}; {CARRIED} {session}"
            self._unserved.append((day, replace(absence, reason="no_bar", detail=detail, next_try=later(self._as_of))))
        self._waiting, self._carried = [], NO_ACTION

    def _checked(self, session: date, quotes: list[Quote], absence: Absence | None) -> Quote | Absence:
        priced = [quote for quote in quotes if not math.isnan(quote.close)]
        if not priced:
            said = "a bar without a close" if quotes else "no bar"
            return absence or missing(session, self._as_of, said)
        closes = sorted({quote.close for quote in priced})
        if len(closes) > 1:
            return self._rejected(session, f"{len(priced)} bars with different closes: {', '.join(map(str, closes))}")
        if not LEAST_PRICE <= closes[0] <= MOST_PRICE:
            return self._rejected(session, f"close {closes[0]} is not a price")
        return _without_bad_fields(priced[0])

    def _rejected(self, session: date, detail: str) -> Absence:
        return Absence("rejected", detail, missing(session, self._as_of, detail).next_try)


def missing(session: date, as_of: date, said: str) -> Absence:
    """Return why a session of a living symbol has no price, by its age: late, or without a bar."""
    age = (as_of - session).days
    if age <= LATE_DAYS:
        return Absence("late", said, as_of + timedelta(days=1))
    return Absence("no_bar", said, later(as_of))


def make_bars(
    source: str,
    ledgers: Iterable[SymbolLedger],
    cost: Meter,
    *,
    renamed: Mapping[str, str] | None = None,
    refused: Iterable[Unserved] = (),
) -> Bars:
    """Return one batch from what the ledgers have settled."""
    rows: list[tuple[object, ...]] = []
    unserved: list[Unserved] = list(refused)
    statements: list[Statement] = []
    for ledger in ledgers:
        settled, gaps, stated = ledger.drain()
        rows += settled
        unserved += gaps
        statements += stated
    table = pd.DataFrame(rows, columns=list(BAR_COLUMNS))
    numbers = dict.fromkeys(BAR_COLUMNS[2:], "float64")
    table = table.astype({"symbol": "str", "session": "datetime64[s]", **numbers})
    return Bars(
        source=source,
        rows=table,
        unserved=tuple(unserved),
        renamed=dict(renamed or {}),
        statements=tuple(statements),
        cost=cost,
    )


def by_symbol(wanted: Mapping[str, Iterable[date]]) -> dict[str, list[date]]:
    """Return what is wanted with symbols and sessions sorted, each session once, symbols without sessions left out."""
    tidy = {symbol: sorted(set(sessions)) for symbol, sessions in sorted(wanted.items())}
    return {symbol: sessions for symbol, sessions in tidy.items() if sessions}


def unserved_all(symbol: str, sessions: Iterable[date], absence: Absence) -> Unserved:
    """Return one reason for all sessions of a symbol."""
    return Unserved(symbol, tuple(sessions), absence.reason, absence.detail, absence.next_try)


def _grouped(symbol: str, unserved: list[tuple[date, Absence]]) -> list[Unserved]:
    def key(entry: tuple[date, Absence]) -> tuple[str, str, str]:
        return entry[1].reason, entry[1].detail, str(entry[1].next_try)

    return [
        unserved_all(symbol, sorted(day for day, _ in entries), entries[0][1])
        for entries in (list(group) for _, group in groupby(sorted(unserved, key=key), key=key))
    ]


def _without_bad_fields(quote: Quote) -> Quote:
    """Return the quote with NaN for an open, high, low or volume that cannot be one: only the close is needed."""

    def price(value: float) -> float:
        return value if LEAST_PRICE <= value <= MOST_PRICE else math.nan

    volume = quote.volume if math.isfinite(quote.volume) and quote.volume >= 0 else math.nan
    return Quote(price(quote.open), price(quote.high), price(quote.low), quote.close, volume)
