"""Housekeeping of runs: what nobody wants any more is canceled, what nobody started is closed."""

import logging
from collections.abc import Collection, Iterable

import dagster as dg

from sigma_assets.runs.partitions import portfolios_def
from sigma_assets.runs.tags import PORTFOLIO_JOB
from sigma_assets.runs.watermark import RunCover, abandoned_runs, runs

logger = logging.getLogger(__name__)


def tidy(instance: dg.DagsterInstance, in_flight: Iterable[RunCover], active: Collection[str]) -> None:
    """Cancel runs of removed portfolios and runs that wait twice for the same; close runs that nobody started."""
    for run, reason in unwanted(in_flight, active):
        cancel(instance, run, reason)
    for run in abandoned_runs(instance):
        found = instance.get_run_by_id(run.run_id)
        if found is not None and found.status is dg.DagsterRunStatus.NOT_STARTED:
            instance.report_run_failed(found, "the process that made this run ended before it could start it")


def unwanted(in_flight: Iterable[RunCover], active: Collection[str]) -> list[tuple[RunCover, str]]:
    """Return runs that nobody wants any more, with the reason.

    Removed are portfolios that are not active. A run of removed and other portfolios goes on; one that has not started
    and begins or ends with a removed one has lost its range, and is planned anew.
    """
    known, found, seen = set(active), [], set()
    for run in sorted(in_flight, key=lambda each: each.created):
        if run.job != PORTFOLIO_JOB or run.status is dg.DagsterRunStatus.CANCELING:
            continue
        waits = run.status is dg.DagsterRunStatus.QUEUED
        what = (run.portfolio_ids, run.first, run.last, run.assets)
        if known.isdisjoint(run.portfolio_ids):
            found.append((run, "its portfolios were removed"))
        elif waits and not run.is_exact:
            found.append((run, "a portfolio at an end of its range was removed; what is left is planned anew"))
        elif waits and what in seen:
            found.append((run, "an earlier run does the same"))
        seen.add(what)
    return found


def cancel(instance: dg.DagsterInstance, run: RunCover, reason: str) -> None:
    """Cancel a run, waiting or working."""
    logger.info("canceling run %s: %s", run.run_id, reason)
    instance.run_coordinator.cancel_run(run.run_id)


def forget_portfolio(instance: dg.DagsterInstance, portfolio_id: str) -> list[str]:
    """Remove a portfolio's partition and cancel the runs that cover nothing else; return these."""
    doomed = [run for run in runs(instance, in_flight=True) if run.portfolio_ids == (portfolio_id,)]
    for run in doomed:
        cancel(instance, run, "its portfolio was removed")
    instance.delete_dynamic_partition(str(portfolios_def.name), portfolio_id)
    return [run.run_id for run in doomed]
