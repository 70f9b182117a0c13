"""Whether everything that this installation needs is working: database, its schema, Dagster's storage, its daemon."""

import logging
from time import time

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from sigma_assets.errors import SchemaVersionError, StorageError
from sigma_assets.status.models import Health
from sigma_assets.storage.database import Database
from sigma_assets.storage.migrations import check

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 120
"""A daemon says that it lives every 30 s."""


def health(instance: dg.DagsterInstance, database: Database) -> Health:
    """Return what fails; anybody may ask, so the words name no host, path or user (our log does)."""
    failing = [*_database(database), *_dagster(instance)]
    return Health(ok=not failing, failing=failing)


def _database(database: Database) -> list[str]:
    try:
        check(database)
    except SchemaVersionError as error:
        logger.warning("health: %s", error)
        return ["schema: the database is not at the version of this code; run `sigma-assets db upgrade`"]
    except StorageError as error:
        logger.warning("health: %s", error)
        return ["database: cannot be read"]
    return []


def _dagster(instance: dg.DagsterInstance) -> list[str]:
    try:
        instance.get_run_records(limit=1)
        instance.event_log_storage.get_maximum_record_id()
        heartbeats = instance.get_daemon_heartbeats()
    except SQLAlchemyError as error:
        logger.warning("health: Dagster's storage cannot be read: %s", error)
        return ["dagster storage: cannot be read"]
    moments = {kind: heartbeats[kind].timestamp for kind in heartbeats}
    required = sorted(instance.get_required_daemon_types())
    silent = [kind for kind in required if time() - moments.get(kind, 0.0) > HEARTBEAT_SECONDS]
    return [f"daemon: no heartbeat of {', '.join(silent)} for {HEARTBEAT_SECONDS} s"] if silent else []
