"""The command that starts the status server."""

import click

from sigma_assets.cli.world import prepare_home


@click.command()
def serve() -> None:
    """Serve onboarding status: JSON API and pages, on SIGMA_STATUS_HOST:SIGMA_STATUS_PORT. Reads only."""
    configured = prepare_home()
    from sigma_assets.status.app import serve as serve_forever

    serve_forever(configured)
