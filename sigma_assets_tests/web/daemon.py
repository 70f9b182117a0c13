"""What Dagster's daemon leaves in the storage when it lives and its sensors look."""

from time import time

from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RemoteInstigatorOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from sigma_assets.instance.in_process import origin_of
from sigma_assets_tests.web.conftest import World

SECRET_PATH = "/srv/prices/p.csv"
"""Where the price file lies whose reading fails."""


def living(world: World, *, silent: tuple[str, ...] = (), seconds: float = 180) -> None:
    """Let every daemon have a heartbeat, the silent ones some time ago."""
    for kind in world.instance.get_required_daemon_types():
        moment = time() - (seconds if kind in silent else 0)
        world.instance.add_daemon_heartbeat(DaemonHeartbeat(moment, kind, "one", []))


def looked(
    world: World,
    sensor: str,
    *statuses: TickStatus,
    seconds_ago: float = 5,
    state: InstigatorStatus = InstigatorStatus.DECLARED_IN_CODE,
) -> None:
    """Let a sensor have looked, as the daemon records it: one tick per status, oldest first."""
    origin = RemoteInstigatorOrigin(origin_of("portfolios").repository_origin, sensor)
    moment = time() - seconds_ago
    data = SensorInstigatorData(last_tick_timestamp=moment)
    told = InstigatorState(origin, InstigatorType.SENSOR, state, data)
    known = world.instance.get_instigator_state(told.instigator_origin_id, told.selector_id)
    (world.instance.update_instigator_state if known else world.instance.add_instigator_state)(told)
    cause = SerializableErrorInfo(f"PriceFileError: {SECRET_PATH}:7: column close: found '12x'\n", [], "PriceFileError")
    error = SerializableErrorInfo("SensorExecutionError: ...", [], "SensorExecutionError", cause)
    for number, status in enumerate(statuses):
        world.instance.create_tick(
            TickData(
                told.instigator_origin_id, sensor, InstigatorType.SENSOR, status, moment + number / 100,
                error=error if status is TickStatus.FAILURE else None, selector_id=told.selector_id,
                run_ids=["a-run"] if status is TickStatus.SUCCESS else None,
            )
        )  # fmt: skip


def well(world: World) -> None:
    """Let daemons and sensors be as they are on a good day."""
    living(world)
    looked(world, "onboarding", TickStatus.SKIPPED)
    looked(world, "reconcile", TickStatus.FAILURE, TickStatus.SUCCESS)
