"""When each sensor looked last, and whether that failed; open backfills: Dagster offers no public way to ask."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, SensorInstigatorData, TickStatus

ENDED = (TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE)


@dataclass(frozen=True)
class Look:
    """A sensor that is on, and its last look.

    Attributes
    ----------
    moment : of the last look, seconds since the epoch; 0 if it never looked.
    failed : why the last look that has ended failed; None if it did not.
    """

    sensor: str
    moment: float
    failed: str | None


def last_looks(instance: dg.DagsterInstance, since: float) -> list[Look]:
    """Return the last look of each sensor that is on and has looked since a moment."""
    states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    looking = [(state, _moment(state)) for state in states if state.is_running]
    return [Look(state.name, moment, _failure(instance, state)) for state, moment in looking if moment > since]


def has_open_backfill(instance: dg.DagsterInstance) -> bool:
    """Return whether a backfill was asked for whose runs have not all been made."""
    return bool(instance.get_backfills(status=BulkActionStatus.REQUESTED))


def _moment(state: InstigatorState) -> float:
    told = state.instigator_data
    return (told.last_tick_timestamp or 0.0) if isinstance(told, SensorInstigatorData) else 0.0


def _failure(instance: dg.DagsterInstance, state: InstigatorState) -> str | None:
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1, statuses=list(ENDED))
    return _cause(ticks) if ticks and ticks[0].status == TickStatus.FAILURE else None


def _cause(ticks: Sequence[InstigatorTick]) -> str:
    error = ticks[0].error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "no error was recorded"
