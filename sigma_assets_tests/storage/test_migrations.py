"""The schema that migrations make is the one of the code, whoever migrates and however often."""

from collections.abc import Callable
from datetime import date
from uuid import uuid4

import pandas as pd
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from sigma_assets.base.errors import SchemaVersionError, StorageError
from sigma_assets.storage import migrations
from sigma_assets.storage.connection import patience
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames import bulk
from sigma_assets.storage.frames.columns import checked_columns
from sigma_assets.storage.frames.rows import Rows, as_read, read_rows
from sigma_assets.storage.migrations import runner
from sigma_assets.storage.migrations.runner import VERSION_TABLE, config
from sigma_assets.storage.schema import (
    ARRAYS,
    SCHEMA,
    TABLES,
    betas_by_position,
    correlations_by_pair,
    metadata,
    stored_table,
)
from sigma_assets_tests.storage.builders import random_rows
from sigma_assets_tests.together import work_together


def test_migrated_schema_is_the_schema_of_the_code(database: Database) -> None:
    """Columns, types, keys, indexes, nullability, and on PostgreSQL comments."""
    options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
    expected = sa.MetaData(naming_convention=metadata.naming_convention)
    for table in TABLES.values():
        stored = stored_table(table, database.dialect)
        if stored.name not in expected.tables:
            stored.to_metadata(expected)

    with database.read() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), expected)

    assert differences == []


def test_views_of_arrays_have_the_columns_and_comments_of_the_code(database: Database) -> None:
    with database.read() as connection:
        inspector = sa.inspect(connection)
        views = inspector.get_view_names()
        for table in ARRAYS if database.dialect == "postgresql" else ():
            found = [
                (column["name"], str(column["type"]), column["comment"]) for column in inspector.get_columns(table.name)
            ]

            assert found == [(c.name, c.type.compile(connection.dialect), c.comment) for c in table.columns]
            assert inspector.get_table_comment(table.name)["text"] == table.comment

    assert set(views) == ({table.name for table in ARRAYS} if database.dialect == "postgresql" else set())


def test_pairs_of_an_older_schema_are_still_there_after_the_upgrade(empty_database: Database) -> None:
    """Until 0007 each pair was a row; since then a matrix is one."""
    rows = [
        {"p": owner, "d": day, "a": first, "b": second, "c": 0.1 * number, "n": 30 + number}
        for owner, day in (("one", "2026-01-08"), ("one", "2026-01-09"), ("two", "2026-01-08"))
        for number, (first, second) in enumerate([("AAA", "BBB"), ("AAA", "CCC"), ("BBB", "CCC")])
    ]

    def insert(connection: sa.Connection) -> None:
        connection.execute(sa.text("INSERT INTO correlations_by_pair VALUES (:p, :d, :a, :b, :c, :n)"), rows)

    _upgrade_to(empty_database, "0007", insert)
    migrations.upgrade(empty_database)

    found = read_rows(empty_database, correlations_by_pair, Rows(date(2026, 1, 1), date(2026, 1, 31)))
    told = found.assign(session=found["session"].dt.strftime("%Y-%m-%d")).itertuples(index=False, name=None)
    assert list(told) == [tuple(row.values()) for row in rows]


def test_rows_of_before_arrays_are_still_there_after_the_upgrade(empty_database: Database) -> None:
    """Until 0009 each lot, symbol, factor and scenario was a row of the table; awkward text, bits and nulls included."""
    frames = {table: random_rows(table, seed=seed) for seed, table in enumerate(ARRAYS)}

    def insert(connection: sa.Connection) -> None:
        for table, frame in frames.items():
            bulk.insert(connection, table.name, checked_columns(table, frame))

    _upgrade_to(empty_database, "0009", insert)
    migrations.upgrade(empty_database)

    for table, frame in frames.items():
        found = read_rows(empty_database, table, Rows(date(2026, 1, 1), date(2026, 12, 31)))
        pd.testing.assert_frame_equal(found, as_read(table, frame), check_exact=True)


@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
def test_lots_whose_ids_arrays_would_change_stop_the_upgrade_and_are_named(empty_database: Database) -> None:
    rows = random_rows(betas_by_position)
    rows.loc[7, "lot_id"] = "L1"
    columns = checked_columns(betas_by_position, rows)
    _upgrade_to(empty_database, "0009", lambda connection: bulk.insert(connection, "betas_by_position", columns))

    with pytest.raises(StorageError, match=r"betas_by_position.lot_id: found 'L1'; expected a uuid in lower case"):
        migrations.upgrade(empty_database)

    assert migrations.current(empty_database) == "0009"
    year = Rows(date(2026, 1, 1), date(2026, 12, 31))
    pd.testing.assert_frame_equal(read_rows(empty_database, betas_by_position, year), as_read(betas_by_position, rows))


