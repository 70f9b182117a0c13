"""What Dagster itself costs: nine trivial assets over sessions x one portfolio, in one run on a real instance.

Run ``python benchmarks/dagster_overhead.py`` (add ``--stock`` for Dagster's default SQLite storage, which takes
about 40 s per run). Every line is one measurement in a fresh portfolio; read them as ratios.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

ASSETS = 9
SESSIONS = 254
STOCK = "telemetry: {enabled: false}\n"
OURS = (Path(__file__).parents[1] / "dagster.yaml").read_text()

days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2025-06-30", exclusions=["0 0 * * 6,0"])
sessions_portfolios = dg.MultiPartitionsDefinition(
    {"date": days, "portfolio": dg.DynamicPartitionsDefinition(name="portfolio")}
)


def trivial_assets(body: Callable[[dg.AssetExecutionContext], None]) -> list[dg.AssetsDefinition]:
    """Nine assets in a chain that do nothing but ``body``."""
    return [_trivial_asset(number, body) for number in range(ASSETS)]


def _trivial_asset(number: int, body: Callable[[dg.AssetExecutionContext], None]) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"asset_{number}",
        deps=[f"asset_{number - 1}"] if number else [],
        partitions_def=sessions_portfolios,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        body(context)
        return dg.MaterializeResult(metadata={"rows": 254})

    return asset


def definitions(body: Callable[[dg.AssetExecutionContext], None]) -> dg.Definitions:
    """A code location with the nine assets and one job over all of them."""
    job = dg.define_asset_job("portfolios", selection="*", partitions_def=sessions_portfolios)
    return dg.Definitions(assets=trivial_assets(body), jobs=[job], executor=dg.in_process_executor)


def nothing(_context: dg.AssetExecutionContext) -> None:
    """The cheapest body."""


def metadata_per_partition(context: dg.AssetExecutionContext) -> None:
    """Two numbers for each session."""
    for key in context.partition_keys:
        context.add_asset_metadata({"rows": 13, "missing": 0}, partition_key=key)


def ten_log_lines(context: dg.AssetExecutionContext) -> None:
    """Ten lines in the run's log."""
    for line in range(10):
        context.log.info("fetched %d closes", line)


plain, detailed, talkative = (definitions(body) for body in (nothing, metadata_per_partition, ten_log_lines))


def range_tags(portfolio: str) -> dict[str, str]:
    """Tags of a run over 254 sessions of one portfolio."""
    keys = days.get_partition_keys()
    start, end = keys[0], keys[SESSIONS - 1]
    return {
        "dagster/asset_partition_range_start": f"{start}|{portfolio}",
        "dagster/asset_partition_range_end": f"{end}|{portfolio}",
    }


def in_process(defs: dg.Definitions, instance: dg.DagsterInstance, portfolio: str) -> None:
    """The public call; the run has a job name but no code location in the UI."""
    job = defs.resolve_job_def("portfolios")
    assert job.execute_in_process(instance=instance, tags=range_tags(portfolio)).success


def as_run_of_the_location(defs: dg.Definitions, instance: dg.DagsterInstance, portfolio: str) -> None:
    """A run that the UI shows, links and re-executes as any other of the code location."""
    job = dg.reconstructable(_job)
    target = LoadableTargetOrigin(module_name="sigma_assets.definitions")
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name="sigma_assets")
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), "portfolios")
    run = instance.create_run_for_job(
        job.get_definition(),
        tags=range_tags(portfolio),
        remote_job_origin=origin,
        job_code_origin=job.get_python_origin(),
    )
    assert execute_run(job, run, instance).success


def _job() -> dg.JobDefinition:
    return plain.resolve_job_def("portfolios")


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long something took."""
    started = time.perf_counter()
    yield
    print(f"{time.perf_counter() - started:8.3f} s  {what}", flush=True)  # noqa: T201


def main() -> None:
    """Measure runs, then the watermark's questions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stock", action="store_true", help="Dagster's own SQLite storage")
    stock = parser.parse_args().stock
    os.environ.update(DAGSTER_EVENT_BATCH_SIZE="5000", DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS="1")
    with tempfile.TemporaryDirectory() as home:
        os.environ["DAGSTER_HOME"] = home
        Path(home, "dagster.yaml").write_text(STOCK if stock else OURS)
        with dg.DagsterInstance.get() as instance:
            instance.add_dynamic_partitions("portfolio", [f"p{number}" for number in range(9)])
            with timed("first run, execute_in_process"):
                in_process(plain, instance, "p0")
            if not stock:
                measure_more_runs(instance)
            measure_watermark(instance)
        size = sum(path.stat().st_size for path in Path(home).rglob("*.db*"))
        print(f"{size / 1e6:8.1f} MB on disk")  # noqa: T201


def measure_more_runs(instance: dg.DagsterInstance) -> None:
    """The variants, each on its own portfolio."""
    with timed("second run, execute_in_process"):
        in_process(plain, instance, "p1")
    with timed("created with its origin, then execute_run"):
        as_run_of_the_location(plain, instance, "p2")
    with timed("metadata per partition: add_asset_metadata(partition_key=...)"):
        in_process(detailed, instance, "p3")
    with timed("ten log lines per asset"):
        in_process(talkative, instance, "p4")


def measure_watermark(instance: dg.DagsterInstance) -> None:
    """The questions that decide what is missing."""
    asset = dg.AssetKey("asset_8")
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    keys = {f"{day}|p0" for day in days.get_partition_keys()[:SESSIONS]}
    log = instance.event_log_storage
    with timed("get_latest_storage_id_by_partition, one portfolio"):
        assert len(log.get_latest_storage_id_by_partition(asset, kind, keys)) == SESSIONS
    with timed("get_latest_storage_id_by_partition, all"):
        log.get_latest_storage_id_by_partition(asset, kind)
    with timed("get_event_tags_for_asset, one portfolio"):
        assert len(log.get_event_tags_for_asset(asset, {"dagster/partition/portfolio": "p0"})) == SESSIONS
    with timed("get_materialized_partitions"):
        log.get_materialized_partitions(asset)


if __name__ == "__main__":
    main()
