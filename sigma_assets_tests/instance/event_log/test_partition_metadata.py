"""Metadata of all partitions at once: the same events as one by one, without listing the partitions for each."""

import dagster as dg
import pytest

from sigma_assets.instance.event_log.partition_metadata import add_partition_metadata

SESSIONS = dg.StaticPartitionsDefinition([f"2026-01-{day:02d}" for day in range(5, 10)])
BOOKS = dg.DynamicPartitionsDefinition(name="portfolio")
BOTH = dg.MultiPartitionsDefinition({"date": SESSIONS, "portfolio": BOOKS})


def _materialize(one_by_one: bool) -> dict[str, dict[str, object]]:
    @dg.asset(partitions_def=BOTH, backfill_policy=dg.BackfillPolicy.single_run())
    def figures(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        told = {key: {"rows": number} for number, key in enumerate(context.partition_keys)}
        context.add_asset_metadata({"unit": "rows"})
        if one_by_one:
            for key, metadata in told.items():
                context.add_asset_metadata(metadata, partition_key=key)
        else:
            add_partition_metadata(context, told)
        return dg.MaterializeResult()

    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("portfolio", ["a", "b", "c"])
        tags = {
            "dagster/asset_partition_range_start": "2026-01-05|a",
            "dagster/asset_partition_range_end": "2026-01-09|c",
        }
        done = dg.materialize([figures], instance=instance, tags=tags)
        events = done.get_asset_materialization_events()
    return {
        str(event.partition): {name: value.value for name, value in event.materialization.metadata.items()}
        for event in events
    }


def test_all_at_once_is_what_dagster_stores_one_by_one():
    at_once = _materialize(one_by_one=False)

    assert at_once == _materialize(one_by_one=True)
    assert len(at_once) == 15
    assert at_once["2026-01-09|c"] == {"unit": "rows", "rows": 14}


def test_the_partitions_of_a_run_are_not_listed_once_for_each(monkeypatch: pytest.MonkeyPatch):
    listed = []
    real = dg.MultiPartitionsDefinition.get_partition_keys_in_range
    monkeypatch.setattr(
        dg.MultiPartitionsDefinition,
        "get_partition_keys_in_range",
        lambda self, *arguments, **options: listed.append(1) or real(self, *arguments, **options),
    )

    _materialize(one_by_one=False)

    assert len(listed) < 15
