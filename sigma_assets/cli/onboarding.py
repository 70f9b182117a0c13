"""Request the runs of an imported portfolio from the Dagster webserver, if possible: one, or several if it is large."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import click

from sigma_assets.automation.planner import LOTS, Needs, plan_runs
from sigma_assets.automation.requests import tags_of
from sigma_assets.automation.webserver import Webserver, WebserverError
from sigma_assets.base.errors import ProviderError
from sigma_assets.cli.terminal.world import open_database
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.tags import CREATED_BY
from sigma_assets.settings import settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.portfolios import lot_counts
from sigma_assets.storage.roster import read_roster

HISTORY = "history"
"""Stands for all assets: an import leaves it to Dagster to name them."""


def prepare_onboarding(inception: date) -> Callable[[Database, str], str | None] | None:
    """Find out whether a run can be asked for, before the portfolio is stored; return what asks for it.

    What is returned returns the id of the run, of several the first one's.
    What cannot be done is said on stderr, and left to the onboarding sensor: then there is nothing to return.
    """
    configured = settings()
    webserver = Webserver(configured.dagster_requests)
    try:
        webserver.check()
        target = min(configured.current_session(), PriceSource(configured, open_database).provider.last_session())
    except (WebserverError, ProviderError) as error:
        _leave(str(error))
        return None
    sessions = configured.calendar.between(max(inception, configured.history_start), target)
    if not len(sessions):
        _leave(f"no session from {max(inception, configured.history_start)} to {target}, the last one with prices")
        return None

    def launch(database: Database, portfolio_id: str) -> str | None:
        roster = read_roster(database)
        history: Needs = {(portfolio_id, HISTORY): sessions}
        lots = lot_counts(database, [portfolio_id], more_than=LOTS)
        planned = plan_runs(history, assets=[HISTORY], order=[portfolio_id], calendar=sessions, lots=lots)
        by = {CREATED_BY: "sigma-assets import"}
        first, *more = [tags_of(replace(run, target=target), roster, "onboarding") | by for run in planned]
        try:
            run_id = webserver.request_onboarding(roster.name_of[portfolio_id], first)
        except WebserverError as error:
            _leave(str(error))
            return None
        try:
            for each in more:
                webserver.launch(each)
        except WebserverError as error:
            click.echo(f"{error}; the sensor `reconcile` or `sigma-assets run` will start the rest", err=True)
        return run_id

    return launch


def _leave(reason: str) -> None:
    click.echo(f"{reason}; the sensor `onboarding` or `sigma-assets run` will start the run", err=True)
