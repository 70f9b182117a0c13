"""Quotes from Massive, of one symbol or of the whole market, with a reason for every session that has none."""

import logging
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from sigma_assets.base.calendar import TradingCalendar
from sigma_assets.base.contracts import preferred_share
from sigma_assets.base.errors import ProviderUnavailableError
from sigma_assets.providers.bars import Absence, Quote, missing
from sigma_assets.providers.base import later
from sigma_assets.providers.massive.api import (
    BeforeEndOfDayError,
    MassiveApi,
    OutsidePlanError,
    Record,
    number,
    session_of,
)
from sigma_assets.providers.massive.standing import Standing, look_up

logger = logging.getLogger(__name__)

PLAN_YEARS = (10, 5, 2)
"""How far back the plans reach (Developer, Starter, Basic); the largest plans have everything."""
PLAN_START_TOLERANCE_DAYS = 7
UNPUBLISHED_SESSIONS = 2
"""So many last sessions of a range may be refused as not published yet; more would be another fault."""

_FUND = re.compile(r"[A-Z]{4}X")
_OPTION = re.compile(r"[A-Z.]{1,6}\d{6}[CP]\d{8}")


@dataclass
class Found:
    """What the source has of one symbol.

    Attributes
    ----------
    quotes : the bars per session; several where the source repeats itself.
    absences : reasons for sessions without.
    other_name, other_days : the symbol under which some quotes were found, and their sessions.
    renamed : old symbol -> new symbol, if another name was used.
    """

    quotes: dict[date, list[Quote]] = field(default_factory=dict)
    absences: dict[date, Absence] = field(default_factory=dict)
    other_name: str | None = None
    other_days: list[date] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)


