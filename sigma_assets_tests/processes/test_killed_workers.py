"""A worker is killed in the middle of each asset in turn: history becomes true, nothing is stuck, the work gets done."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names
from sigma_assets.runs.history import RunStory, stories
from sigma_assets.runs.watermark import Materialized
from sigma_assets.storage.roster import read_roster
from sigma_assets_tests.processes.deployment import LAST, Deployment, until

pytestmark = pytest.mark.waits

ASSETS = names(PORTFOLIO_ASSETS)
"""In the order in which a run does them. Each of four portfolios dies three times, in every fourth of them."""
SIGNALS = dict.fromkeys(ASSETS, signal.SIGKILL) | {"volatility": signal.SIGTERM}
PORTFOLIOS = 4


@dataclass
class Aftermath:
    """What was found after a worker had been killed in each asset once.

    Attributes
    ----------
    seconds : asset -> from the death of its worker to the end of the run in the history.
    stories_of : portfolio -> its runs, oldest first.
    """

    deployment: Deployment
    portfolios: list[str]
    seconds: dict[str, float]
    stories_of: dict[str, list[RunStory]]
    bystander: str

    def death_in(self, asset: str) -> tuple[RunStory, list[RunStory]]:
        """Return the run that died in an asset, and the later runs of its portfolio."""
        nth, portfolio = divmod(ASSETS.index(asset), PORTFOLIOS)
        found = self.stories_of[self.portfolios[portfolio]]
        return found[nth], found[nth + 1 :]


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    """Kill a worker just before the commit of each asset; let everything be finished."""
    deployment = Deployment(tmp_path_factory.mktemp("killed") / "home")
    deployment.configure(run_retries={"max_retries": 3})
    try:
        portfolios = [deployment.add(f"portfolio {number}") for number in range(PORTFOLIOS)]
        reached_of = {
            asset: deployment.shut(asset, portfolios[position % PORTFOLIOS]) for position, asset in enumerate(ASSETS)
        }
        deployment.start("code server", "daemon")
        killed = _kill_at_gates(deployment, reached_of)
        bystander = deployment.add("added meanwhile")
        deployment.wait_until_done(*portfolios, bystander, seconds=180)
        with deployment.instance() as instance:
            calendar, roster = deployment.settings.calendar, read_roster(deployment.database)
            found = {key: stories(instance, roster, calendar, portfolio_id=key)[::-1] for key in portfolios}
        aftermath = Aftermath(deployment, portfolios, {}, found, bystander)
        for asset, moment in killed.items():
            aftermath.seconds[asset] = (aftermath.death_in(asset)[0].cover.ended or 0.0) - moment
        yield aftermath
    finally:
        deployment.stop()


def _kill_at_gates(deployment: Deployment, reached_of: dict[str, Path]) -> dict[str, float]:
    """Kill each worker as it arrives at its gate, and open the gate; return when each was killed."""
    killed: dict[str, float] = {}

    def all_killed() -> bool:
        for asset, reached in reached_of.items():
            if asset not in killed and reached.exists():
                deployment.open(reached)
                os.kill(int(reached.read_text()), SIGNALS[asset])
                killed[asset] = time.time()
        return len(killed) == len(reached_of)

    until(all_killed, "every worker has arrived at its gate", seconds=240)
    return killed


@pytest.mark.parametrize("asset", ASSETS)
def test_a_worker_killed_in_an_asset_leaves_a_true_history_and_is_made_up_for(aftermath: Aftermath, asset: str):
    died, later = aftermath.death_in(asset)

    assert died.record()["status"] in ("failure", "canceled")
    assert {part for part, _, _ in died.failures} == {asset}
    assert all(kind and message for _, kind, message in died.failures)
    if SIGNALS[asset] is signal.SIGKILL:
        assert [kind for _, kind, _ in died.failures] == ["worker died"]
    done = [run.asset for run in died.assets if run.status == "completed"]
    assert asset not in done
    assert died.cells_done == 4 * len(done) < died.cells_total
    assert 0 <= aftermath.seconds[asset] < 120
    assert later[-1].record()["status"] == "success"


def test_everything_is_there_once_and_nothing_is_left_over(aftermath: Aftermath):
    deployment = aftermath.deployment
    sessions = deployment.settings.calendar.between(date(2026, 1, 5), LAST)

    with deployment.instance() as instance:
        roster = read_roster(deployment.database)
        index = Materialized(deployment.settings.calendar.sessions).look(instance, roster, ASSETS)
        missing = [
            (asset, portfolio_id)
            for asset in ASSETS
            for portfolio_id in (*aftermath.portfolios, aftermath.bystander)
            if len(index.missing(asset, roster.name_of[portfolio_id], sessions))
        ]
        slots = instance.event_log_storage.get_concurrency_info("price_provider")

    assert missing == []
    assert not any(run.in_flight for run in deployment.runs())
    assert slots.active_slot_count == 0
    with deployment.database.read() as connection:
        query = "SELECT count(*), count(DISTINCT session) FROM portfolio_snapshots WHERE portfolio_id = '{}'"
        counts = [connection.exec_driver_sql(query.format(each)).one() for each in aftermath.portfolios]
    assert {tuple(count) for count in counts} == {(len(sessions), len(sessions))}


def test_scenario_04_a_portfolio_added_meanwhile_is_onboarded_at_once_and_nothing_needs_a_restart(aftermath: Aftermath):
    (run,) = aftermath.deployment.runs(aftermath.bystander)

    assert (run.source, run.status) == ("onboarding", dg.DagsterRunStatus.SUCCESS)
