"""Execute a plan in this process: real runs on the real instance, one after the other, yielding events as they occur."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from threading import RLock
from time import sleep

import dagster as dg
import numpy as np

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.housekeeping import drop_partitions
from sigma_assets.automation.inputs import PlanInputs, adopt_portfolios, read_inputs, universe_missing
from sigma_assets.automation.planner import Needs
from sigma_assets.automation.reasons.changes import after_changed_holdings, after_changed_prices
from sigma_assets.automation.reasons.late import late_sessions
from sigma_assets.automation.reasons.methods import note_newer_methods, outdated
from sigma_assets.automation.reasons.symbols import note_symbol_looks, symbols_after_changed_prices
from sigma_assets.automation.reconcile import Night, reconcile
from sigma_assets.automation.requests import job_of, tags_of
from sigma_assets.base.errors import StorageError
from sigma_assets.instance.health.worker_process import this_worker_tags
from sigma_assets.instance.in_process import execute_run, origin_of
from sigma_assets.instance.launcher import end_runs_of_dead_processes
from sigma_assets.prices.changes import note_price_looks
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.covers import runs
from sigma_assets.runs.tags import (
    CREATED_BY,
    FORCED,
    HOLDINGS_CHANGED,
    MISSING,
    OUTDATED,
    PRICES_CORRECTED,
    PRICES_LATE,
    PlannedRun,
)
from sigma_assets.runs.watermark import Materialized
from sigma_assets.storage.connection.patience import patience
from sigma_assets.storage.portfolios import portfolios
from sigma_assets.storage.roster import Roster

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The run's log goes to the event log alone; on the terminal it would tear up the progress display."""

_ALONE = RLock()
"""One run at a time in a process. Dagster configures Python's logging at the start of a run: it takes logging's own lock,
then each handler's. A run in another thread that is storing an event holds its handler's lock and asks for logging's
(SQLAlchemy looks up a level): both would wait for ever."""

OnEvent = Callable[[PlannedRun, dg.DagsterEvent], None]


@dataclass(frozen=True)
class UpdateRequest:
    """What somebody asked to be brought up to date.

    Attributes
    ----------
    portfolio_ids : these portfolios only, without the rest of the universe; None = everything.
    first, last : only these sessions; None = no bound.
    force : run again what is there.
    outdated : run again what an older version of a method computed, and what was made of it; nothing else.
    """

    portfolio_ids: tuple[str, ...] | None = None
    first: date | None = None
    last: date | None = None
    force: bool = False
    outdated: bool = False

    def bounded(self, needs: Needs) -> Needs:
        """Return the part of what is needed that was asked for."""
        first = np.datetime64(self.first or date.min, "D")
        last = np.datetime64(self.last or date.max, "D")
        inside = {
            key: days[(days >= first) & (days <= last)]
            for key, days in needs.items()
            if self.portfolio_ids is None or key[0] in self.portfolio_ids
        }
        return {key: days for key, days in inside.items() if len(days)}


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    planned: PlannedRun
    run_id: str
    succeeded: bool


