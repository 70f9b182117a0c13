"""Dagster's whole storage (runs, events, schedules) on PostgreSQL, at the address that our own tables have.

Named in deploy/dagster.yaml::

    storage:
      custom:
        module: sigma_assets.instance.postgres
        class: SharedPostgresStorage
        config: {postgres_url: {env: SIGMA_DATABASE_URL}}
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from threading import current_thread
from typing import Any, Self, TypeVar

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log import SqlEventLogStorageTable as Events
from dagster._core.storage.event_log.schema import AssetEventTagsTable
from dagster._core.storage.sql import create_engine
from dagster._serdes import ConfigurableClassData, serialize_value
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage, PostgresRunStorage
from dagster_postgres.utils import pg_url_from_config, retry_pg_creation_fn, set_pg_statement_timeout
from sqlalchemy.dialects.postgresql import ARRAY

import sigma_assets.instance.event_log.batching  # (batched events in every process that opens the instance)
import sigma_assets.instance.sensor_rounds  # noqa: F401  (short rounds in the daemon, which opens it, too)
from sigma_assets.base.errors import SettingsError
from sigma_assets.instance.event_log.storage import LeanEventLog, LeanRuns
from sigma_assets.instance.health.heartbeats import TABLE as HEARTBEATS
from sigma_assets.instance.health.heartbeats import Heartbeats
from sigma_assets.storage.connection.database import CONNECT_SECONDS, place_of, postgres_url
from sigma_assets.storage.connection.failures import DATABASE_ERRORS, storage_error
from sigma_assets.storage.connection.patience import persistently
from sigma_assets.storage.connection.pooler import refuse_shared_sessions
from sigma_assets.storage.connection.timeouts import set_timeouts

IDLE_CONNECTIONS = 2
"""Connections that a process keeps (Dagster nests two to store an event); it opens more as its threads need them."""
TABLES = {"runs", "instance_info", "event_logs", "jobs", HEARTBEATS.name}
"""Whose absence shows that there is something to make. Dagster's storages would each ask for their own, on connections of
their own, at each opening, as at each tick of a sensor."""
REPEATED_EVENT_CALLS = (
    "claim_concurrency_slot", "free_concurrency_slot_for_step", "get_asset_records", "get_dynamic_partitions",
    "get_latest_storage_id_by_partition", "get_latest_tags_by_partition", "get_pool_config", "get_pool_limits",
    "has_dynamic_partition", "has_table", "initialize_concurrency_limit_to_default",
)  # fmt: skip
REPEATED_RUN_CALLS = ("get_run_records", "handle_run_event")
"""What a run's worker asks of Dagster's storage, besides storing events; done twice, each leaves what it leaves once."""
ENDINGS = (dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED)
TIRELESS_THREAD = "grpc-server-cleanup"
"""The code server's thread that reports dead workers. One exception ends it: no dead worker would be noticed ever after,
and the server would wait for runs that have ended when it is told to stop. So it waits as long as it takes. Our own server
survives the exception (`instance.warm.server`); this serves the one of `dagster dev`, too."""

Outcome = TypeVar("Outcome")


class PooledPostgresEventLogStorage(LeanEventLog, PostgresEventLogStorage):
    """Dagster's PostgreSQL event log, which also closes its pool, and stores an event once where a connection breaks."""

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an event; again from the start, and still once, when the connection breaks in the middle."""
        self._store_once([event], lambda: super(PooledPostgresEventLogStorage, self).store_event(event))

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store a batch of events, as `store_event` does one."""
        self._store_once(events, lambda: super(PooledPostgresEventLogStorage, self).store_event_batch(events))

    def prepare_insert_event_batch(self, events: Sequence[dg.EventLogEntry]) -> Any:
        """Return the statement that inserts a batch: a list per column, where Dagster has a parameter per event and column.

        5,000 events are then 7 parameters and not 35,000, which took longer to write down than to store.
        """
        rows = [self._event_to_row(event) for event in events]
        columns = [Events.c[name] for name in rows[0]]
        lists = [sa.literal([row[column.name] for row in rows], ARRAY(column.type)) for column in columns]
        batch = (
            sa.func.unnest(*lists)
            .table_valued(*(column.name for column in columns), with_ordinality="place")
            .render_derived()
        )
        in_turn = sa.select(*(batch.c[column.name] for column in columns)).order_by(batch.c.place)
        return sa.insert(Events).from_select(columns, in_turn)

    def _store_once(self, events: Sequence[dg.EventLogEntry], store: Callable[[], None]) -> None:
        """Dagster commits statement by statement: whatever a broken attempt has left is deleted before the next one."""
        attempts = 0

        def attempt() -> None:
            nonlocal attempts
            attempts += 1
            if attempts > 1:
                self._delete(events)
            store()

        _repeated(attempt, place_of(self._engine.url))

    def _delete(self, events: Sequence[dg.EventLogEntry]) -> None:
        runs, bodies = {event.run_id for event in events}, [serialize_value(event) for event in events]
        left = sa.select(Events.c.id).where(Events.c.run_id.in_(runs), Events.c.event.in_(bodies))
        with self.index_transaction() as connection:
            ids = connection.execute(left).scalars().all()
            connection.execute(sa.delete(AssetEventTagsTable).where(AssetEventTagsTable.c.event_id.in_(ids)))
            connection.execute(sa.delete(Events).where(Events.c.id.in_(ids)))

    def initialize_concurrency_limit_to_default(self, concurrency_key: str) -> bool:
        """Note the limit of a pool, unless another run does at the same moment.

        Of two runs that begin together, and find no limit, PostgreSQL refuses the second one; Dagster then goes on in the
        transaction that has failed with that, which would cost the run.
        """
        try:
            return super().initialize_concurrency_limit_to_default(concurrency_key)
        except sa.exc.InternalError:
            if concurrency_key not in self.get_concurrency_keys():
                raise
            return True

    def dispose(self) -> None:
        """Stop watching and close the idle connections."""
        super().dispose()
        self._engine.dispose()


