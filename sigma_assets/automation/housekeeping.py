"""Housekeeping: cancel runs that are no longer needed, close runs that never started, drop unused partitions."""

import logging
from collections.abc import Collection, Iterable

import dagster as dg

from sigma_assets.automation.inputs import PlanInputs
from sigma_assets.instance.health.looks import has_open_backfill
from sigma_assets.runs.covers import RunCover, abandoned_runs, runs, write_down
from sigma_assets.runs.partitions import portfolios_def
from sigma_assets.runs.tags import MAX_RETRIES, PORTFOLIO_JOB
from sigma_assets.storage.roster import Roster

logger = logging.getLogger(__name__)


def tidy(instance: dg.DagsterInstance, inputs: PlanInputs) -> None:
    """Cancel runs that nobody wants, close those that nobody started, drop the partitions of removed portfolios."""
    for run, reason in unwanted(inputs.in_flight, inputs.sessions):
        cancel(instance, run, reason)
    for run in inputs.in_flight:
        if not run.is_written_down:
            write_down(instance, inputs.roster, run)
    for run in abandoned_runs(instance, inputs.roster):
        found = instance.get_run_by_id(run.run_id)
        if found is not None and found.status is dg.DagsterRunStatus.NOT_STARTED:
            instance.report_run_failed(found, "the process that made this run ended before it could start it")
    drop_partitions(instance, inputs.roster, inputs.sessions, inputs.in_flight)


def unwanted(in_flight: Iterable[RunCover], active: Collection[str]) -> list[tuple[RunCover, str]]:
    """Return runs that nobody wants any more, with the reason; a run of removed and other portfolios goes on."""
    known, found, seen = set(active), [], set()
    for run in sorted(in_flight, key=lambda each: each.storage_id):
        if run.job != PORTFOLIO_JOB or run.status is dg.DagsterRunStatus.CANCELING:
            continue
        waits = run.status is dg.DagsterRunStatus.QUEUED
        what = (run.portfolio_ids, run.first, run.last, run.assets)
        if known.isdisjoint(run.portfolio_ids):
            found.append((run, "its portfolios were removed"))
        elif waits and not run.is_intact:
            found.append((run, "the partitions of its range have changed; the rest is planned again"))
        elif waits and what in seen:
            found.append((run, "an earlier run does the same"))
        seen.add(what)
    return found


def drop_partitions(
    instance: dg.DagsterInstance, roster: Roster, active: Collection[str], in_flight: Iterable[RunCover]
) -> None:
    """Drop the partitions of removed portfolios, but for those that a run or a backfill still spans.

    A run selects a range of partitions by its two ends, when it starts: without one of them it would fail as a whole.
    """
    partitions = instance.get_dynamic_partitions(str(portfolios_def.name))
    gone = [name for name in partitions if roster.id_of.get(name) not in active]
    if not gone or has_open_backfill(instance):
        return
    spanned = {roster.name_of[key] for run in in_flight for key in run.portfolio_ids}
    for name in gone:
        if name not in spanned:
            instance.delete_dynamic_partition(str(portfolios_def.name), name)


def cancel(instance: dg.DagsterInstance, run: RunCover, reason: str) -> None:
    """Cancel a run, waiting or working; should its worker die of it, the run is not tried again."""
    logger.info("canceling run %s: %s", run.run_id, reason)
    instance.add_run_tags(run.run_id, {MAX_RETRIES: "0"})
    instance.run_coordinator.cancel_run(run.run_id)


def cancel_runs_of(instance: dg.DagsterInstance, roster: Roster, portfolio_id: str) -> list[str]:
    """Cancel the runs that cover a removed portfolio and nothing else; return these.

    Its partition is dropped by the next tick, or by the next `sigma-assets run`, once no run spans it.
    """
    doomed = [run for run in runs(instance, roster, in_flight=True) if run.portfolio_ids == (portfolio_id,)]
    for run in doomed:
        cancel(instance, run, "its portfolio was removed")
    return [run.run_id for run in doomed]
