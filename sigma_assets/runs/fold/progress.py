"""Progress of an onboarding: a pure function of what is materialised and what its runs did.

The work of an onboarding is its phases over the sessions from the portfolio's inception to the target. What is done of it
is what is materialised, whichever run did it and however that run ended; runs add the count of a step under way, times and
errors. `percent` measures the work that was due when the first run was planned, so that a later session does not lower it,
and counts only what cannot be undone (a materialised session, the furthest count of an attempt): it never goes down,
whatever fails, is retried or runs again. The onboarding is over with the first run after which nothing is missing; later
runs (the next night's, a correction's) are other stories.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sigma_assets.base.frames import BoolArray
from sigma_assets.runs.fold.facts import Attempt, RunFacts, attempts
from sigma_assets.runs.fold.phases import PHASES

Status = Literal["pending", "running", "completed", "partial", "failed"]
PhaseStatus = Literal["pending", "running", "completed", "failed", "skipped"]

NEARLY = 99.9
"""Most that an onboarding that is not completed can show."""
ENOUGH_SECONDS = 1.0
ENOUGH_SHARE = 0.05
"""A rate means something once a run has worked this long, and done this share of the work."""


@dataclass(frozen=True)
class Progress:
    """Where an onboarding stands.

    Attributes
    ----------
    percent : 0 to 100; 100 exactly if completed.
    phases : asset -> status.
    attempts : asset -> the attempt that its status, count and time come from; assets that no run began are absent.
    runs : the runs of the onboarding, oldest first; later ones are left out.
    first, stop : the sessions that it is about, as a half-open range of positions in the calendar.
    sessions_done : of these, how many have their snapshot, or had it counted by a step under way.
    rate : share of the whole work that the current run does per second; None until it means something.
    rate_moment : moment of the newest event that went into the rate.
    """

    status: Status
    percent: float
    phases: Mapping[str, PhaseStatus]
    attempts: Mapping[str, Attempt]
    runs: tuple[RunFacts, ...]
    first: int
    stop: int
    sessions_done: int = 0
    rate: float | None = None
    rate_moment: float | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is under way or waiting, and something has run."""
        return self.status in ("completed", "partial", "failed")

    @property
    def run(self) -> RunFacts | None:
        """The newest run that is at work; the newest one if none is, None if there is none."""
        return at_work(self.runs) if self.runs else None

    def remaining_seconds(self, now: float) -> float | None:
        """Return the seconds that the rest of the work takes at the rate seen so far; None where that is unknown."""
        if self.rate is None or self.rate_moment is None or self.status != "running":
            return None
        return max((1.0 - self.percent / 100.0) / self.rate - (now - self.rate_moment), 0.0)

    def elapsed_seconds(self, now: float) -> float:
        """Return the seconds that runs of this onboarding have worked; waiting between them does not count."""
        return sum((run.ended or now) - run.started for run in self.runs if run.started is not None)


def onboarding_progress(first: int, runs: Iterable[RunFacts], there: Mapping[str, BoolArray]) -> Progress:
    """Return where an onboarding stands.

    Parameters
    ----------
    first : position in the calendar of the first session that the portfolio should have.
    runs : runs that cover the portfolio, in the order of their creation, its first run first; read no further than
        needed.
    there : asset -> which sessions from `first` on are materialised; what lies beyond an array is not.
    """
    work = _Work(first, there)
    for run in runs:
        work.add(run)
        if work.is_done(explained=True):
            return work.judged("completed", 100.0)
    if not work.runs:
        return work.judged("pending", 0.0)
    if work.is_done(explained=False):
        return work.judged("completed", 100.0)
    percent = min(math.floor(work.share() * 1000.0) / 10.0, NEARLY)
    return work.judged(_status(work.runs, work), percent, *_rate(work))


