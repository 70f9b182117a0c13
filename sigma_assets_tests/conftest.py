"""Fixtures shared by all tests: a fresh, migrated database of each kind."""

import gc
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

import pytest
import sqlalchemy as sa

from sigma_assets.base.garbage import spare
from sigma_assets.instance.postgres import SharedPostgresStorage
from sigma_assets.storage import migrations
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.connection.patience import BRIEF_SECONDS, patience
from sigma_assets_tests.postgres import NoPostgresError, PostgresServer
from sigma_assets_tests.templates import migrated_sqlite

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def a_command_s_patience() -> None:
    """Begin each test as impatient as a command: a run that a test or fixture executes makes its process a patient one."""
    patience.seconds, patience.away_since = BRIEF_SECONDS, None


def pytest_collection() -> None:
    """Look for no garbage while modules are imported and tests are collected: it all stays."""
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files that wait for processes over the others, so that seldom all workers wait at the same time.

    The last folder comes first: the shortest files, which leave no worker alone at the end, are in the first ones.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    files = {path: files[path] for path in sorted(files, reverse=True)}
    waiting = [path for path, tests in files.items() if tests[0].get_closest_marker("waits")]
    others = [path for path in files if path not in waiting]
    waiting.sort(key=lambda path: path.parent.name != "hosts")  # that file is the longest of all
    distance = len(others) // (len(waiting) + 1) or 1
    ordered: list[Path] = []
    for number, path in enumerate(others):
        if number % distance == 0 and waiting:
            ordered.append(waiting.pop(0))
        ordered.append(path)
    items[:] = [item for path in (*ordered, *waiting) for item in files[path]]


def pytest_collection_finish() -> None:
    """Look for garbage from here on, not again and again among what stays, and seldom: runs leave little of it."""
    spare()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@lru_cache(maxsize=1)
def _start_server() -> PostgresServer | str:
    try:
        return PostgresServer()
    except NoPostgresError as error:
        return str(error)


def cannot_run(reason: str) -> NoReturn:
    """Skip what this machine lacks something for; where CI=true it fails."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres_server() -> PostgresServer:
    """Return the server of the test session; skips without one, but fails where CI=true."""
    server = _start_server()
    if isinstance(server, PostgresServer):
        return server
    cannot_run(server)


@pytest.fixture(scope="session")
def sqlite_template() -> Path:
    """Return a migrated SQLite file, to be copied."""
    return migrated_sqlite()


@lru_cache(maxsize=1)
def _postgres_template(server: PostgresServer) -> str:
    name = f"sigma_template_{os.getpid()}"
    _admin(server, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    db = Database(_url(server, name))
    migrations.upgrade(db)
    db.dispose()
    return name


@lru_cache(maxsize=1)
def _postgres_template_with_dagster(server: PostgresServer) -> str:
    name = f"sigma_template_dagster_{os.getpid()}"
    _admin(server, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name} TEMPLATE {_postgres_template(server)}")
    make_dagster_tables(_url(server, name))
    return name


def make_dagster_tables(url: str) -> None:
    """Make Dagster's own tables in a database, as the first process that opens its instance does."""
    storage = SharedPostgresStorage(url)
    for part in (storage.event_log_storage, storage.run_storage, storage.schedule_storage):
        part.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of a fresh, migrated database; the test runs once per kind."""
    yield from _migrated(request, _postgres_template)


@pytest.fixture(params=["sqlite", "postgresql"])
def installed_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of such a database; on PostgreSQL, Dagster's own tables are in it, too."""
    yield from _migrated(request, _postgres_template_with_dagster)


def _migrated(request: pytest.FixtureRequest, template_of: Callable[[PostgresServer], str]) -> Iterator[str]:
    if request.param == "sqlite":
        file = request.getfixturevalue("tmp_path") / "sigma.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    server = request.getfixturevalue("postgres_server")
    yield from _postgres_database(server, f"TEMPLATE {template_of(server)}")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Return a fresh, migrated database; the test runs once per kind."""
    yield from _opened(database_url)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of a database without our tables; the test runs once per kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{request.getfixturevalue('tmp_path') / 'new' / 'sigma.sqlite'}"
        return
    yield from _postgres_database(request.getfixturevalue("postgres_server"), "TEMPLATE template1")


@pytest.fixture
def empty_database(empty_database_url: str) -> Iterator[Database]:
    """Return a database without our tables; the test runs once per kind."""
    yield from _opened(empty_database_url)


def _opened(url: str) -> Iterator[Database]:
    db = Database(url)
    yield db
    db.dispose()


def _postgres_database(server: PostgresServer, template: str) -> Iterator[str]:
    name = fresh_database(server, template)
    yield _url(server, name)
    drop_database(server, name)


def fresh_database(server: PostgresServer, template: str = "TEMPLATE template1") -> str:
    """Make a database and return its name."""
    name = f"sigma_test_{os.getpid()}_{next(_numbers)}"
    _admin(server, f"CREATE DATABASE {name} {template}")
    return name


def drop_database(server: PostgresServer, name: str) -> None:
    """Drop a database, whoever is connected to it."""
    _admin(server, f"DROP DATABASE {name} WITH (FORCE)")


def _url(server: PostgresServer, name: str) -> str:
    return server.url.set(database=name).render_as_string(hide_password=False)


def _admin(server: PostgresServer, *statements: str) -> None:
    engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
