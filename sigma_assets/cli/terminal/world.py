"""Open what commands work on: settings, database, Dagster instance; create the home folder if needed."""

import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sigma_assets.base.errors import PortfolioNotFoundError, SettingsError, SigmaError
from sigma_assets.settings import Settings, settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.connection.failures import full_disk
from sigma_assets.storage.migrations import check, upgrade

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from sigma_assets.assets.tables import Tables
    from sigma_assets.prices.source import PriceSource

CONFIGURATION = "dagster.yaml"


def prepare_home() -> Settings:
    """Make DAGSTER_HOME usable, with the project's dagster.yaml if it has none yet, and return the settings.

    Raises
    ------
    SettingsError
        The folder cannot be used, or there is no dagster.yaml to be had.
    """
    os.umask(os.umask(0o077) | 0o077)  # what Dagster makes in there, too, and in processes that we start
    home = make_home()
    try:
        configured = (home / CONFIGURATION).exists()
    except OSError as error:
        raise _unusable(home, error) from error
    if not configured:
        original = Path(__file__).parents[3] / CONFIGURATION
        if not original.exists():
            raise SettingsError(
                f"DAGSTER_HOME={home} has no {CONFIGURATION}, and this installation is not a checkout to copy it from."
                f" Copy {CONFIGURATION} from the project there"
            )
        try:
            new = home / f"{CONFIGURATION}.{os.getpid()}"  # half a file would be read as a whole one
            shutil.copyfile(original, new)
            new.replace(home / CONFIGURATION)
        except OSError as error:
            with suppress(OSError):  # of a read-only disk, even if there is nothing to unlink
                new.unlink()
            raise _unusable(home, error) from error
    os.environ["DAGSTER_HOME"] = str(home)
    return settings()


def make_home() -> Path:
    """Return the folder of DAGSTER_HOME, made if it is not there.

    Raises
    ------
    SettingsError
        It cannot be made.
    """
    home = settings().home.resolve()
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        home.mkdir(mode=0o700, exist_ok=True)  # holdings and run logs are their owner's alone
    except OSError as error:
        raise _unusable(home, error) from error
    return home


def _unusable(home: Path, error: OSError) -> SigmaError:
    if (full := full_disk(error)) is not None:
        return full
    return SettingsError(
        f"DAGSTER_HOME={home} cannot be used ({error.strerror}); expected a folder that this user can read and write"
    )


def open_database() -> Database:
    """Return the database; the embedded one is created and migrated as needed, a server's schema only checked."""
    database = Database(settings().database)
    if database.dialect == "sqlite":
        make_home()
        upgrade(database)
    else:
        check(database)
    return database


def open_market() -> "tuple[Tables, PriceSource]":
    """Return the tables and the price source, as assets see them."""
    from sigma_assets.assets.tables import Tables
    from sigma_assets.prices.source import PriceSource

    tables = Tables(settings())
    return tables, PriceSource(settings(), tables.opened)


def known_instance() -> "DagsterInstance | None":
    """Return the Dagster instance of DAGSTER_HOME; None where none was ever set up, and so nothing was ever run."""
    return open_instance() if (settings().home / CONFIGURATION).exists() else None


def open_instance() -> "DagsterInstance":
    """Return the Dagster instance of DAGSTER_HOME."""
    prepare_home()
    from dagster import DagsterInstance

    return DagsterInstance.get()


def require_active(portfolio_ids: Collection[str]) -> None:
    """Raise PortfolioNotFoundError if one of these is no active portfolio."""
    from sigma_assets.storage.portfolios import portfolios

    active = set(portfolios(open_database())["portfolio_id"])
    unknown = [portfolio_id for portfolio_id in portfolio_ids if portfolio_id not in active]
    if unknown:
        raise PortfolioNotFoundError(f"no active portfolio {', '.join(unknown)}; `sigma-assets portfolios` lists them")
