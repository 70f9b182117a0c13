"""Splits and dividends, and what a source states of all of them over the last weeks: some are published late."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sigma_assets.base.calendar import TradingCalendar

LOOK_BACK_DAYS = 28
"""So far back each load looks again for splits and dividends: Yahoo's shortest period covers it, and at Massive a page
holds the whole market's dividends of that time. A fund's distribution is published within days."""


@dataclass(frozen=True)
class Action:
    """What happens to a share at the open of a session: split factor, and cash per share after that split."""

    split_factor: float = 1.0
    dividend: float = 0.0

    def then(self, later: "Action") -> "Action":
        """Return both as one action on the later session: value per share held before is the same."""
        return Action(self.split_factor * later.split_factor, later.dividend + self.dividend / later.split_factor)


NO_ACTION = Action()
CARRIED = "its split or dividend is in the row of"
"""What the note of a gap says where its session has an action and no close; the session of that row follows."""
CARRIER = re.compile(rf"{CARRIED} (\d{{4}}-\d\d-\d\d)")


@dataclass(frozen=True)
class Statement:
    """All splits and dividends of a symbol after one session and up to another, as the source knows them now.

    What is not in it did not happen, as far as the source knows.

    Attributes
    ----------
    symbol : as in the rows.
    after, last : it speaks of the sessions between, `last` included.
    actions : per session; others may be in it.
    """

    symbol: str
    after: date
    last: date
    actions: Mapping[date, Action]

    @property
    def is_readable(self) -> bool:
        """Whether every split in it is a number: across one that is not, nothing can be said."""
        return all(math.isfinite(action.split_factor) for action in self.actions.values())

    def between(self, earlier: date, session: date) -> Action:
        """Return what happened after one session and up to another, as one action on the latter.

        A split or dividend on a session without a price belongs to the next session with one (`SymbolLedger`).
        """
        total = NO_ACTION
        for day in sorted(self.actions):
            if earlier < day <= session:
                total = total.then(self.actions[day])
        return total


def look_back_start(calendar: TradingCalendar, last: date) -> date:
    """Return the session that lies `LOOK_BACK_DAYS` before another, or the last one before that day."""
    return calendar.on_or_before(last - timedelta(days=LOOK_BACK_DAYS))
