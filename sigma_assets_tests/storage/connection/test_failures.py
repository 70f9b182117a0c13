"""What a failing database is said to need."""

import sqlite3

import psycopg2
import pytest

from sigma_assets.storage.connection.failures import is_away, is_transient, storage_error


@pytest.mark.parametrize("code", ["SQLITE_IOERR", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_WRITE"])
def test_a_file_that_cannot_grow_sends_people_to_the_disk(code: str) -> None:
    """A full file system shows as an I/O error where SQLite enlarges the index of its write-ahead log."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = code

    assert not is_transient(error)
    assert "SQLite x: disk I/O error. The disk is full or failing" in str(storage_error(error, "SQLite x", None))


@pytest.mark.parametrize(
    "message",
    [
        "SSL connection has been closed unexpectedly",
        "SSL SYSCALL error: Connection timed out",
        "SSL error: unexpected eof while reading",
    ],
)
def test_a_connection_that_breaks_over_tls_is_waited_for_like_any_other(message: str) -> None:
    assert is_away(psycopg2.OperationalError(message))


@pytest.mark.parametrize(
    "message",
    [
        "server does not support SSL, but SSL was required",
        "SSL error: certificate verify failed",
        'server certificate for "db" does not match host name "db.example"',
    ],
)
def test_a_server_whose_tls_does_not_fit_is_not_waited_for(message: str) -> None:
    assert not is_away(psycopg2.OperationalError(message))
