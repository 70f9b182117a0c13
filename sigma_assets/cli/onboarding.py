"""Request the run of an imported portfolio from the Dagster webserver, if possible."""

from collections.abc import Callable
from datetime import date

import click

from sigma_assets.automation.webserver import Webserver, WebserverError
from sigma_assets.base.errors import ProviderError
from sigma_assets.providers.registry import Surroundings, make_provider
from sigma_assets.runs.tags import CREATED_BY, Range, run_tags
from sigma_assets.settings import settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.roster import read_roster


def prepare_onboarding(inception: date) -> Callable[[Database, str], str | None] | None:
    """Find out whether a run can be asked for, before the portfolio is stored; return what asks for it.

    What cannot be done is said on stderr, and left to the onboarding sensor: then there is nothing to return.
    """
    configured = settings()
    webserver = Webserver(configured.dagster_url)
    try:
        webserver.check()
        target = min(configured.current_session(), _last_session())
    except (WebserverError, ProviderError) as error:
        _leave(str(error))
        return None
    sessions = configured.calendar.between(max(inception, configured.history_start), target)
    if not len(sessions):
        _leave(f"no session from {max(inception, configured.history_start)} to {target}, the last one with prices")
        return None

    def launch(database: Database, portfolio_id: str) -> str | None:
        roster = read_roster(database)
        tags = run_tags(
            Range(sessions[0].item(), target, (portfolio_id,), target=target),
            roster,
            source="onboarding",
            max_runtime_seconds=configured.max_runtime_seconds,
        )
        by = {CREATED_BY: "sigma-assets import"}
        try:
            return webserver.request_onboarding(roster.name_of[portfolio_id], tags | by)
        except WebserverError as error:
            _leave(str(error))
            return None

    return launch


def _leave(reason: str) -> None:
    click.echo(f"{reason}; the sensor `onboarding` or `sigma-assets run` will start the run", err=True)


def _last_session() -> date:
    configured = settings()
    around = Surroundings(
        calendar=configured.calendar,
        current_session=configured.current_session(),
        massive_api_key=configured.massive_api_key,
        massive_calls_per_minute=configured.massive_calls_per_minute,
        massive_url=configured.massive_url,
        yahoo_calls_per_minute=configured.yahoo_calls_per_minute,
    )
    return make_provider(configured.prices, around).last_session()
