"""Commands for the installation: its settings and its database schema."""

import click

from sigma_assets.cli.terminal.printing import json_option, show, show_one
from sigma_assets.settings import settings as current_settings
from sigma_assets.storage import migrations
from sigma_assets.storage.database import Database


@click.command()
@json_option
def settings(as_json: bool) -> None:
    """Show every setting, its value and its meaning. Secrets are hidden."""
    rows = [
        {"variable": variable, "value": value, "meaning": doc} for variable, value, doc in current_settings().shown()
    ]
    show(rows, as_json=as_json)


@click.group()
def db() -> None:
    """Maintain the database schema."""


@db.command()
@json_option
def upgrade(as_json: bool) -> None:
    """Create the schema, or upgrade it to this version."""
    database = Database(current_settings().database)
    version = migrations.upgrade(database)
    _tell(database, version, as_json, f"schema {version}")


@db.command()
@json_option
def current(as_json: bool) -> None:
    """Print the schema version of the database."""
    database = Database(current_settings().database)
    version = migrations.current(database)
    _tell(database, version, as_json, version or "no schema yet: run `sigma-assets db upgrade`")


@db.command()
@json_option
def check(as_json: bool) -> None:
    """Check that the schema is that of this version."""
    database = Database(current_settings().database)
    migrations.check(database)
    _tell(database, migrations.current(database), as_json, "the schema is that of this version")


def _tell(database: Database, version: str | None, as_json: bool, sentence: str) -> None:
    record = {"database": database.place, "schema": version}
    show_one(record, as_json=as_json, sentence=f"{database.place}: {sentence}")