class _Work:
    """The work of an onboarding: per asset, which sessions are there, and how far attempts came."""

    def __init__(self, first: int, there: Mapping[str, BoolArray]) -> None:
        self.first = first
        self.stop = first
        self.due = first
        self.runs: list[RunFacts] = []
        self.attempts: dict[str, list[Attempt]] = {phase.asset: [] for phase in PHASES}
        self._there = there

    def add(self, run: RunFacts) -> None:
        """Add a run: its sessions to the work, its attempts to what is known."""
        self.stop = max(self.stop, run.stop if run.target is None else run.target)
        if not self.runs:
            self.due = self.stop
        self.runs.append(run)
        for attempt in attempts(run):
            if attempt.asset in self.attempts:
                self.attempts[attempt.asset].append(attempt)

    def there(self, asset: str, stop: int) -> BoolArray:
        """Return which sessions before `stop` an asset has."""
        found = np.zeros(max(stop - self.first, 0), dtype=bool)
        known = self._there.get(asset, found)[: len(found)]
        found[: len(known)] = known
        return found

    def is_complete(self, asset: str) -> bool:
        """Return whether an asset has every session, however the runs that made them ended."""
        return bool(self.stop > self.first and self.there(asset, self.stop).all())

    def is_done(self, *, explained: bool) -> bool:
        """Return whether everything is there and nothing under way; `explained`: and these runs have done all of it."""
        if any(run.in_flight and not run.is_again for run in self.runs):
            return False
        return all(self.is_complete(asset) and (not explained or self._explained(asset)) for asset in self.attempts)

    def _explained(self, asset: str) -> bool:
        covered = np.zeros(max(self.stop - self.first, 0), dtype=bool)
        for attempt in self.attempts[asset]:
            if _succeeded(attempt):
                covered |= self.range(attempt.run, self.stop)
        return bool(covered.all())

    def range(self, run: RunFacts, stop: int) -> BoolArray:
        """Return which sessions before `stop` a run covers."""
        positions = np.arange(self.first, max(stop, self.first))
        return (positions >= run.first) & (positions < run.stop)

    def _telling(self, tried: Sequence[Attempt]) -> Sequence[Attempt]:
        """Return the attempts at what is not complete, of which the last one tells how it stands.

        Of a history in several runs, the one at work tells more than those that wait, and one that failed more than those
        that made theirs.
        """
        if running := [attempt for attempt in tried if attempt.status == "running"]:
            return running
        if tried and tried[-1].status == "completed":
            return [attempt for attempt in tried if self._is_unrepaired(attempt)] or tried
        return tried

    def _is_unrepaired(self, attempt: Attempt) -> bool:
        """Return whether an attempt failed, and some session of its run is not there yet."""
        wanted = self.range(attempt.run, self.stop)
        return attempt.status == "failed" and not self.there(attempt.asset, self.stop)[wanted].all()

    def furthest(self, asset: str, stop: int) -> float:
        """Return how many sessions before `stop` an asset has, with the part that the furthest attempt reported."""
        there = self.there(asset, stop)
        on_top = [each.share * float((self.range(each.run, stop) & ~there).sum()) for each in self.attempts[asset]]
        return float(there.sum()) + max(on_top, default=0.0)

    def share(self) -> float:
        """Return the share of the work due when the first run was planned that is done."""
        total = sum(phase.weight for phase in PHASES) * (self.due - self.first)
        done = sum(phase.weight * self.furthest(phase.asset, self.due) for phase in PHASES)
        return done / total if total > 0 else 0.0

    def judged(
        self, status: Status, percent: float, rate: float | None = None, rate_moment: float | None = None
    ) -> Progress:
        """Return the progress, with the status of each phase."""
        chosen: dict[str, Attempt] = {}
        phases: dict[str, PhaseStatus] = {}
        for asset, tried in self.attempts.items():
            is_there = self.is_complete(asset)
            telling = [attempt for attempt in tried if _succeeded(attempt)] if is_there else self._telling(tried)
            if telling:
                chosen[asset] = telling[-1]
            if is_there:
                phases[asset] = "completed"
            elif telling and telling[-1].status != "completed":
                phases[asset] = telling[-1].status
            else:
                phases[asset] = "skipped" if self.runs and not any(run.in_flight for run in self.runs) else "pending"
        done = int(self.furthest("portfolio_snapshots", self.stop))
        return Progress(
            status, percent, phases, chosen, tuple(self.runs), self.first, self.stop, done, rate, rate_moment
        )


def at_work(runs: Sequence[RunFacts]) -> RunFacts:
    """Return the newest run that is at work, or the newest one if none is."""
    return next((run for run in reversed(runs) if run.state == "running"), runs[-1])


def _succeeded(attempt: Attempt) -> bool:
    """Return whether an attempt recorded something: it succeeded, was cut off late, or failed for another portfolio."""
    return attempt.status == "completed" or attempt.cells > 0


def _status(runs: Sequence[RunFacts], work: _Work) -> Status:
    if any(run.state == "running" for run in runs):
        return "running"
    if any(run.in_flight for run in runs):
        return "pending"
    if runs[-1].state == "succeeded":  # it did what it was asked for, which was not everything
        return "partial"
    return "partial" if any(work.is_complete(phase.asset) for phase in PHASES) else "failed"


def _rate(work: _Work) -> tuple[float | None, float | None]:
    """Return the share of the work per second that the run at work does, and the moment of the newest event behind it."""
    run = at_work(work.runs)
    if run.state != "running" or run.started is None or not run.events:
        return None, None
    newest = run.events[-1].moment
    seconds = newest - run.started
    total = sum(phase.weight for phase in PHASES) * max(work.due - work.first, 1)
    covered = float(work.range(run, work.due).sum())
    done = {one.asset: 1.0 if one.status == "completed" else one.share for one in attempts(run)}
    gained = sum(phase.weight * covered * done.get(phase.asset, 0.0) for phase in PHASES) / total
    own = covered / max(work.due - work.first, 1)
    if seconds < ENOUGH_SECONDS or gained < ENOUGH_SHARE * own:
        return None, None
    return gained / seconds, newest
