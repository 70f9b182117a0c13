"""What happened during an onboarding, in a reader's words: messages, and the errors that still stand. Pure."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

from sigma_assets.runs.fold.facts import Attempt, RunFacts, StepEvent, attempts
from sigma_assets.runs.fold.phases import BY_ASSET, Phase
from sigma_assets.runs.fold.progress import Progress
from sigma_assets.web.models import Error, Level, Message

MAX_MESSAGES = 200


def messages_of(progress: Progress, session_at: Callable[[int], date], *, debug: bool) -> list[Message]:
    """Return the newest messages of all runs of an onboarding, oldest first; with debug, also each step's detail."""
    found = [message for run in progress.runs for message in _of_run(run, session_at, debug)]
    return sorted(found, key=lambda message: message.timestamp)[-MAX_MESSAGES:]


def errors_of(progress: Progress) -> list[Error]:
    """Return why phases failed that are not repaired, in their order; else why the newest run failed as a whole."""
    failed = [
        Error(phase=phase.phase, message=progress.attempts[asset].error)
        for asset, phase in BY_ASSET.items()
        if progress.phases[asset] == "failed"
    ]
    newest = progress.runs[-1] if progress.runs else None
    if failed or newest is None or newest.state not in ("failed", "canceled"):
        return failed
    return [Error(phase=None, message=newest.reason or f"the run was {newest.state}; its log in Dagster says more")]


def first_line(text: str) -> str:
    """Return the first line of a text."""
    return text.strip().partition("\n")[0]


def _of_run(run: RunFacts, session_at: Callable[[int], date], debug: bool) -> Iterator[Message]:
    sessions = f"{run.stop - run.first} sessions, {session_at(run.first)} to {session_at(run.stop - 1)}"
    if run.started is None:
        yield _message(run.created, None, f"Run requested ({run.source}): {sessions}", "info")
        return
    yield _message(run.started, None, f"Run started ({run.source}): {sessions}", "info")
    of_asset = {attempt.asset: attempt for attempt in attempts(run)}
    outputs: dict[str, float] = {}
    for event in run.events:
        if event.kind == "output":
            outputs[event.asset] = event.moment
        elif event.asset in of_asset:
            yield from _of_event(event, of_asset[event.asset], outputs.get(event.asset), debug)
    if run.ended is not None:
        words: tuple[str, Level] = {
            "succeeded": ("Run finished", "info"),
            "canceled": ("Run canceled", "error"),
        }.get(run.state, ("Run failed", "error"))  # type: ignore[assignment]
        text = f"{words[0]}: {first_line(run.reason)}" if run.reason else words[0]
        yield _message(run.ended, None, text, words[1], run.reason if debug else "")


def _of_event(event: StepEvent, attempt: Attempt, output: float | None, debug: bool) -> Iterator[Message]:
    phase = BY_ASSET[event.asset]
    if event.kind == "start":
        yield _message(event.moment, phase, phase.message, "info")
    elif event.kind == "retry":
        yield _message(event.moment, phase, f"Retrying after {first_line(event.text)}", "warning")
    elif event.kind == "failure":
        yield _message(event.moment, phase, first_line(event.text), "error", event.trace if debug else "")
    elif event.kind == "skip":
        yield _message(event.moment, phase, "Skipped: what it needs failed", "warning")
    elif event.kind == "success":
        yield _message(event.moment, phase, _done(attempt), "info", _timings(attempt, output) if debug else "")
    elif event.kind == "progress" and debug:
        for line in event.text.splitlines():
            yield _message(event.moment, phase, line, "debug")


def _done(attempt: Attempt) -> str:
    count = f"{attempt.current} {attempt.unit or ''}".strip() if attempt.current is not None else ""
    seconds = f"{attempt.seconds:.1f} s" if attempt.seconds is not None else ""
    return "Done: " + ", ".join(part for part in (count, seconds) if part)


def _timings(attempt: Attempt, output: float | None) -> str:
    if output is None or attempt.started is None or attempt.ended is None:
        return ""
    return f"computed in {output - attempt.started:.2f} s, recorded in {attempt.ended - output:.2f} s"


def _message(moment: float, phase: Phase | None, text: str, level: Level, detail: str = "") -> Message:
    return Message(
        timestamp=datetime.fromtimestamp(moment, UTC),
        phase=phase.phase if phase else None,
        phase_name=phase.phase_name if phase else None,
        message=text,
        level=level,
        detail=detail or None,
    )
