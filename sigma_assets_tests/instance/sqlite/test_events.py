"""The batched event log answers every question as Dagster's own does, and loses nothing between processes."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import dagster as dg
import pytest
from dagster._check import CheckError
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.definitions.partitions.subset import DefaultPartitionsSubset
from dagster._core.events import AssetMaterializationPlannedData, AssetObservationData, StepMaterializationData
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage, SqlEventLogStorage
from dagster._core.storage.event_log.base import AssetRecordsFilter

from sigma_assets.base.errors import StorageError
from sigma_assets.instance.sqlite.events import BatchedSqliteEventLogStorage
from sigma_assets_tests.together import work_together

VALUES = dg.AssetKey("values")  # none of ours: of these the log notes fewer tags (event_log/test_indexed_tags.py)
BETAS = dg.AssetKey("slopes")
MATERIALIZATION = dg.DagsterEventType.ASSET_MATERIALIZATION
RUN, OTHER_RUN = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def entry(kind: dg.DagsterEventType, payload, *, run_id: str = RUN, second: int = 0) -> dg.EventLogEntry:
    event = dg.DagsterEvent(kind.value, "portfolios", step_key="step", event_specific_data=payload)
    return dg.EventLogEntry(
        error_info=None,
        level="debug",
        user_message="",
        run_id=run_id,
        timestamp=1_700_000_000.25 + second,
        step_key="step",
        job_name="portfolios",
        dagster_event=event,
    )


def materialization(asset: dg.AssetKey, session: str, portfolio: str, **where) -> dg.EventLogEntry:
    key = dg.MultiPartitionKey({"date": session, "portfolio": portfolio})
    tags = {"dagster/partition/date": session, "dagster/partition/portfolio": portfolio, "free": "not-indexed"}
    made = dg.AssetMaterialization(asset, partition=key, tags=tags, metadata={"rows": 13})
    return entry(MATERIALIZATION, StepMaterializationData(made), **where)


def events_of_two_runs() -> list[dg.EventLogEntry]:
    planned = AssetMaterializationPlannedData(VALUES, partition=None, partitions_subset=None)
    observed = AssetObservationData(dg.AssetObservation(BETAS, tags={"dagster/partition/date": "2026-01-07"}))
    return [
        entry(dg.DagsterEventType.RUN_START, None),
        entry(dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, planned, second=1),
        materialization(VALUES, "2026-01-06", "p1", second=2),
        materialization(VALUES, "2026-01-07", "p1", second=3),
        materialization(BETAS, "2026-01-06", "p1", second=4),
        entry(
            dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
            AssetCheckEvaluationPlanned(asset_key=VALUES, check_name="cash"),
            second=5,
        ),
        materialization(VALUES, "2026-01-06", "p1", run_id=OTHER_RUN, second=6),
        materialization(VALUES, "2026-01-06", "p2", run_id=OTHER_RUN, second=7),
        entry(dg.DagsterEventType.ASSET_OBSERVATION, observed, second=8),
        entry(dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, planned, run_id=OTHER_RUN, second=9),
        entry(dg.DagsterEventType.RUN_SUCCESS, None, second=10),
    ]


def answers(storage: SqlEventLogStorage) -> dict[str, object]:
    """Every query through which the webserver, sensors and the watermark read the log."""
    asset_records = storage.get_asset_records([VALUES, BETAS])
    return {
        "run": storage.get_records_for_run(RUN).records,
        "other run": storage.get_records_for_run(OTHER_RUN, ascending=False).records,
        "stats": storage.get_stats_for_run(RUN),
        "materializations": storage.fetch_materializations(VALUES, limit=10),
        "of partitions": storage.fetch_materializations(
            AssetRecordsFilter(asset_key=VALUES, asset_partitions=["2026-01-06|p1"]), limit=10
        ),
        "observations": storage.fetch_observations(BETAS, limit=10),
        "status changes": storage.fetch_run_status_changes(dg.DagsterEventType.RUN_SUCCESS, limit=10),
        "storage ids": storage.get_latest_storage_id_by_partition(VALUES, MATERIALIZATION),
        "storage ids of some": storage.get_latest_storage_id_by_partition(VALUES, MATERIALIZATION, {"2026-01-06|p2"}),
        "materialized": storage.get_materialized_partitions(VALUES),
        "tags": storage.get_event_tags_for_asset(VALUES),
        "tags of p1": storage.get_event_tags_for_asset(VALUES, filter_tags={"dagster/partition/portfolio": "p1"}),
        "tags by partition": storage.get_latest_tags_by_partition(VALUES, MATERIALIZATION, ["dagster/partition/date"]),
        "planned": storage.get_latest_planned_materialization_info(VALUES),
        "latest": storage.get_latest_materialization_events([VALUES, BETAS]),
        "assets": sorted(storage.all_asset_keys()),
        "records": sorted(repr(record.asset_entry) for record in asset_records),
        "checks": storage.get_asset_check_execution_history(dg.AssetCheckKey(VALUES, "cash"), limit=5),
        "last id": storage.get_maximum_record_id(),
    }


@pytest.fixture
def storage(tmp_path: Path):
    log = BatchedSqliteEventLogStorage(str(tmp_path / "batched"))
    yield log
    log.dispose()


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_batches_of_any_size_leave_what_single_events_leave_in_dagsters_own_log(storage, tmp_path, size):
    events = events_of_two_runs()
    stock = ConsolidatedSqliteEventLogStorage(str(tmp_path / "stock"))
    for event in events:
        stock.store_event(event)

    for start in range(0, len(events), size):
        storage.store_event_batch(events[start : start + size])

    found, expected = answers(storage), answers(stock)
    assert len(expected["materialized"]) == 3
    assert len(expected["checks"]) == 1
    for question, answer in expected.items():
        assert without_write_times(found[question]) == without_write_times(answer), question


def without_write_times(answer: object) -> object:
    """Check executions carry the moment of their insertion, which is another one in each log."""
    if isinstance(answer, list) and answer and hasattr(answer[0], "create_timestamp"):
        return [record._replace(create_timestamp=0.0) for record in answer]
    return answer


def test_a_batch_with_one_event_that_cannot_be_stored_leaves_nothing(storage):
    planned = AssetCheckEvaluationPlanned(asset_key=VALUES, check_name="cash")
    check = entry(dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED, planned)
    with storage.index_connection() as connection:
        connection.exec_driver_sql("DROP TABLE asset_check_executions")

    with pytest.raises(CheckError, match="Asset checks require a database schema migration"):
        storage.store_event_batch([materialization(VALUES, "2026-01-06", "p1"), check])

    assert storage.get_records_for_run(RUN).records == []
    assert storage.get_materialized_partitions(VALUES) == set()
    assert storage.get_event_tags_for_asset(VALUES) == []
    storage.store_event(materialization(VALUES, "2026-01-06", "p1"))
    assert storage.get_materialized_partitions(VALUES) == {"2026-01-06|p1"}


WRITER = """
from sigma_assets_tests.instance.sqlite.test_events import VALUES, materialization
from sigma_assets.instance.sqlite.events import BatchedSqliteEventLogStorage

