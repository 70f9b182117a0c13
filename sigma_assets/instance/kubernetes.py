"""Dagster's launcher for Kubernetes, a job for each run, whose silence about a run proves nothing.

The stock launcher answers UNKNOWN whenever the Kubernetes API gives an error or knows no job, and run monitoring takes
that for dead: an upgrade of the control plane would fail every run, and each would be done twice. Here the process that
executes the run decides then (`instance.health.heartbeats`). Named in deploy/kubernetes/dagster.yaml::

    run_launcher: {module: sigma_assets.instance.kubernetes, class: MonitoredK8sRunLauncher}
"""

from typing import Any

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_k8s import K8sRunLauncher

from sigma_assets.instance.health.heartbeats import BEAT_SECONDS, DEAD_AFTER_SECONDS, SilenceWatch, judged, silence
from sigma_assets.instance.postgres import required_heartbeats

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
        heartbeats = required_heartbeats(self._instance, type(self).__name__, "kubernetes")
        beat, silent = silence(run, self._instance, heartbeats)
        by_silence = judged(beat, silent, self._watch)
        if silent < FRESH_SECONDS:
            return by_silence
        answer = super().check_run_worker_health(run)
        if answer.status is not WorkerStatus.UNKNOWN:
            return answer
        reason = (answer.msg or "no reason given").strip().splitlines()[0]
        link = "although" if by_silence.status is WorkerStatus.RUNNING else "and"
        return CheckRunHealthResult(by_silence.status, f"{by_silence.msg}, {link} Kubernetes says: {reason}")
