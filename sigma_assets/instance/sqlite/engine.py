"""SQLite as several processes can share it: write-ahead log, write lock taken at the start, patient waiting."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine, ExceptionContext

from sigma_assets.base.errors import StorageError
from sigma_assets.storage.connection.failures import error_of_dagsters_file
from sigma_assets.storage.connection.replaced import watch_file

BUSY_TIMEOUT_SECONDS = 60
PAGE_BYTES = 16_384
"""Of a new file. An event takes 2.3 kB: of SQLite's usual pages of 4 kB each holds one and is half empty."""

_OF_THE_FILE = (
    "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_CORRUPT", "SQLITE_NOTADB",
)  # fmt: skip
"""What a disk or its rights cause, and a person must mend."""


def sqlite_engine(path: str) -> Engine:
    """Return an engine for one SQLite file.

    With ``isolation_level="IMMEDIATE"`` the driver begins a transaction just before the first write, with the
    write lock, so that writers queue instead of failing half-way with "database is locked"; reads need no
    transaction. The write-ahead log is synchronised at checkpoints only: a power cut may take back the last
    moments of a log, and never corrupts it.
    """
    engine = create_engine(
        f"sqlite:///{os.path.abspath(path)}",
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "isolation_level": "IMMEDIATE"},
        max_overflow=-1,
    )
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "handle_error", _name_the_file, retval=True)
    watch_file(engine, os.path.abspath(path))
    return engine


@contextmanager
def exclusively(directory: str) -> Iterator[None]:
    """Let one process at a time create databases in a directory; the lock ends with the process."""
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, ".lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _set_pragmas(connection: sqlite3.Connection, _record: Any) -> None:
    connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _name_the_file(context: ExceptionContext) -> StorageError | None:
    """Say what to do where Dagster would show a traceback; other errors it may know how to handle."""
    cause = context.original_exception
    if context.engine is None or not getattr(cause, "sqlite_errorname", "").startswith(_OF_THE_FILE):
        return None
    return error_of_dagsters_file(cause, f"SQLite {context.engine.url.database}")
