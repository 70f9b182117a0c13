"""The nightly schedule: starts the universe's run at the cutoff; the portfolios' runs follow it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.inputs import read_inputs, universe_missing
from sigma_assets.automation.jobs import symbols_job
from sigma_assets.automation.reconcile import Night, reconcile
from sigma_assets.automation.requests import run_request
from sigma_assets.automation.sensors import index_of
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.tags import MISSING
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
    index = index_of(context.instance, tables)
    inputs = read_inputs(context.instance, tables, price_source, index)
    calendar = tables.calendar.sessions
    lacking = universe_missing(context.instance, inputs, index, calendar)
    plan = reconcile(inputs, {MISSING: lacking}, calendar, Night(datetime.now(UTC)))
    yield from (run_request(run, inputs.roster, "cron") for run in plan.runs)
    if not plan.runs:
        yield dg.SkipReason("; ".join(plan.waits) or f"the universe lacks nothing up to {inputs.target}")