@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
def test_who_could_read_or_write_a_table_can_do_so_when_it_is_arrays(empty_database: Database) -> None:
    reader, writer = (f'a "{word}" of {uuid4().hex[:8]}' for word in ("reader", "writer"))

    def grant(connection: sa.Connection) -> None:
        for role, what in ((reader, "SELECT"), (writer, "SELECT, INSERT, DELETE")):
            name = connection.dialect.identifier_preparer.quote_identifier(role)
            connection.exec_driver_sql(f"CREATE ROLE {name}")
            connection.exec_driver_sql(f"GRANT {what} ON risk_by_position TO {name}")
        connection.exec_driver_sql("GRANT SELECT ON betas_by_position TO PUBLIC")

    _upgrade_to(empty_database, "0009", grant)
    migrations.upgrade(empty_database)

    def may(role: str, table: str, what: str) -> bool:
        query = sa.text("SELECT has_table_privilege(:role, :table, :what)")
        return connection.execute(query, {"role": role, "table": table, "what": what}).scalar_one()

    with empty_database.begin() as connection:
        assert may(reader, "risk_by_position", "SELECT")
        assert may(reader, "betas_by_position", "SELECT")
        assert not may(reader, "risk_by_factor", "SELECT")
        assert not may(reader, "risk_by_position_arrays", "INSERT")
        assert may(writer, "risk_by_position_arrays", "INSERT")
        assert may(writer, "risk_by_position_arrays", "DELETE")
        for role in (reader, writer):
            name = connection.dialect.identifier_preparer.quote_identifier(role)
            connection.exec_driver_sql(f"DROP OWNED BY {name}")
            connection.exec_driver_sql(f"DROP ROLE {name}")


def test_upgrade_twice_is_upgrade_once(empty_database: Database) -> None:
    assert migrations.current(empty_database) is None

    first = migrations.upgrade(empty_database)
    second = migrations.upgrade(empty_database)

    assert first == second == migrations.current(empty_database)
    migrations.check(empty_database)


def test_a_schema_that_needs_no_upgrade_is_found_while_somebody_writes(database: Database) -> None:
    """Every command asks on SQLite; those that only read waited for the writes of a run, and failed after long ones."""
    with database.begin():
        assert migrations.upgrade(database) == migrations.current(database)


def test_the_schema_is_at_the_head_of_the_migrations_and_each_file_begins_with_its_version(database: Database) -> None:
    """The version is read from the names of the files, without alembic: no command that finds it right waits for it."""
    scripts = ScriptDirectory.from_config(config())

    assert migrations.current(database) == scripts.get_current_head()
    assert [script.path.rpartition("/")[2][:5] for script in scripts.walk_revisions()] == [
        f"{script.revision}_" for script in scripts.walk_revisions()
    ]


def test_processes_that_upgrade_at_once_do_not_clash(empty_database: Database, empty_database_url: str) -> None:
    program = f"""
import alembic.command
from sigma_assets.storage import migrations
from sigma_assets.storage.connection.database import Database

def work(_):
    print(migrations.upgrade(Database({empty_database_url!r})))
"""

    versions = work_together(program, *"123")

    assert versions == [migrations.current(empty_database)] * 3


def test_an_upgrade_does_not_wait_for_ever_for_somebody_who_uses_the_tables(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited in silence, and all who came after it waited for it."""
    if database.dialect == "sqlite":
        pytest.skip("SQLite waits half a minute for another writer")
    monkeypatch.setattr(runner, "LOCK_SECONDS", 0.01)
    monkeypatch.setattr(patience.time, "sleep", lambda _: None)
    _pretend(database, "0009")

    with database.begin() as writer:
        writer.exec_driver_sql("LOCK TABLE betas_by_position IN ROW EXCLUSIVE MODE")
        with pytest.raises(StorageError, match="Others use the tables: end what reads or writes them"):
            migrations.upgrade(database)

    assert migrations.current(database) == "0009"


def test_a_database_without_tables_is_named_with_the_command_that_helps(empty_database: Database) -> None:
    with pytest.raises(SchemaVersionError, match=r"has no tables.*sigma-assets db upgrade"):
        migrations.check(empty_database)


def test_an_older_schema_asks_for_an_upgrade(database: Database) -> None:
    _pretend(database, "0001")

    with pytest.raises(SchemaVersionError, match=r"0001, older than this code.*sigma-assets db upgrade"):
        migrations.check(database)


def test_a_newer_schema_is_refused_by_check_and_by_upgrade(database: Database) -> None:
    _pretend(database, "9999")

    for step in (migrations.check, migrations.upgrade):
        with pytest.raises(SchemaVersionError, match=r"9999, newer than this code"):
            step(database)


def _pretend(database: Database, version: str) -> None:
    with database.begin() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = :version"), {"version": version})


def _upgrade_to(database: Database, version: str, fill: Callable[[sa.Connection], None]) -> None:
    """Make the schema of an older version, and fill it."""

    def work(connection: sa.Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
        alembic = config()
        alembic.attributes["connection"] = connection
        command.upgrade(alembic, version)
        fill(connection)

    database.in_transaction(work)
