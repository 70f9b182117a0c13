"""Which version of each method an installation's numbers are of (SPEC 4.14): one row per asset, not one per number.

Dagster numbers its events. When a version is first seen, the newest event so far is noted: what was materialised up to it,
and what was made of that, is of an older version; what comes later is of this one.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import sqlalchemy as sa

from sigma_assets.base.conventions import METHOD_VERSIONS
from sigma_assets.base.errors import SchemaVersionError
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.schema import method_versions


def noted_methods(db: Database) -> dict[str, tuple[int, int]]:
    """Return asset -> (newest version seen, newest event of an older one; 0 = none)."""
    query = sa.select(method_versions.c.asset, method_versions.c.code_version, method_versions.c.older_until)
    return {asset: (version, until) for asset, version, until in db.in_snapshot(lambda c: c.execute(query).all())}


def has_older_numbers(db: Database) -> bool:
    """Return whether the method of any asset ever changed here: only then can numbers be of an older one."""
    noted = noted_methods(db)
    return any(METHOD_VERSIONS[asset] > noted.get(asset, (0, 0))[0] for asset in METHOD_VERSIONS) or any(
        event for _, event in noted.values()
    )


def note_methods(db: Database, versions: Mapping[str, int], older_until: int) -> None:
    """Note newer versions than those seen so far, in one transaction.

    Parameters
    ----------
    older_until : newest event of Dagster's log so far.
    """

    def write(connection: sa.Connection) -> None:
        seen = dict(connection.execute(sa.select(method_versions.c.asset, method_versions.c.code_version)).all())
        noted = {"older_until": older_until, "noted_at": datetime.now(UTC)}
        for asset, version in versions.items():
            if version > seen.get(asset, 0):
                connection.execute(sa.delete(method_versions).where(method_versions.c.asset == asset))
                connection.execute(sa.insert(method_versions).values(asset=asset, code_version=version, **noted))

    db.in_transaction(write)


def refuse_newer_methods(db: Database, asset: str, version: int) -> None:
    """Return unless a newer version of an asset's method is in use: a process of the old code must not write any more.

    Raises
    ------
    SchemaVersionError
        Names the asset, both versions and what to do.
    """
    seen, _ = noted_methods(db).get(asset, (version, 0))
    if seen > version:
        raise SchemaVersionError(
            f"{asset}: this process computes method version {version}, and {db.place} has numbers of version {seen}:"
            " restart the services of the older installation"
        )
