"""Connections: addresses, transactions, and messages without secrets."""

import os
import re
import socket
import traceback
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from sigma_assets.base.errors import StorageError
from sigma_assets.storage.connection.changes import timeline
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames import bulk
from sigma_assets_tests.conftest import drop_database, fresh_database
from sigma_assets_tests.postgres import PostgresServer

SECRET = "hunter2secret"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_way_to_write_postgresql_means_psycopg2(scheme: str) -> None:
    database = Database(f"{scheme}://sigma:{SECRET}@db.example/risk")

    assert database.dialect == "postgresql"
    assert repr(database) == "Database(PostgreSQL risk at db.example)"


@pytest.mark.parametrize(
    "url", [f"mysql://sigma:{SECRET}@h/d", f"sigma:{SECRET}", f"postgresql://u:{SECRET}@h:port/d", "sqlite://", ""]
)
def test_other_addresses_are_refused_without_their_password(url: str) -> None:
    with pytest.raises(StorageError) as refused:
        Database(url)

    assert "sqlite:///" in str(refused.value)
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_a_password_with_an_at_sign_is_refused_before_a_part_of_it_is_taken_for_a_host() -> None:
    with pytest.raises(StorageError, match=r"more than one @.*write %40") as refused:
        Database(f"postgresql://u:first@{SECRET}@h/d")

    assert SECRET not in "".join(traceback.format_exception(refused.value))
    assert repr(Database(f"postgresql://u:first%40{SECRET}@h/d")) == "Database(PostgreSQL d at h)"


def test_an_unreachable_server_is_named_without_the_password() -> None:
    database = Database(f"postgresql://sigma:{SECRET}@127.0.0.1:1/risk")

    with pytest.raises(
        StorageError, match=r"PostgreSQL risk at 127\.0\.0\.1:1: .*Check that the server runs"
    ) as raised:
        database.begin().__enter__()

    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_a_sqlite_file_and_its_folders_are_made(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "sigma.sqlite"

    with Database(f"sqlite:///{file}").begin() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()

    assert file.exists()
    assert mode == "wal"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    database = Database(f"sqlite:///{tmp_path / 'file' / 'below' / 'sigma.sqlite'}")

    with pytest.raises(StorageError, match=rf"its folder cannot be made \(Not a directory: {tmp_path}/file/below\)"):
        database.begin().__enter__()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database " * 100)

    with pytest.raises(StorageError, match=r"notes\.txt: file is not a database\. The file is no SQLite database"):
        Database(f"sqlite:///{file}").begin().__enter__()


def test_an_exception_rolls_the_transaction_back(database: Database) -> None:
    def interrupted() -> None:
        with database.begin() as connection:
            connection.execute(_flow_journal("a"))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        interrupted()

    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM holdings_changes").scalar_one() == 0


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StorageError, match="read"), database.read() as connection:
        connection.execute(_flow_journal("a"))

    with database.begin() as connection:
        connection.execute(_flow_journal("a"))


def test_a_missing_table_says_how_to_make_it(empty_database: Database) -> None:
    with pytest.raises(StorageError, match="sigma-assets db upgrade"), empty_database.read() as connection:
        connection.exec_driver_sql("SELECT * FROM portfolios")


def test_connections_heal_after_the_server_restarts(database: Database, request: pytest.FixtureRequest) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no server")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    if not server.is_ours:
        pytest.skip("the server given is not ours to restart")
    with database.begin() as connection:
        connection.execute(_flow_journal("before"))

    server.halt()
    server.start()

    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT portfolio_id FROM holdings_changes").scalar_one() == "before"


def test_a_connection_that_breaks_at_the_commit_leaves_open_whether_it_counted(database: Database) -> None:
    """The server may have committed and could not say so any more: who takes it for rolled back trades twice."""
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no connection to lose")

    def interrupted() -> None:
        with database.begin() as connection:
            connection.execute(_flow_journal("a"))
            with socket.socket(fileno=os.dup(connection.connection.driver_connection.fileno())) as cut:
                cut.shutdown(socket.SHUT_RDWR)

    with pytest.raises(StorageError) as raised:
        interrupted()

    assert "so it may be there, or not: look" in str(raised.value)
    assert "rolled back" not in str(raised.value)


