"""Disk or connections run out in the middle of a run: it says so, keeps what was there, and the next run completes it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from datetime import date
from pathlib import Path

import dagster as dg
import psycopg2
import pytest

from sigma_assets.automation.execution import UpdateRequest
from sigma_assets.runs.history import stories
from sigma_assets.settings import read_settings
from sigma_assets.storage import migrations
from sigma_assets.storage.roster import read_roster
from sigma_assets.storage.schema import FAMILIES, betas_by_position, price_looks, stored_table
from sigma_assets_tests.deployment.conftest import Finished, SmallDisk
from sigma_assets_tests.deployment.deployment import CHECKOUT, FIRST, LAST, Deployment, configured, copy_book

NEXT, END = date(2026, 1, 13), date(2026, 2, 27)
"""The sessions that the disturbed run is about: enough for its rows not to fit into what is free in a table's last page."""
BETAS = stored_table(betas_by_position, "postgresql").name
Dump = dict[str, list[tuple[object, ...]]]
Trouble = Callable[[], AbstractContextManager[None]]
DISK_IS_FULL = "The disk is full: free some space and run again"
CONNECTIONS_ARE_TAKEN = "The server has no connection left for this user: close some, or raise the limit"
_ALL = (
    "price_coverage", "factor_coverage", "metric_coverage", "portfolio_snapshots", "position_values", "betas",
    "factor_exposures", "volatility", "correlations", "risk", "stress_tests", "performance",
)  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Dump:
    """Return what the same portfolio's tables hold after two runs with room for everything."""
    home = tmp_path_factory.mktemp("undisturbed")
    made = configured(home, f"sqlite:///{home / 'sigma.sqlite'}", CHECKOUT / "dagster.yaml")
    migrations.upgrade(made.database)
    copy_book(finished.deployment.database, made.database)
    for first, last in ((FIRST, LAST), (NEXT, END)):
        assert _run(made, finished.portfolio_id, first, last) == [(_ALL, True)]
    return made.rows()


def test_a_disk_of_postgresql_that_fills_up_costs_one_asset_until_the_next_run(
    finished: Finished, undisturbed: Dump, small_disk: SmallDisk
) -> None:
    if not finished.server.is_ours:
        pytest.skip("the server given may be on another machine")
    disk = small_disk(2)
    finished.move_to(BETAS, disk)
    try:
        _fail_in_betas(finished.deployment, finished.portfolio_id, lambda: _full(disk), DISK_IS_FULL)
        assert _run(finished.deployment, finished.portfolio_id, NEXT, END) == [(("betas",), True)]
    finally:
        finished.move_back(BETAS)

    assert finished.deployment.rows() == undisturbed


def test_a_server_without_free_connections_costs_one_asset_until_the_next_run(
    finished: Finished, undisturbed: Dump, deployment: Deployment
) -> None:
    """Others take the last one; it is waited for, then the asset fails."""
    if not finished.server.is_ours:
        pytest.skip("the server given may serve others")
    deployment.environment["SIGMA_DATABASE_PATIENCE_SECONDS"] = "3"
    copy_book(finished.deployment.database, deployment.database)
    assert _run(deployment, finished.portfolio_id, FIRST, LAST) == [(_ALL, True)]

    _fail_in_betas(
        deployment, finished.portfolio_id, lambda: _no_connection_left(finished, deployment), CONNECTIONS_ARE_TAKEN
    )

    assert _run(deployment, finished.portfolio_id, NEXT, END) == [(("betas",), True)]
    assert deployment.rows() == undisturbed


def test_a_disk_of_sqlite_that_fills_up_costs_one_asset_until_the_next_run(
    finished: Finished, undisturbed: Dump, small_disk: SmallDisk, tmp_path: Path
) -> None:
    disk = small_disk(16)
    made = configured(tmp_path, f"sqlite:///{disk / 'sigma.sqlite'}", CHECKOUT / "dagster.yaml")
    migrations.upgrade(made.database)
    copy_book(finished.deployment.database, made.database)
    assert _run(made, finished.portfolio_id, FIRST, LAST) == [(_ALL, True)]

    _fail_in_betas(made, finished.portfolio_id, lambda: _full(disk), DISK_IS_FULL)

    assert _run(made, finished.portfolio_id, NEXT, END) == [(("betas",), True)]
    assert made.rows() == undisturbed


def _run(deployment: Deployment, portfolio_id: str, first: date, last: date) -> list[tuple[tuple[str, ...], bool]]:
    """Run what is missing; return the assets of each run and whether it succeeded."""
    outcomes = deployment.run(UpdateRequest((portfolio_id,), first, last))
    return [(outcome.planned.assets, outcome.succeeded) for outcome in outcomes]


def _fail_in_betas(deployment: Deployment, portfolio_id: str, trouble: Trouble, reason: str) -> None:
    """Have trouble from the start of `betas` to its end: it fails alone, by name, and the rows from before stay."""
    before = deployment.rows()
    with ExitStack() as troubles:

        def on_event(event: dg.DagsterEvent) -> None:
            if event.step_key == "betas" and event.event_type == dg.DagsterEventType.STEP_START:
                troubles.enter_context(trouble())
            if event.step_key == "betas" and event.event_type == dg.DagsterEventType.STEP_FAILURE:
                troubles.close()

        (outcome,) = deployment.run(UpdateRequest((portfolio_id,), NEXT, END), on_event)

    with deployment.entered() as instance:
        calendar, roster = read_settings(deployment.environment).calendar, read_roster(deployment.database)
        story = stories(instance, roster, calendar, portfolio_id=portfolio_id)[0]
    assert not outcome.succeeded
    assert story.cover.run_id == outcome.run_id
    ((asset, kind, message),) = story.failures
    assert (asset, kind) == ("betas", "StorageError"), message
    assert reason in message
    assert {run.asset for run in story.assets if run.status == "completed"} == {*_ALL} - {"betas"}
    after = deployment.rows()
    for table, rows in before.items():
        if table != price_looks.name:  # where prices were looked at, later ones are by now
            assert set(rows) <= set(after[table]), table
    for table in FAMILIES["betas"]:
        assert after[table.name] == before[table.name]


@contextmanager
def _full(disk: Path) -> Iterator[None]:
    """Leave no room on a file system."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()


@contextmanager
def _no_connection_left(finished: Finished, deployment: Deployment) -> Iterator[None]:
    """Break our tables' connections (Dagster keeps its own) and take every one that the server has."""
    ours = "usename = 'sigma_pipeline' AND application_name = 'sigma_assets'"
    finished.as_administrator(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE {ours}")
    with ExitStack() as taken:
        with suppress(psycopg2.OperationalError):
            while True:
                address = deployment.environment["SIGMA_DATABASE_URL"]
                taken.enter_context(closing(psycopg2.connect(address)))
        yield
