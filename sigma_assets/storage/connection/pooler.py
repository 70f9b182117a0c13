"""Poolers in front of PostgreSQL, such as PgBouncer: one that shares sessions loses the settings and locks they hold."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import sqlalchemy as sa

from sigma_assets.base.errors import StorageError

TRIES = 3
"""Other users of a pooler may take the session in between."""


def refuse_shared_sessions(engine: sa.Engine, arguments: Mapping[str, Any], place: str) -> None:
    """Make sure that each new connection of an engine has a session of its own at the server.

    Costs a query; where a pooler is in between, which gives sessions numbers of its own, a second connection, too. It comes
    before all that SQLAlchemy asks of a new connection. What connects then raises StorageError.

    Parameters
    ----------
    arguments : the engine's `connect_args`.
    place : the database in words, for the error.
    """

    @sa.event.listens_for(engine, "connect", insert=True)
    def check(connection: Any, _: Any) -> None:
        before, connection.autocommit = connection.autocommit, True
        if _session(connection) != connection.info.backend_pid:
            positional, named = engine.dialect.create_connect_args(engine.url)
            with closing(engine.dialect.connect(*positional, **named, **arguments)) as other:
                other.autocommit = True
                _compare(connection, other, place)
        connection.autocommit = before


def _compare(connection: Any, other: Any, place: str) -> None:
    if any(_session(connection) == _session(other) for _ in range(TRIES)):
        raise StorageError(
            f"{place}: a pooler shares sessions of PostgreSQL among connections, so that settings and locks get lost. Let"
            " each have its own (PgBouncer: pool_mode = session), or connect to PostgreSQL itself"
        )


def _session(connection: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])
