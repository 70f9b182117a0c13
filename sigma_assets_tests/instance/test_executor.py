"""The executor of runs: what a process holds when its run starts is left out of garbage collections meanwhile."""

import gc
from collections.abc import Iterator

import dagster as dg
import pytest

from sigma_assets.instance.executor import run_executor
from sigma_assets.instance.in_process import execute_run


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    """Begin with nothing frozen, as a process does that was just started; the tests' own process was frozen."""
    gc.unfreeze()
    yield
    gc.freeze()


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_there_before_a_run_is_spared_until_the_run_ends(fails: bool):
    frozen: list[int] = []

    @dg.op
    def work() -> None:
        frozen.append(gc.get_freeze_count())
        if fails:
            raise RuntimeError("on purpose")

    @dg.job(executor_def=run_executor(1.0))
    def some() -> None:
        work()

    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(some)
        events = list(execute_run(some, run, instance))

    assert events[-1].is_failure is fails
    assert frozen[0] > 10_000
    assert gc.get_freeze_count() == 0


def test_a_worker_that_was_frozen_before_it_was_forked_stays_so():
    frozen: list[int] = []

    @dg.op
    def work() -> None:
        frozen.append(gc.get_freeze_count())

    @dg.job(executor_def=run_executor(1.0))
    def some() -> None:
        work()

    gc.freeze()
    before = gc.get_freeze_count()
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            list(execute_run(some, instance.create_run_for_job(some), instance))
        after = gc.get_freeze_count()
    finally:
        gc.unfreeze()

    assert 10_000 < after <= frozen[0] <= before  # some of it ends by itself; nothing is added
