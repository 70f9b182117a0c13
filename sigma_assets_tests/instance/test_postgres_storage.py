"""Dagster's storage on PostgreSQL when connections break: each event is there once, with its tags."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.events import StepMaterializationData
from dagster._core.storage.event_log import SqlEventLogStorageTable

from sigma_assets.base.errors import StorageError
from sigma_assets.instance.postgres import PooledPostgresEventLogStorage, SharedPostgresStorage
from sigma_assets_tests.conftest import drop_database, fresh_database
from sigma_assets_tests.postgres import PostgresServer

RUN = "11111111-1111-4111-8111-111111111111"
TAGS = {"dagster/data_version": "a1", "dagster/partition/date": "2026-01-08", "dagster/partition/portfolio": "p"}
INDEXED = 1
"""How many of them the log stores a second time: the data version."""


@pytest.fixture(scope="module")
def address(postgres_server: PostgresServer) -> Iterator[str]:
    name = fresh_database(postgres_server)
    yield postgres_server.url.set(database=name).render_as_string(hide_password=False)
    drop_database(postgres_server, name)


@pytest.fixture
def storage(address: str) -> Iterator[PooledPostgresEventLogStorage]:
    events = SharedPostgresStorage(address).event_log_storage
    assert isinstance(events, PooledPostgresEventLogStorage)
    yield events
    events.wipe()
    events.dispose()


def materialization(session: str) -> dg.EventLogEntry:
    asset = dg.AssetMaterialization("betas", partition=f"{session}|p", tags={**TAGS, "dagster/partition/date": session})
    event = dg.DagsterEvent(
        "ASSET_MATERIALIZATION", "portfolios", event_specific_data=StepMaterializationData(asset), step_key="betas"
    )
    return dg.EventLogEntry(
        error_info=None, level=10, user_message="", run_id=RUN, timestamp=time.time(), dagster_event=event
    )


def break_at(storage: PooledPostgresEventLogStorage, address: str, words: str, *, after: bool) -> list[str]:
    """End the backend of the first connection that executes a statement: before it does, or after; return the victims."""
    struck: list[str] = []
    administrator = sa.create_engine(address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def strike(connection: sa.Connection, _: object, statement: str, *__: object) -> None:
        if words in statement and not struck:
            struck.append(statement)
            with administrator.connect() as other:
                backend = connection.connection.dbapi_connection.info.backend_pid
                other.exec_driver_sql(f"SELECT pg_terminate_backend({backend}, 5000)")

    sa.event.listen(storage._engine, "after_cursor_execute" if after else "before_cursor_execute", strike)
    return struck


def stored(storage: PooledPostgresEventLogStorage) -> tuple[list[str], int]:
    """Return the partitions of the materialisations that are stored, and the number of tags."""
    with storage.index_connection() as connection:
        keys = connection.exec_driver_sql("SELECT partition FROM event_logs ORDER BY partition").scalars().all()
        joined = "SELECT count(*) FROM asset_event_tags t JOIN event_logs e ON e.id = t.event_id"
        loose = "SELECT count(*) FROM asset_event_tags WHERE event_id NOT IN (SELECT id FROM event_logs)"
        assert connection.exec_driver_sql(loose).scalar_one() == 0
        return list(keys), connection.exec_driver_sql(joined).scalar_one()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("words", ["INSERT INTO event_logs", "NOTIFY", "INSERT INTO asset_event_tags", "asset_keys"])
def test_an_event_is_stored_once_wherever_the_connection_breaks(
    storage: PooledPostgresEventLogStorage, address: str, words: str, after: bool
) -> None:
    """Dagster commits statement by statement, so the event itself is there already when a later one fails."""
    struck = break_at(storage, address, words, after=after)

    storage.store_event(materialization("2026-01-08"))

    assert struck
    assert stored(storage) == (["2026-01-08|p"], INDEXED)
    assert list(
        storage.get_latest_storage_id_by_partition(dg.AssetKey("betas"), dg.DagsterEventType.ASSET_MATERIALIZATION)
    )


@pytest.mark.parametrize("words", ["INSERT INTO event_logs", "INSERT INTO asset_event_tags", "asset_keys"])
def test_a_batch_is_stored_once_wherever_the_connection_breaks(
    storage: PooledPostgresEventLogStorage, address: str, words: str
) -> None:
    storage.store_event(materialization("2026-01-05"))
    struck = break_at(storage, address, words, after=True)

    storage.store_event_batch([materialization(session) for session in ("2026-01-06", "2026-01-07", "2026-01-08")])

    assert struck
    assert stored(storage) == ([f"2026-01-0{day}|p" for day in (5, 6, 7, 8)], 4 * INDEXED)


def test_a_batch_is_stored_as_its_events_one_by_one_would_be(storage: PooledPostgresEventLogStorage) -> None:
    """Ids in the order of the events, every column, whatever characters a name has, and no partition where there is none."""
    events = [
        materialization("2026-01-08"),
        materialization("""it's "10%" {a,b} \\ é :x"""),
        materialization("2026-01-05"),
    ]
    asset = dg.AssetMaterialization("betas")
    bare = dg.DagsterEvent(
        "ASSET_MATERIALIZATION", "portfolios", event_specific_data=StepMaterializationData(asset), step_key=None
    )
    events.append(events[0]._replace(dagster_event=bare))
    for event in events:
        storage.store_event(event)
    expected = _columns(storage)
    storage.wipe()

    storage.store_event_batch(events)

    found = _columns(storage)
    assert [row[1:] for row in found] == [row[1:] for row in expected]
    assert [row[0] for row in found] == sorted(row[0] for row in found)
    assert len({row[0] for row in found}) == len(events)


