"""Sensors: onboarding, catching up, changed holdings, changed prices. Each asks the one planner what to run."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache

import dagster as dg
import numpy as np

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.again import PriceLook, after_changed_holdings, after_changed_prices
from sigma_assets.automation.backoff import HISTORY, held_back, may_try_again
from sigma_assets.automation.claims import Claims
from sigma_assets.automation.housekeeping import tidy
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names, portfolios_job, symbols_job
from sigma_assets.automation.late import late_sessions
from sigma_assets.automation.planner import PlannedRun, plan_runs
from sigma_assets.automation.requests import run_request
from sigma_assets.automation.situation import (
    Missing,
    Situation,
    portfolio_runs,
    read_situation,
    symbol_runs,
    symbols_missing,
)
from sigma_assets.base.calendar import NEW_YORK
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.tags import SYMBOL_JOB
from sigma_assets.runs.watermark import Materialized, runs
from sigma_assets.storage.portfolios import portfolios

IMPORT_GRACE = timedelta(seconds=2)
"""Whoever imports a portfolio makes it a partition, and so the run its own to ask for; sensors leave it this long to."""
IMPORT_PATIENCE = timedelta(seconds=45)
"""Who made a portfolio a partition and has not asked for its run by then has died, or was not answered."""
ONBOARDING_GRACE = timedelta(minutes=2)
"""The onboarding sensor gives a new portfolio its run; catching up leaves it this long to do so."""
SCHEDULE_GRACE = timedelta(minutes=5)
"""The nightly schedule starts the universe's run; catching up leaves it this long to do so."""
UNIVERSE_PATIENCE = timedelta(minutes=10)
"""Portfolios follow the universe's run, for it loads their prices in bulk; they wait for it this long at most."""
CORRECTED_PER_TICK = 50
"""Portfolios whose corrections one tick works out; the rest comes with the next ticks."""

Decisions = Iterator[dg.RunRequest | dg.SkipReason]
RUNNING = dg.DefaultSensorStatus.RUNNING
claims = Claims()
_adopted: set[str] = set()
"""Portfolios that the sensors of this process made partitions: whose runs are theirs to ask for, and nobody else's."""


def materialized(instance: dg.DagsterInstance, tables: Tables) -> Materialized:
    """Return this process's index of an instance's event log, kept from tick to tick."""
    return _index(str(instance.run_storage.get_run_storage_id()), tables)  # type: ignore[attr-defined]


@cache
def _index(storage_id: str, tables: Tables) -> Materialized:
    return Materialized(tables.calendar.sessions)


def look_around(instance: dg.DagsterInstance, tables: Tables, price_source: PriceSource) -> Situation:
    """Return the situation now."""
    index = materialized(instance, tables)
    situation = read_situation(instance, tables, price_source, index, leave=IMPORT_GRACE)
    _adopted.update(situation.adopted)
    return situation


@dg.sensor(
    job=portfolios_job,
    minimum_interval_seconds=2,
    default_status=RUNNING,
    description="Gives every new portfolio its whole history, in one run of its own.",
)
def onboarding(
    context: dg.SensorEvaluationContext, tables: dg.ResourceParam[Tables], price_source: dg.ResourceParam[PriceSource]
) -> Decisions:
    """Give every new portfolio its whole history, in one run of its own, whatever else is going on."""
    began = claims.begin("onboarding")
    situation = look_around(context.instance, tables, price_source)
    new = new_portfolios(context.instance, situation, tables, older_than=IMPORT_PATIENCE, or_in=_adopted)
    planned = [run for key in new for run in portfolio_runs(situation, tables.calendar.sessions, [key])]
    ready = claims.take("onboarding", began, planned, situation.busy)
    yield from (run_request(run, "onboarding") for run in ready)
    if not ready:
        yield dg.SkipReason(f"{len(situation.order)} portfolios, none is new")


@dg.sensor(
    jobs=[symbols_job, portfolios_job],
    minimum_interval_seconds=4,
    default_status=RUNNING,
    description="Runs whatever is missing and not under way, after the night, a failure, a hole; keeps house.",
)
def catch_up(
    context: dg.SensorEvaluationContext, tables: dg.ResourceParam[Tables], price_source: dg.ResourceParam[PriceSource]
) -> Decisions:
    """Run whatever is missing and not under way: after the nightly run of the universe, after a failure, after a hole.

    What failed is tried again after a back-off that doubles with each failure in a row, read from the run history.
    Keeps house, too: runs of removed portfolios are canceled, runs that nobody started are closed.
    """
    began, now = claims.begin("catch_up"), datetime.now(UTC)
    situation = look_around(context.instance, tables, price_source)
    tidy(context.instance, situation.in_flight, situation.order)
    lacking = universe_missing(context.instance, situation, tables)
    at_work = [run for run in situation.in_flight if run.job == SYMBOL_JOB]
    if any(now - run.created < UNIVERSE_PATIENCE for run in at_work):
        yield dg.SkipReason("the universe's run is under way; portfolios follow it")
        return
    late = {} if lacking else late_sessions(tables, np.datetime64(situation.target), now)
    is_idle = not (lacking or late or situation.missing)
    history = [] if is_idle else runs(context.instance, created_after=now - HISTORY)
    tried = [run for run in history if run.job == SYMBOL_JOB]
    is_due = now - cutoff_of(situation, tables) > SCHEDULE_GRACE
    if lacking and not is_due and not any(run.last >= str(situation.target) for run in tried):
        yield dg.SkipReason(f"the nightly schedule starts the universe's run for {situation.target}")
        return
    universe = symbol_runs(lacking or late, tables.calendar.sessions)
    universe = universe if not at_work and may_try_again(tried, now) else []
    ready = claims.take("catch_up", began, universe, ())
    if not universe or late:
        waiting = held_back(history, now)
        new = set(new_portfolios(context.instance, situation, tables, younger_than=ONBOARDING_GRACE))
        only = [key for key in situation.order if key not in waiting | new]
        planned = portfolio_runs(situation, tables.calendar.sessions, only)
        ready += claims.take("catch_up", began, planned, situation.busy)
    yield from (run_request(run, "cron") for run in ready)
    if not ready:
        yield dg.SkipReason(f"nothing to start up to {situation.target}: {_open(situation)}")


