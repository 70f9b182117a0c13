"""Attempts: what became of each asset in one run, folded from the events of its step. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sigma_assets.runs.facts import RunFacts, StepEvent

ENDED_EARLY = "the run ended before this step did"
AttemptStatus = Literal["pending", "running", "completed", "failed", "skipped"]
ENDS: dict[str, AttemptStatus] = {"success": "completed", "failure": "failed", "skip": "skipped"}
NEVER_BEGUN = "not begun: what it needs failed, or the run ended before"


@dataclass(frozen=True)
class Attempt:
    """An asset in one run.

    Attributes
    ----------
    share : furthest part of the step that it said was done, 0 to 1.
    current, total : the count that it gave last; None where it gave none.
    started, ended : moments; None where it never began or has not ended.
    error, trace : of a failed one, what happened; of one that waits for its retry, why.
    """

    asset: str
    run: RunFacts
    status: AttemptStatus
    share: float = 0.0
    current: int | None = None
    total: int | None = None
    unit: str | None = None
    started: float | None = None
    ended: float | None = None
    error: str = ""
    trace: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it has not ended."""
        return None if self.started is None or self.ended is None else max(self.ended - self.started, 0.0)


def attempts(run: RunFacts) -> list[Attempt]:
    """Return what became of each asset that a run was asked for."""
    by_asset: dict[str, list[StepEvent]] = {asset: [] for asset in sorted(run.assets)}
    for event in run.events:
        if event.asset in by_asset:
            by_asset[event.asset].append(event)
    return [_attempt(asset, run, events) for asset, events in by_asset.items()]


def _attempt(asset: str, run: RunFacts, events: Iterable[StepEvent]) -> Attempt:
    status: AttemptStatus = "pending"
    share, started, ended, error, trace = 0.0, None, None, "", ""
    last: StepEvent | None = None
    for event in events:
        if event.kind == "progress":
            last = event
            share = max(share, _share(event))
        elif event.kind == "retry":
            error = event.text
        elif status == "completed":
            continue  # nothing undoes a success
        elif event.kind == "start":
            status, started = "running", event.moment if started is None else started
        elif event.kind in ENDS:
            status, ended, error, trace = ENDS[event.kind], event.moment, event.text, event.trace
    if status in ("pending", "running") and not run.in_flight:
        status, error = ("skipped", NEVER_BEGUN) if status == "pending" else ("failed", run.error or ENDED_EARLY)
        ended = run.ended if started is not None else None
    count = (last.current, last.total, last.unit) if last else (None, None, None)
    return Attempt(asset, run, status, share, *count, started=started, ended=ended, error=error, trace=trace)


def _share(event: StepEvent) -> float:
    if not event.total or event.current is None:
        return 0.0
    return min(max(event.current / event.total, 0.0), 1.0)
