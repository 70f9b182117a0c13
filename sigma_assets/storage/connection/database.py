"""One database, SQLite or PostgreSQL, that the rest of the code need not tell apart."""

import os
import sqlite3
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import local
from typing import Any, TypeVar

import sqlalchemy as sa

from sigma_assets.base.errors import StorageError
from sigma_assets.storage.connection.changes import Changes
from sigma_assets.storage.connection.failures import (
    DATABASE_ERRORS,
    ROLLED_BACK,
    UNKNOWN,
    full_disk,
    is_away,
    of_server,
    storage_error,
)
from sigma_assets.storage.connection.fence import ask_fence
from sigma_assets.storage.connection.patience import persistently
from sigma_assets.storage.connection.pooler import refuse_shared_sessions
from sigma_assets.storage.connection.replaced import watch_file
from sigma_assets.storage.connection.timeouts import set_timeouts, with_timeouts
from sigma_assets.storage.schema import SCHEMA

CONNECT_SECONDS = "5"
"""One try to reach a server that does not even refuse: within the patience of a command or a server."""
BUSY_SECONDS = 30
"""How long a SQLite writer waits for another one."""

_POSTGRES = ("postgres", "postgresql", "postgresql+psycopg2")
_SQLITE = ("sqlite", "sqlite+pysqlite")
_SAME_VALUES = (
    "SET datestyle TO ISO; SET timezone TO 'UTC'; SET extra_float_digits TO 1; SET array_nulls TO on;"
    " SET quote_all_identifiers TO off"
)
"""Whatever the server, the database or the role prefers: without extra digits floats are rounded to 15, and SQLAlchemy does
not know types in quotes, which migrations ask for."""

Outcome = TypeVar("Outcome")


class Database:
    """Connections to our tables.

    Parameters
    ----------
    url : `sqlite:///path/to/file` (made if absent, folders too) or `postgresql://user:password@host:port/name`;
        `postgres://` and `postgresql+psycopg2://` mean the same.

    Raises
    ------
    StorageError
        The URL names another kind of database, or cannot be read.
    """

    def __init__(self, url: str) -> None:
        self._url = _normalised(url)
        self.dialect = self._url.get_backend_name()
        engine = _sqlite_engine(self._url) if self.dialect == "sqlite" else _postgres_engine(self._url)
        self._writes = engine.execution_options(sigma_writes=True)
        self._reads = engine.execution_options(postgresql_readonly=True)
        self._changes = Changes(self._reads)
        self._moment = local()

    def __repr__(self) -> str:
        return f"Database({self.place})"

    @property
    def place(self) -> str:
        """Return which database this is, for messages: never the password."""
        return place_of(self._url)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Open one write transaction: committed at the end of the block, rolled back by any exception.

        Raises
        ------
        StorageError
            The database cannot be reached, or refused; names it, without the password, and the next step, and says if it is
            not known whether the transaction was committed.
        """
        with (
            self._named_errors(ROLLED_BACK),
            self._connect(self._writes) as connection,
            connection.begin() as transaction,
        ):
            yield connection
            ask_fence(connection)
            try:
                transaction.commit()
            except DATABASE_ERRORS as error:
                if is_away(error):
                    raise self._named(error, UNKNOWN) from error
                raise

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open one read-only transaction; errors as in `begin`."""
        if (frozen := self._frozen) is not None:
            yield frozen
            return
        with self._named_errors(), self._connect(self._reads) as connection, connection.begin():
            yield connection

    def at_one_moment(self, work: Callable[[], Outcome]) -> Outcome:
        """Do work whose reads, in this thread, all see the database as it is at one moment; again when interrupted.

        Two runs may write one portfolio at once. Each writes its rows whole; who reads table after table in between would
        see a mix that no moment ever had.
        """
        reads = self._reads
        if self.dialect == "postgresql":
            reads = reads.execution_options(isolation_level="REPEATABLE READ")

        def frozen(connection: sa.Connection) -> Outcome:
            self._moment.connection = connection
            try:
                return work()
            finally:
                self._moment.connection = None

        return self._repeated(reads, frozen)

    @property
    def _frozen(self) -> sa.Connection | None:
        return getattr(self._moment, "connection", None)

    def in_transaction(self, work: Callable[[sa.Connection], Outcome]) -> Outcome:
        """Do work in a write transaction, and again from its start when a conflict or a restart interrupts it.

        How long a server may be away is up to the process: see `patience`.

        `work` must end in the same state when done twice: a connection that breaks at the commit leaves it open whether
        the first time counted.
        """
        return self._repeated(self._writes, work)

    def in_snapshot(self, work: Callable[[sa.Connection], Outcome]) -> Outcome:
        """Do work in a read-only transaction, and again when it is interrupted."""
        if (frozen := self._frozen) is not None:
            return work(frozen)
        return self._repeated(self._reads, work)

    def version(self) -> Hashable:
        """Return a value that is equal to an earlier one only if nothing was committed in between, by any process.

        On PostgreSQL other databases of the server count, too.
        """
        with self._named_errors():
            return persistently(self._changes.version, self.place)

    def server_error(self, error: BaseException) -> StorageError | None:
        """Return a StorageError for an error that bypassed this class, as one of Dagster's storage on the same server does.

        None if no error of the server is behind it.
        """
        cause = of_server(error)
        return None if cause is None else self._named(cause, "")

    def dispose(self) -> None:
        """Close every idle connection."""
        self._changes.close()
        self._writes.dispose()

    def _repeated(self, engine: sa.Engine, work: Callable[[sa.Connection], Outcome]) -> Outcome:
        def attempt() -> Outcome:
            with engine.connect() as connection, connection.begin():
                outcome = work(connection)
                if engine is self._writes:
                    ask_fence(connection)
                return outcome

        try:
            return persistently(attempt, self.place)
        except DATABASE_ERRORS as error:  # of a server that went away, the last commit may have counted
            ending = ROLLED_BACK if engine is self._writes and not is_away(error) else ""
            raise self._named(error, ending) from error

    def _connect(self, engine: sa.Engine) -> sa.Connection:
        return persistently(engine.connect, self.place)

    @contextmanager
    def _named_errors(self, ending: str = "") -> Iterator[None]:
        try:
            yield
        except DATABASE_ERRORS as error:
            raise self._named(error, ending) from error

    def _named(self, error: BaseException, ending: str) -> StorageError:
        return storage_error(error, self.place, self._url.password, ending)


