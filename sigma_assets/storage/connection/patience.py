"""How long a process waits for a database that is away: commands and pages give up soon, a run worker does not."""

import logging
import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sigma_assets.storage.connection.failures import DATABASE_ERRORS, is_away, is_transient

logger = logging.getLogger("database_patience")
"""Outside `sigma_assets`, whose lines go into the log of the run: into the very database that is away."""

BRIEF_SECONDS = 6.0
"""For commands, servers and sensors, whose next tick comes anyway: a restart is waited out."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0
CONFLICTS = 5
"""Work that a lock or another writer interrupts is begun again so often ..."""
CONFLICT_SECONDS = 60.0
"""... and not later than this after its first beginning."""

Outcome = TypeVar("Outcome")


@dataclass
class Patience:
    """How long this process waits for an unreachable database.

    A patient process counts from when the database went away, for all that it asks of it: once that took too long, what
    is asked next fails at once, or the failures of one outage would add up to many. Others count each request anew.

    Attributes
    ----------
    seconds : how long a database may be away.
    away_since : when this process found it away, on the monotonic clock; None while it answers.
    """

    seconds: float = BRIEF_SECONDS
    away_since: float | None = None

    def left(self, began: float, now: float) -> float:
        """Return for how many seconds a request that began then may still be repeated."""
        if self.away_since is None:
            self.away_since = now
        return self.seconds - (now - (self.away_since if self.seconds > BRIEF_SECONDS else began))

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Have afterwards the patience of before: of a command that executes a run in its own process."""
        before = self.seconds
        try:
            yield
        finally:
            self.seconds = before


patience = Patience()
"""Of this process."""


def persistently(attempt: Callable[[], Outcome], place: str, *, forever: bool = False) -> Outcome:
    """Return what an attempt returns; try again, after growing pauses, while the database is away or busy.

    Parameters
    ----------
    attempt : what leaves the same behind when it is done twice.
    place : the database in words, for the log.
    forever : whether to wait however long the database is away.

    Raises
    ------
    DBAPIError
        The last failure, as it came: the patience is over, or another try would fail as well.
    """
    began, failures = time.monotonic(), 0
    while True:
        try:
            outcome = attempt()
        except DATABASE_ERRORS as error:
            failures += 1
            pause = _pause(error, failures, began, forever=forever)
            if pause is None:
                raise
            logger.warning("%s: failed %d times, next try in %.1f s: %s", place, failures, pause, _first_line(error))
            time.sleep(pause)
        else:
            patience.away_since = None
            return outcome


def _pause(error: BaseException, failures: int, began: float, *, forever: bool) -> float | None:
    """Return how long to wait before the next try; None if there shall be none."""
    now = time.monotonic()
    pause = min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 20), LONGEST_PAUSE_SECONDS) * random.uniform(0.5, 1.5)
    if is_away(error):
        left = math.inf if forever else patience.left(began, now)
    else:
        left = CONFLICT_SECONDS - (now - began) if is_transient(error) and failures <= CONFLICTS else 0.0
    return min(pause, left) if left > 0 else None  # the last try comes when the patience ends


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
