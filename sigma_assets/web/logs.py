"""The log of a run, line by line, without what means nothing to a reader."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.event_log.base import EventLogCursor

from sigma_assets.base.masking import masked
from sigma_assets.runs.fold.events import CURRENT, DETAIL, TOTAL, UNIT
from sigma_assets.runs.fold.facts import RunFacts, StepEvent
from sigma_assets.web.models import LogEntry

PAGE = 500
LONG_BATCH = 40
"""A batch of materialisations with more events than this is jumped over when only the tail of a log is wanted."""

NOISE = re.compile(
    r"\b(authenticat\w*|authoriz\w*|bearer|log(ged|ging)? ?in|access token)\b"
    r"|\b(database|db|sqlalchemy|orm) (session|connection|pool)\b|\bconnection pool\b|\bsqlalchemy\.engine\b"
    r"|^(BEGIN|COMMIT|ROLLBACK)\b"
    r"|\bhealth[ -_]?checks?\b|/healthz?\b|\bheartbeat\b"
    r"|\"?(GET|HEAD|POST|PUT|OPTIONS) \S+( HTTP/[\d.]+)?\"?,? ?\"?(HTTP/[\d.]+ )?[123]\d\d\b"
    r"|\bStarting new HTTPS? connection\b|\bResetting dropped connection\b",
    re.IGNORECASE,
)
"""Authentication, database sessions, health checks and routine HTTP requests; warnings and errors always stay."""

Types = dg.DagsterEventType
TELLING = {
    *(Types.STEP_START, Types.STEP_RESTARTED, Types.STEP_SUCCESS, Types.STEP_FAILURE, Types.STEP_UP_FOR_RETRY),
    *(Types.STEP_SKIPPED, Types.RUN_START, Types.RUN_SUCCESS, Types.RUN_FAILURE, Types.RUN_CANCELED),
    Types.ASSET_OBSERVATION,
}
"""Dagster's own events that tell a reader something; its plan and its bookkeeping do not."""


