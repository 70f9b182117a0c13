"""PostgreSQL dies, refuses or fills up in the middle of a run: nothing half-written, nothing lost, the next run heals."""

import os
import signal
import threading
import time
from collections.abc import Callable

import dagster as dg
import psycopg2
import pytest

from sigma_assets.automation.execution import UpdateRequest
from sigma_assets.storage.schema import betas_by_position, stored_table
from sigma_assets_tests.deployment.conftest import Finished
from sigma_assets_tests.deployment.deployment import FIRST, LAST, Hook
from sigma_assets_tests.postgres import PostgresServer

WRITTEN_SECOND = stored_table(betas_by_position, "postgresql").name
"""The second table that `betas` writes: whoever waits for it has replaced the rows of the first, uncommitted."""
Fault = Callable[[Finished, int], None]


def terminate(finished: Finished, backend: int) -> None:
    finished.as_administrator(f"SELECT pg_terminate_backend({backend})")


def kill(finished: Finished, backend: int) -> None:
    """As the out-of-memory killer does: the server drops every connection and recovers from its log."""
    _ours(finished.server)
    os.kill(backend, signal.SIGKILL)


def restart(finished: Finished, backend: int) -> None:
    _ours(finished.server)
    finished.server.halt()
    finished.server.start()


@pytest.mark.parametrize("fault", [terminate, kill, restart])
def test_a_connection_lost_in_the_middle_of_a_write_costs_nothing(finished: Finished, fault: Fault) -> None:
    """The transaction is done again from its start, on a new connection, and the run goes on."""
    struck = threading.Event()

    succeeded = finished.deployment.force(finished.portfolio_id, _in_the_write(finished, fault, struck))

    assert struck.is_set()
    assert succeeded
    assert finished.deployment.rows() == finished.rows


def test_a_server_that_restarts_between_two_writes_costs_nothing(finished: Finished) -> None:
    _ours(finished.server)

    def on_event(event: dg.DagsterEvent) -> None:
        if event.event_type_value == "STEP_SUCCESS" and event.step_key == "position_values":
            restart(finished, 0)

    assert finished.deployment.force(finished.portfolio_id, on_event)
    assert finished.deployment.rows() == finished.rows


def test_a_table_that_refuses_fails_its_asset_alone_and_the_next_run_heals(finished: Finished) -> None:
    """The old rows stay, the others' are written, the run says who failed and why; only that is run again."""

    def refused(event: dg.DagsterEvent) -> None:
        if event.event_type_value == "STEP_FAILURE":
            failures[event.step_key or ""] = str(event.step_failure_data.error)

    failures: dict[str, str] = {}
    finished.as_administrator("REVOKE DELETE ON sigma.betas_by_portfolio FROM sigma_pipeline")

    succeeded = finished.deployment.force(finished.portfolio_id, refused)

    finished.as_administrator("GRANT DELETE ON sigma.betas_by_portfolio TO sigma_pipeline")
    assert not succeeded
    assert list(failures) == ["betas"]
    assert "permission denied for table betas_by_portfolio. Grant the database user the rights" in failures["betas"]
    assert "open-sesame" not in failures["betas"]
    assert finished.deployment.rows() == finished.rows
    assert finished.deployment.force(finished.portfolio_id)


def test_a_database_that_turns_read_only_fails_clean_and_what_was_missing_is_run_later(finished: Finished) -> None:
    """Dagster cannot write either, so there is not even a run; afterwards the plan is as it was."""
    wish = UpdateRequest((finished.portfolio_id,), FIRST, LAST, force=True)
    finished.as_administrator("ALTER ROLE sigma_pipeline SET default_transaction_read_only = on")
    try:
        with pytest.raises(Exception, match="read-only"):
            finished.deployment.run(wish)
        imported = finished.deployment.command("sigma-assets", "flow", finished.portfolio_id, "2026-01-09", "1000")
        ran = finished.deployment.command("sigma-assets", "run", "--force", "--end", str(LAST))
    finally:
        finished.as_administrator("ALTER ROLE sigma_pipeline RESET default_transaction_read_only")

    for each in (imported, ran):
        assert each.returncode == 1
        assert "The database is read-only: point the URL to one that can be written" in each.stderr
        assert "Traceback" not in each.stderr  # of `run`, which met it in Dagster's storage
    assert finished.deployment.rows() == finished.rows
    assert finished.deployment.force(finished.portfolio_id)


def test_a_prune_that_breaks_off_says_that_a_part_may_be_gone_and_the_next_one_deletes_the_rest(
    finished: Finished,
) -> None:
    """Seen with a server that restarts: a traceback, after the events of some runs were deleted."""
    assert finished.deployment.force(finished.portfolio_id)
    finished.as_administrator(
        "UPDATE public.runs SET start_time = start_time - 864000, end_time = end_time - 864000",
        "REVOKE DELETE ON public.runs FROM sigma_pipeline",
    )
    prune = ("sigma-assets", "db", "prune", "--older-than", "7", "--yes")

    broken = finished.deployment.command(*prune)

    finished.as_administrator("GRANT DELETE ON public.runs TO sigma_pipeline")
    assert broken.returncode == 1
    assert "Traceback" not in broken.stderr
    assert "permission denied for table runs" in broken.stderr
    assert "a part may be deleted already; another `sigma-assets db prune` deletes the rest" in broken.stderr
    assert "runs and 0 rows of 0 removed portfolios deleted" in finished.deployment.command(*prune).stdout
    assert finished.deployment.command(*prune).stdout.startswith("0 runs and 0 rows")
    assert finished.deployment.rows() == finished.rows


def _in_the_write(finished: Finished, fault: Fault, struck: threading.Event) -> Hook:
    """Return a hook that strikes the backend that is half through writing the betas, once."""

    def on_event(event: dg.DagsterEvent) -> None:
        if event.event_type_value == "STEP_START" and event.step_key == "betas":
            address = finished.server.url.set(drivername="postgresql", database=finished.name)
            holder = psycopg2.connect(address.render_as_string(hide_password=False))
            holder.cursor().execute(f"LOCK TABLE sigma.{WRITTEN_SECOND} IN SHARE MODE")
            threading.Thread(target=strike, args=(holder,)).start()

    def strike(holder: "psycopg2.extensions.connection") -> None:
        waiting = f"SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'sigma.{WRITTEN_SECOND}'::regclass"
        cursor = holder.cursor()
        found = None
        deadline = time.monotonic() + 60
        while found is None and time.monotonic() < deadline:
            cursor.execute(waiting)
            found = cursor.fetchone()
        if found is not None:
            struck.set()
            fault(finished, found[0])
        holder.close()

    return on_event


def _ours(server: PostgresServer) -> None:
    if not server.is_ours:
        pytest.skip("the server given is not ours to harm")
