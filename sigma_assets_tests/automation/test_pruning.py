"""`db prune` deletes what others have superseded, and nothing that a partition or an active portfolio needs."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

from sigma_assets.automation.pruning import Prunable, prunable, prune
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames.rows import Rows, read_rows, replace_rows
from sigma_assets.storage.portfolios import remove_portfolio
from sigma_assets.storage.schema import ARRAYS, correlation_matrices, lots
from sigma_assets_tests.automation.world import World
from sigma_assets_tests.automation.world import lots as lots_of
from sigma_assets_tests.storage.builders import random_rows

FIRST, LAST = date(2026, 1, 7), date(2026, 1, 8)
SOON = timedelta(minutes=1)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path, f"simulated:last={LAST}")
    yield made
    made.close()


@pytest.fixture(scope="module")
def computed_twice(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a closed world with a portfolio that was computed and then computed again, to be copied."""
    made = World(tmp_path_factory.mktemp("twice") / "home", f"simulated:last={LAST}")
    made.book = made.add("Growth", lots_of({"AAPL": 10, "MSFT": 5}, FIRST), FIRST)
    (made.superseded,) = made.bring(made.book)
    made.bring(made.book, force=True)
    made.close()
    return made


@pytest.fixture
def superseding(tmp_path, computed_twice: World):
    made = World(tmp_path, f"simulated:last={LAST}", copy_of=computed_twice)
    yield made
    made.close()


def found(world: World, before: datetime | None = None):
    return prunable(world.instance, world.database, world.tables.roster(), before or datetime.now(UTC) + SOON)


def test_a_run_that_others_have_superseded_goes_and_the_watermark_stays(superseding: World, computed_twice: World):
    """The first run's partitions were all made again by the second one; the third made one session again."""
    world, book, superseded = superseding, computed_twice.book, computed_twice.superseded
    world.bring(book, force=True, last=FIRST)
    before, rows = world.times_materialized(), world.contents()

    chosen = found(world)
    assert [run.run_id for run in chosen.runs] == [superseded.run_id]
    watched = Mock(side_effect=lambda runs, what: runs)
    prune(world.instance, world.database, chosen, watched)

    watched.assert_called_once_with(chosen.runs, "deleting runs")
    assert world.instance.get_run_by_id(superseded.run_id) is None
    assert {key: count + 1 for key, count in world.times_materialized().items()} == before
    assert world.contents() == rows
    assert found(world).is_empty
    assert world.bring(book) == []


def test_what_an_interrupted_look_left_of_a_run_goes_with_the_next_one(
    superseding: World, computed_twice: World, monkeypatch: pytest.MonkeyPatch
):
    """Dagster deletes a run before its events: those of a run that is gone nobody would find any more."""
    world, run_id = superseding, computed_twice.superseded.run_id
    storage = world.instance.event_log_storage
    logs = LocalComputeLogManager(str(world.home / "logs"))
    monkeypatch.setattr(dg.DagsterInstance, "compute_log_manager", logs)
    printed = Path(logs.get_captured_local_path([run_id, "compute_logs", "step"], "out"))
    printed.parent.mkdir(parents=True, exist_ok=True)
    printed.write_text("what a step printed")
    with monkeypatch.context() as broken:
        broken.setattr(storage, "delete_events", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            prune(world.instance, world.database, found(world))

    prune(world.instance, world.database, found(world))

    assert storage.get_records_for_run(run_id).records == []
    assert world.instance.get_run_by_id(run_id) is None
    assert not printed.exists()


def test_the_newest_event_of_all_stays_so_that_its_number_is_given_to_no_other(
    superseding: World, computed_twice: World
):
    """SQLite would give it away again: an alert of a later failure was lost, for all up to that number had been seen."""
    world = superseding
    end = world.instance.event_log_storage.get_maximum_record_id()
    remove_portfolio(world.database, computed_twice.book)

    chosen = found(world)
    prune(world.instance, world.database, chosen)

    assert computed_twice.superseded.run_id in [run.run_id for run in chosen.runs]
    assert list(chosen.rows) == [computed_twice.book]
    assert world.instance.event_log_storage.get_maximum_record_id() == end


def test_what_is_recent_stays(superseding: World):
    assert found(superseding, datetime.now(UTC) - timedelta(days=7)).is_empty


def test_numbers_of_a_removed_portfolio_go_and_its_lots_and_the_others_stay(world: World):
    gone = world.add("Gone", lots_of({"AAPL": 100, "MSFT": 100, "NVDA": 100}, FIRST), FIRST)
    kept = world.add("Kept", lots_of({"AAPL": 100, "MSFT": 100, "NVDA": 100}, FIRST), FIRST)
    (of_gone,), (of_kept,) = world.bring(gone), world.bring(kept)
    remove_portfolio(world.database, gone)

    chosen = found(world)
    assert [run.run_id for run in chosen.runs] == [of_gone.run_id]
    assert (list(chosen.rows), chosen.names) == ([gone], {gone: "Gone"})
    prune(world.instance, world.database, chosen)

    with world.database.read() as connection:
        owners = connection.execute(sa.select(lots.c.portfolio_id).distinct()).scalars().all()
        computed = connection.execute(sa.select(correlation_matrices.c.portfolio_id).distinct()).scalars().all()
    assert set(owners) == {gone, kept}
    assert computed == [kept]
    assert world.instance.get_run_by_id(of_kept.run_id) is not None
    assert found(world).is_empty


def test_rows_of_arrays_go_on_both_databases(database: Database):
    year = Rows(date(2026, 1, 1), date(2026, 12, 31))
    replace_rows(database, {table: random_rows(table) for table in ARRAYS}, year)

    with dg.DagsterInstance.ephemeral() as instance:
        prune(instance, database, Prunable([], {"portfolio 1": 1}, {"portfolio 1": "Gone"}))

    for table in ARRAYS:
        left = read_rows(database, table, year, ["portfolio_id"])["portfolio_id"]
        assert set(left) == {"portfolio 0", "portfolio 2"}, table.name
