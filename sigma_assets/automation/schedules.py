"""The nightly schedule: on NYSE sessions, at the cutoff, the universe's run; the portfolios' runs follow it."""

from collections.abc import Iterator

import dagster as dg

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.jobs import symbols_job
from sigma_assets.automation.requests import run_request
from sigma_assets.automation.sensors import claims, look_around, universe_missing
from sigma_assets.automation.situation import symbol_runs
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.tags import SYMBOL_JOB
from sigma_assets.settings import settings


@dg.schedule(
    job=symbols_job,
    cron_schedule=f"{settings().cutoff.minute} {settings().cutoff.hour} * * 1-5",
    execution_timezone="America/New_York",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Starts the run of the universe at the New York cutoff; the portfolios' runs follow it.",
)
def nightly(
    context: dg.ScheduleEvaluationContext, tables: dg.ResourceParam[Tables], price_source: dg.ResourceParam[PriceSource]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Start what the universe lacks. A tick that was missed, or comes late, finds whatever is missing by then."""
    began = claims.begin("nightly")
    situation = look_around(context.instance, tables, price_source)
    if any(run.job == SYMBOL_JOB for run in situation.in_flight):
        yield dg.SkipReason("the universe's run is under way")
        return
    planned = symbol_runs(universe_missing(context.instance, situation, tables), tables.calendar.sessions)
    ready = claims.take("nightly", began, planned, ())
    yield from (run_request(run, "cron") for run in ready)
    if not ready:
        yield dg.SkipReason(f"the universe lacks nothing up to {situation.target}")
