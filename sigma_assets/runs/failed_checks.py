"""Checks that failed in a run and have not been repaired: the step writes them into the run; alerts and health read them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from sigma_assets.runs.newest import newest_events
from sigma_assets.runs.partitions import portfolios_def
from sigma_assets.runs.tags import partition_key
from sigma_assets.settings import settings

CHECKS_FAILED = "sigma/checks_failed"
"""Tag of a run in which a check of severity ERROR failed."""
FAILED_CHECKS = "failed_checks"
"""Metadata of the step's failure: the failed checks, as JSON."""
REMEMBERED = timedelta(days=30)
"""How far back a failed check that nobody has healed still counts."""
CHECKS_KEPT = 20_000
"""Failed checks that are remembered, half a kB each."""

_unhealed: dict[str, list[tuple[int, "FailedCheck"]]] = {}
"""By run that has ended, its failed checks that no look has found healed. What fails each hour makes 720 runs in the time
that counts: to read them all took two seconds of each look."""


@dataclass(frozen=True)
class FailedCheck:
    """A check of severity ERROR that failed for a portfolio, or for what all share.

    Attributes
    ----------
    portfolio_id, portfolio : id and name; "" for a universe-wide asset.
    first, last : sessions that were checked, YYYY-MM-DD.
    findings : how many rows or lines break the check; `finding` is the first.
    """

    asset: str
    check: str
    portfolio_id: str
    portfolio: str
    first: str
    last: str
    findings: int
    finding: str

    def __str__(self) -> str:
        whom = f" for {self.portfolio}" if self.portfolio else ""
        more = f" (and {self.findings - 1:,} more)" if self.findings > 1 else ""
        return f"check {self.check} of {self.asset} failed{whom}: {self.finding}{more}"


def failure_of(failed: Sequence[FailedCheck]) -> dg.Failure:
    """Return what a step raises whose checks failed: the run ends as a failure, and nothing that depends on it is run."""
    first = str(failed[0])
    words = first if len(failed) == 1 else f"{first}; {len(failed) - 1} more failed"
    told = {FAILED_CHECKS: dg.MetadataValue.json([asdict(each) for each in failed])}
    return dg.Failure(words, metadata=told, allow_retries=False)


def failed_in(event: dg.DagsterEvent) -> list[FailedCheck]:
    """Return the checks because of which a step failed; none if it failed otherwise, or did not."""
    if event.event_type != dg.DagsterEventType.STEP_FAILURE:
        return []
    told = event.step_failure_data.user_failure_data
    entry = told.metadata.get(FAILED_CHECKS) if told else None
    failed = entry.value if isinstance(entry, dg.JsonMetadataValue) else None
    return [FailedCheck(**each) for each in failed] if isinstance(failed, list) else []


def standing(instance: dg.DagsterInstance, name_of: Callable[[], Mapping[str, str]]) -> list[FailedCheck]:
    """Return the failed checks that no later run has healed, newest first, one per check and portfolio.

    The partitions of a failed check are not materialised by its run. So it is healed when all of them are materialised
    later: by a run in which the same check passed.

    Parameters
    ----------
    name_of : returns portfolio id -> name of its partition, as the roster has it; asked if any check failed at all.
        What was removed is nobody's worry.
    """
    tagged = dg.RunsFilter(tags={CHECKS_FAILED: "true"}, created_after=datetime.now(UTC) - REMEMBERED)
    records = instance.get_run_records(tagged)
    if not records:
        return []
    names, active = name_of(), set(instance.get_dynamic_partitions(str(portfolios_def.name)))
    found: dict[tuple[str, str, str], FailedCheck] = {}
    for record in records:
        run = record.dagster_run
        kept, unhealed = _unhealed.get(run.run_id), []
        for storage_id, failed in _failures(instance, run.run_id) if kept is None else kept:
            name = names.get(failed.portfolio_id, "")
            key = failed.asset, failed.check, failed.portfolio_id
            is_known = key in found or (failed.portfolio_id and name not in active)
            if not is_known and _is_healed(instance, failed, name, storage_id):
                continue
            unhealed.append((storage_id, failed))
            if not is_known:
                found[key] = failed
        if kept is not None or (run.is_finished and _has_room_for(unhealed)):
            _unhealed[run.run_id] = unhealed
    for forgotten in set(_unhealed) - {record.dagster_run.run_id for record in records}:
        _unhealed.pop(forgotten, None)
    return list(found.values())


def _has_room_for(unhealed: Sequence[object]) -> bool:
    kept = sum(map(len, list(_unhealed.values())))  # a list: other threads look, too
    return kept + len(unhealed) <= CHECKS_KEPT


def failed_checks_of(instance: dg.DagsterInstance, run_id: str) -> list[FailedCheck]:
    """Return the checks that failed a run, in the order of its steps."""
    return [failed for _, failed in _failures(instance, run_id)]


def _failures(instance: dg.DagsterInstance, run_id: str) -> list[tuple[int, FailedCheck]]:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    return [
        (record.storage_id, failed)
        for record in records
        for failed in failed_in(record.event_log_entry.get_dagster_event())
    ]


def _is_healed(instance: dg.DagsterInstance, failed: FailedCheck, name: str, storage_id: int) -> bool:
    sessions = settings().calendar.between(date.fromisoformat(failed.first), date.fromisoformat(failed.last))
    keys = {partition_key(session.item(), name or None) for session in sessions}
    return keys <= set(newest_events(instance, failed.asset, keys, after=storage_id))