def work(writer):
    storage = BatchedSqliteEventLogStorage({directory!r})
    for batch in range(20):
        sessions = [f"2026-{{batch + 1:02}}-{{day:02}}" for day in range(1, 26)]
        storage.store_event_batch([materialization(VALUES, session, writer, run_id=writer) for session in sessions])
        storage.add_dynamic_partitions("portfolio", [f"{{writer}}-{{batch}}"])
        storage.store_event(materialization(VALUES, f"single-{{batch}}", writer, run_id=writer))
"""


def test_a_full_disk_is_named_and_what_was_stored_stays(storage):
    storage.store_event_batch([materialization(VALUES, "2026-01-05", "p")])
    with storage._engine.connect() as connection:  # the setting belongs to the one connection of the pool
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(
        StorageError, match=r"event_log.db: .* is full. The disk is full: free some space and run again"
    ):
        storage.store_event_batch([materialization(VALUES, f"2026-01-{day:02d}", "p" * 900) for day in range(6, 31)])

    assert storage.get_materialized_partitions(VALUES) == {"2026-01-05|p"}


def test_a_log_that_is_damaged_is_named(tmp_path):
    (tmp_path / "event_log.db").write_bytes(b"not what SQLite writes" * 1000)

    with pytest.raises(
        StorageError, match=r"event_log.db: file is not a database. The file is damaged: restore it from a backup"
    ):
        BatchedSqliteEventLogStorage(str(tmp_path)).get_maximum_record_id()


def test_six_processes_that_create_the_log_together_lose_no_event(tmp_path):
    directory = str(tmp_path / "shared")
    writers = [f"writer-{number}" for number in range(6)]

    work_together(WRITER.format(directory=directory), *writers)

    storage = BatchedSqliteEventLogStorage(directory)
    for writer in writers:
        records = storage.get_records_for_run(writer).records
        assert len(records) == 20 * 26
        assert len(storage.get_event_tags_for_asset(VALUES, filter_tags={"dagster/partition/portfolio": writer})) == 520
    assert storage.get_maximum_record_id() == 6 * 520
    assert len(storage.get_materialized_partitions(VALUES)) == 6 * 520
    assert len(storage.get_dynamic_partitions("portfolio")) == 6 * 20
    database_revision, wanted_revision = storage.alembic_version()
    assert database_revision == wanted_revision


def test_two_that_add_the_same_partition_at_the_same_moment_both_succeed(storage, tmp_path):
    """An import and a sensor, or two commands. With Dagster's own storage one of them fails: UNIQUE constraint."""
    names, together = [f"portfolio-{number}" for number in range(100)], Barrier(2, timeout=20)
    other = BatchedSqliteEventLogStorage(str(tmp_path / "batched"))

    def add(log: BatchedSqliteEventLogStorage) -> None:
        for name in names:
            together.wait()
            log.add_dynamic_partitions("portfolio", [name])

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(add, (storage, other)))
    other.dispose()

    assert sorted(storage.get_dynamic_partitions("portfolio")) == sorted(names)


