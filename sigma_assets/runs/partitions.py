"""Partitions: NYSE sessions, portfolios, session x portfolio; and the scope of a run over a range of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import dagster as dg
import numpy as np

from sigma_assets.base.frames import SessionArray
from sigma_assets.settings import settings

_EDT = 4
"""Hours that New York is behind UTC in summer."""


def session_partitions(cutoff: time) -> dg.DailyPartitionsDefinition:
    """Return the partitions of sessions: one appears at the full hour before the cutoff, in winter an hour earlier.

    Dagster lets a day become a partition at its end, midnight in some time zone, and leaves out closed days only if they
    are days of that zone, too. None follows New York into summer time at another hour, so this one is of a fixed offset:
    of 16:30 it is UTC+4, whose midnight is 16:00 EDT and 15:00 EST. A run before the cutoff is refused (`Tables.scope`).
    """
    offset = 24 - (cutoff.hour + _EDT)
    return dg.DailyPartitionsDefinition(
        start_date=settings().history_start.isoformat(),
        timezone=f"Etc/GMT{-offset:+d}",  # signs are the other way round there
        exclusions=_exclusions(),
    )


def _exclusions() -> list[str | datetime]:
    calendar, first = settings().calendar, settings().history_start
    last = calendar.sessions[-1].item()
    weekdays = np.arange(np.datetime64(first), np.datetime64(last + timedelta(days=1)))
    closed = weekdays[np.is_busday(weekdays) & ~np.isin(weekdays, calendar.sessions)]
    return ["0 0 * * 6,0", *(datetime.combine(day.item(), datetime.min.time()) for day in closed)]


sessions_def = session_partitions(settings().cutoff)
portfolios_def = dg.DynamicPartitionsDefinition(name="portfolio")
portfolio_sessions_def = dg.MultiPartitionsDefinition({"date": sessions_def, "portfolio": portfolios_def})


@dataclass(frozen=True)
class Scope:
    """The sessions and portfolios that a run works on.

    Attributes
    ----------
    sessions : datetime64[D] array, ascending.
    portfolio_ids : empty for the universe-wide assets.
    """

    sessions: SessionArray
    portfolio_ids: tuple[str, ...] = ()

    @classmethod
    def of_keys(cls, keys: Sequence[str], id_of: Mapping[str, str]) -> "Scope":
        """Return the scope of partition keys: `2026-01-08` or `2026-01-08|<name of a portfolio's partition>`.

        Parameters
        ----------
        id_of : name of a partition -> portfolio id, as the roster has it.

        Raises
        ------
        ValueError
            They are not each of some sessions of each of some portfolios, as a range of partitions is.
        """
        pairs = [str(key).partition("|") for key in keys]
        days = sorted({day for day, _, _ in pairs})
        names = {name for _, _, name in pairs if name}
        if len(keys) != len(days) * max(len(names), 1):
            raise ValueError(
                f"{len(keys)} partitions of {len(days)} sessions and {len(names)} portfolios: not all of each"
            )
        return cls(np.array(days, dtype="datetime64[D]"), tuple(sorted(id_of[name] for name in names)))

    @property
    def first(self) -> date:
        """First session."""
        return self.sessions[0].item()

    @property
    def last(self) -> date:
        """Last session."""
        return self.sessions[-1].item()
