"""Processes die and come back: nothing is lost, nothing runs twice, nothing needs a hand."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import sqlalchemy as sa

from sigma_assets.run_history import stories
from sigma_assets.storage.schema import portfolios
from sigma_assets_tests.processes.deployment import Deployment, until

SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    made = Deployment(tmp_path_factory.mktemp("restarts") / "home")
    made.start("code server", "daemon")
    yield made
    made.stop()


def worker_at(deployment: Deployment, asset: str, portfolio_id: str) -> int:
    """Return the process id of the worker that has come to a gate."""
    reached = deployment.home / "gates" / f"{asset}.{portfolio_id}.reached"
    until(reached.exists, f"a worker is at {asset}", seconds=120)
    return int(reached.read_text())


def test_scenario_04_a_killed_run_blocks_nobody_and_needs_no_restart(deployment: Deployment):
    """Worker and daemon at first; a portfolio that is added while the dead run is on record is onboarded at once."""
    unlucky = deployment.add("unlucky")
    reached = deployment.shut("betas", unlucky)
    worker = worker_at(deployment, "betas", unlucky)
    deployment.open(reached)
    os.kill(worker, signal.SIGKILL)

    added = deployment.add("added meanwhile")
    deployment.wait_until_done(unlucky, added, seconds=120)

    first, *later = deployment.runs(unlucky)
    (only,) = deployment.runs(added)
    assert (first.status, only.status, only.source) == (FAILURE, SUCCESS, "onboarding")
    assert [run.status for run in later] == [SUCCESS]
    with deployment.instance() as instance:
        story = stories(instance, deployment.settings.calendar, portfolio_id=unlucky)[-1]
    assert {asset for asset, _, _ in story.failures} == {"betas"}
    assert 0 < story.cells_done < story.cells_total
    assert "betas" in deployment.command("runs", "--json").stdout


def test_everything_dies_at_once_and_comes_back(deployment: Deployment):
    """A power cut: worker, code server and daemon. The default launcher would leave the run started for ever."""
    portfolio_id = deployment.add("power cut")
    reached = deployment.shut("volatility", portfolio_id)
    worker = worker_at(deployment, "volatility", portfolio_id)
    deployment.kill("daemon", "code server")
    os.kill(worker, signal.SIGKILL)
    deployment.open(reached)

    deployment.start("code server", "daemon")
    deployment.wait_until_done(portfolio_id, seconds=120)

    first, *later = deployment.runs(portfolio_id)
    assert first.status is FAILURE
    assert [run.status for run in later] == [SUCCESS]


def test_a_worker_outlives_its_code_server_and_nothing_is_done_twice(deployment: Deployment):
    portfolio_id = deployment.add("code server dies")
    reached = deployment.shut("correlations", portfolio_id)
    worker_at(deployment, "correlations", portfolio_id)
    deployment.kill("code server")
    deployment.start("code server")
    deployment.open(reached)

    deployment.wait_until_done(portfolio_id, seconds=120)

    assert [run.status for run in deployment.runs(portfolio_id)] == [SUCCESS]


def test_a_run_that_hangs_is_ended_and_blocks_nobody(deployment: Deployment):
    """The run's own tag says how long it may take."""
    portfolio_id = deployment.add("hangs")
    deployment.shut("factor_exposures", portfolio_id)
    worker_at(deployment, "factor_exposures", portfolio_id)
    other = deployment.add("is not blocked")
    until(lambda: deployment.runs(other), "another portfolio's run is asked for")
    with deployment.instance() as instance:
        (run,) = deployment.runs(portfolio_id)
        instance.add_run_tags(run.run_id, {"dagster/max_runtime": "1"})

    until(lambda: deployment.runs(portfolio_id)[0].status is FAILURE, "the run is ended")

    with deployment.instance() as instance:
        story = stories(instance, deployment.settings.calendar, portfolio_id=portfolio_id)[-1]
    assert any("runtime" in message.lower() for _, _, message in story.failures), story.failures
    deployment.open(deployment.home / "gates" / f"factor_exposures.{portfolio_id}.reached")


def test_a_removed_portfolio_loses_its_run_and_its_partition(deployment: Deployment):
    portfolio_id = deployment.add("removed")
    reached = deployment.shut("price_coverage", portfolio_id)
    worker_at(deployment, "price_coverage", portfolio_id)
    with deployment.database.begin() as connection:
        mine = portfolios.c.portfolio_id == portfolio_id
        removed = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(sa.update(portfolios).where(mine).values(deleted_at=removed))

    until(lambda: not deployment.runs(portfolio_id)[0].in_flight, "its run is canceled")
    deployment.open(reached)

    with deployment.instance() as instance:
        assert portfolio_id not in instance.get_dynamic_partitions("portfolio")
    assert deployment.runs(portfolio_id)[0].status in (dg.DagsterRunStatus.CANCELED, FAILURE)
