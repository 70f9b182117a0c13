"""The one fold over a run's events: what its steps did, and the state of each asset. Pure values, without Dagster.

`events` reads it from Dagster, `history` remembers it, `progress` judges it. Moments are seconds since 1970, UTC.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

RunState = Literal["queued", "starting", "running", "succeeded", "failed", "canceled"]
EventKind = Literal["start", "progress", "output", "retry", "success", "failure", "skip"]
AttemptStatus = Literal["pending", "running", "completed", "failed", "skipped"]

IN_FLIGHT = ("queued", "starting", "running")
ENDS: dict[str, AttemptStatus] = {"success": "completed", "failure": "failed", "skip": "skipped"}
WITH_REASON = ("retry", "failure")
"""Kinds of events whose text says why."""
ENDED_EARLY = "the run ended before this step did"
SHARED = "an error in a run that computes other portfolios, too: who runs this installation can see which"
NEVER_BEGUN = "not begun: what it needs failed, or the run ended before"


@dataclass(frozen=True)
class StepEvent:
    """Something that a step of a run did for an asset.

    Attributes
    ----------
    storage_id : its place in the event log.
    current, total, unit : of a `progress` event: how far the step is.
    text : of a `failure` or `retry`: type and message of the exception; of `progress`: its lines of detail.
    error_type : of a `failure`: the type of the exception alone.
    trace : of a `failure`: the stack of the exception.
    """

    kind: EventKind
    asset: str
    moment: float
    storage_id: int = 0
    current: int | None = None
    total: int | None = None
    unit: str | None = None
    text: str = ""
    error_type: str = ""
    trace: str = ""


@dataclass(frozen=True, kw_only=True)
class RunEvents:
    """What the log of one run holds.

    Attributes
    ----------
    events : of its steps, oldest first.
    materialized : asset -> cells that are there although its step never ended well: a worker may be killed just before.
    error_kind, error : why the run as a whole ended badly, where Dagster says so; `worker died`, for example.
    """

    events: tuple[StepEvent, ...] = ()
    materialized: Mapping[str, int] = field(default_factory=dict)
    error_kind: str = ""
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class RunFacts(RunEvents):
    """One run, with what its log holds.

    Attributes
    ----------
    first, stop : its sessions, as a half-open range of positions in the calendar.
    target : stop of the sessions that were due when it was planned; None where nobody noted it.
    assets : the assets that it was asked for.
    is_again : whether it covers what is there already.
    cells : sessions x portfolios that it covers (the universe counts as one portfolio).
    """

    run_id: str
    source: str
    state: RunState
    created: float
    started: float | None
    ended: float | None
    first: int
    stop: int
    assets: frozenset[str]
    target: int | None = None
    is_again: bool = False
    cells: int = 1

    @property
    def in_flight(self) -> bool:
        """Whether it has not ended."""
        return self.state in IN_FLIGHT

    @property
    def portfolios(self) -> int:
        """How many portfolios it covers, the universe counting as one."""
        return max(self.cells // max(self.stop - self.first, 1), 1)

    @property
    def reason(self) -> str:
        """Why it ended badly, kind included; "" if it did not."""
        is_said = not self.error_kind or self.error.startswith(self.error_kind)
        return self.error if is_said else f"{self.error_kind}: {self.error}"

    def for_owner(self) -> "RunFacts":
        """Return what the owner of one portfolio may see of it: no words that may be about another one."""
        if self.portfolios == 1:
            return self
        events = (replace(event, text=SHARED if event.kind in WITH_REASON else "", trace="") for event in self.events)
        return replace(self, events=tuple(events), error=SHARED if self.error else "")


@dataclass(frozen=True)
class Attempt:
    """An asset in one run.

    Attributes
    ----------
    share : furthest part of the step that it reported as done, 0 to 1.
    current, total : the count that it gave last; None where it gave none.
    cells : sessions x portfolios of it that are materialised.
    started, ended : moments; None where it never began or has not ended.
    error, error_type, trace : of a failed one, what happened; of one that waits for its retry, why.
    was_cut_off : whether the run ended before the step could.
    """

    asset: str
    run: RunFacts
    status: AttemptStatus
    share: float = 0.0
    current: int | None = None
    total: int | None = None
    unit: str | None = None
    cells: int = 0
    started: float | None = None
    ended: float | None = None
    error: str = ""
    error_type: str = ""
    trace: str = ""
    was_cut_off: bool = False

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it has not ended."""
        return None if self.started is None or self.ended is None else max(self.ended - self.started, 0.0)


def attempts(run: RunFacts) -> list[Attempt]:
    """Return what became of each asset that a run was asked for, in the order in which they began."""
    by_asset: dict[str, list[StepEvent]] = {}
    for event in run.events:
        if event.asset in run.assets:
            by_asset.setdefault(event.asset, []).append(event)
    begun = [_attempt(asset, run, events) for asset, events in by_asset.items()]
    return begun + [_attempt(asset, run, ()) for asset in sorted(run.assets - by_asset.keys())]


def _attempt(asset: str, run: RunFacts, events: Iterable[StepEvent]) -> Attempt:
    status: AttemptStatus = "pending"
    share, started, ended, error, error_type, trace = 0.0, None, None, "", "", ""
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
            status, ended = ENDS[event.kind], event.moment
            error, error_type, trace = event.text, event.error_type, event.trace
    was_cut_off = status in ("pending", "running") and not run.in_flight
    cells = run.cells if status == "completed" else min(run.materialized.get(asset, 0), run.cells)
    if was_cut_off and cells == run.cells:
        status, ended = "completed", run.ended  # killed after its last partition was recorded: nothing is missing
    elif was_cut_off:
        status, error = ("skipped", NEVER_BEGUN) if status == "pending" else ("failed", run.reason or ENDED_EARLY)
        ended = run.ended if started is not None else None
    count = (last.current, last.total, last.unit) if last else (None, None, None)
    return Attempt(
        asset, run, status, share, *count, cells=cells, started=started, ended=ended,
        error=error, error_type=error_type, trace=trace, was_cut_off=was_cut_off,
    )  # fmt: skip


def _share(event: StepEvent) -> float:
    if not event.total or event.current is None:
        return 0.0
    return min(max(event.current / event.total, 0.0), 1.0)


@dataclass(frozen=True)
class PortfolioFacts:
    """The portfolio, as our tables have it.

    Attributes
    ----------
    first : position in the calendar of the first session that it should have.
    removed : whether its owner removed it.
    """

    portfolio_id: str
    name: str
    created: float
    first: int
    removed: bool = False
