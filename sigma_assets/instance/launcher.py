"""Dagster's default run launcher, plus what run monitoring needs: is the process behind a started run alive?

Dagster asks this of container launchers only. With worker and code server both gone (a reboot, an out-of-memory
kill) the default launcher leaves a run STARTED for ever. Named in dagster.yaml::

    run_launcher: {module: sigma_assets.instance.launcher, class: MonitoredRunLauncher}
"""

import json
import os
import signal
import socket
import time

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

from sigma_assets.instance.health.heartbeats import DEAD_AFTER_SECONDS, SilenceWatch, health
from sigma_assets.instance.health.worker_process import (
    HOST_TAG,
    PID_TAG,
    STARTED_TAG,
    died_here,
    process_age_seconds,
    process_identity,
)
from sigma_assets.instance.postgres import heartbeats_of

GRPC_TIMEOUT_SECONDS = 10
START_TOLERANCE_SECONDS = 2.0
"""How much later than its own first event a worker may seem to have started: clocks are read at different moments."""
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


class MonitoredRunLauncher(dg.DefaultRunLauncher):
    """Launches runs as DefaultRunLauncher does, and reports to run monitoring which workers are dead.

    A worker outlives its code server, so the server's silence proves nothing: the process on this host decides.
    Runs that execute inside another process (the command line) are judged by the tags of ``this_worker_tags``.
    """

    _watch = SilenceWatch(DEAD_AFTER_SECONDS)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring asks only launchers that say so."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Judge the worker of a started run; where nothing can be known, leave it to the run's time limit."""
        if PID_TAG in run.tags and run.tags[HOST_TAG] == socket.gethostname():
            return _failed(end) if (end := died_here(run.tags)) else _running(f"process {run.tags[PID_TAG]} is alive")
        if PID_TAG in run.tags:
            return self._health_elsewhere(run, f"process {run.tags[PID_TAG]} is on another host, {run.tags[HOST_TAG]}")
        if GRPC_INFO_TAG not in run.tags:
            return _running("was not launched here and carries no worker tags")
        server_knows_run = self._ask_code_server(run)
        if server_knows_run:
            return _running("held by its code server")
        if _code_server_host(run) in LOCAL_HOSTS:
            return self._health_of_launched_process(run)
        if server_knows_run is None:
            return self._health_elsewhere(run, f"code server on {_code_server_host(run)} does not answer")
        return _failed(f"its code server on {_code_server_host(run)} no longer knows it")

    def _health_elsewhere(self, run: dg.DagsterRun, reason: str) -> CheckRunHealthResult:
        """Judge a worker on another host by its signs of life in PostgreSQL; on SQLite it is left to its time limit."""
        heartbeats = heartbeats_of(self._instance)
        return _running(reason) if heartbeats is None else health(run, self._instance, heartbeats, self._watch)

    def terminate(self, run_id: str) -> bool:
        """Cancel a run through its code server, or by an interrupt where the worker lives on this host without one."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        pid = self._local_pid_without_code_server(run)
        if pid is None:
            return super().terminate(run_id)
        self._instance.report_run_canceling(run)
        os.kill(pid, signal.SIGINT)
        return True

    def _local_pid_without_code_server(self, run: dg.DagsterRun) -> int | None:
        if PID_TAG in run.tags:
            is_here = run.tags[HOST_TAG] == socket.gethostname()
            lives = process_identity(int(run.tags[PID_TAG])) == run.tags[STARTED_TAG]
            return int(run.tags[PID_TAG]) if is_here and lives else None
        if GRPC_INFO_TAG not in run.tags or _code_server_host(run) not in LOCAL_HOSTS or self._ask_code_server(run):
            return None
        is_alive = self._health_of_launched_process(run).status is WorkerStatus.RUNNING
        started = self._started_event(run)
        return started[0] if is_alive and started is not None else None

    def _ask_code_server(self, run: dg.DagsterRun) -> bool | None:
        """Whether the code server holds the run's process; None if it does not answer."""
        client = self._get_grpc_client_for_termination(run.run_id)
        if client is None:  # the run has finished meanwhile
            return None
        try:
            answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id), GRPC_TIMEOUT_SECONDS)
        except DagsterUserCodeUnreachableError:
            return None
        return deserialize_value(answer, CanCancelExecutionResult).can_cancel

    def _health_of_launched_process(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Judge by the pid that the worker logged: a process younger than that event is another one."""
        started = self._started_event(run)
        if started is None:
            return _failed("its worker has not logged a process id")
        pid, logged_at = started
        age = process_age_seconds(pid)
        if age is None:
            return _failed(f"process {pid} has ended without finishing it")
        if age + START_TOLERANCE_SECONDS < time.time() - logged_at:
            return _failed(f"process {pid} has ended without finishing it; its id now belongs to a younger process")
        return _running(f"process {pid} is alive")

    def _started_event(self, run: dg.DagsterRun) -> tuple[int, float] | None:
        """Return pid and time of the first engine event that names a process ("Started process for run")."""
        events = self._instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
        for record in events:
            metadata = record.event_log_entry.get_dagster_event().engine_event_data.metadata
            if "pid" in metadata:
                return int(str(metadata["pid"].value)), record.event_log_entry.timestamp
        return None


def end_runs_of_dead_processes(instance: dg.DagsterInstance) -> list[str]:
    """Mark as failed what ran in a process of this host that has ended, free its pool slots, and return the run ids.

    The daemon does this too; where only the command line is used, there is none, and the next command would wait for
    the dead run's portfolios, and for its turn at the price source, for ever.
    """
    here = dg.RunsFilter(statuses=NOT_FINISHED_STATUSES, tags={HOST_TAG: socket.gethostname()})
    dead = [(run, end) for run in instance.get_runs(here) if (end := died_here(run.tags))]
    for run, end in dead:
        instance.report_run_failed(run, f"{_failed(end).msg}. Nobody noticed until the next command")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run, _ in dead]


def _code_server_host(run: dg.DagsterRun) -> str:
    """Return the host that the code server was reached at; a socket is on this one."""
    address = json.loads(run.tags[GRPC_INFO_TAG])
    return "localhost" if address.get("socket") else str(address["host"])


def _running(reason: str) -> CheckRunHealthResult:
    return CheckRunHealthResult(WorkerStatus.RUNNING, reason)


def _failed(reason: str) -> CheckRunHealthResult:
    return CheckRunHealthResult(WorkerStatus.FAILED, f"the run's worker is dead: {reason}")
