"""Two sensors that start runs: `onboarding` for new portfolios, at once; `reconcile` for everything else."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache

import dagster as dg

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.housekeeping import tidy
from sigma_assets.automation.inputs import PlanInputs, adopt_portfolios, read_inputs, universe_missing, unstarted
from sigma_assets.automation.jobs import portfolios_job, symbols_job
from sigma_assets.automation.planner import Needs
from sigma_assets.automation.reasons.changes import after_changed_holdings, after_changed_prices
from sigma_assets.automation.reasons.late import late_sessions
from sigma_assets.automation.reasons.methods import note_newer_methods
from sigma_assets.automation.reasons.symbols import note_symbol_looks, symbols_after_changed_prices
from sigma_assets.automation.reconcile import HISTORY, Night, held_back, onboarding_runs, reconcile
from sigma_assets.automation.requests import run_request
from sigma_assets.base.calendar import NEW_YORK
from sigma_assets.instance.changes import timeline_of
from sigma_assets.prices.changes import inputs_written, note_price_looks, portfolios_to_look_at
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.covers import UNFINISHED, runs
from sigma_assets.runs.tags import HOLDINGS_CHANGED, MISSING, PRICES_CORRECTED, PRICES_LATE
from sigma_assets.runs.watermark import Materialized

CORRECTED_PER_TICK = 50
"""Portfolios whose corrections one tick works out; the rest comes with the next ticks."""
SOURCES = {HOLDINGS_CHANGED: "settings"}
"""Who a run is started for, by its reason; the others are the night's work."""

Decisions = Iterator[dg.RunRequest | dg.SkipReason]
State = tuple[tuple[int, ...], list[str], list[int]] | None
RUNNING = dg.DefaultSensorStatus.RUNNING


def index_of(instance: dg.DagsterInstance, tables: Tables) -> Materialized:
    """Return this process's index of an instance's event log, kept from tick to tick."""
    return _index(_storage(instance), tables)


def _storage(instance: dg.DagsterInstance) -> tuple[str, str]:
    """Return what identifies an instance's storage; it changes when PostgreSQL fails over, which can lose events."""
    return str(instance.run_storage.get_run_storage_id()), timeline_of(instance)  # type: ignore[attr-defined]


@cache
def _index(storage: tuple[str, str], tables: Tables) -> Materialized:
    return Materialized(tables.settings.partition_sessions)


@cache
def _nothing_changed(storage: tuple[str, str], tables: Tables) -> dict[str, State]:
    """Return what a process keeps from tick to tick: the state in which no rows were of older holdings than today's."""
    return {}


@dg.sensor(
    name="onboarding",
    job=portfolios_job,
    minimum_interval_seconds=2,
    default_status=RUNNING,
    description="Gives every new portfolio its whole history, in one run of its own.",
)
def onboarding(
    context: dg.SensorEvaluationContext, tables: dg.ResourceParam[Tables], price_source: dg.ResourceParam[PriceSource]
) -> Decisions:
    """Give every new portfolio its whole history, in a run of its own, whatever else is going on."""
    note_newer_methods(context.instance, tables.database)
    adopt_portfolios(context.instance, tables, "sensor")
    new = unstarted(context.instance, tables, orphaned=True)
    if not new:
        yield dg.SkipReason("no portfolio is new")
        return
    # of new portfolios nothing is there: no look is needed
    nothing_yet = Materialized(tables.settings.partition_sessions)
    inputs = read_inputs(context.instance, tables, price_source, nothing_yet, portfolio_ids=new, force=True)
    planned = onboarding_runs(inputs, new, tables.calendar.sessions)
    yield from (run_request(run, inputs.roster, "onboarding") for run in planned)
    if not planned:
        yield dg.SkipReason(f"{len(new)} portfolios are new; none has a session up to {inputs.target} yet")