def place_of(url: sa.URL) -> str:
    """Return which database an address names, for messages: never the password."""
    if url.get_backend_name() == "sqlite":
        return f"SQLite {url.database}"
    port = f":{url.port}" if url.port else ""
    return f"PostgreSQL {url.database or '(default)'} at {url.host or 'the local socket'}{port}"


def postgres_url(url: str) -> str:
    """Return a PostgreSQL address, however it was spelled, as one that names the driver; the password is in it.

    Raises
    ------
    StorageError
        It is no PostgreSQL address, or cannot be read.
    """
    parsed = _normalised(url)
    if parsed.get_backend_name() != "postgresql":
        raise StorageError(f"{parsed}: expected a server, as in postgresql://user:password@host/name")
    return parsed.render_as_string(hide_password=False)


def _normalised(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # from None: the original may quote the URL, password included
        raise StorageError(
            "SIGMA_DATABASE_URL: cannot be read as an address; expected sqlite:///path/to/file or postgresql://user:password@host/name"
        ) from None
    if parsed.drivername in _POSTGRES and "@" in (parsed.host or ""):  # what is before it may belong to the password
        raise StorageError("SIGMA_DATABASE_URL: more than one @; in a user's name or a password, write %40 for it")
    if parsed.drivername in _POSTGRES:
        return with_timeouts(parsed.set(drivername="postgresql+psycopg2"))
    if parsed.drivername in _SQLITE:
        if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
            raise StorageError(f"database URL {parsed}: name a file, as in sqlite:///path/to/sigma.sqlite")
        return parsed.set(drivername="sqlite+pysqlite")
    raise StorageError(
        f"database URL {parsed.render_as_string(hide_password=True)}: {parsed.drivername} is not supported;"
        " expected sqlite:///path/to/file or postgresql://user:password@host/name"
    )


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    file = Path(str(url.database))
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)
    watch_file(engine, file)

    @sa.event.listens_for(engine, "do_connect")
    def make_folder(*_: Any) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if (full := full_disk(error)) is not None:
                raise full from error
            raise StorageError(
                f"SQLite {file}: its folder cannot be made ({error.strerror}: {error.filename}). Make the folder, or correct"
                " the database URL"
            ) from error
        # SQLite says what is wrong with the file; its other files take over the mode of this one
        with suppress(OSError):
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, see `begin` below
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise StorageError(f"SQLite {file}: no write-ahead log here; put the file on a local disk")
        for setting in ("synchronous = NORMAL", "foreign_keys = ON", "temp_store = MEMORY", "cache_size = -32768"):
            connection.execute(f"PRAGMA {setting}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("sigma_writes", False)
        driver: Any = connection.connection.driver_connection  # SQLAlchemy would take longer than many a read
        driver.execute(f"PRAGMA query_only = {0 if writes else 1}")
        if writes:  # a deferred BEGIN fails at once, without waiting, when it turns into a writer behind another one
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            driver.execute("BEGIN")

    return engine


def _postgres_engine(url: sa.URL) -> sa.Engine:
    defaults = {"application_name": "sigma_assets", "connect_timeout": CONNECT_SECONDS, "client_encoding": "utf8"}
    arguments = {name: value for name, value in defaults.items() if name not in url.query}
    engine = sa.create_engine(url, connect_args=arguments, pool_pre_ping=True, hide_parameters=True)
    refuse_shared_sessions(engine, arguments, place_of(url))

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.autocommit = True  # so that a rollback does not undo the settings
        with connection.cursor() as cursor:
            cursor.execute(f"SET search_path TO {SCHEMA}; {_SAME_VALUES}")
            set_timeouts(cursor, url)
        connection.autocommit = False

    @sa.event.listens_for(engine, "checkout")
    def forget(connection: Any, *_: Any) -> None:
        connection.readonly = None  # a read leaves False here, which would write where writing is off by default

    return engine
