"""Of our materialisations the event log indexes the data version alone; what Dagster shows of partitions is the same."""

import asyncio
import time

import dagster as dg
import sqlalchemy as sa
from dagster._core.events import StepMaterializationData
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.partition_status_cache import get_partition_subsets

from sigma_assets_tests.templates import fresh_instance

SESSIONS = dg.StaticPartitionsDefinition(["2026-01-08", "2026-01-09"])
BOTH = dg.MultiPartitionsDefinition({"date": SESSIONS, "portfolio": dg.DynamicPartitionsDefinition(name="portfolio")})


def _materialization(asset: str) -> dg.EventLogEntry:
    key = dg.MultiPartitionKey({"date": "2026-01-08", "portfolio": "growth"})
    tags = {
        "dagster/data_version": "a1",
        "dagster/partition/date": "2026-01-08",
        "dagster/partition/portfolio": "growth",
    }
    data = StepMaterializationData(dg.AssetMaterialization(asset, partition=key, tags=tags))
    event = dg.DagsterEvent("ASSET_MATERIALIZATION", "portfolios", event_specific_data=data, step_key=asset)
    return dg.EventLogEntry(
        error_info=None, level=10, user_message="", run_id="", timestamp=time.time(), dagster_event=event
    )


def test_of_our_assets_the_data_version_is_indexed_and_of_others_all_that_dagster_indexes(storage: DagsterStorage):
    events = storage.event_log_storage
    events.store_event_batch([_materialization("betas"), _materialization("somebody_elses")])
    events.store_event(_materialization("market_prices"))

    with events.index_connection() as connection:
        rows = connection.execute(
            sa.text("SELECT asset_key, key, value FROM asset_event_tags ORDER BY key, asset_key")
        ).all()

    assert [tuple(row) for row in rows] == [
        ('["betas"]', "dagster/data_version", "a1"),
        ('["market_prices"]', "dagster/data_version", "a1"),
        ('["somebody_elses"]', "dagster/data_version", "a1"),
        ('["somebody_elses"]', "dagster/partition/date", "2026-01-08"),
        ('["somebody_elses"]', "dagster/partition/portfolio", "growth"),
    ]
    stored = events.fetch_materializations(dg.AssetKey("betas"), limit=1).records[0].asset_materialization
    assert stored.tags["dagster/partition/portfolio"] == "growth"
    assert stored.partition == dg.MultiPartitionKey({"date": "2026-01-08", "portfolio": "growth"})


def test_the_status_of_partitions_is_what_it_was(tmp_path):
    """What the catalog and the pages of assets and partitions show."""

    @dg.asset(name="betas", partitions_def=BOTH, backfill_policy=dg.BackfillPolicy.single_run())
    def computed() -> None:
        pass

    with fresh_instance(tmp_path) as instance:
        instance.add_dynamic_partitions("portfolio", ["growth", "income"])
        for portfolio in ("growth", "income"):
            key = dg.MultiPartitionKey({"date": "2026-01-09", "portfolio": portfolio})
            assert dg.materialize([computed], instance=instance, partition_key=key).success

        subsets = get_partition_subsets(instance, LoadingContextForTest(instance), computed.key, instance, BOTH)
        materialized, failed, in_progress = asyncio.run(subsets)

    assert set(materialized.get_partition_keys()) == {"2026-01-09|growth", "2026-01-09|income"}
    assert not failed
    assert not in_progress
