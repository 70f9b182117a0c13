"""A run in this process, over a range of partitions, with its events as they come: Dagster's private means.

`execute_in_process` makes a run of its own, and returns its events when all is done.
"""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin


def execute_run(job: dg.JobDefinition, run: dg.DagsterRun, instance: dg.DagsterInstance) -> Iterator[dg.DagsterEvent]:
    """Execute a run that was made for a job, and yield its events as they come."""
    return execute_run_iterator(InMemoryJob(job), run, instance)


def origin_of(job: str) -> RemoteJobOrigin:
    """Return the job of the code location, so that the UI shows the run as one of its own."""
    target = LoadableTargetOrigin(module_name="sigma_assets.definitions")
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name="sigma_assets")
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), job)
