"""Materialisations of partitions: asked of Dagster's event log, where they are written and nowhere else."""

from collections.abc import Collection, Iterator, Mapping

import dagster as dg

MATERIALIZATION = dg.DagsterEventType.ASSET_MATERIALIZATION
EVENTS_AT_ONCE = 5_000


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


def materialized_in(
    instance: dg.DagsterInstance, run_id: str, cursor: str | None = None
) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield the partitions that a run materialised, with the event of each, asset by asset, some at a time.

    Parameters
    ----------
    cursor : only events after this one, as Dagster writes it down.
    """
    has_more = True
    while has_more:
        page = instance.get_records_for_run(run_id, cursor, of_type=MATERIALIZATION, limit=EVENTS_AT_ONCE)
        cursor, has_more = page.cursor, page.has_more
        made: dict[str, dict[str, int]] = {}
        for record in page.records:
            event = record.event_log_entry.get_dagster_event()
            if event.asset_key is not None and event.partition is not None:
                made.setdefault(event.asset_key.to_user_string(), {})[event.partition] = record.storage_id
        yield from made.items()