def test_values_come_back_as_they_were_stored_whatever_the_server_prefers(database: Database) -> None:
    """Floats were rounded to 15 digits where `extra_float_digits` is 0, as in configurations from before PostgreSQL 12."""
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no preferences")
    prefer(
        database, "extra_float_digits TO 0", "timezone TO 'Asia/Tokyo'", "datestyle TO 'German'", "array_nulls TO off"
    )
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)

    with database.read() as connection:
        query = "SELECT 0.1::float8 + 0.2::float8, DATE '2026-01-02', '2026-01-02 12:00Z'::timestamptz"
        kinds = {"float": sa.Double(), "day": sa.Date(), "noon": sa.DateTime()}
        by_copy = [values[0] for values in bulk.fetch(connection, query, {}, kinds).values()]
        by_row = tuple(connection.exec_driver_sql(query).one())

    assert by_row == (0.1 + 0.2, noon.date(), noon)
    assert by_copy == [0.1 + 0.2, np.datetime64("2026-01-02"), np.datetime64("2026-01-02T12:00")]
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT '{1.5,NULL}'::float8[]").scalar_one() == [1.5, None]


def test_types_are_known_although_the_server_quotes_all_names(database: Database) -> None:
    """`db upgrade` ended in a traceback: it makes tables with the types that others have."""
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no preferences")
    prefer(database, "quote_all_identifiers TO on")

    with database.read() as connection:
        types = {type(column["type"]) for column in sa.inspect(connection).get_columns("lots", schema="sigma")}

    assert types == {sa.TEXT, sa.DATE, sa.DOUBLE_PRECISION}


def test_a_name_that_the_database_has_no_characters_for_asks_for_utf_8(postgres_server: PostgresServer) -> None:
    name = fresh_database(postgres_server, "TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    database = Database(postgres_server.url.set(database=name).render_as_string(hide_password=False))

    with pytest.raises(StorageError, match="ENCODING 'UTF8'"), database.read() as connection:
        connection.exec_driver_sql("SELECT '日本株'")

    drop_database(postgres_server, name)


def test_a_statement_that_takes_too_long_says_which_limit_to_raise(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no such limit")

    with pytest.raises(StorageError, match="raise statement_timeout"), database.read() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = '10ms'; SELECT pg_sleep(10)")


def test_interrupted_work_is_done_again_whole(database: Database) -> None:
    """A conflict that the database reports rolls the first try back; the second one counts."""
    tries: list[int] = []

    def work(connection: sa.Connection) -> None:
        tries.append(len(tries))
        connection.execute(_flow_journal(f"try {len(tries)}"))
        if len(tries) == 1 and connection.dialect.name == "postgresql":
            connection.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$")

    database.in_transaction(work)

    with database.read() as connection:
        written = connection.exec_driver_sql("SELECT portfolio_id FROM holdings_changes").scalars().all()
    assert written == [f"try {len(tries)}"]
    assert len(tries) == (2 if database.dialect == "postgresql" else 1)


def prefer(database: Database, *settings: str) -> None:
    """Let the server give each new connection to a database these settings."""
    with database.begin() as connection:
        (name,) = connection.exec_driver_sql("SELECT current_database()").one()
        for setting in settings:
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET {setting}")
    database.dispose()


def _flow_journal(portfolio_id: str) -> sa.TextClause:
    return sa.text(
        "INSERT INTO holdings_changes (portfolio_id, effective_from, kind, changed_at)"
        " VALUES (:id, '2026-01-02', 'flow_added', '2026-01-02 12:00:00')"
    ).bindparams(id=portfolio_id)


def test_a_server_without_a_log_of_its_own_has_no_timeline(database: Database) -> None:
    """As Aurora: it raises an error where others name their place in the log."""
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no timeline")
    with database.begin() as connection:
        assert re.fullmatch("[0-9A-F]{8}", timeline(connection.engine))
        connection.exec_driver_sql("CREATE FUNCTION aurora_version() RETURNS text LANGUAGE sql AS $$SELECT '15.4'$$")

    assert timeline(connection.engine) == ""
