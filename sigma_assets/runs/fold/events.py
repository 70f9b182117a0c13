"""Read what the steps of a run did from Dagster's event log, without reading every materialisation in it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
from dagster._core.storage.event_log.base import EventLogCursor, EventLogRecord
from dagster._utils.error import SerializableErrorInfo

from sigma_assets.runs.fold.facts import EventKind, RunEvents, StepEvent
from sigma_assets.runs.newest import materialized_in

CURRENT, TOTAL, UNIT = "progress/current", "progress/total", "progress/unit"
"""Metadata of the observations that a step writes about itself while it runs: the words that writer and reader share."""
DETAIL = "progress/detail"
"""Lines of detail since the observation before, such as `AAPL: 254 sessions in 0.3 s`."""

NEWEST = 300
"""Events that are read at first. Longer runs (observations come once a second) cost a few queries more."""

WRAPPERS = ("DagsterExecutionStepExecutionError", "RetryRequestedFromPolicy")
"""What Dagster wraps around whatever an asset raises."""
MODULE = re.compile(r"^(?:\w+\.)+(?=\w+:)")
"""`package.module.` before the name of an exception."""

Types = dg.DagsterEventType
KINDS: dict[Types, EventKind] = {
    Types.STEP_START: "start",
    Types.STEP_RESTARTED: "start",
    Types.STEP_OUTPUT: "output",
    Types.STEP_UP_FOR_RETRY: "retry",
    Types.STEP_SUCCESS: "success",
    Types.STEP_FAILURE: "failure",
    Types.STEP_SKIPPED: "skip",
}
WORKER_DIED = "worker died"
ENDED_BY = {
    "was terminated by signal": WORKER_DIED,
    "unexpectedly exited": WORKER_DIED,
    "run's worker is dead": WORKER_DIED,
    "terminated unexpectedly": WORKER_DIED,
    "xceeded maximum runtime": "timed out",
}
"""How a code server reports that the process of a run has gone, our launcher too, the daemon that it never came up,
and run monitoring that it took too long."""
NOT_LAUNCHED = "Caught an unrecoverable error while dequeuing the run"
"""How the queue reports that it could not start a run."""
RUN_ENDS: set[Types] = {Types.RUN_FAILURE, Types.RUN_CANCELED}
TELLING: set[Types] = {*RUN_ENDS, Types.ENGINE_EVENT}
"""Events that may say how a run ended that could not say so itself."""
INTERRUPTED = "DagsterExecutionInterruptedError"
REFUSED = "Failure"
"""What an asset raises of which a check refuses some portfolios; the others it has recorded."""


def read_events(instance: dg.DagsterInstance, run_id: str, *, has_ended: bool = True) -> RunEvents:
    """Return what the steps of a run did, oldest first, and why the run as a whole ended badly.

    In one query, for a run of usual length; a step that put out its result and did not end well costs another one, for
    its materialisations are counted.
    """
    steps = {*KINDS, *TELLING}
    newest = _records(instance, run_id, {*steps, Types.ASSET_OBSERVATION}, limit=NEWEST)
    if len(newest) == NEWEST:
        newest = _merged(newest, _records(instance, run_id, steps))
        newest = _merged(newest, _last_observations(instance, run_id, newest))
    kind, error = _run_error(newest)
    events = tuple(event for record in newest for event in _step_events(record))
    if kind in ENDED_BY.values():
        events = tuple(_explained(event, error) for event in events)
    elif any(event.kind == "failure" for event in events):
        kind, error = "", ""  # the step says it better
    materialized = _materialized(instance, run_id, events) if has_ended else {}
    return RunEvents(events=events, materialized=materialized, error_kind=kind, error=error)


def _explained(event: StepEvent, ending: str) -> StepEvent:
    """Return a failure that is only an interruption with what ended the run."""
    return replace(event, text=ending) if event.error_type == INTERRUPTED else event


def _materialized(instance: dg.DagsterInstance, run_id: str, events: Sequence[StepEvent]) -> dict[str, int]:
    """Count the materialisations of steps that recorded some and did not end well: killed, or refused by a check."""
    begun = {event.asset: event.storage_id for event in reversed(events) if event.kind == "start"}
    recorded = {event.asset for event in events if event.kind == "output" or event.error_type == REFUSED}
    unfinished = recorded & begun.keys() - {event.asset for event in events if event.kind == "success"}
    if not unfinished:
        return {}
    found: dict[str, set[str]] = {asset: set() for asset in unfinished}
    cursor = EventLogCursor.from_storage_id(min(begun[asset] for asset in unfinished))
    for asset, made in materialized_in(instance, run_id, str(cursor)):
        if asset in found:
            found[asset].update(made)
    return {asset: len(partitions) for asset, partitions in found.items()}


def _last_observations(
    instance: dg.DagsterInstance, run_id: str, records: Sequence[EventLogRecord]
) -> list[EventLogRecord]:
    """Return the last observation of each finished step that has none among the records."""
    seen = {record.event_log_entry.step_key for record in records if _type(record) == Types.ASSET_OBSERVATION}
    found: list[EventLogRecord] = []
    for record in records:
        if _type(record) in (Types.STEP_SUCCESS, Types.STEP_FAILURE) and record.event_log_entry.step_key not in seen:
            before = EventLogCursor.from_storage_id(record.storage_id)
            found += _records(instance, run_id, {Types.ASSET_OBSERVATION}, limit=1, cursor=str(before))
    return found


def _records(
    instance: dg.DagsterInstance, run_id: str, types: set[Types], limit: int | None = None, cursor: str | None = None
) -> list[EventLogRecord]:
    found = instance.get_records_for_run(run_id, cursor=cursor, of_type=types, limit=limit, ascending=False)
    return list(reversed(found.records))


def _merged(*parts: Iterable[EventLogRecord]) -> list[EventLogRecord]:
    by_id = {record.storage_id: record for part in parts for record in part}
    return [by_id[storage_id] for storage_id in sorted(by_id)]


def _type(record: EventLogRecord) -> Types | None:
    return record.event_log_entry.dagster_event_type


def _step_events(record: EventLogRecord) -> Iterator[StepEvent]:
    """Yield the event of a step, which makes the asset of its name; nothing for events that progress does not count."""
    entry, event = record.event_log_entry, record.event_log_entry.dagster_event
    if event is None or entry.step_key is None:
        return
    head = StepEvent("start", entry.step_key, entry.timestamp, record.storage_id)
    kind = KINDS.get(event.event_type)
    if event.event_type == Types.ASSET_OBSERVATION:
        observation = event.asset_observation_data.asset_observation
        told: dict[str, Any] = {key: value.value for key, value in observation.metadata.items()}
        if CURRENT in told and observation.asset_key.to_user_string() == entry.step_key:
            counts = {"current": told[CURRENT], "total": told[TOTAL], "unit": told[UNIT]}
            yield replace(head, kind="progress", text=told.get(DETAIL, ""), **counts)
    elif kind == "failure":
        text, error_type, trace = raised_by(event.step_failure_data.error)
        yield replace(head, kind=kind, text=text, error_type=error_type, trace=trace)
    elif kind == "retry":
        yield replace(head, kind=kind, text=raised_by(event.step_retry_data.error)[0])
    elif kind:
        yield replace(head, kind=kind)


def raised_by(error: SerializableErrorInfo | None) -> tuple[str, str, str]:
    """Return the message of what an asset raised, without Dagster's wrapping, its type, and its stack."""
    if error is None:
        return "no error was recorded", "unknown", ""
    raised = error.cause if error.cls_name in WRAPPERS and error.cause else error
    return MODULE.sub("", raised.message.strip()), raised.cls_name or "unknown", raised.to_string().strip()


