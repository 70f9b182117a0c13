"""Sensors: onboarding, catching up, changed holdings, changed prices. Each asks the one planner what to run."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache

import dagster as dg
import numpy as np

from sigma_assets.automation.corrections import Reach, to_date_differs, touched_sessions
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names, portfolios_job, symbols_job
from sigma_assets.automation.planner import PlannedRun, backoff_seconds, launchable, plan_runs
from sigma_assets.automation.requests import run_request
from sigma_assets.automation.situation import (
    Missing,
    Situation,
    portfolio_runs,
    read_situation,
    symbol_runs,
    symbols_missing,
)
from sigma_assets.conventions import VolatilityModel
from sigma_assets.frames import SessionArray
from sigma_assets.partitions import Scope
from sigma_assets.resources import PriceSource, Tables
from sigma_assets.storage.portfolios import changed_holdings, portfolios
from sigma_assets.trading_calendar import NEW_YORK
from sigma_assets.watermark import SYMBOL_JOB, Materialized, RunCover, runs

IMPORT_GRACE = timedelta(seconds=2)
"""Whoever imports a portfolio asks for its run itself; the sensor leaves it this long to do so."""
SCHEDULE_GRACE = timedelta(minutes=5)
"""The nightly schedule starts the universe's run; the catch-up sensor leaves it this long to do so."""
HISTORY = timedelta(days=2)
"""How far back failures count for the back-off."""
CORRECTED_PER_TICK = 50
"""Portfolios whose corrections one tick works out; the rest comes with the next ticks."""

Decisions = Iterator[dg.RunRequest | dg.SkipReason]
RUNNING = dg.DefaultSensorStatus.RUNNING


def materialized(instance: dg.DagsterInstance, tables: Tables) -> Materialized:
    """Return this process's index of an instance's event log, kept from tick to tick."""
    return _index(str(instance.run_storage.get_run_storage_id()), tables)  # type: ignore[attr-defined]


@cache
def _index(storage_id: str, tables: Tables) -> Materialized:
    return Materialized(tables.calendar.sessions)


def look_around(instance: dg.DagsterInstance, tables: Tables, price_source: PriceSource) -> Situation:
    """Return the situation now."""
    return read_situation(instance, tables, price_source, materialized(instance, tables))


@dg.sensor(job=portfolios_job, minimum_interval_seconds=2, default_status=RUNNING)
def onboarding(
    context: dg.SensorEvaluationContext, tables: dg.ResourceParam[Tables], price_source: dg.ResourceParam[PriceSource]
) -> Decisions:
    """Give every new portfolio its whole history, in one run of its own, whatever else is going on."""
    situation = look_around(context.instance, tables, price_source)
    created = portfolios(tables.database).set_index("portfolio_id")["created_at"]
    settled = set(created.index[created <= datetime.now(UTC) - IMPORT_GRACE])
    new = [key for key in new_portfolios(context.instance, situation, tables) if key in settled]
    planned = [run for key in new for run in portfolio_runs(situation, tables.calendar.sessions, [key])]
    yield from _decide(planned, situation.busy, "onboarding", f"{len(situation.order)} portfolios, none is new")


@dg.sensor(jobs=[symbols_job, portfolios_job], minimum_interval_seconds=4, default_status=RUNNING)
def catch_up(
    context: dg.SensorEvaluationContext, tables: dg.ResourceParam[Tables], price_source: dg.ResourceParam[PriceSource]
) -> Decisions:
    """Run whatever is missing and not under way: after the nightly run of the universe, after a failure, after a hole.

    What failed is tried again after a back-off that doubles with each failure in a row, read from the run history.
    """
    now = datetime.now(UTC)
    history = runs(context.instance, created_after=now - HISTORY)
    situation = look_around(context.instance, tables, price_source)
    lacking = universe_missing(context.instance, situation, tables)
    if any(run.job == SYMBOL_JOB and run.in_flight for run in situation.in_flight):
        yield dg.SkipReason("the universe's run is under way; portfolios follow it")
        return
    tried = [run for run in history if run.job == SYMBOL_JOB and run.last >= str(situation.target)]
    due = now - cutoff_of(situation, tables) > SCHEDULE_GRACE
    if lacking and due and may_try_again(tried, now):
        yield from _decide(symbol_runs(lacking, tables.calendar.sessions), set(), "cron", "")
        return
    if lacking and not tried:
        yield dg.SkipReason(f"the nightly schedule starts the universe's run for {situation.target}")
        return
    new = set(new_portfolios(context.instance, situation, tables))
    held_back = {
        portfolio_id
        for portfolio_id in {key for key, _ in situation.missing}
        if portfolio_id is not None
        and not may_try_again([run for run in history if portfolio_id in run.portfolio_ids], now)
    }
    only = [key for key in situation.order if key not in new | held_back]
    planned = portfolio_runs(situation, tables.calendar.sessions, only)
    waiting = f"; {len(held_back)} wait after failures" if held_back else ""
    yield from _decide(planned, situation.busy, "cron", f"nothing is missing up to {situation.target}{waiting}")


