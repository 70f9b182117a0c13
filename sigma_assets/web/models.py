"""The JSON of the status API (SPEC 7), from which OpenAPI is generated. Moments are ISO 8601, UTC."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

OnboardingStatus = Literal["pending", "running", "completed", "partial", "failed"]
PhaseStatus = Literal["pending", "running", "completed", "failed", "skipped"]
Level = Literal["debug", "info", "warning", "error"]


class StrictQuery(BaseModel):
    """What may stand behind the `?` of an address: anything else is refused."""

    model_config = ConfigDict(extra="forbid")


class Model(BaseModel):
    """What all answers share."""

    model_config = ConfigDict(frozen=True)


class OverallProgress(Model):
    """How far the whole onboarding is."""

    current_phase: str | None = Field(description="phase under way, or that failed; null before and after")
    current_phase_name: str | None
    phases_completed: int
    phases_total: int
    percent_complete: float = Field(ge=0, le=100, description="never goes down; 100 only if completed")


class Count(Model):
    """How far a phase is; null where it has not said."""

    current: int | None
    total: int | None
    unit: str | None = Field(description="symbols, dates, positions or scenarios")
    message: str | None


class PhaseProgress(Count):
    """One of the twelve phases."""

    phase: str
    phase_name: str
    status: PhaseStatus
    portfolios: int = Field(description="of the run that did it; symbols and positions are counted over all of them")
    elapsed_seconds: float | None


class Message(Model):
    """Something that happened."""

    timestamp: datetime
    phase: str | None
    phase_name: str | None
    message: str
    level: Level
    detail: str | None = Field(description="stack of an error, timings within a phase; with debug only")


class Error(Model):
    """Why a phase failed; without a phase, why the run as a whole did."""

    phase: str | None
    message: str


class Sessions(Model):
    """The sessions that the onboarding is about; `done` have their snapshot."""

    done: int
    total: int
    first: date
    last: date


class Warned(Model):
    """Something that is not known of a holding, or of the whole portfolio."""

    symbol: str | None = Field(description="null: the whole portfolio")
    lacks: str
    reason: str
    remedy: str


class Summary(Model):
    """What a finished onboarding covers."""

    sessions: int
    symbols: int = Field(description="held at any time, and factor ETFs")
    symbols_priced: int = Field(description="of these, with a price recent enough to be carried on")
    positions: int
    seconds: float


class Onboarding(Model):
    """Status of an onboarding."""

    portfolio_id: str
    name: str
    removed: bool = Field(description="whether its owner removed it: nothing more is run for it")
    status: OnboardingStatus
    started_at: datetime | None
    finished_at: datetime | None
    elapsed_seconds: float | None = Field(
        description="time that runs worked on it; waiting between runs does not count"
    )
    estimated_remaining_seconds: float | None = Field(description="from the rate seen so far; null if unknown")
    run_id: str | None = Field(description="newest run of this onboarding")
    run_url: str | None = Field(description="that run in Dagster")
    overall_progress: OverallProgress
    current_phase_progress: Count
    sessions: Sessions | None = Field(description="null until a run has been asked for")
    phases: list[PhaseProgress]
    messages: list[Message] = Field(max_length=200, description="newest kept, oldest first")
    errors: list[Error]
    warnings: list[Warned] = Field(description="what is not known on the last session; not empty: completed with gaps")
    price_source: str = Field(
        description="where prices come from; `simulated`: they are made up, or some of several are"
    )
    newest_price: date | None = Field(description="last session with a price of any holding")
    current_session: date = Field(description="the calendar's current session")
    summary: Summary | None = Field(description="once finished")
    debug_logs: list[str] | None = Field(description="newest lines of the runs' logs; with debug only")


class NotFound(Model):
    """There is no such portfolio."""

    portfolio_id: str
    status: Literal["not_found"] = "not_found"
    detail: str


class Problem(Model):
    """Why a request was not answered."""

    detail: str


class PortfolioLine(Model):
    """One portfolio of the list."""

    portfolio_id: str
    name: str
    state: Literal["pending", "running", "current", "behind", "failed"]
    last_session: date | None = Field(description="last session on which everything is there")
    equity: float | None = Field(description="USD, on the last session of its snapshots, as the next five")
    daily_pnl: float | None = Field(description="USD")
    daily_return: float | None = Field(description="fraction: 0.01 is 1 %")
    return_ytd: float | None = Field(description="year to date, time-weighted, fraction")
    volatility: float | None = Field(description="realised over 63 sessions, per year, fraction")
    var_99: float | None = Field(description="loss of one day that one in a hundred exceeds, share of equity")
    missing: str = Field(description="what is missing up to the last session that anybody has; empty if nothing is")
    gaps: str = Field(description="which holdings lack data, in a few words; empty if none does")
    warnings: int = Field(description="how many; the status has them")
    price_source: str
    newest_price: date | None = Field(description="last session with a price of any holding")
    run_id: str | None
    run_url: str | None


class PortfolioList(Model):
    """The active portfolios."""

    current_session: date = Field(description="the calendar's current session")
    target_session: date | None = Field(description="the last session that any portfolio has")
    dagster_url: str
    total: int
    offset: int
    portfolios: list[PortfolioLine]


class Health(Model):
    """Whether all that this installation needs is working."""

    ok: bool
    failing: list[str]


class LogEntry(Model):
    """One line of a log."""

    timestamp: datetime
    level: str
    run_id: str
    step: str | None
    message: str
