"""What went wrong in the database: worth another try or not, and what a person should do about it."""

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import sqlalchemy as sa

from sigma_assets.base.errors import DISK_IS_FULL, StorageError

DATABASE_ERRORS = (sa.exc.DBAPIError, sa.exc.TimeoutError, sqlite3.Error, psycopg2.Error)
"""Everything that a driver, or SQLAlchemy around it, raises when the database says no."""

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONFLICT_STATES = {"40001", "40P01", "55P03"}
_AWAY_STATES = {"25P03", "53300", "57P01", "57P02", "57P03"}  # 25P03: the server gave up an idle transaction
_UNREACHABLE_FOR_GOOD = (
    *("authentication failed", "does not exist", "no pg_hba.conf entry", "not permitted"),
    *("does not support SSL", "certificate", "handshake failure", "tlsv1 alert"),
)
"""Not "SSL" alone: "SSL connection has been closed unexpectedly" and "SSL SYSCALL error: Connection timed out" are how a
server that restarts, and a network that is cut, look over TLS."""

_FULL = ("too many connections", "too many clients", "remaining connection slots")

LEAST_ROOM = 64 << 10
"""Bytes; with less, SQLite cannot make its write-ahead log and the index of it."""

ROLLED_BACK = "What was being written is rolled back"
UNKNOWN = (
    "The connection broke while this was being stored, so it may be there, or not: look (`sigma-assets portfolios`, `lots`,"
    " `flows`) before you do it again"
)
"""A server that was asked to commit did so, or did not, before it could not answer any more."""

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_NOT_PERMITTED = {errno.EROFS, errno.EACCES, errno.EPERM}

_NEXT_STEPS = {
    "53100": DISK_IS_FULL,
    "22P05": "The database is not in UTF-8: make one with ENCODING 'UTF8', and move to it",
    "42P01": "Tables are missing: run `sigma-assets db upgrade`",
    "42703": "Columns are missing: run `sigma-assets db upgrade`",
    "42501": "Grant the database user the rights it lacks",
    "25006": "The database is read-only: point the URL to one that can be written",
    "57014": "It took longer than the server allows, or somebody stopped it: raise statement_timeout, or run again",
    "55P03": "Others use the tables: end what reads or writes them (runs, servers, an open psql), and run again",
    "sqlite:BUSY": "Another process has been writing for too long: wait for it or end it, and run again",
    "sqlite:LOCKED": "Another process has been writing for too long: wait for it or end it, and run again",
    "sqlite:FULL": DISK_IS_FULL,
    "sqlite:IOERR": "The disk is full or failing: look at its free space, and run again",
    "sqlite:READONLY": "Make the file and its folder writable",
    "sqlite:CANTOPEN": "Make the folder readable and writable",
    "sqlite:NOTADB": "The file is no SQLite database: move it away, or correct the database URL",
    "sqlite:CORRUPT": "The file is damaged: restore it from a backup",
}

_OF_DAGSTERS_FILES = {
    "READONLY": _NEXT_STEPS["sqlite:READONLY"],
    "CANTOPEN": _NEXT_STEPS["sqlite:CANTOPEN"],
    "NOTADB": _NEXT_STEPS["sqlite:CORRUPT"],
    "CORRUPT": _NEXT_STEPS["sqlite:CORRUPT"],
}


def is_transient(error: BaseException) -> bool:
    """Return whether the same work may succeed a moment later: a lock, a conflict, a server that restarts."""
    cause = getattr(error, "orig", None) or error
    if isinstance(error, sa.exc.TimeoutError):
        return True
    if isinstance(cause, sqlite3.Error):
        return _sqlite_name(cause) in {"BUSY", "LOCKED"}
    return is_away(error) or (isinstance(cause, psycopg2.Error) and cause.pgcode in _CONFLICT_STATES)


def is_away(error: BaseException) -> bool:
    """Return whether the server cannot be reached, or broke off, and may come back."""
    cause = getattr(error, "orig", None) or error
    if not isinstance(cause, psycopg2.Error):
        return False
    if cause.pgcode:
        return cause.pgcode in _AWAY_STATES or cause.pgcode.startswith("08")
    lost = isinstance(cause, (psycopg2.OperationalError, psycopg2.InterfaceError))
    return lost and not any(words in str(cause) for words in _UNREACHABLE_FOR_GOOD)