@dg.sensor(
    name="reconcile",
    jobs=[symbols_job, portfolios_job],
    minimum_interval_seconds=5,
    default_status=RUNNING,
    description="Runs what is missing, unfinished, late, changed or corrected, and not in progress; cleans up runs.",
)
def reconcile_sensor(
    context: dg.SensorEvaluationContext, tables: dg.ResourceParam[Tables], price_source: dg.ResourceParam[PriceSource]
) -> Decisions:
    """Run what is missing or out of date; each run records why.

    Also cancels runs of removed portfolios and closes runs that never started.
    """
    now, instance = datetime.now(UTC), context.instance
    note_newer_methods(instance, tables.database)
    adopt_portfolios(instance, tables, "sensor")
    new = unstarted(instance, tables)  # before the runs in flight: whatever is not new by now has its run among them
    inputs = read_inputs(instance, tables, price_source, index_of(instance, tables))
    tidy(instance, inputs)
    history = runs(instance, inputs.roster, created_after=now - HISTORY)
    cutoff = datetime.combine(inputs.target, tables.settings.cutoff, tzinfo=NEW_YORK).astimezone(UTC)
    night = Night(now, cutoff, history, new, tables.settings.workers)
    plan = reconcile(inputs, _needs(context, inputs, tables, price_source, night), tables.calendar.sessions, night)
    for run in plan.runs:
        who = f"{len(run.portfolio_ids)} portfolios" if run.portfolio_ids else "the universe"
        context.log.info("%s: %s, %s to %s", run.reason, who, run.first, run.last)
    yield from (run_request(run, inputs.roster, SOURCES.get(run.reason, "cron")) for run in plan.runs)
    if not plan.runs:
        behind = {key for key, _ in inputs.missing}
        done = f"{len(behind)} portfolios are behind" if behind else f"everything is there up to {inputs.target}"
        yield dg.SkipReason("; ".join([done, *plan.waits]))


def _needs(
    context: dg.SensorEvaluationContext, inputs: PlanInputs, tables: Tables, price_source: PriceSource, night: Night
) -> Mapping[str, Needs]:
    """Return what must run, by reason, most urgent first."""
    index = index_of(context.instance, tables)
    lacking = universe_missing(context.instance, inputs, index, tables.calendar.sessions)
    late = {} if lacking else late_sessions(tables, price_source, inputs, night.now)
    needs = {
        MISSING: lacking | inputs.missing,
        HOLDINGS_CHANGED: _changed(context.instance, inputs, tables, index),
        PRICES_CORRECTED: _corrected(inputs, tables, night),
        PRICES_LATE: late,
    }
    if not (any(needs.values()) or inputs.busy):
        needs[PRICES_CORRECTED] = symbols_after_changed_prices(context.instance, inputs, tables, index)
        if not needs[PRICES_CORRECTED]:
            note_symbol_looks(inputs, tables)
    return needs


def _changed(instance: dg.DagsterInstance, inputs: PlanInputs, tables: Tables, index: Materialized) -> Needs:
    """Return what changed holdings touch; compared anew only once lots, flows or portfolios have changed, or a run was made.

    To compare all rows takes half of a tick where 10,000 portfolios have a year each. Runs alone write them: while none is
    under way and none was made since, rows that were of today's holdings still are.
    """
    kept = _nothing_changed(_storage(instance), tables)
    newest = [record.storage_id for record in instance.get_run_records(limit=1)]  # first: a run made now is a newer one
    is_at_rest = not instance.get_run_ids(dg.RunsFilter(statuses=[*UNFINISHED]), limit=1)
    state = (inputs_written(tables.database), inputs.order, newest) if is_at_rest else None
    if state is not None and state == kept.get("state"):
        return {}
    found = after_changed_holdings(inputs, tables, index)
    kept["state"] = None if found else state
    return found


def _corrected(inputs: PlanInputs, tables: Tables, night: Night) -> Needs:
    """Return what late or corrected prices touch, some portfolios per tick; note those that they leave as they are.

    Portfolios that a run works on are looked at afterwards: it may have read prices before a load, and write after it.
    """
    seen, first = inputs.prices_seen, tables.settings.history_start
    waiting = set(portfolios_to_look_at(tables.database, seen, first)) & inputs.sessions.keys() - inputs.busy
    if waiting:
        waiting -= held_back(night.history, night.now)
    behind = tables.portfolios_behind_prices(sorted(waiting)) if waiting else []
    chunk = behind[:CORRECTED_PER_TICK]
    touched = after_changed_prices(inputs, tables, chunk)
    untouched = (waiting - set(behind)) | (set(chunk) - {key for key, _ in touched})
    note_price_looks(tables.database, untouched, seen, first, inputs.target)
    return touched
