"""A run that somebody starts in Dagster's UI over more partitions than the planner gives one, and whose worker is killed."""

from datetime import date

import dagster as dg
import pytest

from sigma_assets.automation import reconcile
from sigma_assets.runs.partitions import portfolios_def
from sigma_assets.runs.tags import PORTFOLIO_JOB, RANGE_END, RANGE_START, partition_key
from sigma_assets.storage.roster import adopt
from sigma_assets_tests.automation.world import World, lots

ENTRY, TODAY = date(2025, 12, 29), date(2026, 1, 8)
BATCH = 5
"""Events that are stored together, instead of 5,000: a run of 2 x 8 partitions then needs several batches for each asset."""


class Killed(BaseException):
    """The worker dies: nothing of it runs any more, and nobody is told."""


def added(world: World) -> list[str]:
    """Add two portfolios, and return their ids."""
    return [world.add(name, lots(held, ENTRY), ENTRY) for name, held in (("A", {"AAPL": 10}), ("B", {"JNJ": 5}))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a closed world in which nothing was killed."""
    made = World(tmp_path_factory.mktemp("whole") / "home", f"simulated:last={TODAY}")
    made.ids = added(made)
    made.bring()
    made.numbers = _numbers(made)
    made.close()
    return made


@pytest.mark.parametrize(("batches", "was_there"), [(10, False), (30, True)])
def test_a_run_killed_between_two_batches_of_its_events_is_made_up_for(
    tmp_path, monkeypatch, whole, batches, was_there
):
    """Rows of all partitions are stored before the events, of which only some are: the rest is computed once more."""
    monkeypatch.setattr(reconcile, "SCHEDULE_GRACE", reconcile.timedelta(0))
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", str(BATCH))
    world = World(tmp_path / "home", f"simulated:last={TODAY}", copy_of=whole if was_there else None)
    ids = whole.ids if was_there else added(world)
    adopt(world.database, ids, "sensor")
    names = [world.tables.roster().name_of[key] for key in ids]
    world.instance.add_dynamic_partitions(str(portfolios_def.name), names)
    before = world.times_materialized()

    stored = _killed_after(batches, world, monkeypatch)
    ends = {RANGE_START: partition_key(ENTRY, names[0]), RANGE_END: partition_key(TODAY, names[-1])}
    with pytest.raises(Killed):
        world.launch([dg.RunRequest(job_name=PORTFOLIO_JOB, tags=ends)])
    monkeypatch.undo()
    monkeypatch.setattr(reconcile, "SCHEDULE_GRACE", reconcile.timedelta(0))
    (run,) = world.instance.get_runs(limit=1)
    if not run.is_finished:
        world.instance.report_run_failed(run)  # as the daemon does, which finds no worker
    recorded = {key: count - before.get(key, 0) for key, count in world.times_materialized().items()}
    assert len(stored) == batches
    assert 0 < sum(recorded.values()) < 12 * 8 * 2

    again = {"dagster/parent_run_id": run.run_id, "dagster/root_run_id": run.run_id, "dagster/retry_number": "1"}
    world.launch([dg.RunRequest(job_name=PORTFOLIO_JOB, tags=ends | again)])  # Dagster tries the run again
    world.settle("reconcile")

    assert _numbers(world) == whole.numbers
    assert len(world.times_materialized()) == 12 * 8 * 2
    assert world.bring() == world.tick("reconcile") == []
    world.close()


def _killed_after(batches: int, world: World, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the worker die instead of storing one more batch of materialisations; return the sizes of those stored."""
    storage = world.instance.event_log_storage
    one, many = storage.store_event, storage.store_event_batch
    stored: list[int] = []
    is_dead: list[bool] = []

    def store_or_die(events):
        if is_dead or len(stored) == batches:
            is_dead.append(True)
            raise Killed
        many(events)
        if any(each.dagster_event and each.dagster_event.is_step_materialization for each in events):
            stored.append(len(events))

    def store_while_alive(event):
        if is_dead:
            raise Killed
        one(event)

    monkeypatch.setattr(storage, "store_event_batch", store_or_die)
    monkeypatch.setattr(storage, "store_event", store_while_alive)
    return stored


def _numbers(world: World) -> dict[str, set[tuple]]:
    """Return what is stored of the portfolios by session, without ids."""
    found = {}
    with world.database.read() as connection:
        for table in ("portfolio_snapshots", "volatility_by_portfolio", "betas_by_portfolio"):
            columns = [row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info({table})")]
            kept = ", ".join(f't."{name}"' for name in columns if name != "portfolio_id")
            query = f"SELECT p.name, {kept} FROM {table} t JOIN portfolios p USING (portfolio_id)"
            found[table] = set(map(tuple, connection.exec_driver_sql(query)))
            assert found[table] or table != "portfolio_snapshots"
    return found
