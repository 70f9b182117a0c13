"""What is known of an onboarding: the runs that cover a portfolio and what their steps did, as plain values.

`queries` reads them from Dagster, `progress` judges them. Moments are seconds since 1970, UTC.
"""

from dataclasses import dataclass
from typing import Literal

RunState = Literal["queued", "running", "succeeded", "failed", "canceled"]
EventKind = Literal["start", "progress", "output", "retry", "success", "failure", "skip"]


@dataclass(frozen=True)
class StepEvent:
    """Something that a step of a run did.

    Attributes
    ----------
    storage_id : its place in the event log.
    current, total, unit : of a `progress` event: how far the step is; None where it did not say.
    text : of a `failure` or `retry`: type and message of the exception; of `progress`: its lines of detail.
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
    trace: str = ""


@dataclass(frozen=True)
class RunFacts:
    """One run that covers the portfolio.

    Attributes
    ----------
    first, stop : its sessions, as a half-open range of positions in the calendar.
    assets : the assets that it was asked for.
    events : of its steps, oldest first.
    error : why the run as a whole ended badly, where Dagster says so.
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
    events: tuple[StepEvent, ...] = ()
    error: str = ""

    @property
    def in_flight(self) -> bool:
        """Whether it has not ended."""
        return self.state in ("queued", "running")


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


@dataclass(frozen=True)
class Totals:
    """What a finished onboarding covers: symbols needed at most on a session (None: not known), and lots."""

    symbols: int | None
    positions: int
