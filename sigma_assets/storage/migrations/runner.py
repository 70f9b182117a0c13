"""Run the migrations: no ini file, one transaction, one process at a time."""

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from sigma_assets.base.errors import SchemaVersionError
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.schema import SCHEMA

if TYPE_CHECKING:
    from alembic.config import Config

VERSION_TABLE = "sigma_alembic_version"
_LOCK = 0x5167_6D61_0001
"""Advisory lock of PostgreSQL: two processes that upgrade at once do so one after the other."""
LOCK_SECONDS = 10
"""How long each table is waited for, several times: behind one reader who does not end, an upgrade would wait for ever, and
all who come after it, too."""


def upgrade(db: Database) -> str:
    """Bring the schema to the newest version, all or nothing, and return that version; does nothing if it is there.

    Raises
    ------
    SchemaVersionError
        The schema is newer than this code.
    StorageError
        The database cannot be reached, or refuses, or somebody uses its tables for longer than an upgrade waits.
    """

    def migrate(connection: sa.Connection) -> str:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            if not sa.inspect(connection).has_schema(SCHEMA):  # even IF NOT EXISTS needs a right that owners may lack
                connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
        found = _version(connection)
        if found == _newest():
            return found
        _refuse_newer(db, found)
        from alembic import command  # half a second of a command that finds its schema as it should be

        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        alembic = config()
        alembic.attributes["connection"] = connection
        command.upgrade(alembic, "head")
        return _newest()

    found = current(db)  # by reading alone: a command that only reads need not wait for who writes
    return found if found == _newest() else db.in_transaction(migrate)


def current(db: Database) -> str | None:
    """Return the version of the schema in the database; None if our tables were never made."""
    return db.in_snapshot(_version)


def check(db: Database) -> None:
    """Return if the schema is the one of this code.

    Raises
    ------
    SchemaVersionError
        It is older, newer, or not there; says what to run.
    """
    found = current(db)
    if found == _newest():
        return
    _refuse_newer(db, found)
    state = "has no tables of sigma_assets yet" if found is None else f"has schema {found}, older than this code"
    raise SchemaVersionError(f"{db.place} {state} (schema {_newest()}): run `sigma-assets db upgrade`")


def _refuse_newer(db: Database, found: str | None) -> None:
    if found is not None and found not in _revisions():
        raise SchemaVersionError(
            f"{db.place} has schema {found}, newer than this code (schema {_newest()}):"
            " install the version of sigma_assets that upgraded it"
        )


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar_one_or_none()


def _newest() -> str:
    return _revisions()[-1]


def _revisions() -> list[str]:
    """Return the versions of the schema, oldest first: the numbers that the files of the migrations begin with."""
    return sorted(file.name.partition("_")[0] for file in (Path(__file__).parent / "versions").glob("[0-9]*_*.py"))


def config() -> "Config":
    """Return the configuration of alembic; what migrates sets `attributes["connection"]`."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    settings.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    settings.set_main_option("path_separator", "os")
    return settings
