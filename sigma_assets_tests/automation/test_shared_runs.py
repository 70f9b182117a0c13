"""Runs remember what they cover, whatever becomes of the portfolios at the ends of their range (SPEC 9, scenario 16)."""

import time
from collections.abc import Iterator
from datetime import date

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from sigma_assets.automation.execution import Update, UpdateRequest, execute, origin_of
from sigma_assets.automation.jobs import SYMBOL_ASSETS, names
from sigma_assets.automation.requests import tags_of
from sigma_assets.runs.covers import runs
from sigma_assets.runs.tags import PlannedRun, partition_key
from sigma_assets.runs.watermark import Materialized
from sigma_assets.storage.portfolios import remove_portfolio
from sigma_assets.storage.roster import adopt, partition_names
from sigma_assets_tests.automation.world import World, lots

FIRST, LAST = date(2026, 1, 6), date(2026, 1, 8)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a closed world in which three portfolios lack the last session; each test has a copy of its own."""
    made = World(tmp_path_factory.mktemp("finished") / "home", f"simulated:last={LAST}")
    made.ids = [made.add(name, lots({"AAPL": 10}, FIRST), FIRST) for name in ("first", "second", "last")]
    made.bring(*made.ids, last=date(2026, 1, 7))
    made.launch(made.nightly())
    made.close()
    return made


@pytest.fixture
def world(tmp_path, finished: World) -> Iterator[World]:
    copied = World(tmp_path / "home", f"simulated:last={LAST}", copy_of=finished)
    copied.ids = finished.ids
    yield copied
    copied.close()


def cover(world: World, run_id: str):
    return next(run for run in runs(world.instance, world.tables.roster()) if run.run_id == run_id)


@pytest.mark.parametrize("end", [0, 2])
def test_a_portfolio_at_an_end_of_a_waiting_run_is_removed_and_the_others_finish(world: World, end: int):
    (request,) = world.tick("reconcile")
    (key,) = [name for name, value in request.tags.items() if name == "sigma/portfolios"]
    remove_portfolio(world.database, world.ids[end])
    queued = world.instance.create_run_for_job(
        job_def=world.definitions.resolve_job_def("portfolios"),
        tags=dict(request.tags),
        status=dg.DagsterRunStatus.QUEUED,
        remote_job_origin=origin_of("portfolios"),
    )

    world.tick("reconcile")
    kept = world.partitions
    world.instance.delete_run(queued.run_id)
    (done,) = world.launch([request])
    world.tick("reconcile")

    assert request.tags[key] == "1-3"
    assert kept == world.ids, "a run spans it still"
    assert done.is_success
    others = [each for each in world.ids if each != world.ids[end]]
    assert world.partitions == others
    assert list(cover(world, done.run_id).portfolio_ids) == world.ids, "history keeps what it said"
    assert world.tick("reconcile") == []


def test_a_backfill_from_the_ui_keeps_its_partitions_until_its_runs_are_over(world: World):
    """It selects its range by the two ends, whenever Dagster makes its runs: without one of them it would fail whole."""
    roster = world.tables.roster()
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id="byhand",
        asset_graph=world.definitions.resolve_asset_graph(),
        partition_names=[partition_key(LAST, roster.name_of[portfolio_id]) for portfolio_id in world.ids],
        asset_selection=[dg.AssetKey("betas")],
        backfill_timestamp=time.time(),
        tags={},
        dynamic_partitions_store=world.instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    world.instance.add_backfill(backfill)
    remove_portfolio(world.database, world.ids[2])

    world.tick("reconcile")
    while_open = world.partitions
    world.instance.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED_SUCCESS))
    world.tick("reconcile")

    assert while_open == world.ids
    assert world.partitions == world.ids[:2]


def test_a_run_that_was_launched_by_hand_writes_down_what_it_covers(world: World):
    """The Dagster UI knows nothing of our tags."""
    (request,) = world.tick("reconcile")
    bare = {name: value for name, value in request.tags.items() if not name.startswith("sigma/")}
    by_hand = world.instance.create_run_for_job(
        job_def=world.definitions.resolve_job_def("portfolios"),
        tags=bare,
        status=dg.DagsterRunStatus.QUEUED,
        remote_job_origin=origin_of("portfolios"),
    )

    assert world.tick("reconcile") == [], "it covers what is missing"

    assert world.instance.get_run_by_id(by_hand.run_id).tags["sigma/portfolios"] == "1-3"


def test_looking_writes_nothing(world: World):
    """`missing` and `status` look at a portfolio that nobody has made a partition yet."""
    new = world.add("not yet", lots({"AAPL": 1}, LAST), LAST)
    update = Update(
        world.instance, world.tables, world.price_source, UpdateRequest(), Materialized(world.tables.calendar.sessions)
    )

    inputs, _ = update.missing()

    assert (new, "betas") in inputs.missing
    assert new not in world.tables.roster().name_of
    assert len(world.partitions) == 3


def test_of_two_commands_that_plan_the_same_the_one_that_made_its_run_first_does_it(world: World):
    planned = PlannedRun(tuple(names(SYMBOL_ASSETS)), LAST, LAST)
    roster = world.tables.roster()
    job = world.definitions.resolve_job_def("symbols")
    earlier = world.instance.create_run_for_job(job_def=job, tags=tags_of(planned, roster, "admin"))
    before = len(world.instance.get_run_records())

    outcome = execute(world.definitions, world.instance, roster, planned, "admin", lambda *_: None)

    assert outcome is None
    assert len(world.instance.get_run_records()) == before
    assert world.instance.get_run_by_id(earlier.run_id) is not None


def test_only_one_of_several_adopts_a_portfolio(world: World):
    new = world.add("contested", lots({"AAPL": 1}, LAST), LAST)

    assert adopt(world.database, [new], "sensor") == [new]
    assert adopt(world.database, [new], "import") == []


def test_partition_names_are_readable_and_never_alike():
    assert partition_names("Growth", "aaaaaaaa-bbbb")[:2] == ["growth-aaaaaaaa", "growth-aaaaaaaa-"]
    assert partition_names("  <b>|\u00dc\u0111\u4e2d</b> ", "0123456789")[0] == "b-u-b-01234567"
    assert partition_names("\u4e2d\u6587", "0123456789")[0] == "portfolio-01234567"
    assert all("|" not in name for name in partition_names("a|b", "c|d|e|f|g|h"))
