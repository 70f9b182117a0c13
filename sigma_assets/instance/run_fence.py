"""A run that somebody else has ended must not write: Dagster's own record of it decides, last of all before each commit.

Its worker was taken for dead (frozen, or cut off), and its work given away; or it was canceled, and has not noticed.
"""

import os
import socket

import dagster as dg
import sqlalchemy as sa
from dagster_postgres import PostgresRunStorage

from sigma_assets.storage.database import place_of
from sigma_assets.storage.fence import Fence

_ENDED = {
    dg.DagsterRunStatus.CANCELING: "is being canceled",
    dg.DagsterRunStatus.CANCELED: "was canceled",
    dg.DagsterRunStatus.FAILURE: "was marked as failed",
    dg.DagsterRunStatus.SUCCESS: "has succeeded already",
}
_STATUS = "SELECT status FROM {schema}.runs WHERE run_id = :run_id FOR SHARE"
"""Of the same database: whoever ends the run comes before this statement, or after the commit that follows it. Asked at
the start of a transaction, a frozen worker would hold the row for as long as it is frozen."""


class RunEndedError(dg.DagsterExecutionInterruptedError):
    """This run is no longer ours; to Dagster it is an interrupt, after which it does not end the run a second time."""


def fence_of(instance: dg.DagsterInstance, run_id: str) -> Fence:
    """Return the fence of a run: it raises RunEndedError once the run has been ended, or deleted, by somebody else."""

    schemas: list[str] = []

    def fence(connection: sa.Connection) -> None:
        if _is_beside_runs(connection, instance):
            schemas[:] = schemas or [_schema_of_runs(instance)]
            status = connection.execute(sa.text(_STATUS.format(schema=schemas[0])), {"run_id": run_id}).scalar()
            _refuse(run_id, None if status is None else dg.DagsterRunStatus(status))
        else:
            refuse_ended(instance, run_id)

    return fence


def refuse_ended(instance: dg.DagsterInstance, run_id: str) -> None:
    """Raise RunEndedError if a run that this process executes has been ended by somebody else."""
    run = instance.get_run_by_id(run_id)
    _refuse(run_id, None if run is None else run.status)


def _schema_of_runs(instance: dg.DagsterInstance) -> str:
    """Return where Dagster's search path finds its runs: `public`, or the schema that is named like the role."""
    runs = instance.run_storage
    assert isinstance(runs, PostgresRunStorage)
    with runs.connect() as connection:
        found = "SELECT quote_ident(nspname) FROM pg_namespace JOIN pg_class c ON c.relnamespace = pg_namespace.oid"
        return str(connection.exec_driver_sql(f"{found} WHERE c.oid = 'runs'::regclass").scalar_one())


def _is_beside_runs(connection: sa.Connection, instance: dg.DagsterInstance) -> bool:
    """Return whether Dagster's runs are in the database of a connection."""
    runs = instance.run_storage
    if connection.dialect.name != "postgresql" or not isinstance(runs, PostgresRunStorage):
        return False
    address = sa.make_url(runs.postgres_url)
    return place_of(address) == place_of(connection.engine.url)


def _refuse(run_id: str, status: dg.DagsterRunStatus | None) -> None:
    if status is not None and status not in _ENDED:
        return
    why = "was deleted" if status is None else _ENDED[status]
    raise RunEndedError(
        f"run {run_id} {why} while process {os.getpid()} on {socket.gethostname()} was working on it: nothing more is"
        " written. If its worker was taken for dead, look for a frozen machine, a broken network or a database that was"
        " away; what is missing is computed by a later run"
    )
