"""The whole pipeline in this process: real runs on a Dagster instance and a database of their own, prices from a file."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import pandas as pd

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.execution import Outcome, UpdateRequest, bring_up_to_date
from sigma_assets.definitions import definitions_for
from sigma_assets.holdings.reader import read_holdings
from sigma_assets.prices.source import PriceSource
from sigma_assets.settings import Settings
from sigma_assets.storage.frames.rows import Rows, read_rows
from sigma_assets.storage.portfolios import NewPortfolio, add_portfolio, portfolios
from sigma_assets.storage.schema import FAMILIES, TABLES
from sigma_assets_tests.templates import fresh_instance, migrated_sqlite

FILE = "sigma.sqlite"
FIRST_SESSION = date(2010, 1, 4)
EVER = (date(1990, 1, 2), date(2100, 1, 1))
LOAD_TIMES = ["loaded_at", "revision", "prices_revision", "holdings_revision"]
"""Columns that say when and in which load a row was written, not what it says."""
COMPUTED = [table.name for tables in FAMILIES.values() for table in tables]


@dataclass
class World:
    """A deployment of its own: settings, database, price source, definitions, Dagster instance."""

    settings: Settings
    tables: Tables
    definitions: dg.Definitions
    instance: dg.DagsterInstance

    @classmethod
    def in_folder(cls, folder: Path, prices: Path) -> "World":
        if not (folder / FILE).exists():
            shutil.copy(migrated_sqlite(), folder / FILE)
        settings = Settings(home=folder, prices=f"files:{prices}", first_session=FIRST_SESSION)
        return cls(settings, Tables(settings), definitions_for(settings), fresh_instance(folder))

    def copied_to(self, folder: Path) -> "World":
        """Return another deployment with the same database, and a Dagster instance that knows nothing."""
        self.copy_database(folder / FILE)
        return World.in_folder(folder, self.prices)

    def copy_database(self, file: Path) -> None:
        """Write a copy of the database."""
        with closing(sqlite3.connect(self.file)) as source, closing(sqlite3.connect(file)) as target:
            source.backup(target)  # what is in the write-ahead log, too

    @property
    def file(self) -> Path:
        """The database."""
        return self.settings.home / FILE

    @property
    def prices(self) -> Path:
        """The file of prices."""
        return Path(self.settings.prices.removeprefix("files:"))

    def add(self, csv: bytes, name: str, equity: float) -> str:
        """Import a holdings file, and return the portfolio's id."""
        lots = read_holdings(csv, f"{name}.csv", date(2100, 1, 1))
        return add_portfolio(
            self.tables.database, NewPortfolio(name, "taxable", equity, lots["entry_date"].min().date()), lots
        )

    def run(
        self, first: date | None, last: date | None, *portfolio_ids: str, force: bool = False, outdated: bool = False
    ) -> list[Outcome]:
        """Bring portfolios (or everything) up to date over some sessions; every run must succeed."""
        wish = UpdateRequest(portfolio_ids or None, first, last, force, outdated)
        failures: list[str] = []

        def on_event(_: object, event: dg.DagsterEvent) -> None:
            if event.is_failure:
                failures.append(f"{event.message} {event.event_specific_data}")

        outcomes = bring_up_to_date(
            self.definitions,
            self.instance,
            self.tables,
            PriceSource(self.settings, self.tables.opened),
            wish,
            on_event=on_event,
            on_wait=lambda _: None,
        )
        assert not failures, failures[0]
        assert all(outcome.succeeded for outcome in outcomes)
        return outcomes

    def rows(self, table: str) -> pd.DataFrame:
        """Return all rows of a table, without load times."""
        every = read_rows(self.tables.database, TABLES[table], Rows(*EVER))
        return every.drop(columns=LOAD_TIMES, errors="ignore")

    def content(self) -> dict[str, pd.DataFrame]:
        """Return all computed tables."""
        return {table: self.rows(table) for table in COMPUTED}

    def rows_of_portfolios(self) -> pd.DataFrame:
        """Return the active portfolios."""
        return portfolios(self.tables.database)
