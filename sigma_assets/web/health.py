"""Whether this installation does its work: database, schema, Dagster's storage and daemon, sensors, last night's sessions.

Each look at something answers what a monitor cannot learn from failed runs, for where nothing is started, nothing fails.
"""

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from time import time

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from sigma_assets.base.errors import SchemaVersionError, StorageError
from sigma_assets.instance.health.looks import last_looks
from sigma_assets.runs.failed_checks import standing
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.migrations import check
from sigma_assets.storage.roster import read_roster
from sigma_assets.storage.schema import portfolio_snapshots, portfolios
from sigma_assets.web.models import Health

logger = logging.getLogger(__name__)

UNREADABLE = "database: cannot be read"
HEARTBEAT_SECONDS = 120
"""A daemon says that it lives every 30 s."""
LOOK_SECONDS = 300
"""Sensors look every 15 s at most; one that has not for this long is a former one, or nobody evaluates them."""
NEW = timedelta(hours=2)
"""A portfolio that is younger is still being onboarded."""

_REMEDY = "`sigma-assets runs` says what was found; once that is mended, `sigma-assets run` makes it good"


def health(instance: dg.DagsterInstance, database: Database, settings: Settings) -> Health:
    """Return what fails; anybody may ask, so the words name no host, path or user (our log does)."""
    failing = _database(database, settings)
    if UNREADABLE in failing and database.dialect == "postgresql":
        # one address serves both: who waited once need not wait again
        return Health(ok=False, failing=[*failing, "dagster storage: on the same server"])
    failing += _dagster(instance, database)
    return Health(ok=not failing, failing=failing)


def _database(database: Database, settings: Settings) -> list[str]:
    try:
        check(database)
        return _sessions(database, settings)
    except SchemaVersionError as error:
        logger.warning("health: %s", error)
        return ["schema: the database is not at the version of this code; run `sigma-assets db upgrade`"]
    except StorageError as error:
        logger.warning("health: %s", error)
        return [UNREADABLE]


def _sessions(database: Database, settings: Settings) -> list[str]:
    """Return whether portfolios lack the session before the current one: a whole night has passed since."""
    due = settings.calendar.shift(settings.current_session(), -1)
    if due < settings.history_start:
        return []
    snapshot = portfolio_snapshots.c
    has_it = sa.exists().where(snapshot.portfolio_id == portfolios.c.portfolio_id, snapshot.session >= due)
    should = (
        portfolios.c.deleted_at.is_(None),
        portfolios.c.inception <= due,
        portfolios.c.created_at < datetime.now(UTC) - NEW,
    )
    count = sa.select(sa.func.count()).select_from(portfolios)
    with database.read() as connection:
        late = connection.execute(count.where(*should, ~has_it)).scalar_one()
        total = connection.execute(count.where(*should)).scalar_one()
    if not late:
        return []
    return [f"portfolios: {late:,} of {total:,} lack the session of {due}; `sigma-assets missing` says what, or why"]


def _dagster(instance: dg.DagsterInstance, database: Database) -> list[str]:
    try:
        instance.get_run_records(limit=1)
        instance.event_log_storage.get_maximum_record_id()
        silent = _silent_daemons(instance)
        # sensors cannot look without their daemon: one cause is reported once
        return [*(silent or _sensors(instance)), *_checks(instance, database)]
    except (SQLAlchemyError, StorageError) as error:
        logger.warning("health: Dagster's storage cannot be read: %s", error)
        return ["dagster storage: cannot be read"]


def _checks(instance: dg.DagsterInstance, database: Database) -> list[str]:
    """Return which checks failed in a run that no later one has made good; for how many, not for whom."""
    try:
        failed = standing(instance, lambda: read_roster(database).name_of)
    except StorageError as error:  # reported by the look at the database
        logger.warning("health: failed checks cannot be told: %s", error)
        return []
    counts = Counter((each.asset, each.check) for each in failed)
    for each in failed:
        logger.warning("health: %s", each)
    return [
        f"checks: {check} of {asset} fails for {count:,} portfolio{'s' if count > 1 else ''}; {_REMEDY}"
        if any(each.portfolio_id for each in failed if (each.asset, each.check) == (asset, check))
        else f"checks: {check} of {asset} fails; {_REMEDY}"
        for (asset, check), count in counts.items()
    ]


def _silent_daemons(instance: dg.DagsterInstance) -> list[str]:
    heartbeats = instance.get_daemon_heartbeats()
    moments = {kind: heartbeats[kind].timestamp for kind in heartbeats}
    required = sorted(instance.get_required_daemon_types())
    silent = [kind for kind in required if time() - moments.get(kind, 0.0) > HEARTBEAT_SECONDS]
    if not silent:
        return []
    if silent == required:
        return [
            f"daemon: no heartbeat for {HEARTBEAT_SECONDS} s, so nothing is started; is the Dagster daemon running?"
        ]
    return [f"daemon: no heartbeat of {', '.join(silent)} for {HEARTBEAT_SECONDS} s"]


def _sensors(instance: dg.DagsterInstance) -> list[str]:
    looks = last_looks(instance, since=time() - LOOK_SECONDS)
    if not looks:
        return [
            f"sensors: none has looked for {LOOK_SECONDS} s, so no portfolio is started;"
            " is the code server running, and are the sensors on?"
        ]
    failed = [look for look in looks if look.failed is not None]
    for look in failed:
        logger.warning("health: sensor %s: %s", look.sensor, look.failed)
    if not failed:
        return []
    who = ", ".join(sorted(look.sensor for look in failed))
    return [f"sensors: the last look of {who} failed; their ticks in Dagster say why"]
