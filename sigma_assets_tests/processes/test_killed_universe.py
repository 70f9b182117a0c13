"""The worker of the universe's run is killed in the middle of each asset: ticks finish the work, portfolios go on."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.runs.schema import RunsTable

from sigma_assets.automation.jobs import SYMBOL_ASSETS, names
from sigma_assets.prices.tables import write_prices
from sigma_assets.runs.covers import RunCover
from sigma_assets.runs.history import RunStory, stories
from sigma_assets.runs.tags import SYMBOL_JOB
from sigma_assets.runs.watermark import Materialized
from sigma_assets.storage.roster import read_roster
from sigma_assets_tests.processes.deployment import LAST, Deployment, until
from sigma_assets_tests.storage.builders import EVENING, bars

pytestmark = pytest.mark.waits

ASSETS = ("market_prices", "symbol_factors", "symbol_metrics")
GATES = {
    "market_prices": ("kept", "market_prices"),
    "symbol_factors": ("symbol_factors", "universe"),
    "symbol_metrics": ("before_symbol_metrics", "universe"),
}
"""With a batch of prices stored and the price pool's only slot taken; in an open transaction; just before one."""
UNHELD = "MSFT"
"""Priced once, held by nobody: its prices are for the universe's run to load, whatever portfolios' runs load first."""
SYMBOLS = 20
"""Seventeen factor ETFs, two symbols that every portfolio holds, and that one."""
SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE


@dataclass
class Aftermath:
    """What was found.

    Attributes
    ----------
    stories : the universe's runs, oldest first.
    seconds : per killed worker, from its death to the end of its run in the history.
    bystander : a portfolio that was added and onboarded while the third worker was held up.
    """

    deployment: Deployment
    stories: list[RunStory]
    seconds: list[float]
    first: str
    bystander: str


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    """Kill three workers of the universe, one in each asset; let ticks alone start what follows."""
    deployment = Deployment(tmp_path_factory.mktemp("universe") / "home")
    deployment.configure(run_retries={"enabled": False})
    try:
        write_prices(deployment.database, bars({UNHELD: {"2026-01-07": 10.0}}), "test", EVENING)
        first, bystander = deployment.add("there from the start"), ""
        reached_of = {asset: deployment.shut(*GATES[asset]) for asset in ASSETS}
        deployment.start("code server", "daemon")
        seconds = []
        for killed, asset in enumerate(ASSETS):
            worker = _worker_at(reached_of[asset])
            if asset == ASSETS[-1]:
                bystander = deployment.add("added meanwhile")
                deployment.wait_until_done(bystander, first, seconds=120)
            moment = time.time()
            deployment.open(reached_of[asset])
            os.kill(worker, signal.SIGKILL)
            until(
                lambda killed=killed: len(_ended(deployment)) == killed + 1, f"the run that died in {asset} has ended"
            )
            seconds.append((_ended(deployment)[-1].ended or 0.0) - moment)
            _an_hour_passes(deployment)
        until(lambda: len(_ended(deployment)) > len(ASSETS), "a run of the universe ends undisturbed")
        with deployment.instance() as instance:
            told = stories(instance, read_roster(deployment.database), deployment.settings.calendar, limit=100)[::-1]
        universe = [story for story in told if story.cover.job == SYMBOL_JOB]
        yield Aftermath(deployment, universe, seconds, first, bystander)
    finally:
        deployment.stop()


def _worker_at(reached: Path) -> int:
    until(reached.exists, f"a worker is at {reached.name}")
    return int(reached.read_text())


def _ended(deployment: Deployment) -> list[RunCover]:
    return [run for run in deployment.runs() if run.job == SYMBOL_JOB and not run.in_flight]


def _an_hour_passes(deployment: Deployment) -> None:
    """Move the ends of the universe's runs an hour back: the pause after a failure is over."""
    with deployment.instance() as instance, instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        mine = (RunsTable.c.pipeline_name == SYMBOL_JOB) & RunsTable.c.end_time.is_not(None)
        connection.execute(sa.update(RunsTable).where(mine).values(end_time=RunsTable.c.end_time - 3600))


@pytest.mark.parametrize("asset", ASSETS)
def test_a_worker_killed_in_an_asset_of_the_universe_leaves_a_true_history(aftermath: Aftermath, asset: str):
    """Within two minutes: failed, in which asset, and what had been done before."""
    position = ASSETS.index(asset)
    died = aftermath.stories[position]

    assert died.cover.status is FAILURE
    assert [(part, kind) for part, kind, _ in died.failures] == [(asset, "worker died")], died.failures
    assert [run.asset for run in died.assets if run.status == "completed"] == [*ASSETS[max(position - 1, 0) : position]]
    assert died.cells_done == (1 if position else 0) < died.cells_total
    assert 0 <= aftermath.seconds[position] < 120


def test_the_next_ticks_do_what_was_left_and_nothing_twice(aftermath: Aftermath):
    """One run at a time, of the whole night's assets; prices that the first worker had stored are not asked for again."""
    deployment = aftermath.deployment

    assert [story.cover.status for story in aftermath.stories] == [FAILURE, FAILURE, FAILURE, SUCCESS]
    assert {story.cover.source for story in aftermath.stories} == {"cron"}
    with deployment.instance() as instance:
        index = Materialized(deployment.settings.calendar.sessions).look(
            instance, read_roster(deployment.database), names(SYMBOL_ASSETS)
        )
        assert {asset: index.materialized(asset).tolist() for asset in ASSETS} == {asset: [LAST] for asset in ASSETS}
        made = {asset: _materializations(instance, asset) for asset in ASSETS}
        slots = instance.event_log_storage.get_concurrency_info("price_provider")
    assert [len(found) for found in made.values()] == [1, 1, 1]
    with deployment.instance() as instance:
        lines = [entry.message for story in aftermath.stories for entry in instance.all_logs(story.cover.run_id)]
    (loaded,) = [line for line in lines if "market_prices: load/symbols" in line]
    assert "market_prices: load/symbols 0," in loaded, "the worker that loaded them died before it could say so"
    assert (slots.active_slot_count, slots.pending_step_count) == (0, 0)
    with deployment.database.read() as connection:
        for table in ASSETS:
            query = f"SELECT count(*), count(DISTINCT symbol) FROM {table} WHERE session = '{LAST}'"
            assert connection.exec_driver_sql(query).one() == (SYMBOLS, SYMBOLS), table


def test_portfolios_are_onboarded_while_the_universe_is_held_up(aftermath: Aftermath):
    third = aftermath.stories[2].cover

    (run,) = aftermath.deployment.runs(aftermath.bystander)

    assert (run.source, run.status) == ("onboarding", SUCCESS)
    assert third.started < run.ended < third.ended + 3600
    assert [each.status for each in aftermath.deployment.runs(aftermath.first)] == [SUCCESS]


def _materializations(instance: dg.DagsterInstance, asset: str) -> list[dg.AssetMaterialization]:
    records = instance.fetch_materializations(dg.AssetKey(asset), limit=100).records
    return [record.asset_materialization for record in records if record.asset_materialization]
