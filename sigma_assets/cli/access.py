"""The command that gives the owner of a portfolio access to it, and to nothing else."""

from urllib.parse import urlsplit

import click

from sigma_assets.base.errors import SettingsError
from sigma_assets.base.tokens import portfolio_token
from sigma_assets.cli.terminal.options import portfolio_argument
from sigma_assets.cli.terminal.printing import json_option, show_one
from sigma_assets.settings import settings


@click.command()
@portfolio_argument
@click.option("--site", help="Public address of the status server, such as https://risk.example.")
@click.option("--report", "to_report", is_flag=True, help="Link to the report; by default to the onboarding.")
@json_option
def token(portfolio_id: str, site: str | None, to_report: bool, as_json: bool) -> None:
    """Print a link to the status pages of one portfolio only.

    Its token is derived from SIGMA_STATUS_TOKEN and stored nowhere; a new SIGMA_STATUS_TOKEN makes it invalid.
    """
    configured = settings()
    if not configured.status_token:
        raise SettingsError(
            "SIGMA_STATUS_TOKEN is not set: the status server lets everybody read everything."
            " Set it for the server and for this command; `openssl rand -hex 24` generates one"
        )
    if site is not None:
        _check(site)
    derived = portfolio_token(configured.status_token, portfolio_id)
    base = (site or configured.status_link).rstrip("/")
    link = f"{base}/{'portfolio' if to_report else 'onboarding'}/{portfolio_id}#token={derived}"
    show_one({"portfolio_id": portfolio_id, "token": derived, "link": link}, as_json=as_json, sentence=link)


def _check(site: str) -> None:
    """Refuse an address that makes no working link: the pages of the status server lie at the root of a host."""
    parts = urlsplit(site)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise SettingsError(
            f"--site {site}: expected an address such as https://risk.example; the status server needs a host name or a"
            " port of its own, and does not work below a path"
        )
