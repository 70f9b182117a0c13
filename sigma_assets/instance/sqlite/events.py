"""Dagster's event log in one SQLite file: batches are stored in one transaction, and many processes may write.

Dagster stores a batch event by event, in two files, with about nine statements each: 33 s for the 1,524
materialisations of six assets over 254 sessions. Here a batch is one transaction on one file.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
from alembic.config import Config
from dagster._core.event_api import EventHandlerFn
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.event_log.polling_event_watcher import SqlPollingEventWatcher
from dagster._core.storage.event_log.schema import AssetKeyTable, SqlEventLogStorageMetadata, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite import consolidated_sqlite_event_log
from dagster._core.storage.sql import AlembicVersion, check_alembic_revision, get_alembic_config, stamp_alembic_rev
from dagster._serdes import ConfigurableClassData
from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Connection

import sigma_assets.instance.event_log.batching  # noqa: F401  (Dagster hands over batches)
from sigma_assets.instance.event_log.storage import LeanEventLog
from sigma_assets.instance.sqlite.engine import exclusively, sqlite_engine
from sigma_assets.instance.sqlite.reserve import Reserve


class BatchedSqliteEventLogStorage(LeanEventLog, ConsolidatedSqliteEventLogStorage):
    """Dagster's consolidated SQLite event log with atomic batches, for any number of writing processes.

    One file rather than one per run: half the writes, no schema to create for each run, and queries across runs
    open one file. Storage ids are unique across runs.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._tables: set[str] = set()
        self._thread = threading.local()
        self._watcher: SqlPollingEventWatcher | None = None
        self._reserve = Reserve(os.path.abspath(base_dir))
        with exclusively(base_dir):
            self._engine = sqlite_engine(os.path.join(base_dir, "event_log.db"))
            super().__init__(os.path.abspath(base_dir), inst_data)

    def _init_db(self) -> None:
        """Create the tables and note their revision (Dagster's own version does not commit the revision)."""
        SqlEventLogStorageMetadata.create_all(self._engine)
        with self._engine.begin() as connection:
            stamp_alembic_rev(_alembic_config(), connection)
        self.reindex_events()
        self.reindex_assets()

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        """Join the thread's open transaction, or begin one that takes the write lock with its first write."""
        joined: Connection | None = getattr(self._thread, "connection", None)
        if joined is not None:
            yield joined
            return
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        """One transaction that holds the write lock from the start; everything the thread does meanwhile joins it."""
        with self._connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            self._thread.connection = connection
            try:
                yield connection
            finally:
                self._thread.connection = None

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store one event; that a run failed, in the room that is kept for it if there is no other."""
        if event.is_dagster_event and event.get_dagster_event().is_run_failure:
            self._reserve.used_if_full(lambda: self.store_event_batch([event]))
        else:
            self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events with their tags, asset keys and check executions: all of them, or none."""
        with self._write() as connection:
            identified = list(zip(events, self._insert_events(connection, events), strict=True))
            of_assets = [(event, event_id) for event, event_id in identified if _asset_key(event)]
            if of_assets:
                self._store_asset_event_tags(connection, *zip(*of_assets, strict=True))
                self._store_asset_keys(connection, of_assets)
            for event, event_id in identified:
                if event.is_dagster_event and event.dagster_event_type in ASSET_CHECK_EVENTS:
                    self.store_asset_check_event(event, event_id)

    def _insert_events(self, connection: Connection, events: Sequence[dg.EventLogEntry]) -> range:
        """Insert events and return their storage ids: under the write lock, those that SQLite would choose."""
        last = connection.execute(select(func.coalesce(func.max(SqlEventLogStorageTable.c.id), 0))).scalar_one()
        ids = range(last + 1, last + 1 + len(events))
        rows = [{"id": event_id, **self._event_to_row(event)} for event_id, event in zip(ids, events, strict=True)]
        connection.execute(SqlEventLogStorageTable.insert(), rows)
        return ids

    def _store_asset_keys(self, connection: Connection, events: Sequence[tuple[dg.EventLogEntry, int]]) -> None:
        """Leave each asset's row as storing the events one after another would: the last of each type decides."""
        last: dict[tuple[str | None, Any], tuple[dg.EventLogEntry, int]] = {}
        for event, event_id in events:
            key = (_asset_key(event), event.dagster_event_type)
            last.pop(key, None)
            last[key] = (event, event_id)
        rows: dict[str | None, dict[str, Any]] = {}
        for (asset_key, _), (event, event_id) in last.items():
            rows.setdefault(asset_key, {}).update(self._get_asset_entry_values(event, event_id, True))
        for asset_key, values in rows.items():
            if values:
                statement = insert(AssetKeyTable).values(asset_key=asset_key, **values)
                connection.execute(statement.on_conflict_do_update(index_elements=["asset_key"], set_=values))

    def add_dynamic_partitions(self, partitions_def_name: str, partition_keys: Sequence[str]) -> None:
        """Add the partitions that are not there yet, though a sensor or a command adds the same at this moment."""
        with self._write():
            super().add_dynamic_partitions(partitions_def_name, partition_keys)

    def has_table(self, table_name: str) -> bool:
        """Whether a table exists; a table that was there stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """Poll for new events of a run: commits reach the log file, not the file that a file watcher would watch."""
        if self._watcher is None:
            self._watcher = SqlPollingEventWatcher(self)
        self._watcher.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: EventHandlerFn) -> None:
        """Stop polling for a callback."""
        if self._watcher is not None:
            self._watcher.unwatch_run(run_id, handler)

    def dispose(self) -> None:
        """Stop polling and close connections."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None
        self._engine.dispose()

    def alembic_version(self) -> AlembicVersion:
        """Return the schema's revision, and the one that this Dagster wants."""
        with self._connect() as connection:
            return check_alembic_revision(_alembic_config(), connection)


def _alembic_config() -> Config:
    return get_alembic_config(consolidated_sqlite_event_log.__file__)


def _asset_key(event: dg.EventLogEntry) -> str | None:
    """Return the key of the asset that an event is about; None for an event of another type."""
    if not event.is_dagster_event or event.dagster_event_type not in ASSET_EVENTS:
        return None
    asset_key = event.get_dagster_event().asset_key
    return asset_key.to_string() if asset_key else None
