"""What to run now, and why: one pure function from needs to planned runs, for the sensors, the schedule and commands."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import dagster as dg

from sigma_assets.automation.inputs import UNIVERSE, PlanInputs, universe_runs
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, SYMBOL_ASSETS, names
from sigma_assets.automation.planner import Needs, backoff_seconds, launchable, plan_runs
from sigma_assets.base.frames import SessionArray
from sigma_assets.runs.covers import RunCover
from sigma_assets.runs.tags import MISSING, PlannedRun

HISTORY = timedelta(days=2)
"""How far back failures count for a pause."""
SCHEDULE_GRACE = timedelta(minutes=5)
"""The nightly schedule starts the universe's run at the cutoff; every other look leaves it this long to do so, since
neither sees a run that the other has requested and Dagster has not created yet."""
UNIVERSE_PATIENCE = timedelta(minutes=10)
"""Portfolios follow the universe's run, for it loads their prices in bulk; they wait for it this long at most."""


@dataclass(frozen=True)
class Night:
    """What the clock and the history say: for a command, which waits for nobody, the default.

    Attributes
    ----------
    cutoff : when the target session's prices were due; None if the universe need not wait for the schedule.
    history : recent runs, newest first.
    unstarted : portfolios that are the onboarding sensor's.
    workers : run workers that a night is divided among; a command executes one run after the other.
    """

    now: datetime
    cutoff: datetime | None = None
    history: Sequence[RunCover] = ()
    unstarted: Collection[str] = ()
    workers: int = 1


@dataclass(frozen=True)
class Plan:
    """Runs that can start now, and in words what waits."""

    runs: list[PlannedRun]
    waits: list[str] = field(default_factory=list)


def reconcile(
    inputs: PlanInputs,
    needs: Mapping[str, Needs],
    calendar: SessionArray,
    night: Night,
) -> Plan:
    """Return the runs that can start now: the universe's first, then those of portfolios that no run works on.

    What failed is tried again after a pause that doubles with each failure in a row.

    Parameters
    ----------
    needs : reason -> what must run for it, most urgent reason first: `(portfolio id, or None for the universe; asset)`
        -> sessions. A portfolio with several reasons gets the next one when the first is done.
    """
    waits: list[str] = []
    universe = _universe(inputs, needs, calendar, night, waits)
    at_work = universe_runs(inputs.in_flight)
    if any(night.now - run.created < UNIVERSE_PATIENCE for run in at_work):
        return Plan([], [*waits, "the universe's run is under way; portfolios follow it"])
    if universe is None:
        return Plan([], waits)
    if any(run.reason == MISSING for run in universe):
        return Plan(universe, [*waits, "portfolios follow the universe"])
    paused = held_back(night.history, night.now)
    closed = paused | set(night.unstarted) | inputs.busy
    planned, urgent = [], set(closed)
    for reason, wanted in needs.items():
        planned += _portfolio_runs(inputs, wanted, reason, calendar, urgent, night.workers)
        urgent |= {key for key, _ in wanted if key is not None}
    behind = {key for wanted in needs.values() for key, _ in wanted if key is not None}
    for words, keys in (
        ("are at work", inputs.busy),
        ("wait after a failure", paused),
        ("are new, and the onboarding sensor's", set(night.unstarted)),
    ):
        if behind & keys:
            waits.append(f"{len(behind & keys)} portfolios {words}")
    return Plan([*universe, *launchable(planned, inputs.busy - {UNIVERSE})], waits)


def onboarding_runs(inputs: PlanInputs, new: Collection[str], calendar: SessionArray) -> list[PlannedRun]:
    """Return a run over everything for each new portfolio."""
    assets = names(PORTFOLIO_ASSETS)
    return [
        replace(run, target=inputs.target)
        for key in inputs.order
        if key in new
        for run in plan_runs(
            {(key, asset): inputs.sessions[key] for asset in assets},
            assets=assets,
            order=[key],
            calendar=calendar,
            lots=inputs.lots,
        )
    ]


def _universe(
    inputs: PlanInputs, needs: Mapping[str, Needs], calendar: SessionArray, night: Night, waits: list[str]
) -> list[PlannedRun] | None:
    """Return the universe's runs; None if portfolios must wait for a run of it that is about to come."""
    reason = next((reason for reason, wanted in needs.items() if any(key is None for key, _ in wanted)), None)
    if reason is None:
        return []
    if UNIVERSE in inputs.busy:
        return []
    tried = universe_runs(night.history)
    is_due = night.cutoff is None or night.now - night.cutoff > SCHEDULE_GRACE
    if reason == MISSING and not is_due and not any(run.last >= str(inputs.target) for run in tried):
        waits.append(f"the nightly schedule starts the universe's run for {inputs.target}")
        return None
    if UNIVERSE in held_back(tried, night.now):
        waits.append("the universe waits after a failure")
        return []
    wanted = {key: days for key, days in needs[reason].items() if key[0] is None}
    return plan_runs(wanted, assets=names(SYMBOL_ASSETS), order=[], calendar=calendar, reason=reason)


def _portfolio_runs(
    inputs: PlanInputs, wanted: Needs, reason: str, calendar: SessionArray, closed: Collection[str], workers: int
) -> list[PlannedRun]:
    chosen = {key: days for key, days in wanted.items() if key[0] is not None and key[0] not in closed}
    assets = names(PORTFOLIO_ASSETS)
    planned = plan_runs(
        chosen,
        assets=assets,
        order=inputs.order,
        calendar=calendar,
        reason=reason,
        workers=workers,
        lots=inputs.lots,
    )
    return [replace(run, target=inputs.target, prices_seen=inputs.prices_seen) for run in planned]


def held_back(history: Sequence[RunCover], now: datetime) -> set[str]:
    """Return the portfolios whose pause after failures in a row is not over; `UNIVERSE` if it is the universe's.

    A run that Dagster tried again because its worker died counts once, however often that died.

    Parameters
    ----------
    history : runs, newest first; those in flight do not count.
    """
    failures: dict[str, set[str]] = {}
    latest: dict[str, float] = {}
    settled: set[str] = set()
    for run in history:
        if run.in_flight:
            continue
        open_ones = [key for key in run.portfolio_ids or (UNIVERSE,) if key not in settled]
        if run.status is dg.DagsterRunStatus.SUCCESS:
            settled.update(open_ones)
            continue
        for key in open_ones:
            failures.setdefault(key, set()).add(run.root_run_id or run.run_id)
            latest.setdefault(key, _ended(run))
    return {key for key, roots in failures.items() if now.timestamp() < latest[key] + backoff_seconds(len(roots))}


def _ended(run: RunCover) -> float:
    return run.ended or run.created.timestamp()
