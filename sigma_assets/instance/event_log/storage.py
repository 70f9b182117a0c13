"""What our event logs, and our storages of runs, do otherwise than Dagster's: the same on either database."""

from collections.abc import Mapping
from functools import cached_property

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.runs import SqlRunStorage
from dagster._core.storage.tags import MULTIDIMENSIONAL_PARTITION_PREFIX
from dagster._utils.concurrency import ConcurrencyClaimStatus
from dagster_shared.record import copy
from sqlalchemy.engine import Connection

from sigma_assets.storage.schema import FAMILIES

LOOK_SECONDS = 0.5
"""After which a step that waits for a pool looks again. Dagster's look after one second at first, and after fifteen in the
end; ours keep the price source for less than one, as a rule."""


class LeanEventLog(SqlEventLogStorage):
    """An event log whose waiting steps get the slot that is free, and which does not store what nobody reads."""

    def claim_concurrency_slot(
        self, concurrency_key: str, run_id: str, step_key: str, priority: int | None = None
    ) -> ConcurrencyClaimStatus:
        """Claim a slot of a pool for a step, or queue up for it; to be asked again each time that the step looks.

        In Dagster's own way a step looks whether a slot is free, and queues up if none is. If the slot becomes free in
        between, nobody gives it to that step, and its run waits until it is ended for taking too long.
        """
        claim = super().claim_concurrency_slot(concurrency_key, run_id, step_key, priority)
        if not claim.is_assigned and self.has_unassigned_slots(concurrency_key):
            self.assign_pending_steps([concurrency_key])  # to the first in the queue, which need not be this one
            claim = super().claim_concurrency_slot(concurrency_key, run_id, step_key, priority)
        return claim if claim.is_claimed else claim.with_sleep_interval(LOOK_SECONDS)

    @cached_property
    def _known_columns(self) -> set[str]:
        return set()

    def has_asset_key_col(self, column_name: str) -> bool:
        """Return whether the table of asset keys has a column.

        Columns that are there stay there, so this is asked once, not with each event and request; one that is missing may
        come with a migration.
        """
        return column_name in self._known_columns or super().has_asset_key_col(column_name)

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if column_name not in self._known_columns and super()._has_asset_key_col_on_connection(conn, column_name):
            self._known_columns.add(column_name)
        return column_name in self._known_columns

    def _tags_for_asset_event(self, event: dg.EventLogEntry) -> Mapping[str, str]:
        """Return the tags of an event that are stored a second time, as rows of a table of their own.

        Dagster stores three: the data version, and each dimension of the partition. The latter two are a fifth of what it
        writes down per materialisation, and of our assets nothing reads them: the event has the partition, and the cache
        of partition status has been made from that ever since there is one. (A tag is an index: the event itself keeps all
        of them.)
        """
        tags = super()._tags_for_asset_event(event)
        asset_key = event.dagster_event.asset_key if event.dagster_event else None
        if asset_key is None or asset_key.to_user_string() not in FAMILIES:
            return tags
        return {key: value for key, value in tags.items() if not key.startswith(MULTIDIMENSIONAL_PARTITION_PREFIX)}

    def _store_asset_check_evaluation_planned(self, event: dg.EventLogEntry, event_id: int | None) -> None:
        """Note a planned check of our own assets without partitions: it is declared without, and evaluated once in a run.

        In a run over a range of sessions Dagster adds the range to every planned check, even to checks without partitions.
        It then stores one row per check and partition, each with the calendar's exclusions inside: 29 checks over 254
        sessions took 7 s and 26 MB. The evaluation, which has no partition, finds none of these rows, so they stay
        "planned" for ever.
        """
        dagster_event = event.get_dagster_event()
        planned = dagster_event.event_specific_data
        if isinstance(planned, AssetCheckEvaluationPlanned) and planned.asset_key.to_user_string() in FAMILIES:
            whole = dagster_event._replace(event_specific_data=copy(planned, partitions_subset=None))
            event = event._replace(dagster_event=whole)
        super()._store_asset_check_evaluation_planned(event, event_id)


class LeanRuns(SqlRunStorage):
    """Runs that remember that they have the columns of their start and end."""

    _has_run_stats = False

    def has_run_stats_index_cols(self) -> bool:
        """Return whether the runs have columns of their start and end."""
        self._has_run_stats = self._has_run_stats or super().has_run_stats_index_cols()
        return self._has_run_stats
