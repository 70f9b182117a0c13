"""Which tags of our materialisations Dagster's event log stores a second time, as rows of a table of their own.

Dagster stores three: the data version, and each dimension of the partition. The latter two are a fifth of what it writes
down per materialisation, and nothing reads them: the event has the partition, and the cache of partition status has been
made from that ever since there is one. (A tag is an index: the event itself keeps all of them.)
"""

from collections.abc import Mapping

import dagster as dg
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.tags import MULTIDIMENSIONAL_PARTITION_PREFIX

from sigma_assets.storage.schema import FAMILIES


class IndexedTags(SqlEventLogStorage):
    """An event log that does not index the partitions of our own assets by dimension; other assets' it does."""

    def _tags_for_asset_event(self, event: dg.EventLogEntry) -> Mapping[str, str]:
        tags = super()._tags_for_asset_event(event)
        asset_key = event.dagster_event.asset_key if event.dagster_event else None
        if asset_key is None or asset_key.to_user_string() not in FAMILIES:
            return tags
        return {key: value for key, value in tags.items() if not key.startswith(MULTIDIMENSIONAL_PARTITION_PREFIX)}
