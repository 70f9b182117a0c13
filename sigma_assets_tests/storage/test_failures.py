"""What a failing database is said to need."""

import sqlite3

import pytest

from sigma_assets.storage.failures import is_transient, storage_error


@pytest.mark.parametrize("code", ["SQLITE_IOERR", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_WRITE"])
def test_a_file_that_cannot_grow_sends_people_to_the_disk(code: str) -> None:
    """A full file system shows as an I/O error where SQLite enlarges the index of its write-ahead log."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = code

    assert not is_transient(error)
    assert "SQLite x: disk I/O error. The disk is full or failing" in str(storage_error(error, "SQLite x", None))
