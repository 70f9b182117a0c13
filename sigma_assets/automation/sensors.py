"""Sensors: onboarding, catching up, changed holdings, changed prices, alerts. Each asks the one planner what to run."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import dagster as dg
import numpy as np

from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names, portfolios_job, symbols_job
from sigma_assets.automation.planner import PlannedRun, backoff_seconds, launchable
from sigma_assets.automation.requests import run_request
from sigma_assets.automation.situation import (
    Situation,
    portfolio_runs,
    read_situation,
    symbol_runs,
    symbols_missing,
)
from sigma_assets.resources import PriceSource, Tables
from sigma_assets.settings import settings
from sigma_assets.storage.portfolios import changed_holdings, portfolios
from sigma_assets.trading_calendar import NEW_YORK
from sigma_assets.watermark import SYMBOL_JOB, Materialized, RunCover, runs

IMPORT_GRACE = timedelta(seconds=2)
"""Whoever imports a portfolio asks for its run itself; the sensor leaves it this long to do so."""
SCHEDULE_GRACE = timedelta(minutes=5)
"""The nightly schedule starts the universe's run; the catch-up sensor leaves it this long to do so."""
HISTORY = timedelta(days=2)
"""How far back failures are counted for the back-off."""


@cache
def materialized() -> Materialized:
    """Return this process's index of the event log."""
    return Materialized(settings().calendar.sessions)


@dg.sensor(
    job=portfolios_job,
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Gives every new portfolio its whole history, in one run of its own.",
)
def onboarding(
    context: dg.SensorEvaluationContext,
    tables: dg.ResourceParam[Tables],
    price_source: dg.ResourceParam[PriceSource],
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Launch one run for each portfolio that has neither a run nor a materialisation yet."""
    situation = read_situation(context.instance, tables, price_source, materialized())
    known = _portfolios_with_runs(context.instance, situation)
    created = portfolios(tables.database).set_index("portfolio_id")["created_at"]
    settled = created.index[created <= datetime.now(UTC) - IMPORT_GRACE]
    new = [key for key in situation.order if key in set(settled) and key not in known]
    planned = [run for key in new for run in portfolio_runs(situation, tables.calendar.sessions, [key])]
    yield from _requests(planned, situation, "onboarding", f"{len(situation.order)} portfolios, none is new")
