"""The history of runs that never began or were killed: it says what happened, not only that somebody called them failed."""

import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster_shared.error import SerializableErrorInfo

from sigma_assets.instance.health.worker_process import PID_TAG, STARTED_TAG, process_identity, this_worker_tags
from sigma_assets.instance.launcher import end_runs_of_dead_processes
from sigma_assets.runs.covers import runs
from sigma_assets.runs.history import History, story_of
from sigma_assets.settings import read_settings
from sigma_assets_tests.web.pipeline import begin, roster_of

CALENDAR, ROSTER = read_settings({}).calendar, roster_of("P1")
DEQUEUING = (
    "Caught an unrecoverable error while dequeuing the run. Marking the run as failed and dropping it from the queue"
)
"""What Dagster 1.13 writes when a queued run cannot be launched; the error comes with it."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("DagsterLaunchFailedError: GRPC server: Subprocess for 73e0b6af terminated unexpectedly with exit code -9\n",
         "worker died"),
        ("DagsterUserCodeUnreachableError: Could not reach user code server. gRPC Error code: UNAVAILABLE\n",
         "not launched"),
    ],
    ids=["killed while it started", "no code server"],
)  # fmt: skip
def test_a_run_that_could_not_be_launched_says_why(error, kind):
    instance = dg.DagsterInstance.ephemeral()
    run_id, _ = begin(instance, ["P1"])
    run = instance.get_run_by_id(run_id)

    told = SerializableErrorInfo(error, [], error.split(":")[0])
    instance.report_engine_event(DEQUEUING, run, EngineEventData.engine_error(told))
    instance.report_run_failed(run)

    story = story_of(instance, ROSTER, run_id, CALENDAR)
    assert story.failures == (("", kind, error.strip()),)
    assert (
        History(instance, lambda: ROSTER, CALENDAR).facts(story.cover).reason == f"{kind}: {error.strip()}"
    )  # what the status page says


def test_a_run_whose_command_was_killed_has_failed_before_anybody_tells_dagster():
    """Without a daemon it was `running` on the page and in `status` until the next `run`, hours later."""
    instance = dg.DagsterInstance.ephemeral()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        alive = {**this_worker_tags(), PID_TAG: str(process.pid), STARTED_TAG: str(process_identity(process.pid))}
        run_id, _ = begin(instance, ["P1"])
        instance.add_run_tags(run_id, alive)
        instance.report_dagster_event(dg.DagsterEvent("PIPELINE_START", "portfolios"), run_id)
        (living,) = runs(instance, ROSTER, in_flight=True)
        process.kill()
    history = History(instance, lambda: ROSTER, CALENDAR)

    assert living.in_flight
    assert living.died is None
    assert runs(instance, ROSTER, in_flight=True) == []
    (story,) = history.stories()
    assert story.record()["status"] == "failure"
    ((where, kind, message),) = story.failures
    assert (where, kind, message) == ("", "worker died", f"process {process.pid} has ended without finishing it")

    assert end_runs_of_dead_processes(instance) == [run_id]
    (told,) = history.stories()
    assert told.failures[0][1] == "worker died"
    assert "the run's worker is dead" in told.failures[0][2], "Dagster's own words, once it knows"
