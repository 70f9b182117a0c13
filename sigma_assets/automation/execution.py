"""Running a plan in this process: real runs on the real instance, one after the other, with their events as they come."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import date
from threading import RLock
from time import sleep

import dagster as dg
import numpy as np
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.again import after_changed_holdings, after_changed_prices
from sigma_assets.automation.planner import PlannedRun, launchable
from sigma_assets.automation.requests import job_of, tags_of
from sigma_assets.automation.situation import (
    Missing,
    Situation,
    portfolio_runs,
    read_situation,
    symbol_runs,
    symbols_missing,
)
from sigma_assets.instance.launcher import end_runs_of_dead_processes
from sigma_assets.instance.worker_process import this_worker_tags
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.watermark import Materialized
from sigma_assets.storage.patience import patience

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The run's log goes to the event log alone; on the terminal it would tear up the progress display."""

_ALONE = RLock()
"""One run at a time in a process. Dagster configures Python's logging at the start of a run: it takes logging's own lock,
then each handler's. A run in another thread that is storing an event holds its handler's lock and asks for logging's
(SQLAlchemy looks up a level): both would wait for ever."""

OnEvent = Callable[[PlannedRun, dg.DagsterEvent], None]


@dataclass(frozen=True)
class Wish:
    """What somebody asked to be brought up to date.

    Attributes
    ----------
    portfolio_ids : these portfolios only, without the rest of the universe; None = everything.
    first, last : only these sessions; None = no bound.
    force : run again what is there.
    """

    portfolio_ids: tuple[str, ...] | None = None
    first: date | None = None
    last: date | None = None
    force: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    planned: PlannedRun
    run_id: str
    succeeded: bool


def plan(
    instance: dg.DagsterInstance, tables: Tables, price_source: PriceSource, materialized: Materialized, wish: Wish
) -> tuple[Situation, list[PlannedRun]]:
    """Return the situation and the runs that a wish needs: the universe first, then the portfolios."""
    calendar = tables.calendar.sessions
    situation = read_situation(instance, tables, price_source, materialized, force=wish.force)
    situation = replace(situation, missing=_bounded(situation.missing, wish))
    universe: Missing = {}
    if wish.portfolio_ids is None:
        universe = symbols_missing(instance, situation, materialized, calendar, force=wish.force)
    planned = symbol_runs(_bounded(universe, wish), calendar)
    return situation, [*planned, *portfolio_runs(situation, calendar, wish.portfolio_ids)]


def plan_again(
    instance: dg.DagsterInstance, tables: Tables, price_source: PriceSource, materialized: Materialized, wish: Wish
) -> tuple[Situation, list[PlannedRun]]:
    """Return the situation and the runs over what is there, and would be different by now (SPEC 5)."""
    situation = read_situation(instance, tables, price_source, materialized)
    known = set(situation.sessions)
    chosen = known if wish.portfolio_ids is None else known.intersection(wish.portfolio_ids)
    behind = [key for key in tables.portfolios_behind_prices(0) if key in chosen]
    again = after_changed_prices(situation, tables, behind)
    for key, days in after_changed_holdings(situation, tables, materialized).items():
        if key[0] in chosen:
            again[key] = np.union1d(again[key], days) if key in again else days
    return situation, portfolio_runs(replace(situation, missing=_bounded(again, wish)), tables.calendar.sessions)


def bring_up_to_date(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    tables: Tables,
    price_source: PriceSource,
    wish: Wish,
    *,
    on_event: OnEvent,
    on_wait: Callable[[Collection[str]], None],
    source: str = "admin",
) -> list[Outcome]:
    """Run what a wish needs, one run at a time, waiting for portfolios that another run works on.

    First what is missing; then, prices being loaded, what changed holdings or corrected prices touch although it is there.

    Returns
    -------
    One outcome per run, in the order in which they ran; empty when nothing was missing and nothing had changed.
    """
    materialized = Materialized(tables.calendar.sessions)
    outcomes: list[Outcome] = []

    end_runs_of_dead_processes(instance)

    def bring(needed: Callable[[], tuple[Situation, list[PlannedRun]]], *, again: bool) -> None:
        done: list[Outcome] = [outcome for outcome in outcomes if not outcome.succeeded]
        while True:
            situation, planned = needed()
            waiting = [run for run in planned if not _settled(run, done)]
            ready = launchable(waiting, situation.busy)
            if not waiting:
                return
            if ready:
                outcome = execute(definitions, instance, ready[0], source, on_event, again=again)
                done.append(outcome)
                outcomes.append(outcome)
            elif not end_runs_of_dead_processes(instance):
                on_wait(situation.busy)
                sleep(1.0)

    bring(lambda: plan(instance, tables, price_source, materialized, wish), again=wish.force)
    if not wish.force:
        bring(lambda: plan_again(instance, tables, price_source, materialized, wish), again=True)
    return outcomes


def _settled(planned: PlannedRun, outcomes: Collection[Outcome]) -> bool:
    """Return whether a run was done already, or touches a portfolio (or the universe) whose run failed just now."""
    return any(
        planned == outcome.planned
        or (not outcome.succeeded and set(planned.portfolio_ids or "-") & set(outcome.planned.portfolio_ids or "-"))
        for outcome in outcomes
    )


def execute(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    planned: PlannedRun,
    source: str,
    on_event: OnEvent,
    *,
    again: bool = False,
) -> Outcome:
    """Execute one planned run in this process and return how it ended; `again` if it covers what is there already.

    Threads take turns. Runs that should overlap need processes of their own.
    """
    name = job_of(planned)
    job = definitions.resolve_job_def(name)
    chosen = frozenset(dg.AssetKey(asset) for asset in planned.assets)
    run = instance.create_run_for_job(
        job_def=job.get_subset(asset_selection=chosen),
        run_config=QUIET,
        asset_selection=chosen,
        tags={**tags_of(planned, source, again=again), **this_worker_tags()},
        remote_job_origin=origin_of(name),
    )
    with _ALONE, patience.restored():
        for event in execute_run_iterator(InMemoryJob(job), run, instance):
            on_event(planned, event)
    finished = instance.get_run_by_id(run.run_id)
    return Outcome(planned, run.run_id, finished is not None and finished.is_success)


def origin_of(job: str) -> RemoteJobOrigin:
    """Return the job of the code location, so that the UI shows the run as one of its own."""
    target = LoadableTargetOrigin(module_name="sigma_assets.definitions")
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name="sigma_assets")
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), job)


def _bounded(missing: Missing, wish: Wish) -> Missing:
    first = np.datetime64(wish.first or date.min, "D")
    last = np.datetime64(wish.last or date.max, "D")
    inside = {key: days[(days >= first) & (days <= last)] for key, days in missing.items()}
    return {key: days for key, days in inside.items() if len(days)}
