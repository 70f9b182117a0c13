"""Dagster's launcher for Kubernetes, a job for each run, whose silence about a run proves nothing.

The stock launcher answers UNKNOWN whenever the Kubernetes API gives an error or knows no job, and run monitoring takes
that for dead: an upgrade of the control plane would fail every run, and each would be done twice. Here the process that
executes the run decides then (`instance.health.heartbeats`). Named in deploy/kubernetes/dagster.yaml::

    run_launcher: {module: sigma_assets.instance.kubernetes, class: MonitoredK8sRunLauncher}
"""

import time
from typing import Any

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_k8s import K8sRunLauncher

from sigma_assets.base.errors import SettingsError
from sigma_assets.instance.health.heartbeats import BEAT_SECONDS, DEAD_AFTER_SECONDS, SilenceWatch
from sigma_assets.instance.postgres import heartbeats_of

FRESH_SECONDS = 3 * BEAT_SECONDS
"""While a run was heard of so recently, Kubernetes is not asked: an API server that is away costs half a minute a run."""


class MonitoredK8sRunLauncher(K8sRunLauncher):
    """Launches runs as K8sRunLauncher does; where Kubernetes cannot tell whether one lives, its heartbeat does."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._watch = SilenceWatch(DEAD_AFTER_SECONDS)

    @property
    def supports_resume_run(self) -> bool:
        """A lost run is retried as a new one."""
        return False

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Judge by when the run's process was last heard of; then by its job; without an answer, by the silence."""
        heartbeats = heartbeats_of(self._instance)
        if heartbeats is None:
            raise SettingsError(
                "dagster.yaml: MonitoredK8sRunLauncher needs the storage sigma_assets.instance.postgres:"
                " SharedPostgresStorage; pods cannot share SQLite files. See deploy/kubernetes/dagster.yaml"
            )
        beat = heartbeats.last(run.run_id)
        silent = beat.age if beat is not None else self._seconds_since_start(run)
        is_dead = self._watch.is_dead(silent)  # asked at each look, so that only silence that was listened to counts
        if silent < FRESH_SECONDS:
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"{beat or 'its worker'} was heard of {silent:.0f} s ago")
        answer = super().check_run_worker_health(run)
        if answer.status is not WorkerStatus.UNKNOWN:
            return answer
        reason = (answer.msg or "no reason given").strip().splitlines()[0]
        who = str(beat or "its worker")
        if is_dead:
            lost = f"the run's worker is lost: {who} has not been heard of for {silent:.0f} s, and Kubernetes says: {reason}"
            return CheckRunHealthResult(WorkerStatus.FAILED, lost)
        alive = f"{who} was heard of {silent:.0f} s ago, although Kubernetes says: {reason}"
        return CheckRunHealthResult(WorkerStatus.RUNNING, alive)

    def _seconds_since_start(self, run: dg.DagsterRun) -> float:
        record = self._instance.get_run_record_by_id(run.run_id)
        started = record.start_time if record is not None else None
        return 0.0 if started is None else time.time() - started
