"""PostgreSQL is away for a while in the middle of a run: the run waits, or fails clean and is made up for."""

import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names
from sigma_assets.instance.health.worker_process import process_age_seconds
from sigma_assets.runs.watermark import Materialized
from sigma_assets.storage.connection.patience import BRIEF_SECONDS
from sigma_assets.storage.roster import read_roster
from sigma_assets.storage.schema import metadata
from sigma_assets_tests.conftest import drop_database, fresh_database
from sigma_assets_tests.postgres import PostgresServer
from sigma_assets_tests.processes.deployment import CHECKOUT, LAST, Deployment, until

pytestmark = pytest.mark.waits

PATIENCE_SECONDS = 13
AWAY_SECONDS = 9
"""Longer than anybody waits but a run's worker."""
SESSIONS = 4


@pytest.fixture(scope="module")
def deployment(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Return a deployment on PostgreSQL whose first portfolio is complete."""
    if not postgres_server.is_ours:
        pytest.skip("the server given is not ours to stop")
    name = fresh_database(postgres_server)
    made = Deployment(
        tmp_path_factory.mktemp("away") / "home",
        dagster_yaml=CHECKOUT / "deploy" / "dagster.yaml",
        SIGMA_DATABASE_URL=postgres_server.url.set(database=name).render_as_string(hide_password=False),
        SIGMA_DATABASE_PATIENCE_SECONDS=str(PATIENCE_SECONDS),
    )
    try:
        made.start("code server", "daemon")
        yield made
    finally:
        made.stop()
        drop_database(postgres_server, name)


def worker_at(deployment: Deployment, reached: Path) -> int:
    until(reached.exists, f"a worker is at {reached.name}", seconds=120)
    return int(reached.read_text())


def test_a_run_outlasts_a_database_that_is_away_for_a_while(deployment: Deployment, postgres_server: PostgresServer):
    """It goes away within a transaction, and with all of the run's events to come still unwritten."""
    portfolio_id = deployment.add("outlasts")
    reached = deployment.shut("betas", portfolio_id)
    worker_at(deployment, reached)

    postgres_server.halt()
    deployment.open(reached)
    time.sleep(AWAY_SECONDS)
    postgres_server.start()

    deployment.wait_until_done(portfolio_id, seconds=120)
    assert [run.status for run in deployment.runs(portfolio_id)] == [dg.DagsterRunStatus.SUCCESS]
    _is_there_once(deployment, portfolio_id)


def test_a_database_away_for_too_long_fails_the_run_and_the_next_one_completes(
    deployment: Deployment, postgres_server: PostgresServer
):
    """The worker gives up and cannot even say so; the code server waits to report that, however long it takes."""
    portfolio_id = deployment.add("gives up")
    reached = deployment.shut("betas", portfolio_id)
    worker = worker_at(deployment, reached)

    postgres_server.halt()
    deployment.open(reached)
    until(lambda: process_age_seconds(worker) is None, "the worker gives up", seconds=PATIENCE_SECONDS + 60)
    time.sleep(BRIEF_SECONDS + 2)
    postgres_server.start()

    until(lambda: not deployment.runs(portfolio_id)[0].in_flight, "the run has ended")
    assert deployment.runs(portfolio_id)[0].status is dg.DagsterRunStatus.FAILURE
    deployment.wait_until_done(portfolio_id, seconds=120)
    _is_there_once(deployment, portfolio_id)


def _is_there_once(deployment: Deployment, portfolio_id: str) -> None:
    """Check that every asset is materialised, and that its rows are there for every session and not twice."""
    sessions = deployment.settings.calendar.between(date(2026, 1, 5), LAST)
    with deployment.instance() as instance:
        roster = read_roster(deployment.database)
        index = Materialized(deployment.settings.calendar.sessions).look(instance, roster, names(PORTFOLIO_ASSETS))
        name = roster.name_of[portfolio_id]
        assert [key for key in names(PORTFOLIO_ASSETS) if len(index.missing(key, name, sessions))] == []
    with deployment.database.read() as connection:
        for table in ("portfolio_snapshots", "betas_by_portfolio", "volatility_by_portfolio"):
            rows = metadata.tables[table].c
            query = rows.session.table.select().where(rows.portfolio_id == portfolio_id)
            assert len(connection.execute(query).all()) == len(sessions) == SESSIONS, table
