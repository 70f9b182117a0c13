"""Fixtures: a fresh deployment on PostgreSQL, as roles.sh and the two migration commands leave it; and one on SQLite."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
import sqlalchemy as sa

from sigma_assets.automation.execution import UpdateRequest
from sigma_assets.storage import migrations
from sigma_assets.storage.connection.database import Database
from sigma_assets_tests.conftest import drop_database, fresh_database, make_dagster_tables
from sigma_assets_tests.deployment.deployment import (
    CHECKOUT,
    FIRST,
    LAST,
    Deployment,
    add_book,
    configured,
    make_roles,
    role_url,
)
from sigma_assets_tests.postgres import PostgresServer
from sigma_assets_tests.templates import copy_dagster_files, migrated_sqlite

SmallDisk = Callable[[int], Path]
"""Makes a folder on a file system of its own, of so many MB."""


@contextmanager
def database_with_roles(server: PostgresServer) -> Iterator[str]:
    """Make a database with the two roles and nothing in it; yield its name."""
    name = fresh_database(server)
    make_roles(server, name)
    yield name
    drop_database(server, name)


@lru_cache(maxsize=1)
def _template(server: PostgresServer) -> str:
    """Return a database with the two roles, our tables and Dagster's, all made as in production; to be copied."""
    name = fresh_database(server)
    make_roles(server, name)
    url = role_url(server, name, "pipeline", "postgresql+psycopg2")
    db = Database(url)
    migrations.upgrade(db)
    db.dispose()
    make_dagster_tables(url)
    return name


@contextmanager
def _installed_database(server: PostgresServer) -> Iterator[str]:
    """Copy that database, privileges included; yield the copy's name."""
    name = fresh_database(server, f"TEMPLATE {_template(server)}")
    yield name
    drop_database(server, name)


@pytest.fixture
def database_name(postgres_server: PostgresServer) -> Iterator[str]:
    """Return the name of an empty database with the two roles."""
    with database_with_roles(postgres_server) as name:
        yield name


@pytest.fixture
def deployment(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Deployment]:
    """Return a deployment on PostgreSQL with deploy/dagster.yaml, its tables made by the pipeline's role."""
    with _installed_database(postgres_server) as name:
        url = role_url(postgres_server, name, "pipeline")
        yield configured(tmp_path / "postgres", url, CHECKOUT / "deploy" / "dagster.yaml")


@pytest.fixture
def embedded(tmp_path: Path) -> Deployment:
    """Return a deployment on SQLite with the dagster.yaml of the checkout."""
    file = tmp_path / "sqlite" / "sigma.sqlite"
    made = configured(tmp_path / "sqlite", f"sqlite:///{file}", CHECKOUT / "dagster.yaml")
    copy_dagster_files(made.home)
    shutil.copy(migrated_sqlite(), file)
    return made


@dataclass(frozen=True)
class Finished:
    """A deployment on PostgreSQL whose one portfolio is complete from FIRST to LAST.

    Attributes
    ----------
    name : the database.
    rows : what its tables hold; whatever is run again must leave the same.
    """

    server: PostgresServer
    name: str
    deployment: Deployment
    portfolio_id: str
    rows: dict[str, list[tuple[object, ...]]]

    def as_administrator(self, *statements: str) -> None:
        """Execute statements as superuser, each in a transaction of its own."""
        engine = sa.create_engine(
            self.server.url.set(database=self.name), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
        )
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def move_to(self, table: str, folder: Path) -> None:
        """Move a table to a folder of another file system."""
        owner = os.stat(self.server.folder)
        os.chown(folder, owner.st_uid, owner.st_gid)
        self.as_administrator(
            f"CREATE TABLESPACE small LOCATION '{folder}'", f"ALTER TABLE sigma.{table} SET TABLESPACE small"
        )

    def move_back(self, table: str) -> None:
        """Move a table back to where the others are."""
        self.as_administrator(f"ALTER TABLE sigma.{table} SET TABLESPACE pg_default", "DROP TABLESPACE small")


@pytest.fixture
def small_disk() -> Iterator[SmallDisk]:
    """Return what makes folders on small file systems; they are gone after the test."""
    with ExitStack() as stack:
        yield lambda megabytes: stack.enter_context(_file_system(megabytes))


@contextmanager
def _file_system(megabytes: int) -> Iterator[Path]:
    # Not below tmp_path, which PostgreSQL's user cannot enter. Never a path of before: a connection that an earlier test
    # has left open removes, when it is collected, the write-ahead log of whatever SQLite file has its path by then.
    folder = Path(mkdtemp(prefix="sigma_small_", dir="/tmp"))
    mounted = os.geteuid() == 0 and shutil.which("mount") is not None
    if mounted:
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not mounted:
        folder.rmdir()
        pytest.skip("no right to mount a small file system here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


@pytest.fixture(scope="module")
def finished(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """Return a deployment that has run."""
    with _installed_database(postgres_server) as name:
        url = role_url(postgres_server, name, "pipeline")
        made = configured(tmp_path_factory.mktemp("finished"), url, CHECKOUT / "deploy" / "dagster.yaml")
        portfolio_id = add_book(made.database)
        outcomes = made.run(UpdateRequest((portfolio_id,), FIRST, LAST))
        assert [outcome.succeeded for outcome in outcomes] == [True]
        yield Finished(postgres_server, name, made, portfolio_id, made.rows())
