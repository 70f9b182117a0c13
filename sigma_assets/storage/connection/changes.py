"""Whether a database has changed: cheaper to ask than to read again what may have."""

import sqlite3
from collections.abc import Hashable
from pathlib import Path
from threading import Lock

import sqlalchemy as sa

from sigma_assets.storage.connection.replaced import Identity, check_in_place, identity

BUSY_SECONDS = 30
_TIMELINE = (
    "CASE WHEN pg_is_in_recovery() OR EXISTS (SELECT FROM pg_proc WHERE proname = 'aurora_version') THEN ''"
    " ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END"
)
"""Aurora has no such log, and raises an error; its replicas share the storage of the server, so that none lacks a commit."""


class Changes:
    """Tells apart the states that a database has been in.

    SQLite counts, per connection, the commits of all others (`PRAGMA data_version`), so one connection is kept for the
    question. PostgreSQL names the transactions that a statement sees (`pg_current_snapshot`): any commit on the server,
    in whatever database, makes another name; a replica that lacks the last ones gives their names again (`timeline`).
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._kept: sqlite3.Connection | None = None
        self._opened: Identity | None = None
        self._openings = 0

    def version(self) -> Hashable:
        """Return a value that is equal to an earlier one only if nothing was committed in between, by any process.

        Nobody else can see into a database in memory: there each value is equal to itself alone.

        Raises
        ------
        StorageError
            The file was moved away or replaced since it was opened.
        """
        if self._engine.dialect.name != "sqlite":
            with self._engine.connect() as connection:
                return tuple(connection.exec_driver_sql(f"SELECT pg_current_snapshot()::text, {_TIMELINE}").one())
        file = self._engine.url.database
        if not file or file.startswith((":memory:", "file:")):
            return object()
        with self._lock:
            if self._kept is None:
                self._kept, self._opened = _opened(file), identity(file)
                self._openings += 1
            check_in_place(file, self._opened)
            try:
                return self._openings, self._kept.execute("PRAGMA data_version").fetchone()[0]
            except sqlite3.Error:
                self._close()
                raise

    def close(self) -> None:
        """Close the connection; the next question opens another one, and its answer is equal to none before."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None


def timeline(engine: sa.Engine) -> str:
    """Return PostgreSQL's timeline, which changes after a failover and after a restore to a point in time.

    Such a server may lack the last transactions, and number others like them. Empty on SQLite, and on a replica.
    """
    if engine.dialect.name == "sqlite":
        return ""
    with engine.connect() as connection:
        return str(connection.exec_driver_sql(f"SELECT {_TIMELINE}").scalar_one())


def _opened(file: str) -> sqlite3.Connection:
    """Return a connection that begins no transaction, which would see one state for ever; it makes no new file."""
    address = f"{Path(file).resolve().as_uri()}?mode=rw"
    return sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
