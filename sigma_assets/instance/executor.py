"""The executor of every run: Dagster's own, in one process, which waits for its database and can lose its run."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.step_dependency_config import StepDependencyConfig

from sigma_assets.instance.health.heartbeats import beating
from sigma_assets.instance.health.run_fence import fence_of, refuse_ended
from sigma_assets.instance.postgres import heartbeats_of
from sigma_assets.storage.connection.fence import fenced
from sigma_assets.storage.connection.patience import patience


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
        return FencedExecutor(make(context))

    return dg.ExecutorDefinition(
        dg.in_process_executor.name,
        config_schema=dg.in_process_executor.config_schema.as_field(),
        executor_creation_fn=executor_of,
        description=dg.in_process_executor.description,
    )


class FencedExecutor(dg.Executor):
    """Executes as another executor does, but stops when the run is no longer its own."""

    def __init__(self, inner: dg.Executor) -> None:
        self._inner = inner

    @property
    def retries(self) -> RetryMode:
        """Whether steps may be retried, as the other executor says."""
        return self._inner.retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        """How steps wait for each other, as the other executor says."""
        return self._inner.step_dependency_config

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """Yield the events of the steps.

        Raises
        ------
        RunEndedError
            Somebody else has ended the run. Dagster then neither fails it again nor calls it a success.
        """
        instance, run_id = plan_context.instance, plan_context.run_id
        with beating(heartbeats_of(instance), run_id), fenced(fence_of(instance, run_id)), long_lived_spared():
            try:
                yield from self._inner.execute(plan_context, execution_plan)
            except Exception:  # whatever it is: of a run that is no longer ours only that is said
                refuse_ended(instance, run_id)
                raise
        refuse_ended(instance, run_id)


@contextmanager
def long_lived_spared() -> Iterator[None]:
    """Keep what is there already, modules above all, out of garbage collections: each full one would go through it.

    A night of 300 portfolios spent a tenth of its CPU time on that. A worker that was forked from a preloaded process
    has it so from its start.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
