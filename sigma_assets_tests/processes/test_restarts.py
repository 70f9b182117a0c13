"""Processes die and come back: nothing is lost, nothing runs twice, nothing needs a hand."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import HTTPServer

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.scheduler.instigation import TickStatus

from sigma_assets.definitions import definitions_for
from sigma_assets.runs.history import stories
from sigma_assets.storage.roster import read_roster
from sigma_assets.storage.schema import portfolios
from sigma_assets.web.queries import Queries
from sigma_assets_tests.automation.receivers import Webhook, served
from sigma_assets_tests.processes.deployment import LAST, Deployment, free_port, until

pytestmark = pytest.mark.waits

WEBHOOK_PORT = free_port()
"""Where failures are told; nobody listens there until the last test."""
SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    webhook = f"http://127.0.0.1:{WEBHOOK_PORT}/hook/open-sesame"
    made = Deployment(tmp_path_factory.mktemp("restarts") / "home", SIGMA_ALERT_WEBHOOK=webhook)
    made.start("code server", "daemon")
    try:
        until(lambda: made.ticks("failure_alert"), "somebody would be told of failures")
        yield made
    finally:
        made.stop()


def worker_at(deployment: Deployment, asset: str, portfolio_id: str) -> int:
    """Return the process id of the worker that has come to a gate."""
    reached = deployment.home / "gates" / f"{asset}.{portfolio_id}.reached"
    until(reached.exists, f"a worker is at {asset}", seconds=120)
    return int(reached.read_text())


def test_scenario_08_two_portfolios_onboard_at_once_and_both_progresses_are_right(deployment: Deployment):
    """Whatever the other one does: progress never goes back, and says completed only when everything is there."""
    pair = [deployment.add("one"), deployment.add("two")]
    seen: dict[str, list[tuple[str, float]]] = {portfolio_id: [] for portfolio_id in pair}

    with deployment.instance() as instance:
        queries = Queries(deployment.settings, instance, deployment.database)

        def both_done() -> bool:
            for portfolio_id in pair:
                facts = queries.portfolio(portfolio_id)
                assert facts is not None
                progress = queries.progress(facts)
                seen[portfolio_id].append((progress.status, progress.percent))
            return all(found[-1][0] == "completed" for found in seen.values())

        until(both_done, "both are completed", seconds=120)

    for found in seen.values():
        shares = [share for _, share in found]
        assert shares == sorted(shares)
        assert shares[-1] == 100
        assert {status for status, _ in found} <= {"pending", "running", "completed"}
        assert all(status == "completed" for status, share in found if share == 100)


def test_scenario_01_a_portfolio_added_after_the_nightly_run_gets_its_whole_history(deployment: Deployment):
    until(lambda: any(run.job == "symbols" and run.status is SUCCESS for run in deployment.runs()), "the night is over")
    added = deployment.add("a minute later")

    deployment.wait_until_done(added, seconds=120)

    (run,) = deployment.runs(added)
    assert (run.source, run.first, run.last) == ("onboarding", "2026-01-05", str(LAST))
    assert len([run for run in deployment.runs() if run.job == "symbols"]) == 1


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
    reached = deployment.shut("before_correlations", portfolio_id)
    worker_at(deployment, "before_correlations", portfolio_id)
    deployment.kill("code server")
    deployment.start("code server")
    deployment.open(reached)

    deployment.wait_until_done(portfolio_id, seconds=120)

    assert [run.status for run in deployment.runs(portfolio_id)] == [SUCCESS]


def test_a_run_that_hangs_is_ended_and_blocks_nobody(deployment: Deployment):
    """The run's own tag says how long it may take."""
    portfolio_id = deployment.add("hangs")
    deployment.shut("before_factor_exposures", portfolio_id)
    worker_at(deployment, "before_factor_exposures", portfolio_id)
    other = deployment.add("is not blocked")
    deployment.wait_until_done(other, seconds=120)
    with deployment.instance() as instance:
        (run,) = deployment.runs(portfolio_id)
        instance.add_run_tags(run.run_id, {"dagster/max_runtime": "1"})

    until(lambda: not deployment.runs(portfolio_id)[0].in_flight, "the run is ended")

    with deployment.instance() as instance:
        story = stories(
            instance, read_roster(deployment.database), deployment.settings.calendar, portfolio_id=portfolio_id
        )[-1]
    assert story.cover.status is not SUCCESS
    assert {asset for asset, _, _ in story.failures} == {"factor_exposures"}
    assert 0 < story.cells_done < story.cells_total
    deployment.open(deployment.home / "gates" / f"before_factor_exposures.{portfolio_id}.reached")


