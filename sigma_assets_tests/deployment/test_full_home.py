"""The disk of DAGSTER_HOME fills up in the middle of a run: one clear line, and the run that hit it is closed."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from unittest import mock

import dagster as dg
import pytest
from click.testing import CliRunner

from sigma_assets.automation.execution import UpdateRequest
from sigma_assets.base.errors import DISK_IS_FULL, StorageError
from sigma_assets.cli.main import cli
from sigma_assets.settings import settings
from sigma_assets.storage import migrations
from sigma_assets.storage.portfolios import portfolios
from sigma_assets_tests.deployment.conftest import SmallDisk
from sigma_assets_tests.deployment.deployment import CHECKOUT, FIRST, LAST, Deployment, add_book, configured

COMMANDS = (
    ("run",),
    ("runs",),
    ("missing",),
    ("status", "Growth"),
    ("check",),
    ("import", "h.csv", "--name", "G", "--equity", "1000", "--yes"),
)


@pytest.fixture
def crowded(small_disk: SmallDisk) -> tuple[Deployment, str, Path]:
    """Return a deployment with a book, all of it on a small file system, the book's id, and that file system."""
    disk = small_disk(40)
    home = disk / "home"
    made = configured(home, f"sqlite:///{home / 'sigma.sqlite'}", CHECKOUT / "dagster.yaml")
    migrations.upgrade(made.database)
    return made, add_book(made.database), disk


@pytest.mark.parametrize("step", ["price_coverage", "betas"])
def test_a_run_that_fills_the_disk_is_closed_with_the_reason(crowded: tuple[Deployment, str, Path], step: str) -> None:
    """Version 0.1 left it STARTED; its death was found by the next command, which did not know the reason."""
    deployment, portfolio_id, disk = crowded

    def on_event(event: dg.DagsterEvent) -> None:
        if event.event_type is dg.DagsterEventType.STEP_START and event.step_key == step:
            _fill(disk)

    with suppress(StorageError):  # the look at what else there is to do, or the next run, finds no room
        deployment.run(UpdateRequest((portfolio_id,), FIRST, LAST), on_event)

    assert (disk / "filler").exists()
    with deployment.entered() as instance:
        newest = instance.get_run_records(limit=1)[0].dagster_run
        assert newest.status is dg.DagsterRunStatus.FAILURE
        (failure,) = instance.get_records_for_run(newest.run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
        told = str(failure.event_log_entry.get_dagster_event().job_failure_data.error)
        assert DISK_IS_FULL in told
    (disk / "filler").unlink()
    outcomes = deployment.run(UpdateRequest((portfolio_id,), FIRST, LAST))
    assert outcomes
    assert all(outcome.succeeded for outcome in outcomes)


def test_every_command_on_a_full_disk_prints_the_one_clear_line(crowded: tuple[Deployment, str, Path]) -> None:
    deployment, _, disk = crowded
    file = str(deployment.home / "h.csv")
    Path(file).write_text("Symbol,Quantity,Entry Price Per Share,Entry Date\nAAPL,1,150,2024-01-04\n")
    _fill(disk)

    for command in COMMANDS:
        settings.cache_clear()
        with mock.patch.dict(os.environ, {**deployment.environment, "SIGMA_DAGSTER_URL": "http://127.0.0.1:9"}):
            done = CliRunner().invoke(cli, [*command[:1], *(word.replace("h.csv", file) for word in command[1:])])
        assert done.exit_code == 1, (command, done.output)
        (line,) = [each for each in done.stderr.splitlines() if each.startswith("error: ")]
        assert line.count("The disk is full") == 1, (command, line)
    settings.cache_clear()


@pytest.mark.parametrize(("command", "is_configured"), [("runs", False), ("dev", True)])
def test_a_command_on_a_read_only_disk_prints_one_clear_line(
    command: str, is_configured: bool, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a new home, that half a dagster.yaml could not be removed hid what was wrong; of others came tracebacks."""
    disk = small_disk(1)
    if is_configured:
        shutil.copy(CHECKOUT / "dagster.yaml", disk)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    monkeypatch.setenv("DAGSTER_HOME", str(disk))
    settings.cache_clear()

    done = CliRunner().invoke(cli, [command])

    settings.cache_clear()
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "Read-only file system" in line
    assert f"DAGSTER_HOME={disk}" in line


def test_a_portfolio_whose_runs_cannot_be_canceled_is_said_to_be_removed(
    small_disk: SmallDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it is removed again, and then nobody knows it."""
    made = configured(tmp_path / "home", f"sqlite:///{tmp_path / 'sigma.sqlite'}", CHECKOUT / "dagster.yaml")
    migrations.upgrade(made.database)
    portfolio_id = add_book(made.database)
    disk = small_disk(1)
    shutil.copy(CHECKOUT / "dagster.yaml", disk)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    settings.cache_clear()

    with mock.patch.dict(os.environ, {**made.environment, "DAGSTER_HOME": str(disk)}):
        done = CliRunner().invoke(cli, ["remove", portfolio_id])

    settings.cache_clear()
    assert done.exit_code == 1
    assert f"portfolio {portfolio_id} is removed; " in done.stderr
    assert portfolios(made.database).empty


def _fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
