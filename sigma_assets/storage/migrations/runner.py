"""Run the migrations: no ini file, one transaction, one process at a time."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from sigma_assets.base.errors import SchemaVersionError
from sigma_assets.storage.database import Database
from sigma_assets.storage.schema import SCHEMA

VERSION_TABLE = "sigma_alembic_version"
_LOCK = 0x5167_6D61_0001
"""Advisory lock of PostgreSQL: two processes that upgrade at once do so one after the other."""


def upgrade(db: Database) -> str:
    """Bring the schema to the newest version, all or nothing, and return that version; does nothing if it is there.

    Raises
    ------
    SchemaVersionError
        The schema is newer than this code.
    StorageError
        The database cannot be reached, or refuses.
    """

    def migrate(connection: sa.Connection) -> str:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            if not sa.inspect(connection).has_schema(SCHEMA):  # even IF NOT EXISTS needs a right that owners may lack
                connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
        _refuse_newer(db, _version(connection))
        alembic = config()
        alembic.attributes["connection"] = connection
        command.upgrade(alembic, "head")
        return _newest()

    return db.in_transaction(migrate)


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
    known = {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
    if found is not None and found not in known:
        raise SchemaVersionError(
            f"{db.place} has schema {found}, newer than this code (schema {_newest()}):"
            " install the version of sigma_assets that upgraded it"
        )


def _version(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def _newest() -> str:
    return str(ScriptDirectory.from_config(config()).get_current_head())


def config() -> Config:
    """Return the configuration of alembic; what migrates sets `attributes["connection"]`."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    settings.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    settings.set_main_option("path_separator", "os")
    return settings
