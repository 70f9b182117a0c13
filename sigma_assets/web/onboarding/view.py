"""From progress to the JSON of SPEC 7. Pure: the clock comes in as `now`."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

from sigma_assets.reports.gaps.holdings import Holdings
from sigma_assets.runs.fold.facts import Attempt, PortfolioFacts
from sigma_assets.runs.fold.phases import PHASES, Phase
from sigma_assets.runs.fold.progress import Progress
from sigma_assets.web.models import (
    Count,
    Onboarding,
    OverallProgress,
    PhaseProgress,
    Sessions,
    Summary,
    Warned,
)
from sigma_assets.web.onboarding.messages import errors_of, first_line, messages_of


def onboarding_view(
    portfolio: PortfolioFacts,
    progress: Progress,
    *,
    now: float,
    session_at: Callable[[int], date],
    current_session: date,
    run_url: Callable[[str], str],
    holdings: Holdings,
    waiting: str | None = None,
    debug_logs: Sequence[str] | None = None,
) -> Onboarding:
    """Return the answer for one portfolio.

    Parameters
    ----------
    session_at : calendar position -> session.
    current_session : the calendar's current session; what begins later has nothing to run yet.
    run_url : run id -> its page in Dagster.
    holdings : how well what it holds is known.
    waiting : what a run that has not started waits for.
    debug_logs : lines of the runs' logs; None without debug.
    """
    phases = [_phase(phase, progress, now) for phase in PHASES]
    current = _current(progress, phases)
    started = [run.started for run in progress.runs if run.started is not None]
    ended = [run.ended for run in progress.runs if run.ended is not None]
    remaining = progress.remaining_seconds(now)
    elapsed = progress.elapsed_seconds(now)
    run = progress.run
    sessions = _sessions(progress, session_at)
    return Onboarding(
        portfolio_id=portfolio.portfolio_id,
        name=portfolio.name,
        removed=portfolio.removed,
        status=progress.status,
        started_at=_moment(min(started)) if started else None,
        finished_at=_moment(max(ended)) if ended and progress.finished else None,
        elapsed_seconds=round(elapsed, 1) if started else None,
        estimated_remaining_seconds=None if remaining is None else round(remaining, 1),
        run_id=run.run_id if run else None,
        run_url=run_url(run.run_id) if run else None,
        overall_progress=_overall(progress, phases, current),
        current_phase_progress=_counted(
            current, waiting or _unplanned(portfolio, progress, session_at, current_session)
        ),
        sessions=sessions,
        phases=phases,
        messages=messages_of(progress, session_at, debug=debug_logs is not None),
        errors=errors_of(progress),
        warnings=[Warned(**vars(gap)) for gap in holdings.gaps],
        price_source=holdings.price_source,
        newest_price=holdings.newest_price,
        current_session=current_session,
        summary=_summary(holdings, sessions, elapsed) if progress.finished and sessions else None,
        debug_logs=None if debug_logs is None else list(debug_logs),
    )


def _overall(progress: Progress, phases: Sequence[PhaseProgress], current: PhaseProgress | None) -> OverallProgress:
    return OverallProgress(
        current_phase=current.phase if current else None,
        current_phase_name=current.phase_name if current else None,
        phases_completed=sum(phase.status == "completed" for phase in phases),
        phases_total=len(phases),
        percent_complete=progress.percent,
    )


def _counted(current: PhaseProgress | None, otherwise: str | None) -> Count:
    if current is None:
        return Count(current=None, total=None, unit=None, message=otherwise)
    return Count(current=current.current, total=current.total, unit=current.unit, message=current.message)


def _summary(holdings: Holdings, sessions: Sessions, elapsed: float) -> Summary:
    return Summary(
        sessions=sessions.total,
        symbols=holdings.symbols,
        symbols_priced=holdings.priced,
        positions=holdings.positions,
        seconds=round(elapsed, 1),
    )


def _phase(phase: Phase, progress: Progress, now: float) -> PhaseProgress:
    attempt, status = progress.attempts.get(phase.asset), progress.phases[phase.asset]
    current, total, unit = _count(phase, progress, attempt, status)
    message = phase.message
    if attempt is not None and attempt.error and status != "completed":
        message = first_line(attempt.error)
        message = f"Retrying after {message}" if status == "running" else message
    elapsed = None
    if attempt is not None and attempt.started is not None and status != "pending":
        elapsed = attempt.seconds if attempt.seconds is not None else max(now - attempt.started, 0.0)
    return PhaseProgress(
        phase=phase.phase,
        phase_name=phase.phase_name,
        status=status,
        current=current,
        total=total,
        unit=unit,
        message=message,
        portfolios=1 if attempt is None else attempt.run.portfolios,
        elapsed_seconds=None if elapsed is None else round(elapsed, 2),
    )


def _count(
    phase: Phase, progress: Progress, attempt: Attempt | None, status: str
) -> tuple[int | None, int | None, str | None]:
    if phase.unit == "dates" and status == "completed":
        return progress.stop - progress.first, progress.stop - progress.first, phase.unit
    if attempt is not None and status == "failed" and not attempt.cells and attempt.total is not None:
        return 0, attempt.total, attempt.unit or phase.unit  # what was computed is lost with the step
    if attempt is not None and attempt.current is not None and status != "pending":
        return attempt.current, attempt.total, attempt.unit or phase.unit
    return None, None, phase.unit


def _current(progress: Progress, phases: Sequence[PhaseProgress]) -> PhaseProgress | None:
    """Return the phase to look at: the one under way, else the next one; of a failed onboarding, the one that failed."""
    wanted = {"running": ("running", "pending"), "partial": ("failed",), "failed": ("failed",)}
    for status in wanted.get(progress.status, ()):
        for phase in phases:
            if phase.status == status:
                return phase
    return None


def _sessions(progress: Progress, session_at: Callable[[int], date]) -> Sessions | None:
    total = progress.stop - progress.first
    if total <= 0:
        return None
    return Sessions(
        done=min(progress.sessions_done, total),
        total=total,
        first=session_at(progress.first),
        last=session_at(progress.stop - 1),
    )


def _unplanned(
    portfolio: PortfolioFacts, progress: Progress, session_at: Callable[[int], date], current_session: date
) -> str | None:
    if progress.status != "pending":
        return None
    if portfolio.removed:
        return "Removed before it was picked up"
    begins = session_at(portfolio.first)
    return f"Begins after the close of {begins}" if begins > current_session else "Waiting to be picked up"


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
