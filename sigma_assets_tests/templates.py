"""Databases that are made once in each process of the tests and copied: making them takes five times as long and longer."""

import atexit
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from sigma_assets.instance.sqlite.storage import SharedSqliteStorage
from sigma_assets.storage import migrations
from sigma_assets.storage.connection.database import Database


@lru_cache(maxsize=1)
def template_folder() -> Path:
    """Return a folder for them, which goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="sigma_template_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@lru_cache(maxsize=1)
def migrated_sqlite() -> Path:
    """Return a migrated SQLite file of our tables, to be copied."""
    file = template_folder() / "sigma.sqlite"
    db = Database(f"sqlite:///{file}")
    migrations.upgrade(db)
    with db.begin():
        pass
    db.dispose()
    return file


@lru_cache(maxsize=1)
def _dagster_files() -> Path:
    folder = template_folder() / "dagster"
    SharedSqliteStorage(str(folder)).dispose()
    return folder


def fresh_instance(folder: Path, **configuration: Any) -> dg.DagsterInstance:
    """Return a Dagster instance that knows nothing, with our storage in a new folder below this one.

    Dagster's own one in memory stores event by event, which takes as long as all else in a run.

    Parameters
    ----------
    configuration : more of what dagster.yaml may say.
    """
    home = Path(tempfile.mkdtemp(prefix="dagster_", dir=folder))
    copy_dagster_files(home)
    storage = {"module": SharedSqliteStorage.__module__, "class": SharedSqliteStorage.__name__}
    no_logs = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
    (home / "dagster.yaml").write_text(
        yaml.safe_dump(
            {
                "storage": {"custom": {**storage, "config": {"base_dir": str(home)}}},
                "compute_logs": no_logs,
                "telemetry": {"enabled": False},
                **configuration,
            }
        )
    )
    return dg.DagsterInstance.from_config(str(home))


def copy_dagster_files(home: Path) -> None:
    """Put Dagster's own tables, as our storage makes them on SQLite, into an empty DAGSTER_HOME."""
    shutil.copytree(_dagster_files(), home, dirs_exist_ok=True)