class BeatingPostgresRunStorage(LeanRuns, PostgresRunStorage):
    """Dagster's runs on PostgreSQL, with the signs of life of those in flight."""

    @property
    def heartbeats(self) -> Heartbeats:
        """The signs of life."""
        return Heartbeats(self._engine)

    def handle_run_event(self, run_id: str, event: dg.DagsterEvent, update_timestamp: datetime | None = None) -> None:
        """Take over a run's new status; the signs of life of a run that ends go with it, whoever ended it."""
        super().handle_run_event(run_id, event, update_timestamp)
        if event.event_type in ENDINGS:
            self.heartbeats.end(run_id)

    def delete_run(self, run_id: str) -> None:
        """Delete a run and its signs of life."""
        super().delete_run(run_id)
        self.heartbeats.end(run_id)


class SharedPostgresStorage(DagsterPostgresStorage):
    """Dagster's PostgreSQL storage with batched events, one pool of connections, and every spelling of an address.

    Dagster opens a connection for each statement: 800 in a run of twelve assets, half of its time. SQLAlchemy 2.1 reads
    `postgresql://` as psycopg 3, which Dagster cannot use, and refuses `postgres://`.

    A server that is away is waited for as long as the process has patience (`storage.connection.patience`): a run's worker a
    minute and more, others a few seconds. Dagster's own tries end after six.
    """

    def __init__(
        self, address: str, should_autocreate_tables: bool = True, inst_data: ConfigurableClassData | None = None
    ) -> None:
        pool = {"pool_size": IDLE_CONNECTIONS, "max_overflow": -1, "pool_pre_ping": True}
        arguments = {} if "connect_timeout" in sa.make_url(address).query else {"connect_timeout": CONNECT_SECONDS}
        engine = create_engine(address, isolation_level="AUTOCOMMIT", connect_args=arguments, **pool)
        sa.event.listen(engine, "do_connect", partial(_connect, engine.url))
        sa.event.listen(engine, "connect", partial(_prepare, engine.url))
        refuse_shared_sessions(engine, arguments, place_of(engine.url))
        with _repeated(engine.connect, place_of(engine.url)) as connection:  # what Dagster does below does not wait
            lacking = should_autocreate_tables and not TABLES.issubset(sa.inspect(connection).get_table_names())
        super().__init__(address, lacking, inst_data)
        self.should_autocreate_tables = should_autocreate_tables
        self._run_storage = BeatingPostgresRunStorage(address, lacking)
        self._event_log_storage = PooledPostgresEventLogStorage(address, lacking)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = engine
            storage.optimize_for_webserver = lambda **_: None  # type: ignore[method-assign]
        self._run_storage.optimize_for_webserver = partial(_limit_statements, engine)  # type: ignore[method-assign]
        if lacking:
            retry_pg_creation_fn(self._run_storage.heartbeats.create)
        _repeat(self._run_storage, REPEATED_RUN_CALLS, place_of(engine.url))
        _repeat(self._event_log_storage, REPEATED_EVENT_CALLS, place_of(engine.url))

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


