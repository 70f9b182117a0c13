"""NYSE sessions: which days trade, when a session's prices are due, and the neighbours of a session."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from sigma_assets.base.errors import CalendarError

if TYPE_CHECKING:
    from sigma_assets.base.frames import SessionArray

NEW_YORK = ZoneInfo("America/New_York")
FIRST_DAY = date(1990, 1, 2)
"""Start of the calendar: look-back windows may reach this far, whatever the first partition is."""


@dataclass(frozen=True)
class TradingCalendar:
    """The sessions of the NYSE, ascending, from 1990 to the end of next year."""

    sessions: "SessionArray"

    def is_session(self, day: date) -> bool:
        """Return whether the NYSE trades on this day."""
        position = int(np.searchsorted(self.sessions, np.datetime64(day)))
        return position < len(self.sessions) and self.sessions[position] == np.datetime64(day)

    def between(self, first: date, last: date) -> "SessionArray":
        """Return the sessions from `first` to `last`, both included; neither needs to be a session."""
        start = np.searchsorted(self.sessions, np.datetime64(first), side="left")
        stop = np.searchsorted(self.sessions, np.datetime64(last), side="right")
        return self.sessions[start:stop]

    def on_or_after(self, day: date) -> date:
        """Return the first session that is not before `day`."""
        return self._at(int(np.searchsorted(self.sessions, np.datetime64(day), side="left")), day)

    def on_or_before(self, day: date) -> date:
        """Return the last session that is not after `day`."""
        return self._at(int(np.searchsorted(self.sessions, np.datetime64(day), side="right")) - 1, day)

    def shift(self, session: date, sessions: int) -> date:
        """Return the session a number of sessions later (earlier if negative).

        Raises
        ------
        CalendarError
            `session` is not a session, or the answer lies outside the calendar.
        """
        if not self.is_session(session):
            raise CalendarError(f"{session} is not an NYSE session; the next one is {self.on_or_after(session)}")
        return self._at(int(np.searchsorted(self.sessions, np.datetime64(session))) + sessions, session)

    def current_session(self, now: datetime, cutoff: time) -> date:
        """Return today's session if New York time is past the cutoff, else the previous session (SPEC 3).

        Parameters
        ----------
        now : datetime
            An aware moment; its time zone does not matter.
        cutoff : time
            New York time from which today's closes are expected.
        """
        new_york = now.astimezone(NEW_YORK)
        day = new_york.date()
        if self.is_session(day) and new_york.time() >= cutoff:
            return day
        return self.on_or_before(day - timedelta(days=1))

    def _at(self, position: int, day: date) -> date:
        if not 0 <= position < len(self.sessions):
            raise CalendarError(f"{day} lies outside the calendar, {self.sessions[0]} to {self.sessions[-1]}")
        return self.sessions[position].item()


def entry_day_problem(day: date, today: date) -> tuple[str, str, str] | None:
    """Return what is wrong with the day on which a lot was entered: code, what was expected, what is wrong; None if fine.

    The one rule of files, trades, corrections and syncs.
    """
    if day > today:
        return "ERR_POS_014", f"{today} or earlier", "in the future"
    if day < FIRST_DAY:
        remedy = "enter an older lot on that day, at its price of then"
        return "ERR_POS_015", f"{FIRST_DAY} or later ({remedy})", "before 1990, where the calendar of sessions begins"
    return None


def today(now: datetime | None = None) -> date:
    """Return the date in New York, at an aware moment or now: what "today" means everywhere (SPEC 2)."""
    return (now or datetime.now(NEW_YORK)).astimezone(NEW_YORK).date()


@lru_cache(maxsize=8)
def nyse_calendar(extra_closures: tuple[date, ...] = (), last_day: date | None = None) -> TradingCalendar:
    """Return the NYSE calendar, special closures included.

    Parameters
    ----------
    extra_closures : dates on which the exchange was closed and the library does not know it yet.
    last_day : end of the calendar; by default 31 December of next year.
    """
    import pandas as pd
    from exchange_calendars.exchange_calendar_xnys import (
        XNYSExchangeCalendar,
    )  # both slow to import, and only needed here

    end = last_day or date(today().year + 1, 12, 31)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.Pandas4Warning)  # how the library reads time zones, not how we do
        days = XNYSExchangeCalendar(start=FIRST_DAY.isoformat(), end=end.isoformat()).sessions
    sessions = days.to_numpy().astype("datetime64[D]")
    return TradingCalendar(np.setdiff1d(sessions, np.array(extra_closures, dtype="datetime64[D]")))


def as_dates(sessions: Iterable[np.datetime64]) -> list[date]:
    """Return datetime64 sessions as dates."""
    return [session.astype("datetime64[D]").item() for session in sessions]