@dataclass(frozen=True)
class LogLine:
    """One line."""

    moment: float
    level: int
    run_id: str
    step: str | None
    message: str

    @property
    def text(self) -> str:
        """Return it as a line of text."""
        stamp = datetime.fromtimestamp(self.moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        step = f" {self.step}" if self.step else ""
        return f"{stamp}Z {logging.getLevelName(self.level)}{step}: {self.message}"

    def entry(self) -> LogEntry:
        """Return it as JSON has it."""
        return LogEntry(
            timestamp=datetime.fromtimestamp(self.moment, UTC),
            level=logging.getLevelName(self.level).lower(),
            run_id=self.run_id,
            step=self.step,
            message=self.message,
        )


def readable(lines: Iterable[LogLine]) -> Iterator[LogLine]:
    """Yield the lines that tell something, secrets masked: no noise, no line that repeats the one before."""
    previous: tuple[str | None, str] | None = None
    for line in lines:
        message = masked(line.message)
        if line.level < logging.WARNING and NOISE.search(message):
            continue
        if (line.step, message) != previous:
            yield LogLine(line.moment, line.level, line.run_id, line.step, message)
        previous = (line.step, message)


def whole_log(instance: dg.DagsterInstance, run_id: str) -> Iterator[LogLine]:
    """Yield every line of a run's log, oldest first, page by page."""
    yield from _between(instance, run_id, 0, None)


def log_for_owner(instance: dg.DagsterInstance, run: RunFacts) -> Iterator[LogLine]:
    """Yield the log of a run that the owner of one portfolio may read: if it computes others too, starts and ends alone.

    Everything else names portfolios and symbols: findings of checks, errors, details, the plan.
    """
    if run.portfolios == 1:
        yield from whole_log(instance, run.run_id)
        return
    words = f"this run computes {run.portfolios:,} portfolios: what may be about others is left out of its log here"
    yield LogLine(run.created, logging.INFO, run.run_id, None, words)
    for record in instance.get_records_for_run(run.run_id, of_type=TELLING - {Types.ASSET_OBSERVATION}).records:
        entry, event = record.event_log_entry, record.event_log_entry.get_dagster_event()
        yield LogLine(entry.timestamp, int(entry.level), entry.run_id, entry.step_key, _first_words(event))


def _first_words(event: dg.DagsterEvent) -> str:
    """Return the name of an event, and of a step's what Dagster says in its first line, which names the step alone."""
    return (event.message or "").partition("\n")[0] if event.is_step_event else event.event_type.value


def log_for_readers(instance: dg.DagsterInstance, run: RunFacts) -> Iterator[LogLine]:
    """Yield what a reader needs of a run's log: log lines, per-symbol detail, starts, ends, errors, findings of checks.

    Not what Dagster plans, loads and stores; long batches of materialisations are not even read.
    """
    after = 0
    lines: list[LogLine] = []
    for start, end in _batches(run.events):
        lines += _between(instance, run.run_id, after, start, _tells_a_reader)
        after = end - 1
    lines += _between(instance, run.run_id, after, None, _tells_a_reader)
    checks = {dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    for record in instance.get_records_for_run(run.run_id, of_type=checks).records:
        lines += _findings(record.event_log_entry)
    yield from sorted(lines, key=lambda line: line.moment)


def _tells_a_reader(entry: dg.EventLogEntry) -> bool:
    event = entry.dagster_event
    if event is None or event.event_type in TELLING:
        return True
    return (
        event.event_type == dg.DagsterEventType.ENGINE_EVENT
        and getattr(event.event_specific_data, "error", None) is not None
    )


def _findings(entry: dg.EventLogEntry) -> Iterator[LogLine]:
    """Yield a line for a check that did not pass."""
    check = entry.get_dagster_event().asset_check_evaluation_data
    if not check.passed:
        level = logging.ERROR if check.severity == dg.AssetCheckSeverity.ERROR else logging.WARNING
        message = f"check {check.check_name}: {check.description or 'did not pass'}"
        yield LogLine(entry.timestamp, level, entry.run_id, entry.step_key, message)


def _batches(events: Sequence[StepEvent]) -> Iterator[tuple[int, int]]:
    """Yield (storage id of a step's output, of its success): between them come its materialisations."""
    outputs: dict[str, int] = {}
    for event in events:
        if event.kind == "output":
            outputs.setdefault(event.asset, event.storage_id)
        elif event.kind == "success" and event.storage_id - outputs.get(event.asset, event.storage_id) > LONG_BATCH:
            yield outputs[event.asset], event.storage_id


def _between(
    instance: dg.DagsterInstance,
    run_id: str,
    after: int,
    until: int | None,
    chosen: Callable[[dg.EventLogEntry], bool] = lambda _: True,
) -> Iterator[LogLine]:
    while True:
        limit = PAGE if until is None else min(PAGE, max(until - after, 1))
        cursor = str(EventLogCursor.from_storage_id(after))
        records = instance.get_records_for_run(run_id, cursor=cursor, limit=limit).records
        for record in records:
            if until is not None and record.storage_id > until:
                return
            if chosen(record.event_log_entry):
                yield from _lines(record.event_log_entry)
        if len(records) < limit or (until is not None and records[-1].storage_id >= until):
            return
        after = records[-1].storage_id


def _lines(entry: dg.EventLogEntry) -> Iterator[LogLine]:
    event = entry.dagster_event
    head = (entry.timestamp, int(entry.level), entry.run_id, entry.step_key)
    if event is None:
        yield LogLine(*head, entry.user_message)
    elif event.event_type == dg.DagsterEventType.ASSET_OBSERVATION:
        metadata = event.asset_observation_data.asset_observation.metadata
        if CURRENT in metadata:
            values = [metadata[key].value if key in metadata else "" for key in (CURRENT, TOTAL, UNIT, DETAIL)]
            for line in str(values[3]).splitlines():
                yield LogLine(*head, line)
            yield LogLine(*head, f"{values[0]} of {values[1]} {values[2]}".strip())
    elif event.event_type in (dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.STEP_UP_FOR_RETRY):
        is_end = event.event_type == dg.DagsterEventType.STEP_FAILURE
        error = event.step_failure_data.error if is_end else event.step_retry_data.error
        yield LogLine(*head, f"{event.message}\n{error.to_string().strip()}" if error else event.message or "")
    else:
        yield LogLine(*head, event.message or event.event_type.value)