@dg.sensor(job=portfolios_job, minimum_interval_seconds=4, default_status=RUNNING)
def holdings_change(
    context: dg.SensorEvaluationContext, tables: dg.ResourceParam[Tables], price_source: dg.ResourceParam[PriceSource]
) -> Decisions:
    """Run again, for each portfolio whose lots or cash flows changed, the sessions from the change on; no others."""
    situation = look_around(context.instance, tables, price_source)
    changed, index = changed_holdings(tables.database, situation.order), materialized(context.instance, tables)
    again: Missing = {
        (row.portfolio_id, asset): days
        for row in changed.itertuples()
        for asset in names(PORTFOLIO_ASSETS)
        if len(days := _since(index.materialized(asset, row.portfolio_id), row.first_session.date(), situation.target))
    }
    yield from _decide(_plan(again, situation, tables), situation.busy, "settings", "no holdings changed")


@dg.sensor(job=portfolios_job, minimum_interval_seconds=4, default_status=RUNNING)
def price_correction(
    context: dg.SensorEvaluationContext, tables: dg.ResourceParam[Tables], price_source: dg.ResourceParam[PriceSource]
) -> Decisions:
    """Run again the sessions of each portfolio that a late or corrected price touches; no others."""
    since, newest = int(context.cursor or 0), tables.prices_revision()
    situation = look_around(context.instance, tables, price_source)
    behind = (
        [key for key in tables.portfolios_behind_prices(since) if key in situation.sessions] if newest > since else []
    )
    again: Missing = {}
    for portfolio_id in behind[:CORRECTED_PER_TICK]:
        again |= corrected(situation, tables, portfolio_id)
    planned = _plan(again, situation, tables)
    if not planned and len(behind) <= CORRECTED_PER_TICK:
        context.update_cursor(str(newest))
    yield from _decide(planned, situation.busy, "cron", f"no prices changed since load {since}")


def new_portfolios(instance: dg.DagsterInstance, situation: Situation, tables: Tables) -> list[str]:
    """Return the portfolios that never had a run and have nothing materialised, in partition order."""
    first_asset, index = names(PORTFOLIO_ASSETS)[0], materialized(instance, tables)
    untouched = [
        key for key in situation.order if not len(index.materialized(first_asset, key)) and key not in situation.busy
    ]
    return [key for key in untouched if not runs(instance, portfolio_id=key, limit=1)]


def universe_missing(instance: dg.DagsterInstance, situation: Situation, tables: Tables) -> Missing:
    """Return what the universe lacks for the nightly run; a universe that never ran starts with the target session."""
    tonight = {key: days[-1:] for key, days in situation.missing.items() if days[-1] == np.datetime64(situation.target)}
    started = Situation(situation.target, situation.sessions, tonight, situation.in_flight, situation.order)
    return symbols_missing(instance, started, materialized(instance, tables), tables.calendar.sessions)


def cutoff_of(situation: Situation, tables: Tables) -> datetime:
    """Return the moment at which the target session's prices were due."""
    return datetime.combine(situation.target, tables.settings.cutoff, tzinfo=NEW_YORK).astimezone(UTC)


def may_try_again(history: Iterable[RunCover], now: datetime) -> bool:
    """Return whether the back-off after the latest failures in a row (newest run first) has passed."""
    failures, latest = 0, None
    for run in history:
        if run.in_flight:
            continue
        if run.status == dg.DagsterRunStatus.SUCCESS:
            break
        failures, latest = failures + 1, latest or run.ended or run.created.timestamp()
    return latest is None or now.timestamp() >= latest + backoff_seconds(failures)


def corrected(situation: Situation, tables: Tables, portfolio_id: str) -> Missing:
    """Return what prices that came later than a portfolio's rows touch."""
    scope = Scope(situation.sessions[portfolio_id], (portfolio_id,))
    computed = tables.rows("price_coverage", scope, columns=["portfolio_id", "session", "prices_revision"])
    window = tables.window(scope, tables.lookback)
    symbols = tables.symbols(scope)
    changed = tables.changed_prices(symbols, window, since=int(computed["prices_revision"].min()))
    touched = touched_sessions(
        changed,
        tables.prices(symbols, window),
        computed,
        held=tables.risk_symbols(scope),
        factor_etfs=set(tables.settings.factor_model.etfs),
        reach=Reach.of(tables.settings.factor_model, VolatilityModel(), tables.settings.correlation_model),
    )
    if "portfolio_snapshots" in touched:
        first = touched["portfolio_snapshots"][0]
        path = Scope(scope.sessions[scope.sessions >= first], scope.portfolio_ids)
        later = to_date_differs(tables.computed_snapshots(path), tables.rows("portfolio_snapshots", path))
        touched["portfolio_snapshots"] = np.union1d(touched["portfolio_snapshots"], later)
        touched["price_coverage"] = np.union1d(touched["price_coverage"], later)
    return {(portfolio_id, asset): days for asset, days in touched.items()}


def _since(there: SessionArray, first: date, target: date) -> SessionArray:
    return there[(there >= np.datetime64(first)) & (there <= np.datetime64(target))]


def _plan(again: Missing, situation: Situation, tables: Tables) -> list[PlannedRun]:
    return plan_runs(again, assets=names(PORTFOLIO_ASSETS), order=situation.order, calendar=tables.calendar.sessions)


def _decide(planned: Iterable[PlannedRun], busy: set[str], source: str, nothing: str) -> Decisions:
    wanted = list(planned)
    ready = launchable(wanted, busy)
    for run in ready:
        yield run_request(run, source)
    if not ready:
        yield dg.SkipReason(f"{len(wanted)} runs wait for portfolios that are busy" if wanted else nothing)
