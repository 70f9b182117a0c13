"""The command line looks after the schema on both databases, and nothing runs on a schema that is not the code's."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from sigma_assets.assets.tables import Tables
from sigma_assets.base.errors import SchemaVersionError
from sigma_assets.settings import read_settings
from sigma_assets.storage import migrations
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.migrations.runner import VERSION_TABLE
from sigma_assets_tests.cli.conftest import invoked
from sigma_assets_tests.deployment.deployment import CHECKOUT, configured


def test_the_commands_make_show_and_check_the_schema(empty_database_url: str, tmp_path: Path) -> None:
    deployment = configured(tmp_path / "home", empty_database_url, CHECKOUT / "dagster.yaml")
    refused = invoked(deployment.home, deployment.environment, "db", "check")

    made = invoked(deployment.home, deployment.environment, "db", "upgrade")

    newest = migrations.current(deployment.database)
    there = invoked(deployment.home, deployment.environment, "db", "current")
    migrations.check(deployment.database)
    assert (refused.exit_code, "run `sigma-assets db upgrade`" in refused.stderr) == (1, True)
    assert (made.exit_code, made.stdout.split()[-1]) == (0, newest), made.stderr
    assert there.stdout.split()[-1] == newest


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("0001", "has schema 0001, older than this code .*: run `sigma-assets db upgrade`"),
        ("9999", "has schema 9999, newer than this code .*: install the version of sigma_assets that upgraded it"),
    ],
)
def test_assets_refuse_a_schema_that_is_not_the_codes(database_url: str, version: str, words: str) -> None:
    """Every asset reaches its rows through these tables."""
    database = Database(database_url)
    with database.begin() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = :version"), {"version": version})
    tables = Tables(read_settings({"SIGMA_DATABASE_URL": database_url}))

    with pytest.raises(SchemaVersionError, match=words):
        _ = tables.database

    database.dispose()


def test_commands_refuse_a_newer_schema(database_url: str, tmp_path: Path) -> None:
    deployment = configured(tmp_path / "home", database_url, CHECKOUT / "dagster.yaml")
    with deployment.database.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")

    refused = invoked(deployment.home, deployment.environment, "portfolios")

    assert refused.exit_code == 1
    assert "9999, newer than this code" in refused.stderr
