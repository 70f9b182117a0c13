"""How a run ended that could not say so itself: from what Dagster's engine, our launcher and run monitoring remarked."""

from collections.abc import Iterable

import dagster as dg

ENDED_BY = {
    "was terminated by signal": "worker died",
    "unexpectedly exited": "worker died",
    "run's worker is dead": "worker died",
    "terminated unexpectedly": "worker died",
    "xceeded maximum runtime": "timed out",
}
"""How a code server says that the process of a run has gone, our launcher too, the daemon that it never came up,
and run monitoring that it took too long."""
NOT_LAUNCHED = "Caught an unrecoverable error while dequeuing the run"
"""How the queue says that it could not start a run."""
RUN_ENDS: set[dg.DagsterEventType] = {dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED}
TELLING: set[dg.DagsterEventType] = {*RUN_ENDS, dg.DagsterEventType.ENGINE_EVENT}
"""Events that may tell."""


def ended_from_outside(events: Iterable[dg.DagsterEvent]) -> tuple[str, str] | None:
    """Return kind (worker died, timed out, not launched) and message; None if nobody remarked on the end.

    Parameters
    ----------
    events : of one run, oldest first; those of other types than `TELLING` are left aside.
    """
    launch, ending = None, None
    for event in events:
        if event.event_type not in TELLING:
            continue
        error = getattr(event.event_specific_data, "error", None)
        message, reason = event.message or "", error.message.strip() if error else ""
        for text in (message, reason):
            kind = next((kind for words, kind in ENDED_BY.items() if words in text), None)
            ending = (kind, text) if kind else ending
        if reason and message.startswith(NOT_LAUNCHED):
            launch = ("not launched", reason)
    return ending or launch
