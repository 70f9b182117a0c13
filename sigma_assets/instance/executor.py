"""The executor of every run: Dagster's own, in one process, which waits for its database and can lose its run."""

import time
from collections.abc import Iterator, Sequence

import dagster as dg
from dagster._core.definitions.data_version import extract_data_version_from_entry
from dagster._core.errors import raise_execution_interrupts
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.executor.in_process import InProcessExecutor

from sigma_assets.base.garbage import spared
from sigma_assets.instance.health.heartbeats import beating
from sigma_assets.instance.health.run_fence import fence_of, refuse_ended
from sigma_assets.instance.postgres import heartbeats_of
from sigma_assets.storage.connection.fence import fenced
from sigma_assets.storage.connection.patience import patience

NAP_SECONDS = 0.1
"""Between two looks whether a step is ready. Whether the pool that it waits for has room is asked less often."""


def run_executor(seconds: float) -> dg.ExecutorDefinition:
    """Return Dagster's in-process executor, for a process whose database may be away and which others may take for dead.

    It makes the process a patient one: nobody waits for a run's worker, and what it has computed is worth waiting for. It
    shows signs of life meanwhile. Once somebody else has ended the run, nothing of it is written any more.

    Parameters
    ----------
    seconds : how long the database may be away.
    """
    make = dg.in_process_executor.executor_creation_fn
    assert make is not None

    def executor_of(context: dg.InitExecutorContext) -> dg.Executor:
        patience.seconds = seconds
        inner = make(context)
        return FencedExecutor(inner.retries, inner.step_dependency_config)

    return dg.ExecutorDefinition(
        dg.in_process_executor.name,
        config_schema=dg.in_process_executor.config_schema.as_field(),
        executor_creation_fn=executor_of,
        description=dg.in_process_executor.description,
    )


class FencedExecutor(InProcessExecutor):
    """Executes as Dagster's own, but stops when the run is no longer its own."""

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """Yield the events of the steps.

        Raises
        ------
        RunEndedError
            Somebody else has ended the run. Dagster then neither fails it again nor calls it a success.
        """
        _sleep_while_steps_wait()
        _take_the_last_version_of_each_input()
        instance, run_id = plan_context.instance, plan_context.run_id
        with beating(heartbeats_of(instance), run_id), fenced(fence_of(instance, run_id)), spared():
            try:
                yield from super().execute(plan_context, execution_plan)
            except Exception:  # whatever it is: of a run that is no longer ours only that is said
                refuse_ended(instance, run_id)
                raise
        refuse_ended(instance, run_id)


def _sleep_while_steps_wait() -> None:
    """Let a worker sleep while its next step waits, and be canceled meanwhile.

    Dagster's own never sleeps where that is for a pool, as for the price source's: it looks as fast as it can, on a whole
    processor, and heeds nothing else.
    """
    from dagster._core.execution.plan.active import ActiveExecution

    def nap(_: ActiveExecution) -> None:
        with raise_execution_interrupts():
            time.sleep(NAP_SECONDS)

    ActiveExecution.sleep_til_ready = nap  # type: ignore[method-assign,assignment]


def _take_the_last_version_of_each_input() -> None:
    """Let a step note of each input its last event, as Dagster does where a hundred partitions or more of it are read.

    For fewer, Dagster lists these partitions anew, reads the version of each, and stores a digest of them with each
    materialisation. Our assets have versions of their own, and whether a partition of an input is newer is told by the
    number of its event, so nothing uses the digest.
    """
    from dagster._core.execution.context.data_version_cache import DataVersionCache, InputAssetVersionInfo

    def fetch(self: DataVersionCache, asset_keys: Sequence[dg.AssetKey]) -> None:
        records = self._fetch_asset_records(asset_keys)
        for key in asset_keys:
            event = self._get_input_asset_event(key, records.get(key))
            self.input_asset_version_info[key] = event and InputAssetVersionInfo(
                event.storage_id,
                event.event_log_entry.get_dagster_event().event_type,
                extract_data_version_from_entry(event.event_log_entry),
                event.run_id,
                event.timestamp,
            )

    DataVersionCache._fetch_input_asset_version_info = fetch  # type: ignore[method-assign]
