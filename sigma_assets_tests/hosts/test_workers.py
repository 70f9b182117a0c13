"""Workers on two hosts: a run is canceled, a process killed, the broker away, a worker drained, a host has other code."""

import os
import shutil
import signal
from pathlib import Path

import dagster as dg
import pytest

from sigma_assets.runs.covers import RunCover
from sigma_assets_tests.hosts.deployment import HostsDeployment
from sigma_assets_tests.processes.deployment import CHECKOUT, until

SUCCESS, CANCELED = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED
NAMES = ("host-a", "host-b")

pytestmark = [pytest.mark.waits, pytest.mark.timeout(900)]


@pytest.fixture(scope="module", autouse=True)
def _started(hosts: HostsDeployment) -> None:
    """Start everything, and let a first portfolio be computed, so that each test finds nothing due but what it adds.

    Few portfolios: with those of a night, the sensors' looks cost more than all the rest here.
    """
    hosts.allow_runs(len(NAMES))
    hosts.start_workers(*NAMES)
    hosts.start("code server", "daemon")
    hosts.wait_until_done(hosts.add("the first"), seconds=240)


def test_cancelling_reaches_the_host_of_the_run(hosts: HostsDeployment) -> None:
    portfolio_id = hosts.add("to be canceled")
    reached = hosts.shut("before_betas", portfolio_id)
    hosts.arrived(reached)
    (run,) = hosts.runs(portfolio_id)

    with hosts.instance() as instance:
        assert instance.run_launcher.terminate(run.run_id)

    until(lambda: hosts.runs(portfolio_id)[0].status is CANCELED, "the run is canceled", seconds=120)
    hosts.open(reached)
    events = [kind for kind, _ in hosts.messages(run.run_id)]
    assert "STEP_FAILURE" in events, "its own process stopped it, not the time limit for cancelling"
    assert hosts.count("betas_by_portfolio", portfolio_id) == 0 or len(hosts.runs(portfolio_id)) > 1


def test_a_process_that_is_killed_on_a_host_that_lives_is_noticed_at_once(hosts: HostsDeployment) -> None:
    """As the system does that has no memory left."""
    portfolio_id = hosts.add("out of memory")
    reached = hosts.shut("before_betas", portfolio_id)
    pid, host = hosts.arrived(reached)
    hosts.open(reached)

    os.kill(pid, signal.SIGKILL)

    hosts.wait_until_done(portfolio_id, seconds=240)
    first, *later = hosts.runs(portfolio_id)
    told = [text for kind, text in hosts.messages(first.run_id) if kind == "PIPELINE_FAILURE"]
    assert f"the process that executed it on {host} was killed" in told[0]
    assert [run.status for run in later] == [SUCCESS]


def test_a_run_waits_for_a_broker_that_is_away(hosts: HostsDeployment) -> None:
    hosts.broker.stop()
    portfolio_id = hosts.add("without a broker")
    until(
        lambda: any(_tells(hosts, run, "cannot be reached") for run in hosts.runs(portfolio_id)),
        "the run could not be handed over",
        seconds=120,
    )

    hosts.broker.start()

    hosts.wait_until_done(portfolio_id, seconds=240)
    assert [run.status for run in hosts.runs(portfolio_id)] == [SUCCESS]


def test_a_worker_that_is_asked_to_stop_finishes_its_run_and_takes_no_more(hosts: HostsDeployment) -> None:
    portfolio_id = hosts.add("is finished")
    reached = hosts.shut("before_betas", portfolio_id)
    _, host = hosts.arrived(reached)
    worker = hosts.worker(host)

    worker.terminate()
    other = hosts.add("goes elsewhere")
    hosts.wait_until_done(other, seconds=240)
    assert worker.poll() is None
    hosts.open(reached)

    hosts.wait_until_done(portfolio_id, seconds=240)
    assert [run.status for run in hosts.runs(portfolio_id)] == [SUCCESS]
    assert worker.wait(120) == 0


def test_a_host_with_other_code_refuses_and_leaves_the_run_to_others(hosts: HostsDeployment, tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "sigma_assets", tmp_path / "sigma_assets", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "sigma_assets" / "base" / "conventions.py").open("a") as file:
        file.write("\n# another version\n")
    for host in NAMES:
        for worker in hosts.network.host(host).processes:
            worker.terminate()
            worker.wait(120)
    hosts.start_workers("host-d", checkout=tmp_path)

    portfolio_id = hosts.add("of another version")
    assert hosts.worker("host-d").wait(240) == 0
    refused = [run for run in hosts.runs() if _tells(hosts, run, "the worker on host-d refuses run")]
    assert len(refused) == 1, _story(hosts, portfolio_id)  # the portfolio's, or another one that was due
    hosts.start_workers("host-a")

    hosts.wait_until_done(portfolio_id, seconds=240)
    assert [run.status for run in hosts.runs(portfolio_id)] == [SUCCESS]


def _tells(hosts: HostsDeployment, run: RunCover, words: str) -> bool:
    return any(words in text for _, text in hosts.messages(run.run_id))


def _story(hosts: HostsDeployment, portfolio_id: str) -> str:
    """Return the newest runs, and what those of a portfolio have logged."""
    told = [f"{run.run_id} {run.job} {run.reason} {run.status} {run.portfolio_ids}" for run in hosts.runs()[-9:]]
    told += [text for run in hosts.runs(portfolio_id) for _, text in hosts.messages(run.run_id)]
    return "\n".join(told)