@dataclass(frozen=True)
class Update:
    """Bringing an installation up to date, as somebody asked: what each look at it reads."""

    instance: dg.DagsterInstance
    tables: Tables
    price_source: PriceSource
    request: UpdateRequest
    materialized: Materialized

    def missing(self) -> tuple[PlanInputs, Mapping[str, Needs]]:
        """Return what is missing, or everything if that was asked for."""
        request, calendar = self.request, self.tables.calendar.sessions
        inputs = read_inputs(self.instance, self.tables, self.price_source, self.materialized, force=request.force)
        needed = inputs.missing
        if request.portfolio_ids is None:
            needed = needed | universe_missing(
                self.instance, inputs, self.materialized, calendar, whole_history=True, force=request.force
            )
        return inputs, {FORCED if request.force else MISSING: request.bounded(needed)}

    def outdated(self) -> tuple[PlanInputs, Mapping[str, Needs]]:
        """Return what an older version of a method computed, or what was made of it."""
        inputs = read_inputs(self.instance, self.tables, self.price_source, self.materialized)
        older = outdated(self.instance, self.tables, inputs.roster)
        return inputs, {OUTDATED: self.request.bounded(older)}

    def late(self) -> tuple[PlanInputs, Mapping[str, Needs]]:
        """Return the sessions whose run asks for prices once more, which corrects some of them, too."""
        inputs = read_inputs(self.instance, self.tables, self.price_source, self.materialized)
        ids = None if self.request.portfolio_ids is None else self._chosen(inputs)
        late = late_sessions(
            self.tables, self.price_source, inputs, datetime.now(UTC), portfolio_ids=ids, patient=False
        )
        return inputs, {PRICES_LATE: self.request.bounded(late)}

    def changed(self) -> tuple[PlanInputs, Mapping[str, Needs]]:
        """Return what is there and would be different by now (SPEC 5); note of what corrected prices leave as it is."""
        inputs = read_inputs(self.instance, self.tables, self.price_source, self.materialized)
        needs, corrected = self._changed(inputs)
        if self.request.portfolio_ids is None and not any(needs.values()):
            note_symbol_looks(inputs, self.tables)
        untouched = self._chosen(inputs) - {key for key, _ in corrected} - inputs.busy
        start = self.tables.settings.history_start
        note_price_looks(self.tables.database, untouched, inputs.prices_seen, start, inputs.target)
        return inputs, needs

    def due(self) -> tuple[PlanInputs, Mapping[str, Needs]]:
        """Return what is missing, and what would be different by now, from one look."""
        inputs, needs = self.missing()
        return inputs, {**needs, **self._changed(inputs)[0]}

    def _changed(self, inputs: PlanInputs) -> tuple[Mapping[str, Needs], Needs]:
        """Return what was asked for of what has changed, and all that corrected prices touch."""
        request, tables = self.request, self.tables
        corrected = after_changed_prices(inputs, tables, tables.portfolios_behind_prices(sorted(self._chosen(inputs))))
        holdings = after_changed_holdings(inputs, tables, self.materialized)
        if request.portfolio_ids is None and not (holdings or corrected):
            corrected = symbols_after_changed_prices(self.instance, inputs, tables, self.materialized)
        return {
            HOLDINGS_CHANGED: request.bounded(holdings),
            PRICES_CORRECTED: request.bounded(corrected),
        }, corrected

    def _chosen(self, inputs: PlanInputs) -> set[str]:
        known = set(inputs.sessions)
        return known if self.request.portfolio_ids is None else known.intersection(self.request.portfolio_ids)


def bring_up_to_date(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    tables: Tables,
    price_source: PriceSource,
    request: UpdateRequest,
    *,
    on_event: OnEvent,
    on_wait: Callable[[Collection[str]], None],
    source: str = "admin",
) -> list[Outcome]:
    """Run what was asked for and is needed, one run at a time, waiting for portfolios that another run works on.

    First what is missing; then, prices being loaded, what changed holdings or corrected prices touch although it is there.

    Returns
    -------
    One outcome per run, in the order in which they ran; empty when nothing was missing and nothing had changed.
    """
    update = Update(instance, tables, price_source, request, Materialized(tables.settings.partition_sessions))
    outcomes: list[Outcome] = []
    end_runs_of_dead_processes(instance)
    adopt_portfolios(instance, tables, "command")
    note_newer_methods(instance, tables.database)
    looks = (update.outdated,) if request.outdated else (update.missing, update.late, update.changed)
    for needed in (update.missing,) if request.force else looks:
        done = [outcome for outcome in outcomes if not outcome.succeeded]
        while planned := _next(update, needed, done):
            inputs, run = planned
            if run is not None and (outcome := execute(definitions, instance, inputs.roster, run, source, on_event)):
                done.append(outcome)
                outcomes.append(outcome)
            elif not end_runs_of_dead_processes(instance):
                on_wait(inputs.busy)
                sleep(1.0)
    roster, active = tables.roster(), set(portfolios(tables.database)["portfolio_id"])
    drop_partitions(instance, roster, active, runs(instance, roster, in_flight=True))
    return outcomes


