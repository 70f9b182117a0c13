"""Progress of an onboarding: a pure function from what its runs did to where it stands. No clock, no I/O, no memory.

The work of an onboarding is its twelve phases over the sessions from the portfolio's inception to the last one that a
run was asked for. Runs are added one by one, in the order of their creation: after each, the work known by then and
the share of it that is done give a percentage, and the largest of them counts. Within a run that share only counts
facts that cannot be undone (a step's success, the furthest count of an attempt), so `percent` never goes down, whatever
fails, is retried or runs again. The onboarding is over with the first run after which nothing is missing; later runs
(the next night's, a correction's) are other stories.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sigma_assets.runs.attempts import Attempt, attempts
from sigma_assets.runs.facts import RunFacts
from sigma_assets.runs.phases import PHASES

Status = Literal["pending", "running", "completed", "partial", "failed"]
PhaseStatus = Literal["pending", "running", "completed", "failed", "skipped"]

NEARLY = 99.9
"""Most that an onboarding that is not completed can show."""
ENOUGH_SECONDS = 1.0
ENOUGH_SHARE = 0.05
"""A rate means something once a run has worked this long, and done this share of the work."""

BoolArray = npt.NDArray[np.bool_]


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
    rate: float | None = None
    rate_moment: float | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is under way or waiting, and something has run."""
        return self.status in ("completed", "partial", "failed")

    def remaining_seconds(self, now: float) -> float | None:
        """Return the seconds that the rest of the work takes at the rate seen so far; None where that is unknown."""
        if self.rate is None or self.rate_moment is None or self.status != "running":
            return None
        return max((1.0 - self.percent / 100.0) / self.rate - (now - self.rate_moment), 0.0)

    def elapsed_seconds(self, now: float) -> float:
        """Return the seconds that runs of this onboarding have worked; waiting between them does not count."""
        return sum((run.ended or now) - run.started for run in self.runs if run.started is not None)


def onboarding_progress(first: int, runs: Sequence[RunFacts]) -> Progress:
    """Return where an onboarding stands.

    Parameters
    ----------
    first : position in the calendar of the first session that the portfolio should have.
    runs : every run that covers the portfolio since it was created, in the order of their creation.
    """
    percent, done = 0.0, _Done(first)
    for count, run in enumerate(runs, start=1):
        before = done.share(max(done.stop, run.stop))
        done.add(run)
        share = done.share()
        if done.everything() and run.state == "succeeded" and not any(other.in_flight for other in runs[:count]):
            return _judged("completed", 100.0, runs[:count], done)
        percent = max(percent, min(math.floor(share * 1000.0) / 10.0, NEARLY))
        if count == len(runs):
            return _judged(_status(runs, done), percent, runs, done, *_rate(run, share - before))
    return _judged("pending", 0.0, (), done)


class _Done:
    """What the runs so far have done of the work: per asset, which sessions are there, and how far attempts came."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.stop = first
        self.there: dict[str, BoolArray] = {phase.asset: np.zeros(0, dtype=bool) for phase in PHASES}
        self.attempts: list[Attempt] = []

    def add(self, run: RunFacts) -> None:
        """Add a run: its sessions to the work, its successes to what is there."""
        self.stop = max(self.stop, run.stop)
        for attempt in attempts(run):
            self.attempts.append(attempt)
            if attempt.status == "completed":
                self.there[attempt.asset] = self._covered(attempt.asset, self.stop) | self._range(run, self.stop)

    def everything(self) -> bool:
        """Return whether every asset has every session."""
        return self.stop > self.first and all(self.missing(phase.asset) == 0 for phase in PHASES)

    def missing(self, asset: str) -> int:
        """Return how many sessions an asset lacks."""
        return int((~self._covered(asset, self.stop)).sum())

    def share(self, stop: int | None = None) -> float:
        """Return the share of the work that is done; with `stop`, of the work up to there."""
        end = self.stop if stop is None else stop
        if end <= self.first:
            return 0.0
        furthest = {phase.asset: float(self._covered(phase.asset, end).sum()) for phase in PHASES}
        for attempt in self.attempts:
            covered = self._covered(attempt.asset, end)
            on_top = attempt.share * float((self._range(attempt.run, end) & ~covered).sum())
            furthest[attempt.asset] = max(furthest[attempt.asset], float(covered.sum()) + on_top)
        total = sum(phase.weight for phase in PHASES) * (end - self.first)
        return sum(phase.weight * furthest[phase.asset] for phase in PHASES) / total

    def _covered(self, asset: str, stop: int) -> BoolArray:
        covered = np.zeros(max(stop - self.first, 0), dtype=bool)
        there = self.there[asset][: len(covered)]
        covered[: len(there)] = there
        return covered

    def _range(self, run: RunFacts, stop: int) -> BoolArray:
        positions = np.arange(self.first, max(stop, self.first))
        return (positions >= run.first) & (positions < run.stop)


def _status(runs: Sequence[RunFacts], done: _Done) -> Status:
    if any(run.state == "running" for run in runs):
        return "running"
    if any(run.state == "queued" for run in runs):
        return "pending"
    if runs[-1].state == "succeeded":  # it did what it was asked for, which was not everything
        return "partial"
    return "partial" if any(done.missing(phase.asset) == 0 for phase in PHASES) else "failed"


def _rate(run: RunFacts, gained: float) -> tuple[float | None, float | None]:
    """Return the share of the work per second that a run does, and the moment of the newest event behind it."""
    if run.state != "running" or run.started is None or not run.events:
        return None, None
    newest = run.events[-1].moment
    seconds = newest - run.started
    if seconds < ENOUGH_SECONDS or gained < ENOUGH_SHARE:
        return None, None
    return gained / seconds, newest


def _judged(
    status: Status,
    percent: float,
    runs: Sequence[RunFacts],
    done: _Done,
    rate: float | None = None,
    rate_moment: float | None = None,
) -> Progress:
    chosen: dict[str, Attempt] = {}
    phases: dict[str, PhaseStatus] = {}
    for phase in PHASES:
        tried = [attempt for attempt in done.attempts if attempt.asset == phase.asset]
        is_there = done.stop > done.first and done.missing(phase.asset) == 0
        telling = [attempt for attempt in tried if attempt.status == "completed"] if is_there else tried
        if telling:
            chosen[phase.asset] = telling[-1]
        if is_there:
            phases[phase.asset] = "completed"
        elif telling and telling[-1].status != "completed":
            phases[phase.asset] = telling[-1].status
        else:
            phases[phase.asset] = "skipped" if runs and not any(run.in_flight for run in runs) else "pending"
    return Progress(status, percent, phases, chosen, tuple(runs), done.first, done.stop, rate, rate_moment)
