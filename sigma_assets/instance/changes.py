"""Whether anything happened in Dagster's run storage and event log since somebody looked.

Dagster has no such question; its storages on a database keep their engine in the private `_engine`.
"""

import sqlite3
from collections.abc import Hashable

import dagster as dg
import sqlalchemy as sa

from sigma_assets.storage.connection.changes import Changes, timeline
from sigma_assets.storage.connection.failures import storage_error


class DagsterChanges:
    """Tells apart the states that the runs and events of an instance have been in; ticks of sensors do not count."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        engines = [getattr(storage, "_engine", None) for storage in (instance.event_log_storage, instance.run_storage)]
        self._changes = [Changes(engine) for engine in engines if isinstance(engine, sa.Engine)]
        self._is_known = len(self._changes) == len(engines)

    def version(self) -> Hashable:
        """Return a value that is equal to an earlier one only if no run and no event changed in between.

        Of a storage without an engine nothing is known: each value is equal to itself alone.

        Raises
        ------
        SQLAlchemyError, StorageError
            A storage cannot be read.
        """
        try:
            return tuple(each.version() for each in self._changes) if self._is_known else object()
        except sqlite3.Error as error:
            raise storage_error(error, "Dagster's storage on SQLite", None) from error

    def close(self) -> None:
        """Close what is kept open for the question."""
        for each in self._changes:
            each.close()


def timeline_of(instance: dg.DagsterInstance) -> str:
    """Return the timeline of an instance's storage: see `storage.connection.changes.timeline`."""
    engine = getattr(instance.event_log_storage, "_engine", None)
    return timeline(engine) if isinstance(engine, sa.Engine) else ""