def _next(
    update: Update, needed: Callable[[], tuple[PlanInputs, Mapping[str, Needs]]], done: Collection[Outcome]
) -> tuple[PlanInputs, PlannedRun | None] | None:
    """Return the next run, None in its place if it must wait for another one's; None if nothing is left to do."""
    inputs, needs = needed()
    if any(not outcome.succeeded and not outcome.planned.portfolio_ids for outcome in done):
        # the universe's run failed just now: portfolios follow without it, as they do while it waits for another attempt
        needs = {reason: {key: days for key, days in wanted.items() if key[0]} for reason, wanted in needs.items()}
    calendar, everything = update.tables.calendar.sessions, replace(inputs, in_flight=[])
    night = Night(datetime.now(UTC))
    if not [run for run in reconcile(everything, needs, calendar, night).runs if not _settled(run, done)]:
        return None
    if update.request.portfolio_ids is not None:  # they need not wait for the universe
        inputs = replace(inputs, in_flight=[run for run in inputs.in_flight if run.portfolio_ids])
    ready = [run for run in reconcile(inputs, needs, calendar, night).runs if not _settled(run, done)]
    return inputs, ready[0] if ready else None


def _settled(planned: PlannedRun, outcomes: Collection[Outcome]) -> bool:
    """Return whether a run was done already, or touches a portfolio whose run failed just now."""
    return any(
        planned == outcome.planned
        or (not outcome.succeeded and set(planned.portfolio_ids) & set(outcome.planned.portfolio_ids))
        for outcome in outcomes
    )


def execute(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    roster: Roster,
    planned: PlannedRun,
    source: str,
    on_event: OnEvent,
) -> Outcome | None:
    """Execute one planned run in this process and return how it ended; None if another process was first.

    Two commands at once may plan the same. Each makes its run, then looks: the run that was made first goes on, the other
    one is taken back. Threads of a process take turns. Runs that should overlap need processes of their own.
    """
    name = job_of(planned)
    job = definitions.resolve_job_def(name)
    chosen = frozenset(dg.AssetKey(asset) for asset in planned.assets)
    with _ALONE, patience.restored():
        run = instance.create_run_for_job(
            job_def=job,
            run_config=QUIET,
            asset_selection=chosen,
            tags={**tags_of(planned, roster, source), **this_worker_tags(), CREATED_BY: "sigma-assets run"},
            remote_job_origin=origin_of(name),
        )
        if _is_second(instance, roster, run.run_id):
            instance.delete_run(run.run_id)
            return None
        try:
            for event in execute_run(job, run, instance):
                on_event(planned, event)
        except StorageError as error:  # Dagster could store no more events, not even that the run failed
            instance.report_run_failed(run, str(error))
            raise
    finished = instance.get_run_by_id(run.run_id)
    succeeded = finished is not None and finished.is_success
    if not succeeded:  # a step that found no room on the disk could not give back its turn at the price source
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return Outcome(planned, run.run_id, succeeded)


def _is_second(instance: dg.DagsterInstance, roster: Roster, run_id: str) -> bool:
    """Return whether an earlier run that has not ended works on the same, or will."""
    in_flight = runs(instance, roster, in_flight=True)
    mine = next(run for run in in_flight if run.run_id == run_id)
    others = [run for run in in_flight if run.storage_id < mine.storage_id and run.job == mine.job]
    return any(not mine.portfolio_ids or set(mine.portfolio_ids) & set(run.portfolio_ids) for run in others)
