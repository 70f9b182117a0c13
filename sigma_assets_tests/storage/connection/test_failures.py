"""What a failing database is said to need."""

import errno
import os
import shutil
import sqlite3

import psycopg2
import pytest
import sqlalchemy as sa

from sigma_assets.storage.connection.failures import is_away, is_transient, storage_error, unusable_file


@pytest.mark.parametrize("code", ["SQLITE_IOERR", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_WRITE"])
def test_a_file_that_cannot_grow_sends_people_to_the_disk(code: str) -> None:
    """A full file system shows as an I/O error where SQLite enlarges the index of its write-ahead log."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = code

    assert not is_transient(error)
    assert "SQLite x: disk I/O error. The disk is full or failing" in str(storage_error(error, "SQLite x", None))


@pytest.mark.parametrize(("free", "step"), [(0, "The disk is full: free"), (10**9, "Make the folder readable")])
def test_a_file_that_cannot_be_made_is_a_full_disk_where_nothing_is_free(
    free: int, step: str, tmp_path, monkeypatch
) -> None:
    """On a full disk SQLite cannot make its write-ahead log, and says no more than that it cannot open a file."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - free, free))
    error = sqlite3.OperationalError("unable to open database file")
    error.sqlite_errorname = "SQLITE_CANTOPEN"

    assert step in str(storage_error(error, f"SQLite {tmp_path / 'sigma.sqlite'}", None))


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


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_file_of_the_home_that_somebody_else_owns_is_named_whatever_met_it(number: int, tmp_path) -> None:
    met = OSError(number, os.strerror(number), str(tmp_path / "history" / ".lock"))
    raised = RuntimeError("could not begin")
    raised.__cause__ = met

    assert f"history/.lock: {met.strerror}. Make DAGSTER_HOME={tmp_path}" in str(unusable_file(raised, tmp_path))
    assert unusable_file(raised, tmp_path / "another") is None
    assert unusable_file(OSError(number, os.strerror(number)), tmp_path) is None


def test_a_damaged_file_of_dagsters_asks_for_a_backup(tmp_path) -> None:
    """It opens some with engines of its own, and raises what those raise."""
    (tmp_path / "runs.db").write_bytes(b"not what SQLite writes" * 100)
    with (
        pytest.raises(sa.exc.DatabaseError) as raised,
        sa.create_engine(f"sqlite:///{tmp_path}/runs.db").connect() as one,
    ):
        one.exec_driver_sql("PRAGMA table_info(runs)")

    told = str(unusable_file(raised.value, tmp_path))

    assert "file is not a database. The file is damaged: restore it from a backup" in told
    assert str(tmp_path) in told
