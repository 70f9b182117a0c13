"""A worker is killed in the middle of each asset in turn: history becomes true, nothing is stuck, the work gets done."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names
from sigma_assets.run_history import RunStory, stories
from sigma_assets.watermark import Materialized
from sigma_assets_tests.processes.deployment import Deployment, until

ASSETS = names(PORTFOLIO_ASSETS)
SIGNALS = dict.fromkeys(ASSETS, signal.SIGKILL) | {"volatility": signal.SIGTERM}


@dataclass
class Aftermath:
    """What was found after every portfolio's worker had been killed once, each in another asset."""

    deployment: Deployment
    portfolio_of: dict[str, str]
    seconds_to_truth: dict[str, float]
    stories_of: dict[str, list[RunStory]]
    bystander: str


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    """Kill each portfolio's first worker just before the commit of another asset; let everything be finished."""
    deployment = Deployment(tmp_path_factory.mktemp("killed") / "home")
    try:
        portfolio_of = {asset: deployment.add(f"killed in {asset}") for asset in ASSETS}
        reached_of = {asset: deployment.shut(asset, portfolio_id) for asset, portfolio_id in portfolio_of.items()}
        deployment.start("code server", "daemon")
        killed = _kill_at_gates(deployment, reached_of)
        bystander = deployment.add("added meanwhile")
        seconds_to_truth = _wait_for_truth(deployment, portfolio_of, killed)
        deployment.wait_until_done(*portfolio_of.values(), bystander, seconds=120)
        with deployment.instance() as instance:
            found = {
                asset: stories(instance, deployment.settings.calendar, portfolio_id=portfolio_id)[::-1]
                for asset, portfolio_id in portfolio_of.items()
            }
        yield Aftermath(deployment, portfolio_of, seconds_to_truth, found, bystander)
    finally:
        deployment.stop()


def _kill_at_gates(deployment: Deployment, reached_of: dict[str, Path]) -> dict[str, float]:
    """Kill each worker as it arrives at its gate, and open the gate; return when each was killed."""
    killed: dict[str, float] = {}

    def all_killed() -> bool:
        for asset, reached in reached_of.items():
            if asset not in killed and reached.exists():
                os.kill(int(reached.read_text()), SIGNALS[asset])
                deployment.open(reached)
                killed[asset] = time.time()
        return len(killed) == len(reached_of)

    until(all_killed, "every worker has arrived at its gate", seconds=180)
    return killed


def _wait_for_truth(
    deployment: Deployment, portfolio_of: dict[str, str], killed: dict[str, float]
) -> dict[str, float]:
    """Return how long after its death each run was marked as ended."""

    def all_ended() -> bool:
        return all(
            deployment.runs(portfolio_id)[0].status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
            for portfolio_id in portfolio_of.values()
        )

    until(all_ended, "every killed run is marked as such", seconds=120)
    return {
        asset: (deployment.runs(portfolio_id)[0].ended or 0.0) - killed[asset]
        for asset, portfolio_id in portfolio_of.items()
    }


@pytest.mark.parametrize("asset", ASSETS)
def test_a_worker_killed_in_an_asset_leaves_a_true_history_and_is_made_up_for(aftermath: Aftermath, asset: str):
    first, *later = aftermath.stories_of[asset]

    assert first.record()["status"] in ("failure", "canceled")
    assert {part for part, _, _ in first.failures} == {asset}
    assert all(kind and message for _, kind, message in first.failures)
    assert {run.asset for run in first.assets if run.status == "success"} == set(ASSETS[: ASSETS.index(asset)])
    assert 0 <= first.cells_done < first.cells_total
    assert aftermath.seconds_to_truth[asset] < 120
    assert later[-1].record()["status"] == "success"


def test_everything_is_there_once_and_nothing_is_left_over(aftermath: Aftermath):
    deployment = aftermath.deployment
    sessions = deployment.settings.calendar.between(*_span(aftermath))

    with deployment.instance() as instance:
        index = Materialized(deployment.settings.calendar.sessions).look(instance, ASSETS)
        missing = [
            (asset, portfolio_id)
            for asset in ASSETS
            for portfolio_id in (*aftermath.portfolio_of.values(), aftermath.bystander)
            if len(index.missing(asset, portfolio_id, sessions))
        ]
        slots = instance.event_log_storage.get_concurrency_info("price_provider")

    assert missing == []
    assert not any(run.in_flight for run in deployment.runs())
    assert slots.active_slot_count == 0
    with deployment.database.read() as connection:
        query = "SELECT count(*), count(DISTINCT session) FROM portfolio_snapshots WHERE portfolio_id = '{}'"
        counts = [connection.exec_driver_sql(query.format(each)).one() for each in aftermath.portfolio_of.values()]
    assert {tuple(count) for count in counts} == {(len(sessions), len(sessions))}


def test_a_portfolio_added_meanwhile_was_onboarded_without_waiting(aftermath: Aftermath):
    (run,) = aftermath.deployment.runs(aftermath.bystander)

    assert (run.source, run.status) == ("onboarding", dg.DagsterRunStatus.SUCCESS)


def _span(aftermath: Aftermath):
    (run,) = aftermath.deployment.runs(aftermath.bystander)
    return tuple(aftermath.deployment.settings.calendar.on_or_after(_day(day)) for day in (run.first, run.last))


def _day(text: str):
    from datetime import date

    return date.fromisoformat(text)
