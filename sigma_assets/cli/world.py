"""What commands work on: settings, database, Dagster instance; opened as asked, with the home folder made if needed."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sigma_assets.errors import SettingsError
from sigma_assets.settings import Settings, settings
from sigma_assets.storage.database import Database
from sigma_assets.storage.migrations import check, upgrade

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from sigma_assets.resources import PriceSource, Tables

CONFIGURATION = "dagster.yaml"


def prepare_home() -> Settings:
    """Make DAGSTER_HOME usable, with the project's dagster.yaml if it has none yet, and return the settings.

    Raises
    ------
    SettingsError
        There is no dagster.yaml to be had.
    """
    home = settings().home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    if not (home / CONFIGURATION).exists():
        original = Path(__file__).parents[2] / CONFIGURATION
        if not original.exists():
            raise SettingsError(
                f"DAGSTER_HOME={home} has no {CONFIGURATION}, and this installation is not a checkout to copy it from."
                f" Copy {CONFIGURATION} from the project there"
            )
        shutil.copyfile(original, home / CONFIGURATION)
    os.environ["DAGSTER_HOME"] = str(home)
    return settings()


def open_database() -> Database:
    """Return the database; the embedded one is created and migrated as needed, a server's schema only checked."""
    database = Database(settings().database)
    if database.dialect == "sqlite":
        settings().home.mkdir(parents=True, exist_ok=True)
        upgrade(database)
    else:
        check(database)
    return database


def open_market() -> "tuple[Tables, PriceSource]":
    """Return the tables and the price source, as assets see them."""
    from sigma_assets.resources import PriceSource, Tables

    tables = Tables(settings())
    return tables, PriceSource(settings(), tables)


def open_instance() -> "DagsterInstance":
    """Return the Dagster instance of DAGSTER_HOME."""
    prepare_home()
    from dagster import DagsterInstance

    return DagsterInstance.get()
