"""Claims: sensors decide at the same time and see each other's runs only once these are launched. A claim spans the gap."""

from collections.abc import Collection
from dataclasses import dataclass
from threading import Lock
from time import monotonic

from sigma_assets.automation.planner import PlannedRun, launchable

UNIVERSE = "universe"
LONGEST_SECONDS = 60.0
"""A claim is forgotten after so long: whoever made it has been switched off."""


@dataclass
class _Claim:
    owner: str
    made: float
    released: float | None = None


class Claims:
    """Portfolios (or the universe) for which a tick has asked runs that may not be visible yet.

    The ticks of one sensor never overlap, and its runs are launched before its next tick: so beginning a tick releases
    what the same sensor claimed before. A tick that began before such a release still heeds the claim, for it may have
    looked at the runs before they were launched.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._claims: dict[str, _Claim] = {}

    def begin(self, owner: str) -> float:
        """Begin a tick, before looking at anything; return its moment, for `take`."""
        now = monotonic()
        with self._lock:
            for claim in self._claims.values():
                if claim.owner == owner and claim.released is None:
                    claim.released = now
        return now

    def take(
        self, owner: str, began: float, planned: Collection[PlannedRun], busy: Collection[str]
    ) -> list[PlannedRun]:
        """Return the planned runs that can start now, and claim what they touch."""
        now = monotonic()
        with self._lock:
            self._claims = {
                key: claim
                for key, claim in self._claims.items()
                if now - (claim.released or claim.made) < LONGEST_SECONDS
            }
            taken = {
                key
                for key, claim in self._claims.items()
                if claim.owner != owner and (claim.released is None or claim.released > began)
            }
            ready = [
                run
                for run in launchable(planned, {*busy, *taken} - {UNIVERSE})
                if run.portfolio_ids or UNIVERSE not in taken
            ]
            for run in ready:
                self._claims |= {key: _Claim(owner, now) for key in run.portfolio_ids or (UNIVERSE,)}
        return ready