def storage_error(error: BaseException, place: str, secret: str | None, ending: str = "") -> StorageError:
    """Return the error that a user sees: place, reason, next step, and no password.

    Parameters
    ----------
    place : the database in words, without credentials.
    secret : the password, removed should a driver have quoted it.
    ending : what became of what was being written.
    """
    cause = getattr(error, "orig", None) or error
    reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0].strip()
    if secret:
        reason = reason.replace(secret, "***")
    step = DISK_IS_FULL if _is_without_room(cause, place) else _next_step(cause, reason)
    return StorageError(f"{place}: {reason}. {step}{ending and '. '}{ending}")


def _is_without_room(cause: BaseException, place: str) -> bool:
    """Return whether SQLite failed on a disk that has no room left, which it says in many ways."""
    if not isinstance(cause, sqlite3.OperationalError):
        return False
    folder = Path(place.removeprefix("SQLite ")).parent
    return folder.is_dir() and shutil.disk_usage(folder).free < LEAST_ROOM


def full_disk(error: BaseException) -> StorageError | None:
    """Return what to tell of an error that a full disk has caused, wherever in its chain that is; None of any other.

    Dagster and the standard library write files of their own in DAGSTER_HOME, and raise what they like.
    """
    for cause in _causes(error):
        if isinstance(cause, StorageError) and DISK_IS_FULL in str(cause):
            return cause
        if isinstance(cause, OSError) and cause.errno in _NO_SPACE:
            return StorageError(
                f"{cause.filename2 or cause.filename or 'writing a file'}: {cause.strerror}. {DISK_IS_FULL}"
            )
        if isinstance(cause, sqlite3.Error) and _sqlite_name(cause) in {"FULL", "IOERR"}:
            return storage_error(cause, "SQLite", None)
    return None


def unusable_file(error: BaseException, folder: Path) -> StorageError | None:
    """Return what to tell of an error that a file in a folder has caused which cannot be used; None of any other.

    The disk is read-only, or somebody else owns the file, or it is one of Dagster's databases, and damaged.
    """
    for cause in _causes(error):
        if isinstance(cause, sqlite3.Error) and _sqlite_name(cause) in _OF_DAGSTERS_FILES:
            return error_of_dagsters_file(cause, f"SQLite, probably Dagster's storage in {folder}")
        if not isinstance(cause, OSError) or cause.errno not in _NOT_PERMITTED or not isinstance(cause.filename, str):
            continue
        if Path(cause.filename).is_relative_to(folder):
            return StorageError(
                f"{cause.filename}: {cause.strerror}. Make DAGSTER_HOME={folder}, with all that is in it, readable and"
                " writable for this user"
            )
    return None


def of_server(error: BaseException) -> psycopg2.Error | None:
    """Return the error of PostgreSQL behind an exception, None if there is none."""
    return next((cause for cause in _causes(error) if isinstance(cause, psycopg2.Error)), None)


def error_of_dagsters_file(error: BaseException, place: str) -> StorageError:
    """Return what to tell of an error of one of Dagster's own SQLite files, for which there is no URL to correct."""
    step = _OF_DAGSTERS_FILES.get(_sqlite_name(error)) if isinstance(error, sqlite3.Error) else None
    return storage_error(error, place, None) if step is None else StorageError(f"{place}: {error}. {step}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it came from, one after the other."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        cause = getattr(cause, "orig", None) or cause
        yield cause
        cause = cause.__cause__ or cause.__context__


def _next_step(cause: BaseException, reason: str) -> str:
    if isinstance(cause, psycopg2.Error):
        if any(words in reason for words in _FULL):
            return "The server has no connection left for this user: close some, or raise the limit"
        if cause.pgcode is None:
            return "Check that the server runs and that the database URL is right"
        return _NEXT_STEPS.get(cause.pgcode, f"PostgreSQL calls it {cause.pgcode}; the server's log says more")
    if isinstance(cause, sqlite3.Error):
        if "no such table" in reason or "no such column" in reason:
            return _NEXT_STEPS["42P01"]
        name = _sqlite_name(cause)
        return _NEXT_STEPS.get(f"sqlite:{name}", f"SQLite calls it {name or type(cause).__name__}")
    return "Every connection of this process is in use: close some, or run less at once"


def _sqlite_name(cause: sqlite3.Error) -> str:
    """Return the primary code: `BUSY` for SQLITE_BUSY_SNAPSHOT too."""
    name = getattr(cause, "sqlite_errorname", "") or ""
    return name.removeprefix("SQLITE_").split("_")[0]