def test_a_watcher_sees_events_as_they_are_stored(storage):
    seen: list[str | None] = []
    storage.watch(RUN, None, lambda event, _cursor: seen.append(event.dagster_event_type.value))

    storage.store_event_batch(
        [materialization(VALUES, "2026-01-06", "p1"), entry(dg.DagsterEventType.RUN_SUCCESS, None)]
    )

    deadline = time.monotonic() + 20
    while len(seen) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert seen == ["ASSET_MATERIALIZATION", "PIPELINE_SUCCESS"]


def test_a_check_of_ours_planned_over_a_range_is_noted_once_and_then_evaluated(tmp_path):
    """Dagster adds the range of a run to each planned check, and would note it once per partition, for ever planned."""
    assert noted_after_evaluation(tmp_path, dg.AssetKey("position_values")) == ["SUCCEEDED"]


def test_a_check_of_another_asset_keeps_the_partitions_that_were_planned(tmp_path):
    assert noted_after_evaluation(tmp_path, dg.AssetKey("not_ours")) == ["SUCCEEDED", "PLANNED", "PLANNED", "PLANNED"]


def noted_after_evaluation(folder: Path, asset: dg.AssetKey) -> list[str]:
    check = AssetCheckEvaluationPlanned(
        asset_key=asset,
        check_name="cash",
        partitions_subset=DefaultPartitionsSubset({"2026-01-06", "2026-01-07", "2026-01-08"}),
    )
    done = dg.AssetCheckEvaluation(asset_key=asset, check_name="cash", passed=True, metadata={})
    storage = BatchedSqliteEventLogStorage(str(folder))

    storage.store_event(entry(dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED, check))
    storage.store_event(entry(dg.DagsterEventType.ASSET_CHECK_EVALUATION, done, second=1))

    records = storage.get_asset_check_execution_history(dg.AssetCheckKey(asset, "cash"), limit=10)
    storage.dispose()
    return [record.status.value for record in records]
