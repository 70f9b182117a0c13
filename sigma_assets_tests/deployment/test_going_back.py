"""Going back a version is restoring the backup of before; the roles of the deployment have no more rights than they need."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa

from sigma_assets.automation.execution import UpdateRequest
from sigma_assets.base.errors import SchemaVersionError, StorageError
from sigma_assets.storage import migrations
from sigma_assets.storage.connection.database import Database
from sigma_assets_tests.conftest import drop_database
from sigma_assets_tests.deployment.conftest import Finished, database_with_roles
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


def test_going_back_a_version_is_restoring_the_backup_of_before(finished: Finished, tmp_path: Path) -> None:
    """As deploy/README.md says: dump, upgrade, find it wanting, drop, make anew, restore; what came since is lost."""
    server, file = finished.server, tmp_path / "before.dump"
    with database_with_roles(server) as name:
        address = server.url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
        source = server.url.set(drivername="postgresql", database=finished.name).render_as_string(hide_password=False)
        subprocess.run([server.tool("pg_dump"), "--format=custom", f"--file={file}", source], check=True)
        options = ("--clean", "--if-exists", "--exit-on-error")
        restore = [server.tool("pg_restore"), *options, f"--dbname={address}", str(file)]
        subprocess.run(restore, check=True)
        url = role_url(server, name, "pipeline")
        _upgrade_to_a_newer_version(Database(url))
        with pytest.raises(SchemaVersionError, match="newer than this code"):
            migrations.check(Database(url))

        drop_database(server, name)
        _create_database(server, name)
        make_roles(server, name)
        subprocess.run(restore, check=True)

        back = configured(tmp_path / "back", url, CHECKOUT / "deploy" / "dagster.yaml")
        migrations.check(back.database)
        assert back.rows() == finished.rows
        assert back.run(UpdateRequest((finished.portfolio_id,), FIRST, LAST)) == []


def _upgrade_to_a_newer_version(database: Database) -> None:
    """Change the schema as a version would that this code does not know."""
    with database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE sigma.of_tomorrow (id integer PRIMARY KEY)")
        connection.exec_driver_sql("ALTER TABLE sigma.price_coverage ADD COLUMN of_tomorrow integer")
        connection.exec_driver_sql("UPDATE sigma_alembic_version SET version_num = '9999'")
    database.dispose()


def _create_database(server: PostgresServer, name: str) -> None:
    engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template1")


def test_an_embedded_installation_goes_back_with_its_copied_home(embedded: Deployment, tmp_path: Path) -> None:
    add_book(embedded.database)
    before = embedded.rows()
    embedded.database.dispose()
    shutil.copytree(embedded.home, tmp_path / "backup")
    with embedded.database.begin() as connection:
        connection.exec_driver_sql("UPDATE sigma_alembic_version SET version_num = '9999'")
    embedded.database.dispose()
    with pytest.raises(SchemaVersionError, match="newer than this code"):
        migrations.check(embedded.database)
    embedded.database.dispose()

    shutil.rmtree(embedded.home)
    shutil.copytree(tmp_path / "backup", embedded.home)

    migrations.check(embedded.database)
    assert embedded.rows() == before


def test_nobody_but_the_pipeline_makes_tables_and_no_password_is_an_argument(
    postgres_server: PostgresServer, database_name: str, tmp_path: Path
) -> None:
    """Every user of a machine sees the arguments of its processes; before PostgreSQL 15 all could create in public."""
    with (
        pytest.raises(StorageError, match="permission denied"),
        Database(role_url(postgres_server, database_name, "status")).begin() as connection,
    ):
        connection.exec_driver_sql("CREATE TABLE public.intruder (id integer)")
    engine = sa.create_engine(postgres_server.url.set(database=database_name), poolclass=sa.NullPool)
    with engine.connect() as connection:
        granted = "SELECT bool_or(grantee = 0 AND privilege_type = 'CREATE') FROM pg_namespace, aclexplode(nspacl)"
        assert not connection.exec_driver_sql(f"{granted} WHERE nspname = 'public'").scalar_one()

    seen = tmp_path / "arguments"
    (tmp_path / "psql").write_text(f'#!/bin/sh\necho "$@" > {seen}\ncat > /dev/null\n')
    (tmp_path / "psql").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment |= {"SIGMA_PIPELINE_PASSWORD": "s3cret-1", "SIGMA_STATUS_PASSWORD": "s3cret-2"}
    subprocess.run(["sh", str(CHECKOUT / "deploy" / "roles.sh")], env=environment, check=True)
    assert "s3cret" not in seen.read_text()
