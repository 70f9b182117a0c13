"""Fixtures: a fresh deployment on PostgreSQL, as roles.sh and the two migration commands leave it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sigma_assets.storage import migrations
from sigma_assets_tests.conftest import drop_database, fresh_database
from sigma_assets_tests.deployment.deployment import CHECKOUT, Deployment, configured, make_roles, role_url
from sigma_assets_tests.postgres import PostgresServer


@contextmanager
def database_with_roles(server: PostgresServer) -> Iterator[str]:
    """Make a database with the two roles and nothing in it; yield its name."""
    name = fresh_database(server)
    make_roles(server, name)
    yield name
    drop_database(server, name)


@pytest.fixture
def database_name(postgres_server: PostgresServer) -> Iterator[str]:
    """Return the name of an empty database with the two roles."""
    with database_with_roles(postgres_server) as name:
        yield name


@pytest.fixture
def deployment(postgres_server: PostgresServer, database_name: str, tmp_path: Path) -> Deployment:
    """Return a deployment on PostgreSQL with deploy/dagster.yaml, its tables made by the pipeline's role."""
    url = role_url(postgres_server, database_name, "pipeline")
    made = configured(tmp_path / "postgres", url, CHECKOUT / "deploy" / "dagster.yaml")
    migrations.upgrade(made.database)
    return made


@pytest.fixture
def embedded(tmp_path: Path) -> Deployment:
    """Return a deployment on SQLite with the dagster.yaml of the checkout."""
    file = tmp_path / "sqlite" / "sigma.sqlite"
    made = configured(tmp_path / "sqlite", f"sqlite:///{file}", CHECKOUT / "dagster.yaml")
    migrations.upgrade(made.database)
    return made
