"""Commands for the installation: its settings, its database schema, and what can be deleted from it."""

from datetime import UTC, datetime, timedelta
from functools import partial

import click

from sigma_assets.cli.terminal.printing import after, errors, json_option, show, show_one
from sigma_assets.cli.terminal.world import open_database, open_instance, prepare_home
from sigma_assets.settings import settings as current_settings
from sigma_assets.storage import migrations
from sigma_assets.storage.connection.database import Database


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
    """Maintain the database."""


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


@db.command()
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(7, 36_500),
    help="Only what ended, or was removed, more than this many days ago; default: SIGMA_KEEP_DAYS.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def prune(days: int | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete superseded runs, and what was computed for removed portfolios.

    Numbers of active portfolios stay, and so does every run that made the newest numbers of any session. Lots and flows of
    removed portfolios stay, too.
    """
    prepare_home()
    from rich.progress import track

    from sigma_assets.automation import pruning
    from sigma_assets.storage.roster import read_roster

    database = open_database()
    before = datetime.now(UTC) - timedelta(days=days or current_settings().keep_days)
    with open_instance() as instance:
        shown = partial(track, console=errors, transient=True)
        found = pruning.prunable(instance, database, read_roster(database), before, shown)
        record = {
            "before": f"{before:%Y-%m-%d %H:%M} UTC",
            "runs": len(found.runs),
            "portfolios": len(found.rows),
            "rows": sum(found.rows.values()),
            "deleted": False,
        }
        for portfolio_id, rows in found.rows.items():
            click.echo(f"{found.names[portfolio_id]} (removed, {portfolio_id[:8]}): {rows:,} rows", err=True)
        what = f"{len(found.runs):,} runs and {record['rows']:,} rows of {len(found.rows)} removed portfolios"
        if dry_run or found.is_empty:
            show_one(record, as_json=as_json, sentence=f"{what}, from before {record['before']}, can be deleted")
            return
        if not yes:
            click.confirm(f"Delete {what}, from before {record['before']}?", abort=True, err=True)
        with after("a part may be deleted already; another `sigma-assets db prune` deletes the rest"):
            pruning.prune(instance, database, found, shown)
    show_one(record | {"deleted": True}, as_json=as_json, sentence=f"{what} deleted")


def _tell(database: Database, version: str | None, as_json: bool, sentence: str) -> None:
    record = {"database": database.place, "schema": version}
    show_one(record, as_json=as_json, sentence=f"{database.place}: {sentence}")
