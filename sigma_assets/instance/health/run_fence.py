"""A run that somebody else has ended must not write: Dagster's own record of it decides, last of all before each commit.

Its worker was taken for dead (frozen, or cut off), and its work given away; or it was canceled, and has not noticed.
"""

import os
import socket

import dagster as dg
import sqlalchemy as sa
from dagster_postgres import PostgresRunStorage

from sigma_assets.storage.connection.database import place_of
from sigma_assets.storage.connection.fence import Fence

_ENDED = {
    dg.DagsterRunStatus.CANCELING: "is being canceled",
    dg.DagsterRunStatus.CANCELED: "was canceled",
    dg.DagsterRunStatus.FAILURE: "was marked as failed",
    dg.DagsterRunStatus.SUCCESS: "has succeeded already",
}
_STATUS = "SELECT status FROM {}.runs WHERE run_id = :run_id FOR SHARE"
"""Of the same database: whoever ends the run comes before this statement, or after the commit that follows it. Asked at
the start of a transaction, a frozen worker would hold the row for as long as it is frozen."""
_SCHEMA = "SELECT CAST(CAST(relnamespace AS regnamespace) AS text) FROM pg_class WHERE oid = CAST('runs' AS regclass)"
"""Where Dagster's tables are: `public`, or what the search path of its role says."""


class RunEndedError(dg.DagsterExecutionInterruptedError):
    """This run is no longer ours; to Dagster it is an interrupt, after which it does not end the run a second time."""


def fence_of(instance: dg.DagsterInstance, run_id: str) -> Fence:
    """Return the fence of a run: it raises RunEndedError once the run has been ended, or deleted, by somebody else."""

    runs = instance.run_storage
    place, query = None, sa.text("")
    if isinstance(runs, PostgresRunStorage):
        with runs.connect() as connection:
            place, query = place_of(connection.engine.url), sa.text(_STATUS.format(connection.scalar(sa.text(_SCHEMA))))

    def fence(connection: sa.Connection) -> None:
        if place_of(connection.engine.url) == place:
            status = connection.execute(query, {"run_id": run_id}).scalar()
            _refuse(run_id, None if status is None else dg.DagsterRunStatus(status))
        else:
            refuse_ended(instance, run_id)

    return fence


def refuse_ended(instance: dg.DagsterInstance, run_id: str) -> None:
    """Raise RunEndedError if a run that this process executes has been ended by somebody else."""
    run = instance.get_run_by_id(run_id)
    _refuse(run_id, None if run is None else run.status)


def _refuse(run_id: str, status: dg.DagsterRunStatus | None) -> None:
    if status is not None and status not in _ENDED:
        return
    why = "was deleted" if status is None else _ENDED[status]
    raise RunEndedError(
        f"run {run_id} {why} while process {os.getpid()} on {socket.gethostname()} was working on it: nothing more is"
        " written. If its worker was taken for dead, look for a frozen machine, a broken network or a database that was"
        " away; what is missing is computed by a later run"
    )
