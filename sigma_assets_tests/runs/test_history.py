"""The history of runs that never began: it says what kept them from it, not only that somebody marked them as failed."""

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster_shared.error import SerializableErrorInfo

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
