"""Poolers in front of PostgreSQL, such as PgBouncer: one that shares sessions loses the settings and locks they hold."""

import select
import time
from collections.abc import Mapping
from typing import Any

import psycopg2
import psycopg2.extensions as driver
import sqlalchemy as sa

from sigma_assets.base.errors import StorageError

TRIES = 3
"""Other users of a pooler may take the session in between."""
PATIENCE_SECONDS = 2.0
"""How long a second session is waited for. A session that is shared answers at once; one of its own may have to wait until
others give theirs back."""
_SESSION = "SELECT pg_backend_pid()"
_sure: set[sa.URL] = set()


def refuse_shared_sessions(engine: sa.Engine, arguments: Mapping[str, Any], place: str) -> None:
    """Make sure that each connection of an engine has a session of its own at the server; once per process and address.

    Costs a query; where a pooler is in between, which gives sessions numbers of its own, a second connection, too. It comes
    before all that SQLAlchemy asks of a new connection. What connects then raises StorageError.

    Parameters
    ----------
    arguments : the engine's `connect_args`.
    place : the database in words, for the error.
    """

    @sa.event.listens_for(engine, "connect", insert=True)
    def check(connection: Any, _: Any) -> None:
        if engine.url in _sure:
            return
        before, connection.autocommit = connection.autocommit, True
        if _session(connection) != connection.info.backend_pid:
            positional, named = engine.dialect.create_connect_args(engine.url)
            _compare(connection, driver.make_dsn(*positional, **named, **arguments), place)
        connection.autocommit = before
        _sure.add(engine.url)


def _compare(connection: Any, address: str, place: str) -> None:
    other = psycopg2.connect(address, async_=True)
    try:
        for _ in range(TRIES if _is_ready(other) else 0):
            cursor = other.cursor()
            cursor.execute(_SESSION)
            if not _is_ready(other):
                return
            if cursor.fetchone()[0] == _session(connection):
                raise StorageError(
                    f"{place}: a pooler shares sessions of PostgreSQL among connections, so that settings and locks get"
                    " lost. Let each have its own (PgBouncer: pool_mode = session), or connect to PostgreSQL itself"
                )
    finally:
        other.close()


def _is_ready(connection: Any) -> bool:
    """Wait for an answer; return False if there is none in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (state := connection.poll()) != driver.POLL_OK:
        left = deadline - time.monotonic()
        reads, writes = ([connection], []) if state == driver.POLL_READ else ([], [connection])
        if left <= 0 or not any(select.select(reads, writes, [], left)):
            return False
    return True


def _session(connection: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_SESSION)
        return int(cursor.fetchone()[0])
