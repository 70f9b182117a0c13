"""The executor of runs: it spares garbage, sleeps while a step waits for a pool, and notes inputs by their last events."""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.loader import LoadingContextForTest

from sigma_assets.base.garbage import spare
from sigma_assets.instance.executor import run_executor
from sigma_assets.instance.in_process import execute_run
from sigma_assets_tests.templates import fresh_instance


@pytest.fixture(autouse=True)
def _thawed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin with nothing spared, as a process does that was just started; the tests' own process was."""
    monkeypatch.setattr("sigma_assets.base.garbage._Spared.always", False)
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

    spare()
    before = gc.get_freeze_count()
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            list(execute_run(some, instance.create_run_for_job(some), instance))
        after = gc.get_freeze_count()
    finally:
        gc.unfreeze()

    assert 10_000 < after <= frozen[0] <= before  # some of it ends by itself; nothing is added


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Return an instance whose only slot of a pool another run has."""
    one_slot = {"pools": {"granularity": "op", "default_limit": 1}}
    with fresh_instance(tmp_path, concurrency=one_slot) as instance:
        instance.event_log_storage.initialize_concurrency_limit_to_default("prices")
        assert instance.event_log_storage.claim_concurrency_slot("prices", "another run", "load").is_claimed
        yield instance


def _while_waiting(monkeypatch: pytest.MonkeyPatch, work: Callable[[int], None]) -> list[int]:
    """Do something each time that a run looks for steps and finds none; return the list of these looks."""
    looks: list[int] = []
    real = ActiveExecution.get_steps_to_execute

    def look(execution: ActiveExecution, limit: int | None = None) -> object:
        steps = real(execution, limit)
        if not steps:
            looks.append(len(looks) + 1)
            work(looks[-1])
        return steps

    monkeypatch.setattr(ActiveExecution, "get_steps_to_execute", look)
    return looks


@dg.op(pool="prices")
def load() -> None:
    """Load."""


@dg.job(executor_def=run_executor(1.0))
def loading() -> None:
    load()


def test_a_worker_whose_step_waits_for_a_pool_sleeps_and_goes_on_when_there_is_room(instance, monkeypatch):
    """Two looks a second ask the pool; Dagster's own worker looks a thousand times meanwhile."""

    def free(look: int) -> None:
        if look == 3:
            instance.event_log_storage.free_concurrency_slot_for_step("another run", "load")

    looks = _while_waiting(monkeypatch, free)

    events = list(execute_run(loading, instance.create_run_for_job(loading), instance))

    assert events[-1].is_job_success
    assert 3 <= len(looks) < 20


def test_a_worker_whose_step_waits_for_a_pool_is_canceled_at_once(instance, monkeypatch):
    """The pool never has room."""
    run = instance.create_run_for_job(loading)

    def cancel(look: int) -> None:
        if look == 2:
            instance.report_run_canceling(instance.get_run_by_id(run.run_id))
            os.kill(os.getpid(), signal.SIGINT)

    looks = _while_waiting(monkeypatch, cancel)

    events = list(execute_run(loading, run, instance))

    assert len(looks) == 2
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.CANCELED, events
    assert instance.event_log_storage.get_concurrency_info("prices").pending_step_count == 0


DAYS = dg.StaticPartitionsDefinition(["monday", "tuesday"])


@dg.asset(partitions_def=DAYS)
def quotes(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Quote, each time anew."""
    return dg.MaterializeResult(data_version=dg.DataVersion(context.run.run_id[:8]))


@dg.asset(partitions_def=DAYS, deps=[quotes])
def values() -> dg.MaterializeResult:
    """Value the quotes."""
    return dg.MaterializeResult(data_version=dg.DataVersion("v"))


def test_of_an_input_its_last_event_is_noted_and_that_is_enough_to_tell_a_newer_one(monkeypatch):
    """Which partitions of the input are read is not listed; Dagster lists them, to store a digest of their versions."""
    listed: list[dg.PartitionMapping] = []
    real = dg.IdentityPartitionMapping.get_upstream_mapped_partitions_result_for_partitions
    monkeypatch.setattr(
        dg.IdentityPartitionMapping,
        "get_upstream_mapped_partitions_result_for_partitions",
        lambda self, *arguments, **options: listed.append(self) or real(self, *arguments, **options),
    )
    definitions = dg.Definitions([quotes, values], executor=run_executor(1.0))
    graph = definitions.resolve_asset_graph()
    job = definitions.resolve_implicit_global_asset_job_def()

    with dg.DagsterInstance.ephemeral() as instance:

        def execute(asset: dg.AssetsDefinition, day: str) -> dg.AssetMaterialization:
            chosen, tags = {asset.key}, {"dagster/partition": day}
            run = instance.create_run_for_job(job, asset_selection=chosen, tags=tags)
            (event,) = [each for each in execute_run(job, run, instance) if each.is_step_materialization]
            return event.step_materialization_data.materialization

        def stale() -> list[StaleStatus]:
            resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
            return [resolver.get_status(values.key, day) for day in DAYS.get_partition_keys()]

        version = [execute(quotes, day).tags["dagster/data_version"] for day in DAYS.get_partition_keys()]
        noted = [execute(values, day).tags for day in DAYS.get_partition_keys()]
        pointers = {tags["dagster/input_event_pointer/quotes"] for tags in noted}
        newest = instance.fetch_materializations(quotes.key, limit=1).records[0].storage_id
        assert listed == []
        assert stale() == [StaleStatus.FRESH, StaleStatus.FRESH]
        execute(quotes, "monday")
        assert stale() == [StaleStatus.STALE, StaleStatus.FRESH]

    assert pointers == {str(newest)}
    assert [tags["dagster/input_data_version/quotes"] for tags in noted] == [version[1], version[1]]
