"""The command that shows every setting."""

import click

from sigma_assets.cli.printing import json_option, show
from sigma_assets.settings import settings as current_settings


@click.command()
@json_option
def settings(as_json: bool) -> None:
    """Show every setting: its variable, its value now, its meaning. Secrets are not shown."""
    rows = [
        {"variable": variable, "value": value, "meaning": doc} for variable, value, doc in current_settings().shown()
    ]
    show(rows, as_json=as_json)