class MassiveQuotes:
    """Asks for bars, learns where the plan's history starts, and looks up symbols that lack bars."""

    def __init__(self, api: MassiveApi, calendar: TradingCalendar, current_session: date) -> None:
        self._api = api
        self._calendar = calendar
        self._as_of = current_session
        self._plan_start: date | None = None
        self._standings: dict[tuple[str, bool], Standing] = {}

    def history(self, symbol: str, sessions: Sequence[date]) -> Found:
        """Return what there is of one symbol; missing sessions at either end are explained by reference data."""
        found = self._history(to_ticker(symbol), sessions)
        asked = [session for session in sessions if session not in found.absences]
        holes = [session for session in asked if session not in found.quotes]
        first, last = min(found.quotes, default=None), max(found.quotes, default=None)
        if first is not None and self._is_plan_start(first):
            outside = [day for day in holes if day < first]
            found.absences |= {day: self._outside_plan("before the plan's history") for day in outside}
            holes = [day for day in holes if day > first]
        before = [day for day in holes if first is None or day < first]
        after = [day for day in holes if last is None or day > last]
        if not before and not after:
            return found  # holes within a history: the session's age says whether to ask again
        standing = self.standing(symbol, earlier_name=bool(before))
        if standing.earlier is not None and before:
            self._borrow(found, standing.earlier, before)
            found.renamed = {standing.earlier: symbol}
        elif standing.later is not None and after:
            self._borrow(found, standing.later, after)
            found.renamed = {symbol: standing.later}
        for day in holes:
            if day not in found.quotes:
                found.absences[day] = standing.absence(day, self._as_of)
        return found

    def market(self, session: date) -> tuple[dict[str, list[Quote]], Absence | None]:
        """Return the whole market's quotes of a session by ticker, or why there are none yet."""
        if self._plan_start is not None and session < self._plan_start:
            return {}, self._outside_plan(f"the plan's history begins on {self._plan_start}")
        try:
            records = self._api.market(session)
        except BeforeEndOfDayError as error:
            return {}, self._unpublished(session, str(error))
        except OutsidePlanError as error:
            self._plan_start = self._later_plan_start(session) or self._plan_start
            return {}, self._outside_plan(str(error))
        quotes: dict[str, list[Quote]] = defaultdict(list)
        for record in records:
            quotes[str(record.get("T"))].append(_quote(record))
        if quotes:
            return quotes, None
        absence = missing(session, self._as_of, "no symbol has a bar yet")
        if absence.reason == "late":
            return {}, absence
        raise ProviderUnavailableError(
            f"massive: no symbol of the whole market has a bar on {session}, an NYSE session; if the exchange was"
            " closed, add the day to the extra closures, else try again later"
        )

    def standing(self, symbol: str, *, earlier_name: bool = False) -> Standing:
        """Return what the reference data says of a symbol; asked for once."""
        key = (to_ticker(symbol), earlier_name)
        if key not in self._standings:
            self._standings[key] = look_up(self._api, key[0], earlier_names=earlier_name)
        return self._standings[key]

    def _borrow(self, found: Found, ticker: str, days: Sequence[date]) -> None:
        other = self._history(ticker, days)
        found.quotes |= other.quotes
        found.absences |= other.absences
        found.other_name, found.other_days = ticker, list(days)
        logger.info("%d sessions under the other name %s", len(other.quotes), ticker)

    def _history(self, ticker: str, sessions: Sequence[date]) -> Found:
        found = Found()
        asked, unpublished = list(sessions), 0
        while True:
            outside = [day for day in asked if self._plan_start is not None and day < self._plan_start]
            found.absences |= {day: self._outside_plan("before the plan's history") for day in outside}
            asked = asked[len(outside) :]
            if not asked:
                return found
            try:
                records = self._api.history(ticker, asked[0], asked[-1])
            except BeforeEndOfDayError as error:
                unpublished += 1
                if unpublished > UNPUBLISHED_SESSIONS:
                    raise ProviderUnavailableError(str(error)) from error
                last = asked.pop()
                found.absences[last] = self._unpublished(last, str(error))
            except OutsidePlanError as error:
                later = self._later_plan_start(asked[0])
                if later is None:
                    found.absences |= {day: self._outside_plan(str(error)) for day in asked}
                    return found
                self._plan_start = later
            else:
                found.quotes = self._by_session(ticker, records, set(asked))
                return found

    def _by_session(self, ticker: str, records: Sequence[Record], wanted: set[date]) -> dict[date, list[Quote]]:
        quotes: dict[date, list[Quote]] = defaultdict(list)
        for record in records:
            day = session_of(record)
            if day in wanted:
                quotes[day].append(_quote(record))
            elif not self._calendar.is_session(day):
                logger.warning("%s: bar of %s left out: no NYSE session", ticker, day)
        return dict(quotes)

    def _later_plan_start(self, refused: date) -> date | None:
        """Return the start of the largest plan that refuses this day."""
        return next((start for start in map(self._years_ago, PLAN_YEARS) if start > refused), None)

    def _is_plan_start(self, day: date) -> bool:
        return any(abs((day - self._years_ago(years)).days) <= PLAN_START_TOLERANCE_DAYS for years in PLAN_YEARS)

    def _years_ago(self, years: int) -> date:
        return self._as_of - timedelta(days=round(365.25 * years) - 1)

    def _outside_plan(self, said: str) -> Absence:
        return Absence("not_covered", said, later(self._as_of))

    def _unpublished(self, session: date, said: str) -> Absence:
        return Absence("late", said, max(session, self._as_of) + timedelta(days=1))


def to_ticker(symbol: str) -> str:
    """Return the source's spelling of a symbol: share class BRK-B is BRK.B here, preferred share BAC.PB is BACpB."""
    if preferred := preferred_share(symbol):
        return "p".join(preferred)
    return symbol.replace("-", ".")


def not_offered(symbol: str, as_of: date) -> Absence | None:
    """Return why the source has no prices of this kind of instrument, without asking it; None if it may have."""
    if _FUND.fullmatch(symbol):  # Nasdaq's convention: a fifth letter X is a mutual fund
        return Absence("not_covered", "massive has no mutual funds", later(as_of))
    if _OPTION.fullmatch(symbol):
        return Absence("not_covered", "option contracts are not asked for at massive", later(as_of))
    return None


def _quote(record: Record) -> Quote:
    return Quote(*(number(record.get(name), "massive") for name in ("o", "h", "l", "c", "v")))
