"""Commands about the database schema."""

import click

from sigma_assets.settings import settings
from sigma_assets.storage import migrations
from sigma_assets.storage.database import Database


@click.group()
def db() -> None:
    """Look after the database schema."""


@db.command()
def upgrade() -> None:
    """Bring the database to the schema of this version; creates it if there is none."""
    database = Database(settings().database)
    click.echo(f"{database.place}: schema {migrations.upgrade(database)}")


@db.command()
def current() -> None:
    """Print the schema version that the database has."""
    database = Database(settings().database)
    click.echo(f"{database.place}: {migrations.current(database) or 'no schema yet: run `sigma-assets db upgrade`'}")


@db.command()
def check() -> None:
    """Succeed only if the database has exactly the schema of this version."""
    database = Database(settings().database)
    migrations.check(database)
    click.echo(f"{database.place}: the schema is that of this version")