@dg.sensor(
    job=portfolios_job,
    minimum_interval_seconds=4,
    default_status=RUNNING,
    description="Runs again what changed lots or cash flows touch, from the day of the change on.",
)
def holdings_change(
    context: dg.SensorEvaluationContext, tables: dg.ResourceParam[Tables], price_source: dg.ResourceParam[PriceSource]
) -> Decisions:
    """Run again, for each portfolio whose lots or cash flows changed, the sessions from the change on; no others."""
    began = claims.begin("holdings_change")
    situation = look_around(context.instance, tables, price_source)
    again = after_changed_holdings(situation, tables, materialized(context.instance, tables))
    waiting = _held_back(context.instance) if again else set()
    again = {key: days for key, days in again.items() if key[0] not in waiting}
    ready = claims.take("holdings_change", began, _plan(again, situation, tables), situation.busy)
    yield from (run_request(run, "settings", again=True) for run in ready)
    if not ready:
        yield dg.SkipReason(
            "changed portfolios are busy, or wait after a failure" if again or waiting else "no holdings changed"
        )


@dg.sensor(
    job=portfolios_job,
    minimum_interval_seconds=4,
    default_status=RUNNING,
    description="Runs again the sessions that late or corrected prices touch.",
)
def price_correction(
    context: dg.SensorEvaluationContext, tables: dg.ResourceParam[Tables], price_source: dg.ResourceParam[PriceSource]
) -> Decisions:
    """Run again the sessions of each portfolio that a late or corrected price touches; no others."""
    began = claims.begin("price_correction")
    newest = tables.prices_revision()
    look = PriceLook.of(context.cursor, newest)
    if newest <= look.since:
        yield dg.SkipReason(f"no prices changed since load {look.since}")
        return
    situation = look_around(context.instance, tables, price_source)
    behind = [key for key in tables.portfolios_behind_prices(look.since) if key in situation.sessions]
    waiting = (_held_back(context.instance) if behind else set()) & set(behind)
    closed = situation.busy | waiting
    chunk = [key for key in behind[look.position : look.position + CORRECTED_PER_TICK] if key not in closed]
    again = after_changed_prices(situation, tables, chunk)
    if not again:
        context.update_cursor(look.following(CORRECTED_PER_TICK, len(behind), bool(closed)).text)
    ready = claims.take("price_correction", began, _plan(again, situation, tables), situation.busy)
    yield from (run_request(run, "cron", again=True) for run in ready)
    if not ready:
        yield dg.SkipReason(f"no prices that anything was computed from changed since load {look.since}")


def new_portfolios(
    instance: dg.DagsterInstance,
    situation: Situation,
    tables: Tables,
    *,
    older_than: timedelta | None = None,
    or_in: Collection[str] = (),
    younger_than: timedelta | None = None,
) -> list[str]:
    """Return the portfolios that never had a run and have nothing materialised, in partition order.

    Parameters
    ----------
    older_than, or_in : only those of this age, and these whatever their age.
    younger_than : only those.
    """
    first_asset, index = names(PORTFOLIO_ASSETS)[0], materialized(instance, tables)
    untouched = [
        key for key in situation.order if not len(index.materialized(first_asset, key)) and key not in situation.busy
    ]
    if not untouched:
        return []
    created = portfolios(tables.database, untouched, include_removed=True).set_index("portfolio_id")["created_at"]
    age = datetime.now(UTC) - created
    right = age.between(older_than or timedelta(0), younger_than or timedelta(days=36_500), inclusive="left")
    return [key for key in untouched if (right[key] or key in or_in) and not runs(instance, portfolio_id=key, limit=1)]


def universe_missing(instance: dg.DagsterInstance, situation: Situation, tables: Tables) -> Missing:
    """Return what the universe lacks for the nightly run; a universe that never ran starts with the target session.

    That is due as soon as there is a portfolio, even one that lacks nothing: it may have loaded its own symbols itself.
    """
    asset, last = names(PORTFOLIO_ASSETS)[0], np.datetime64(situation.target)
    tonight: Missing = {(key, asset): days[-1:] for key, days in situation.sessions.items() if last in days[-1:]}
    started = Situation(situation.target, situation.sessions, tonight, situation.in_flight, situation.order)
    return symbols_missing(instance, started, materialized(instance, tables), tables.calendar.sessions)


def cutoff_of(situation: Situation, tables: Tables) -> datetime:
    """Return the moment at which the target session's prices were due."""
    return datetime.combine(situation.target, tables.settings.cutoff, tzinfo=NEW_YORK).astimezone(UTC)


def _held_back(instance: dg.DagsterInstance) -> set[str]:
    """Return the portfolios whose pause after failures in a row is not over: their runs would fail every few seconds."""
    now = datetime.now(UTC)
    return held_back(runs(instance, created_after=now - HISTORY), now)


def _plan(again: Missing, situation: Situation, tables: Tables) -> list[PlannedRun]:
    return plan_runs(again, assets=names(PORTFOLIO_ASSETS), order=situation.order, calendar=tables.calendar.sessions)


def _open(situation: Situation) -> str:
    behind = {key for key, _ in situation.missing}
    return (
        f"{len(behind)} portfolios are behind, {len(behind & situation.busy)} of them at work" if behind else "all done"
    )
