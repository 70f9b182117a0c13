"""Every connection to PostgreSQL notices soon that its other end is gone: what was set arrives at both ends."""

import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from sigma_assets.instance.postgres import SharedPostgresStorage
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.connection.timeouts import SILENT_SECONDS
from sigma_assets_tests.conftest import drop_database, fresh_database
from sigma_assets_tests.postgres import PostgresServer

IN_MILLISECONDS = str(SILENT_SECONDS * 1000)
OPTIONS = "-c search_path=public -c idle_in_transaction_session_timeout=200"


@pytest.fixture(scope="module")
def url(postgres_server: PostgresServer) -> Iterator[sa.URL]:
    name = fresh_database(postgres_server)
    yield postgres_server.url.set(database=name)
    drop_database(postgres_server, name)


def ends(connection: sa.Connection) -> tuple[dict[str, str], dict[str, str]]:
    """Return the timeouts of a connection's client, and of its server."""
    names = ("tcp_keepalives_idle", "tcp_user_timeout", "idle_in_transaction_session_timeout")
    found = {name: connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names}
    return dict(connection.connection.dbapi_connection.info.dsn_parameters), found


def text(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)


def test_our_connections_and_dagsters_give_up_a_host_that_is_gone(url: sa.URL) -> None:
    database = Database(text(url))
    storage = SharedPostgresStorage.from_config_value(None, {"postgres_url": text(url)})

    with database.begin() as ours, storage.run_storage.connect() as dagsters:
        for client, server in (ends(ours), ends(dagsters)):
            assert (client["keepalives_idle"], client["tcp_user_timeout"]) == ("15", IN_MILLISECONDS)
            assert server == {
                "tcp_keepalives_idle": "15",
                "tcp_user_timeout": IN_MILLISECONDS,
                "idle_in_transaction_session_timeout": "30s",
            }

    database.dispose()
    storage.event_log_storage.dispose()


def test_a_rollback_leaves_the_timeouts(url: sa.URL) -> None:
    database = Database(text(url))

    with pytest.raises(ZeroDivisionError), database.begin():
        raise ZeroDivisionError
    with database.begin() as connection:
        assert ends(connection)[1]["idle_in_transaction_session_timeout"] == "30s"

    database.dispose()


def test_what_the_address_says_wins(url: sa.URL) -> None:
    database = Database(text(url.update_query_dict({"tcp_user_timeout": "5000", "options": OPTIONS})))

    with database.begin() as connection:
        client, server = ends(connection)

    assert client["tcp_user_timeout"] == "5000"
    assert server["idle_in_transaction_session_timeout"] == "200ms"
    database.dispose()


def test_a_transaction_that_slept_too_long_is_done_again_from_its_start(url: sa.URL) -> None:
    """The server has rolled it back and freed its locks; a worker that was frozen in it finds that out."""
    database = Database(text(url.update_query_dict({"options": OPTIONS})))
    with database.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA sigma CREATE TABLE slept (attempt integer)")
    attempts: list[int] = []

    def write(connection: sa.Connection) -> None:
        attempts.append(len(attempts))
        connection.exec_driver_sql(f"INSERT INTO slept VALUES ({attempts[-1]})")
        time.sleep(0.0 if attempts[-1] else 1.0)

    database.in_transaction(write)

    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT attempt FROM slept").scalars().all() == [1]
    database.dispose()
