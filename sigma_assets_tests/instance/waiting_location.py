"""A code location with one job that waits: the run of a test stays started until the test says otherwise."""

import os
import time
from pathlib import Path

import dagster as dg


@dg.op
def wait_for_release() -> None:
    """Return once the file ``release`` is in DAGSTER_HOME; give up after a minute."""
    release = Path(os.environ["DAGSTER_HOME"]) / "release"
    deadline = time.monotonic() + 60
    while not release.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{release} did not appear")
        time.sleep(0.05)


@dg.job(executor_def=dg.in_process_executor)
def waiting() -> None:
    """Wait for release."""
    wait_for_release()


defs = dg.Definitions(jobs=[waiting])
