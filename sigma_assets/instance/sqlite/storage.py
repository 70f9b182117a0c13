"""Dagster's whole storage (runs, events, schedules) on SQLite files that many processes may write at once.

Named in dagster.yaml::

    storage:
      custom:
        module: sigma_assets.instance.sqlite.storage
        class: SharedSqliteStorage
        config: {base_dir: {env: DAGSTER_HOME}}
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar, Self

import dagster as dg
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection

import sigma_assets.instance.sensor_rounds  # noqa: F401  (short rounds in the daemon, which opens the instance)
from sigma_assets.instance.event_log.storage import LeanRuns
from sigma_assets.instance.sqlite.engine import BUSY_TIMEOUT_SECONDS, exclusively, sqlite_engine
from sigma_assets.instance.sqlite.events import BatchedSqliteEventLogStorage
from sigma_assets.instance.sqlite.reserve import Reserve


class _Shared:
    """One pooled engine for a storage of Dagster's, with writers that wait for each other.

    Attributes
    ----------
    file, tables : the storage's file, and the tables that Dagster makes where it finds none.
    """

    file: ClassVar[str]
    tables: ClassVar[frozenset[str]]

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        path = conn_string.removeprefix("sqlite:///")
        self._engine = sqlite_engine(path)
        self._reserve = Reserve(os.path.dirname(path))
        super().__init__(conn_string, inst_data)  # type: ignore[call-arg]

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> Self:
        """Open the file; make it if need be.

        With each opening, as with each tick of a sensor, Dagster reads all migrations that there ever were, to learn
        whether there is anything to make.
        """
        path = os.path.join(os.path.abspath(base_dir), cls.file)
        if cls.tables <= _tables_in(path):
            return cls(f"sqlite:///{path}", inst_data)
        return super().from_local(base_dir, inst_data)  # type: ignore[misc]

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Begin a transaction on a pooled connection."""
        with self._engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close connections."""
        self._engine.dispose()


class SharedSqliteRunStorage(_Shared, LeanRuns, SqliteRunStorage):
    """Dagster's SQLite run storage, shared by many processes. A run begins and ends on a full disk only as told."""

    file = "runs.db"
    tables = frozenset({"runs", "instance_info", "alembic_version"})

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

    file = "schedules.db"
    tables = frozenset({"jobs", "alembic_version"})


class SharedSqliteStorage(DagsterSqliteStorage):
    """Runs, events and schedules of one Dagster instance, each in one SQLite file below ``base_dir``."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self.base_dir = os.path.abspath(base_dir)
        self._inst_data = inst_data
        history = os.path.join(self.base_dir, "history")
        with exclusively(history):
            self._run_storage = SharedSqliteRunStorage.from_local(history)
            self._schedule_storage = SharedSqliteScheduleStorage.from_local(os.path.join(self.base_dir, "schedules"))
        self._event_log_storage = BatchedSqliteEventLogStorage(history)  # type: ignore[assignment]
        super(DagsterSqliteStorage, self).__init__()  # whose own would open Dagster's storages

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Open the storage that dagster.yaml describes."""
        return cls(inst_data=inst_data, **config_value)


def _tables_in(path: str) -> set[str]:
    """Return the tables of a SQLite file; none where there is no file, or where Dagster has to say what is wrong with it.

    The table of the schema's revision counts only once it names one: Dagster notes that last.
    """
    if not os.path.exists(path):
        return set()
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS)
    try:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "alembic_version" in names and connection.execute("SELECT 1 FROM alembic_version").fetchone() is None:
            names.remove("alembic_version")
        return names
    except sqlite3.Error:
        return set()
    finally:
        connection.close()