def test_a_removed_portfolio_loses_its_run_and_its_partition(deployment: Deployment):
    portfolio_id = deployment.add("removed")
    reached = deployment.shut("before_price_coverage", portfolio_id)
    worker_at(deployment, "before_price_coverage", portfolio_id)
    with deployment.database.begin() as connection:
        mine = portfolios.c.portfolio_id == portfolio_id
        removed = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(sa.update(portfolios).where(mine).values(deleted_at=removed))

    until(lambda: not deployment.runs(portfolio_id)[0].in_flight, "its run is canceled")
    deployment.open(reached)

    with deployment.instance() as instance:
        name = read_roster(deployment.database).name_of[portfolio_id]
        until(lambda: name not in instance.get_dynamic_partitions("portfolio"), "the partition is dropped")
    assert deployment.runs(portfolio_id)[0].status in (dg.DagsterRunStatus.CANCELED, FAILURE)


def test_a_worker_that_was_frozen_while_its_run_was_given_away_writes_nothing(deployment: Deployment):
    portfolio_id = deployment.add("frozen")
    reached = deployment.shut("before_betas", portfolio_id)
    worker = worker_at(deployment, "before_betas", portfolio_id)
    os.kill(worker, signal.SIGSTOP)
    (frozen,) = deployment.runs(portfolio_id)
    with deployment.instance() as instance:
        instance.report_run_failed(instance.get_run_by_id(frozen.run_id), "its worker is taken for dead")
    (reached.with_name(reached.name.removesuffix(".reached"))).write_text(str(worker))  # it alone may pass
    os.kill(worker, signal.SIGCONT)

    until(lambda: "nothing more is written" in _step_failures(deployment, frozen.run_id), "the worker is refused")

    with deployment.database.read() as connection:
        query = sa.text("SELECT count(*) FROM betas_by_position WHERE portfolio_id = :portfolio_id")
        assert connection.execute(query, {"portfolio_id": portfolio_id}).scalar_one() == 0
    deployment.open(reached)
    deployment.wait_until_done(portfolio_id, seconds=120)
    with deployment.instance() as instance:
        endings = instance.get_records_for_run(frozen.run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
    assert len(endings) == 1
    first, *later = deployment.runs(portfolio_id)
    assert first.status is FAILURE
    assert [run.status for run in later] == [SUCCESS]


def _step_failures(deployment: Deployment, run_id: str) -> str:
    with deployment.instance() as instance:
        records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    failed = [record.event_log_entry.get_dagster_event().step_failure_data for record in records]
    return " ".join(failure.error.to_string() for failure in failed if failure.error is not None)


def test_every_failed_run_is_told_once_although_the_receiver_was_down_all_the_time(deployment: Deployment):
    """Last in this file: all the tests above went on beside a sensor whose every tick failed."""
    with deployment.instance() as instance:
        for _ in range(2 - sum(run.status is FAILURE for run in deployment.runs())):  # those above were not run
            tags = {"dagster/partition": f"{LAST}"}
            made = instance.create_run_for_job(
                definitions_for(deployment.settings).resolve_job_def("symbols"), tags=tags
            )
            instance.report_run_failed(made, "its worker was killed")
    until(
        lambda: any(tick.status is TickStatus.FAILURE for tick in deployment.ticks("failure_alert")),
        "the receiver is found to be down",
    )
    failed = {run.run_id for run in deployment.runs() if run.status is FAILURE}
    red = [tick for tick in deployment.ticks("failure_alert") if tick.status is TickStatus.FAILURE]
    assert len(failed) >= 2
    assert red
    assert "the webhook at 127.0.0.1 cannot be reached" in red[0].error.to_string()
    received: list[dict] = []
    receiver = type("Receiver", (Webhook,), {"received": received})

    with served(HTTPServer(("127.0.0.1", WEBHOOK_PORT), receiver)):
        until(lambda: failed <= {alert["run_id"] for alert in received}, "every failed run has been told")
        until(
            lambda: deployment.ticks("failure_alert")[0].skip_reason == "reported 0 times",
            "there is nothing more to tell",
        )

    told = Counter(alert["run_id"] for alert in received)
    assert {run_id: told[run_id] for run_id in failed} == dict.fromkeys(failed, 1)
    assert "open-sesame" not in deployment.log()
    assert not any("open-sesame" in tick.error.to_string() for tick in red)