def ended_from_outside(events: Iterable[dg.DagsterEvent]) -> tuple[str, str] | None:
    """Return how a run ended that could not say so itself; None if nobody remarked on the end.

    Returns
    -------
    Kind (worker died, timed out, not launched) and message, from what Dagster's engine, our launcher and run monitoring
    remarked.

    Parameters
    ----------
    events : of one run, oldest first, of the types of `TELLING`.
    """
    launch, ending = None, None
    for event in events:
        error = getattr(event.event_specific_data, "error", None)
        message, reason = event.message or "", error.message.strip() if error else ""
        for text in (message, reason):
            kind = next((kind for words, kind in ENDED_BY.items() if words in text), None)
            ending = (kind, text) if kind else ending
        if reason and message.startswith(NOT_LAUNCHED):
            launch = ("not launched", reason)
    return ending or launch


def _run_error(records: Sequence[EventLogRecord]) -> tuple[str, str]:
    """Return kind ("" where it is not known) and message of a run's bad end; twice "" of a good one."""
    told = [record.event_log_entry.get_dagster_event() for record in records if _type(record) in TELLING]
    ends = [event for event in told if event.event_type in RUN_ENDS]
    if not ends:
        return "", ""
    if ending := ended_from_outside(told):
        return ending
    if ends[-1].event_type == Types.RUN_FAILURE and ends[-1].event_specific_data is not None:
        error = ends[-1].job_failure_data.error
        if error is not None:
            text, error_type, _ = raised_by(error)
            return error_type, text
    return "", ends[-1].message or ""
