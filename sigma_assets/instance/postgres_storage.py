"""Dagster's whole storage (runs, events, schedules) on PostgreSQL, at the address that our own tables have.

Named in deploy/dagster.yaml::

    storage:
      custom:
        module: sigma_assets.instance.postgres_storage
        class: SharedPostgresStorage
        config: {postgres_url: {env: SIGMA_DATABASE_URL}}
"""

from typing import Any, Self

import dagster as dg
from dagster._core.storage.sql import create_engine
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from dagster_postgres.utils import pg_url_from_config

import sigma_assets.instance.event_batching  # noqa: F401  (batched events in every process that opens the instance)
from sigma_assets.instance.planned_checks import planned_for_the_run
from sigma_assets.storage.database import postgres_url

IDLE_CONNECTIONS = 2
"""Connections that a process keeps (Dagster nests two to store an event); it opens more as its threads need them."""


class PooledPostgresEventLogStorage(PostgresEventLogStorage):
    """Dagster's PostgreSQL event log, which also closes its pool of connections."""

    def _store_asset_check_evaluation_planned(self, event: dg.EventLogEntry, event_id: int | None) -> None:
        """Note a planned check once: Dagster would note it for each partition, each time with all partitions' names."""
        super()._store_asset_check_evaluation_planned(planned_for_the_run(event), event_id)

    def dispose(self) -> None:
        """Stop watching and close the idle connections."""
        super().dispose()
        self._engine.dispose()


class SharedPostgresStorage(DagsterPostgresStorage):
    """Dagster's PostgreSQL storage with batched events, one pool of connections, and every spelling of an address.

    Dagster opens a connection for each statement: 800 in a run of twelve assets, half of its time. SQLAlchemy 2.1 reads
    `postgresql://` as psycopg 3, which Dagster cannot use, and refuses `postgres://`.
    """

    def __init__(
        self, address: str, should_autocreate_tables: bool = True, inst_data: ConfigurableClassData | None = None
    ) -> None:
        super().__init__(address, should_autocreate_tables, inst_data)
        self._event_log_storage = PooledPostgresEventLogStorage(address, should_autocreate_tables)
        pool = {"pool_size": IDLE_CONNECTIONS, "max_overflow": -1, "pool_pre_ping": True}
        engine = create_engine(address, isolation_level="AUTOCOMMIT", **pool)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = engine

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Return the storage of an instance's configuration.

        Raises
        ------
        StorageError
            The address is no PostgreSQL address, or cannot be read.
        """
        address = postgres_url(pg_url_from_config(config_value))
        return cls(address, config_value.get("should_autocreate_tables", True), inst_data)
