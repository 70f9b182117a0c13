"""Small worlds to measure in: a fresh DAGSTER_HOME, a fresh database, simulated prices, portfolios of random lots."""

import atexit
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import ROOT

if TYPE_CHECKING:
    from sigma_assets.assets.tables import Tables
    from sigma_assets.base.frames import SessionArray
    from sigma_assets.prices.source import PriceSource

ETFS_HELD = ("SPY", "VTV", "LQD")
POSTGRES = """storage:
  custom:
    module: sigma_assets.instance.postgres
    class: SharedPostgresStorage
    config: {postgres_url: {env: SIGMA_DATABASE_URL}}

"""


@dataclass(frozen=True)
class World:
    """Where a case runs: its tables, its price source, its last sessions."""

    tables: "Tables"
    source: "PriceSource"
    sessions: "SessionArray"


def make_world(sessions: int, database: str = "sqlite") -> World:
    """Return a fresh world; nothing of the package may have been imported before, its settings are read once."""
    if "sigma_assets.settings" in sys.modules:
        raise RuntimeError("sigma_assets.settings is imported already: make the world first, in a process of its own")
    home = Path(tempfile.mkdtemp(prefix="sigma_bench_"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["SIGMA_PRICES"] = "simulated"
    configuration = (ROOT / "dagster.yaml").read_text()
    if database == "postgres":
        configuration = _with_postgres(configuration)
    (home / "dagster.yaml").write_text(configuration)
    logging.getLogger("dagster").setLevel(logging.ERROR)
    from sigma_assets.cli.terminal.world import open_market
    from sigma_assets.settings import settings
    from sigma_assets.storage.connection.database import Database
    from sigma_assets.storage.migrations import upgrade

    upgrade(Database(settings().database))
    tables, source = open_market()
    last = source.target_session()
    first = tables.calendar.shift(last, 1 - sessions)
    return World(tables, source, tables.calendar.between(first, last))


def temporary_postgres() -> str:
    """Start a temporary server (or take the tests' one) and return the address of an empty database on it."""
    import sqlalchemy as sa

    from sigma_assets_tests.postgres import PostgresServer

    url = PostgresServer().url
    with sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE sigma_bench")
    return url.set(drivername="postgresql", database="sigma_bench").render_as_string(hide_password=False)


def _with_postgres(configuration: str) -> str:
    """Return a configuration that lives on a temporary server."""
    os.environ["SIGMA_DATABASE_URL"] = temporary_postgres()
    before, _, rest = configuration.partition("storage:")
    _, _, after = rest.partition("run_launcher:")
    return f"{before}{POSTGRES}run_launcher:{after}"


def extra_symbols(count: int) -> list[str]:
    """Return stocks of the simulated market, so many that with the factor ETFs there are `count` symbols."""
    from sigma_assets.base.conventions import FACTOR_ETFS

    return [f"SIM{number:04d}" for number in range(1, count - len(FACTOR_ETFS) + 1)]


def load_prices(world: World, symbols: Sequence[str], since: date | None = None) -> int:
    """Load the prices of some symbols and the factor ETFs over the world's sessions and their look-back.

    Parameters
    ----------
    since : entry of lots; a run loads what lies before it, too, and a night finds that there.
    """
    from sigma_assets.runs.partitions import Scope

    last = world.sessions[-1].item()
    sessions = world.sessions if since is None else world.tables.calendar.between(since, last)
    window = world.tables.window(Scope(sessions), world.tables.lookback)
    wanted = sorted({*symbols, *world.tables.factor_etfs})
    return world.source.load_missing(wanted, window, lambda count, line: None).rows


def add_portfolios(
    world: World, count: int, symbols: Sequence[str], lots: int, entry: date, name: str = "book"
) -> list[str]:
    """Add portfolios of so many lots each, three of them factor ETFs, all entered on one day; return their ids."""
    import numpy as np
    import pandas as pd

    from sigma_assets.storage.portfolios import LOT_COLUMNS, NewPortfolio, add_portfolio

    random = np.random.default_rng(7)
    ids = []
    for number in range(count):
        held = [*random.choice(list(symbols), lots - len(ETFS_HELD), replace=False), *ETFS_HELD]
        frame = pd.DataFrame({"symbol": pd.array(held, dtype="str")})
        frame["quantity"] = random.integers(100, 1_000, lots).astype(float)
        frame["entry_price"] = 100.0
        frame["entry_date"] = pd.Timestamp(entry)
        frame["investment_class"] = "PUBLIC"
        for column in ("exit_date", "expiration_date"):
            frame[column] = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[s]")
        frame["exit_price"] = frame["strike_price"] = np.nan
        for column in ("investment_subtype", "underlying_symbol", "option_type"):
            frame[column] = pd.Series(None, index=frame.index, dtype=object)
        new = NewPortfolio(f"{name} {number}", "taxable", 100_000.0 * lots, entry)
        ids.append(add_portfolio(world.tables.database, new, frame.reindex(columns=list(LOT_COLUMNS))))
    return ids