def _columns(storage: PooledPostgresEventLogStorage) -> list[sa.Row]:
    with storage.index_connection() as connection:
        return list(connection.execute(sa.select(SqlEventLogStorageTable).order_by(SqlEventLogStorageTable.c.id)))


def test_a_read_is_repeated_when_the_connection_breaks(storage: PooledPostgresEventLogStorage, address: str) -> None:
    storage.store_event(materialization("2026-01-08"))
    struck = break_at(storage, address, "FROM asset_keys", after=False)

    (record,) = storage.get_asset_records([dg.AssetKey("betas")])

    assert struck
    assert record.asset_entry.asset_key == dg.AssetKey("betas")


def test_a_run_was_made_now_whatever_the_time_zone_of_the_server(address: str) -> None:
    """Its time was that of New York: `sigma-assets run` found its own run five hours old, and so abandoned."""
    administrator = sa.create_engine(address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    name = sa.make_url(address).database
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET timezone TO 'America/New_York'")
    runs = SharedPostgresStorage(address).run_storage

    runs.add_run(dg.DagsterRun(job_name="portfolios", run_id=RUN))

    (record,) = runs.get_run_records()
    assert abs(datetime.now(UTC) - record.create_timestamp) < timedelta(minutes=5)
    runs.wipe()
    runs.dispose()
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} RESET timezone")


def test_a_server_that_refuses_is_a_clear_error_without_the_password(address: str) -> None:
    wrong = (
        sa.make_url(address)
        .set(username="sigma_pipeline", password="hunter2secret")
        .render_as_string(hide_password=False)
    )

    with pytest.raises(StorageError, match="Check that the server runs") as refused:
        SharedPostgresStorage(wrong)

    assert "hunter2secret" not in str(refused.value)


def test_two_runs_that_first_meet_a_pool_at_the_same_moment_both_go_on(address: str, tmp_path: Path) -> None:
    """The first night with two workers: both note the pool's limit. Dagster's own way fails the second run."""
    (tmp_path / "dagster.yaml").write_text(
        f"""
storage:
  custom: {{module: sigma_assets.instance.postgres, class: SharedPostgresStorage, config: {{postgres_url: '{address}'}}}}
concurrency: {{pools: {{granularity: op, default_limit: 1}}}}
telemetry: {{enabled: false}}
"""
    )
    pools, together = [f"pool {number}" for number in range(60)], Barrier(2, timeout=20)
    with (
        dg.DagsterInstance.from_config(str(tmp_path)) as first,
        dg.DagsterInstance.from_config(str(tmp_path)) as second,
    ):

        def begin(instance: dg.DagsterInstance) -> list[bool]:
            noted = []
            for pool in pools:
                together.wait()
                noted.append(instance.event_log_storage.initialize_concurrency_limit_to_default(pool))
            return noted

        with ThreadPoolExecutor(2) as threads:
            noted = list(threads.map(begin, (first, second)))
        keys = first.event_log_storage.get_concurrency_keys()
        limits = {first.event_log_storage.get_concurrency_info(pool).slot_count for pool in pools}
        first.event_log_storage.wipe()

    assert noted == [[True] * 60] * 2
    assert set(pools) <= keys
    assert limits == {1}