def heartbeats_of(instance: dg.DagsterInstance) -> Heartbeats | None:
    """Return the signs of life of an instance's runs; None on SQLite, where all processes are on one host."""
    runs = instance.run_storage
    return runs.heartbeats if isinstance(runs, BeatingPostgresRunStorage) else None


def required_heartbeats(instance: dg.DagsterInstance, launcher: str, folder: str) -> Heartbeats:
    """Return the signs of life of an instance's runs, for a launcher of several hosts.

    Raises
    ------
    SettingsError
        The instance is on SQLite; names the folder below deploy/ whose dagster.yaml is right.
    """
    found = heartbeats_of(instance)
    if found is None:
        raise SettingsError(
            f"dagster.yaml: {launcher} needs the storage sigma_assets.instance.postgres: SharedPostgresStorage;"
            f" SQLite files cannot be shared by hosts. See deploy/{folder}/dagster.yaml"
        )
    return found


def _connect(url: sa.URL, dialect: sa.Dialect, _: Any, arguments: Sequence[Any], options: dict[str, Any]) -> Any:
    """Connect, persistently; what fails for good is a StorageError, which Dagster does not try six times more."""
    try:
        return _repeated(lambda: dialect.connect(*arguments, **options), place_of(url))
    except DATABASE_ERRORS as error:
        raise storage_error(error, place_of(url), url.password) from error


def _prepare(url: sa.URL, connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:  # the engine's isolation level is AUTOCOMMIT: no rollback takes this back
        cursor.execute("SET timezone TO 'UTC'")  # what Dagster writes is in that of the session, and read as UTC
        set_timeouts(cursor, url)


def _limit_statements(engine: sa.Engine, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
    """End statements of a server of pages after so many milliseconds.

    Dagster would make a pool of its own for each storage, of connections that nobody tries before use: the first request
    after a restart of PostgreSQL, or after a firewall cut an idle connection, failed, and /healthz said so.
    """
    sa.event.listen(engine, "connect", lambda connection, _: set_pg_statement_timeout(connection, statement_timeout))
    engine.dispose()


def _repeat(storage: object, calls: Sequence[str], place: str) -> None:
    """Repeat these calls of a storage when a connection breaks in the middle of one."""

    def repeating(call: Callable[..., Outcome]) -> Callable[..., Outcome]:
        return lambda *arguments, **options: _repeated(lambda: call(*arguments, **options), place)

    for name in calls:
        setattr(storage, name, repeating(getattr(storage, name)))


def _repeated(attempt: Callable[[], Outcome], place: str) -> Outcome:
    return persistently(attempt, place, forever=current_thread().name == TIRELESS_THREAD)
