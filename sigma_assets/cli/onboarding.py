"""What an import does besides storing a portfolio: it asks the Dagster webserver for the portfolio's run, if it can."""

from collections.abc import Callable
from datetime import date

import click

from sigma_assets.automation.webserver import Webserver, WebserverError
from sigma_assets.base.errors import ProviderError
from sigma_assets.providers.registry import Surroundings, make_provider
from sigma_assets.runs.tags import run_tags
from sigma_assets.settings import settings


def prepare_onboarding(inception: date) -> Callable[[str], str | None]:
    """Find out whether a run can be asked for, before the portfolio is stored; return what asks for it.

    Sensors leave a new portfolio alone for two seconds: what takes time is done before. What cannot be done is said on
    stderr, and left to the sensor.
    """
    configured = settings()
    webserver = Webserver(configured.dagster_url)
    try:
        webserver.check()
        target = min(configured.current_session(), _last_session())
    except (WebserverError, ProviderError) as error:
        return _left(str(error))
    sessions = configured.calendar.between(max(inception, configured.first_session), target)
    if not len(sessions):
        return _left(f"no session from {inception} to {target}, the last one with prices")

    def launch(portfolio_id: str) -> str | None:
        tags = run_tags(
            sessions[0].item(),
            target,
            [portfolio_id],
            source="onboarding",
            max_runtime_seconds=configured.max_runtime_seconds,
        )
        try:
            return webserver.request_onboarding(portfolio_id, tags)
        except WebserverError as error:
            return _left(str(error))(portfolio_id)

    return launch


def _left(reason: str) -> Callable[[str], str | None]:
    def leave(portfolio_id: str) -> None:
        click.echo(f"{reason}; the onboarding sensor or `sigma-assets run` will do it", err=True)

    return leave


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
