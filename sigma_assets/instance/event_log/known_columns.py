"""Columns of Dagster's tables that are there stay there: whether they are is asked once, not with each event and request."""

from functools import cached_property

from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.runs import SqlRunStorage
from sqlalchemy.engine import Connection


class KnownAssetColumns(SqlEventLogStorage):
    """An event log that remembers which columns the asset keys have; one that is missing may come with a migration."""

    @cached_property
    def _known_columns(self) -> set[str]:
        return set()

    def has_asset_key_col(self, column_name: str) -> bool:
        """Return whether the table of asset keys has a column."""
        return column_name in self._known_columns or super().has_asset_key_col(column_name)

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if column_name not in self._known_columns and super()._has_asset_key_col_on_connection(conn, column_name):
            self._known_columns.add(column_name)
        return column_name in self._known_columns


class KnownRunColumns(SqlRunStorage):
    """Runs that remember that they have the columns of their start and end."""

    _has_run_stats = False

    def has_run_stats_index_cols(self) -> bool:
        """Return whether the runs have columns of their start and end."""
        self._has_run_stats = self._has_run_stats or super().has_run_stats_index_cols()
        return self._has_run_stats
