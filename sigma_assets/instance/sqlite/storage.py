"""Dagster's whole storage (runs, events, schedules) on SQLite files that many processes may write at once.

Named in dagster.yaml::

    storage:
      custom:
        module: sigma_assets.instance.sqlite.storage
        class: SharedSqliteStorage
        config: {base_dir: {env: DAGSTER_HOME}}
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import dagster as dg
from dagster import DagsterInstance, StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from sqlalchemy.engine import Connection

from sigma_assets.instance.event_log.known_columns import KnownRunColumns
from sigma_assets.instance.sqlite.engine import exclusively, sqlite_engine
from sigma_assets.instance.sqlite.events import BatchedSqliteEventLogStorage
from sigma_assets.instance.sqlite.reserve import Reserve


class _Shared:
    """One pooled engine for a storage of Dagster's, with writers that wait for each other."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        path = conn_string.removeprefix("sqlite:///")
        self._engine = sqlite_engine(path)
        self._reserve = Reserve(os.path.dirname(path))
        super().__init__(conn_string, inst_data)  # type: ignore[call-arg]

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Begin a transaction on a pooled connection."""
        with self._engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close connections."""
        self._engine.dispose()


class SharedSqliteRunStorage(_Shared, KnownRunColumns, SqliteRunStorage):
    """Dagster's SQLite run storage, shared by many processes. A run begins and ends on a full disk only as told."""

    def add_run(self, dagster_run: dg.DagsterRun) -> dg.DagsterRun:
        """Add a run, with room for recording that it failed."""
        self._reserve.keep()
        return super().add_run(dagster_run)

    def handle_run_event(self, run_id: str, event: dg.DagsterEvent, update_timestamp: datetime | None = None) -> None:
        """Record what an event means for its run."""

        def record() -> None:
            super(SharedSqliteRunStorage, self).handle_run_event(run_id, event, update_timestamp)

        self._reserve.used_if_full(record) if event.is_run_failure else record()


class SharedSqliteScheduleStorage(_Shared, SqliteScheduleStorage):
    """Dagster's SQLite schedule storage, shared by many processes."""


class SharedSqliteStorage(DagsterStorage, ConfigurableClass):
    """Runs, events and schedules of one Dagster instance, each in one SQLite file below ``base_dir``."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._base_dir = os.path.abspath(base_dir)
        self._inst_data = inst_data
        history = os.path.join(self._base_dir, "history")
        with exclusively(history):
            self._runs = SharedSqliteRunStorage.from_local(history)
            self._schedules = SharedSqliteScheduleStorage.from_local(os.path.join(self._base_dir, "schedules"))
        self._events = BatchedSqliteEventLogStorage(history)
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """The configuration that this storage was made from."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """``base_dir``, a path or ``{env: NAME}``."""
        return {"base_dir": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "SharedSqliteStorage":
        """Open the storage that dagster.yaml describes."""
        return cls(inst_data=inst_data, **config_value)

    def register_instance(self, instance: DagsterInstance) -> None:
        """Tell the three storages which instance they serve."""
        super().register_instance(instance)
        for storage in (self._runs, self._events, self._schedules):
            if not storage.has_instance:
                storage.register_instance(instance)

    @property
    def run_storage(self) -> SharedSqliteRunStorage:
        """Runs, tags, backfills, daemon heartbeats."""
        return self._runs

    @property
    def event_log_storage(self) -> BatchedSqliteEventLogStorage:
        """Events, asset keys, dynamic partitions, pools."""
        return self._events

    @property
    def schedule_storage(self) -> SqliteScheduleStorage:
        """Schedules, sensors, their ticks."""
        return self._schedules

    def dispose(self) -> None:
        """Close all connections."""
        for storage in (self._events, self._runs, self._schedules):
            storage.dispose()
