"""Dagster's storage suites with our SQLite and PostgreSQL storages in the place of Dagster's own."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.utils import make_new_run_id
from dagster._utils.test.schedule_storage import TestScheduleStorage

from sigma_assets.instance.postgres import SharedPostgresStorage
from sigma_assets.instance.sqlite.storage import SharedSqliteStorage
from sigma_assets_tests.postgres import URL_VARIABLE


def dagster_run(run_id: str | None = None, job_name: str = "some_job", **options: Any) -> dg.DagsterRun:
    """Return a run as the factory of `dagster_test` does, a package that Dagster's sources import and do not ship."""
    return dg.DagsterRun(run_id=run_id or make_new_run_id(), job_name=job_name, **options)


def _provide_run_factory() -> None:
    factory = ModuleType("dagster_test.utils.data_factory")
    factory.dagster_run = dagster_run  # type: ignore[attr-defined]
    parents = {name: ModuleType(name) for name in ("dagster_test", "dagster_test.utils")}
    sys.modules.update({**parents, factory.__name__: factory})


_provide_run_factory()

from dagster_tests.storage_tests.utils.daemon_cursor_storage import TestDaemonCursorStorage  # noqa: E402
from dagster_tests.storage_tests.utils.event_log_storage import TestEventLogStorage  # noqa: E402
from dagster_tests.storage_tests.utils.run_storage import TestRunStorage  # noqa: E402

Instance = dg.DagsterInstance
Storage = dict[str, Any]
ABOUT_THE_SCHEMA = {"alembic_version", "secondary_indexes"}
"""Tables whose rows say which migrations were done."""


def sqlite_storage(folder: Path) -> Storage:
    """Return the configuration of our SQLite storage in a folder."""
    return _custom(SharedSqliteStorage, {"base_dir": str(folder)})


def postgres_storage(_: Path) -> Storage:
    """Return the configuration of our PostgreSQL storage in a database of this process, emptied."""
    return _custom(SharedPostgresStorage, {"postgres_url": _own_database()})


def _custom(kind: type, config: dict[str, str]) -> Storage:
    return {"storage": {"custom": {"module": kind.__module__, "class": kind.__name__, "config": config}}}


def _own_database() -> str:
    server = sa.make_url(os.environ[URL_VARIABLE])
    name = f"conformance_{os.getpid()}"
    with closing(_administrator(server)) as administrator:
        known = sa.text("SELECT 1 FROM pg_database WHERE datname = :name")
        if administrator.execute(known, {"name": name}).scalar() is None:
            administrator.exec_driver_sql(f"CREATE DATABASE {name}")
    return server.set(database=name).render_as_string(hide_password=False)


def _administrator(server: sa.URL) -> sa.Connection:
    return sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool).connect()


@pytest.fixture(scope="session", params=[sqlite_storage, postgres_storage], ids=["sqlite", "postgresql"])
def instance_of_all(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Return an instance on each of our storages, for all tests: making its tables takes longer than most tests."""
    folder = tmp_path_factory.mktemp("instance")
    with dg.instance_for_test(overrides=request.param(folder), temp_dir=str(folder)) as instance:
        yield instance


@pytest.fixture(name="instance")
def emptied_instance(instance_of_all: Instance, monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    """Return an instance without rows, for one test."""
    monkeypatch.setenv("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", "0")  # what the suite expects by default
    yield instance_of_all
    storages = instance_of_all.event_log_storage, instance_of_all.run_storage, instance_of_all.schedule_storage
    for engine in {storage._engine for storage in storages}:
        with engine.begin() as connection:
            for table in _tables(engine):
                connection.execute(table.delete())


@cache
def _tables(engine: sa.Engine) -> list[sa.Table]:
    """Return the tables of a database, those first that refer to others."""
    found = sa.MetaData()
    found.reflect(engine)
    return [table for table in reversed(found.sorted_tables) if table.name not in ABOUT_THE_SCHEMA]


class _OnOurs:
    """Takes the instance of this module where Dagster's suite has one of its own."""

    __test__ = True

    @pytest.fixture(name="instance")
    def instance(self, instance: Instance) -> Instance:
        return instance


class TestOurEventLogStorage(_OnOurs, TestEventLogStorage):
    """Events, asset keys, checks, dynamic partitions, pools."""

    @pytest.fixture(name="storage")
    def event_log_storage(self, instance: Instance) -> Any:
        return instance.event_log_storage

    def can_wipe_asset_partitions(self) -> bool:
        return False  # nor can the storages of open-source Dagster


class TestOurRunStorage(_OnOurs, TestRunStorage):
    """Runs, tags, snapshots, backfills, heartbeats."""

    @pytest.fixture(name="storage")
    def run_storage(self, instance: Instance) -> Any:
        return instance.run_storage

    def supports_backfill_tags_filtering_queries(self) -> bool:
        return True

    def supports_backfill_job_name_filtering_queries(self) -> bool:
        return True

    def supports_backfill_id_filtering_queries(self) -> bool:
        return True

    def supports_backfills_count(self) -> bool:
        return True


class TestOurScheduleStorage(_OnOurs, TestScheduleStorage):
    """Schedules, sensors, ticks."""

    @pytest.fixture(name="storage")
    def schedule_storage(self, instance: Instance) -> Any:
        return instance.schedule_storage


class TestOurDaemonCursorStorage(_OnOurs, TestDaemonCursorStorage):
    """Cursors of daemons."""

    @pytest.fixture(name="storage")
    def cursor_storage(self, instance: Instance) -> Any:
        return instance.run_storage
