"""The executor of every run: Dagster's own, in one process, which from then on waits longer for a database that is away."""

import dagster as dg

from sigma_assets.storage.patience import patience


def patient_executor(seconds: float) -> dg.ExecutorDefinition:
    """Return Dagster's in-process executor, which makes the process that executes a run a patient one.

    Nobody waits for a run's worker, and what it has computed is worth waiting for.

    Parameters
    ----------
    seconds : how long the database may be away.
    """
    make = dg.in_process_executor.executor_creation_fn
    assert make is not None

    def executor_of(context: dg.InitExecutorContext) -> dg.Executor:
        patience.seconds = seconds
        return make(context)

    return dg.ExecutorDefinition(
        dg.in_process_executor.name,
        config_schema=dg.in_process_executor.config_schema.as_field(),
        executor_creation_fn=executor_of,
        description=dg.in_process_executor.description,
    )
