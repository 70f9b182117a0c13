"""Room kept on an instance's disk, so that a run which fills the disk can still be recorded as failed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sigma_assets.base.errors import StorageError
from sigma_assets.storage.connection.failures import full_disk

BYTES = 1_000_000
"""Enough for the end of a run, with its error, in the write-ahead logs of two files with pages of 16 kB."""

Outcome = TypeVar("Outcome")


class Reserve:
    """A file of random bytes, which no file system can store in less room; removed when the disk is full.

    Parameters
    ----------
    folder : where the databases are whose disk may fill up.
    """

    def __init__(self, folder: str) -> None:
        self._file = Path(folder) / "reserve"

    def keep(self) -> None:
        """Make the file if it is not there.

        Raises
        ------
        StorageError
            The disk is full: a run that began now could not even be recorded as failed.
        """
        if self._file.exists() and self._file.stat().st_size == BYTES:
            return
        new = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            with open(os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
                file.write(os.urandom(BYTES))
            new.replace(self._file)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise full_disk(error) or StorageError(f"{new}: {error.strerror}. Make the folder writable") from error

    def used_if_full(self, store: Callable[[], Outcome]) -> Outcome:
        """Do what must be stored; if the disk is full, give up the reserve and do it again."""
        try:
            return store()
        except StorageError:
            if not self._file.exists():
                raise
            self._file.unlink(missing_ok=True)
            return store()
