"""Reads what a run's steps did from Dagster's event log: never the whole log, which holds every materialisation."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import dagster as dg
from dagster._core.storage.event_log.base import EventLogCursor, EventLogRecord
from dagster._utils.error import SerializableErrorInfo

from sigma_assets.runs.endings import RUN_ENDS, TELLING, ended_from_outside
from sigma_assets.runs.facts import EventKind, StepEvent
from sigma_assets.runs.observations import CURRENT, DETAIL, TOTAL, UNIT
from sigma_assets.runs.phases import BY_ASSET

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


def read_events(
    instance: dg.DagsterInstance, run_id: str, *, outputs: bool = True
) -> tuple[tuple[StepEvent, ...], str]:
    """Return what the steps of a run did, oldest first, and why the run as a whole ended badly ("" if it did not).

    Their outputs (half of the events, needed for detail only) are left out on request.
    """
    steps = {*KINDS, *TELLING} - (set() if outputs else {Types.STEP_OUTPUT})
    newest = _records(instance, run_id, {*steps, Types.ASSET_OBSERVATION}, limit=NEWEST)
    if len(newest) == NEWEST:
        newest = _merged(newest, _records(instance, run_id, steps))
        newest = _merged(newest, _last_observations(instance, run_id, newest))
    events = tuple(event for record in newest if (event := _step_event(record)) is not None)
    return events, "" if any(event.kind == "failure" for event in events) else _run_error(newest)


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


def _step_event(record: EventLogRecord) -> StepEvent | None:
    entry, event = record.event_log_entry, record.event_log_entry.dagster_event
    if event is None or entry.step_key not in BY_ASSET:
        return None
    begun = StepEvent("start", entry.step_key, entry.timestamp, record.storage_id)
    if event.event_type == Types.ASSET_OBSERVATION:
        return _observation(event.asset_observation_data.asset_observation.metadata, begun)
    kind = KINDS.get(event.event_type)
    if kind == "failure":
        text, trace = _error(event.step_failure_data.error)
        return replace(begun, kind=kind, text=text, trace=trace)
    if kind == "retry":
        return replace(begun, kind=kind, text=_error(event.step_retry_data.error)[0])
    return replace(begun, kind=kind) if kind else None


def _observation(metadata: Mapping[str, dg.MetadataValue], head: StepEvent) -> StepEvent | None:
    if CURRENT not in metadata:
        return None
    unit, detail = (metadata[key].value if key in metadata else None for key in (UNIT, DETAIL))
    return replace(
        head,
        kind="progress",
        current=_whole(metadata[CURRENT].value),
        total=_whole(metadata[TOTAL].value) if TOTAL in metadata else None,
        unit=None if unit is None else str(unit),
        text="" if detail is None else str(detail),
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _error(error: SerializableErrorInfo | None) -> tuple[str, str]:
    """Return type and message of what the asset raised, without Dagster's wrapping, and its stack."""
    if error is None:
        return "no error was recorded", ""
    raised = error.cause if error.cls_name in WRAPPERS and error.cause else error
    return MODULE.sub("", raised.message.strip()), raised.to_string().strip()


def _run_error(records: Sequence[EventLogRecord]) -> str:
    told = [record.event_log_entry.get_dagster_event() for record in records if _type(record) in TELLING]
    ends = [event for event in told if event.event_type in RUN_ENDS]
    if not ends:
        return ""
    if ending := ended_from_outside(told):
        return ": ".join(ending)
    if ends[-1].event_type == Types.RUN_FAILURE and ends[-1].event_specific_data is not None:
        error = ends[-1].job_failure_data.error
        if error is not None:
            return _error(error)[0]
    return ends[-1].message or ""
