"""Dagster's storage is opened at each tick of a sensor: it looks once for what is to be made, and makes what is absent."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage

from sigma_assets.instance.postgres import SharedPostgresStorage
from sigma_assets.instance.sqlite.storage import SharedSqliteStorage
from sigma_assets_tests.conftest import drop_database, fresh_database


@pytest.fixture
def address(postgres_server):
    name = fresh_database(postgres_server)
    yield postgres_server.url.set(database=name).render_as_string(hide_password=False)
    drop_database(postgres_server, name)


def opened(base: Path) -> None:
    storage = SharedSqliteStorage(str(base))
    storage.run_storage.get_run_storage_id()
    storage.schedule_storage.all_instigator_state()
    storage.dispose()


def test_sqlite_reads_no_migrations_where_everything_is_there(tmp_path, monkeypatch):
    looks: list[str] = []
    for module in (sqlite_run_storage, sqlite_schedule_storage):
        real = module.check_alembic_revision
        monkeypatch.setattr(
            module, "check_alembic_revision", lambda *given, real=real: looks.append("look") or real(*given)
        )

    opened(tmp_path)
    assert looks == ["look", "look"]
    opened(tmp_path)
    assert looks == ["look", "look"]


@pytest.mark.parametrize(
    "broken",
    ["DROP TABLE instance_info", "DELETE FROM alembic_version", "DROP TABLE alembic_version"],
)
def test_sqlite_makes_what_is_absent(tmp_path, broken):
    opened(tmp_path)
    file = tmp_path / "history" / "runs.db"
    with sqlite3.connect(file) as connection:
        connection.execute(broken)
    connection.close()

    opened(tmp_path)

    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT count(*) FROM instance_info").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    connection.close()


def test_postgresql_is_asked_once_what_is_there(address):
    SharedPostgresStorage(address).event_log_storage.dispose()
    connections: list[sa.Connection] = []

    def note(connection: sa.Connection) -> None:
        connections.append(connection)

    sa.event.listen(sa.engine.Engine, "engine_connect", note)
    try:
        SharedPostgresStorage(address).event_log_storage.dispose()
    finally:
        sa.event.remove(sa.engine.Engine, "engine_connect", note)

    assert len(connections) == 1


@pytest.mark.parametrize("table", ["instance_info", "sigma_run_heartbeats"])
def test_postgresql_makes_what_is_absent(address, table):
    SharedPostgresStorage(address).event_log_storage.dispose()
    engine = sa.create_engine(address, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP TABLE {table}"))

    storage = SharedPostgresStorage(address)

    assert sa.inspect(engine).has_table(table)
    assert storage.should_autocreate_tables
    storage.event_log_storage.dispose()
