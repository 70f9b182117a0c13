"""The newest materialisations of partitions: asked of Dagster's event log, where they are written and nowhere else."""

from collections.abc import Collection, Mapping

import dagster as dg

MATERIALIZATION = dg.DagsterEventType.ASSET_MATERIALIZATION


def newest_events(
    instance: dg.DagsterInstance, asset: str, keys: Collection[str] | None = None, *, after: int | None = None
) -> Mapping[str, int]:
    """Return key -> id of the newest materialisation of an asset's partitions, of those given or of all.

    Parameters
    ----------
    after : only events after this one.
    """
    return instance.event_log_storage.get_latest_storage_id_by_partition(
        dg.AssetKey(asset), MATERIALIZATION, after_cursor=after, partitions=None if keys is None else set(keys)
    )


def newest_record(instance: dg.DagsterInstance, asset: str, key: str) -> dg.EventLogRecord | None:
    """Return the newest materialisation of a partition; None if there is none."""
    chosen = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[key])
    return next(iter(instance.fetch_materializations(chosen, limit=1).records), None)
