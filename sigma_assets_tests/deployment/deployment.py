"""A deployment as deploy/README.md describes it: a database with two roles, a DAGSTER_HOME, the environment of processes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg
import sqlalchemy as sa

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.execution import Outcome, UpdateRequest, bring_up_to_date
from sigma_assets.definitions import definitions_for
from sigma_assets.prices.source import PriceSource
from sigma_assets.settings import read_settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.schema import metadata
from sigma_assets_tests.postgres import PostgresServer
from sigma_assets_tests.storage.builders import add

CHECKOUT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent
PIPELINE_PASSWORD = "pipeline-open-sesame"
STATUS_PASSWORD = "status-open-sesame"
FIRST, LAST = date(2026, 1, 2), date(2026, 1, 12)
"""The sessions that the tests run: seven."""

Hook = Callable[[dg.DagsterEvent], None]


@dataclass(frozen=True)
class Deployment:
    """One DAGSTER_HOME and its database.

    Attributes
    ----------
    environment : what its processes get besides what every process here has.
    """

    home: Path
    environment: dict[str, str]

    @property
    def database(self) -> Database:
        """Return our tables."""
        return Database(self.environment["SIGMA_DATABASE_URL"])

    @contextmanager
    def entered(self) -> Iterator[dg.DagsterInstance]:
        """Make this process one of its processes, and open the Dagster instance."""
        with mock.patch.dict(os.environ, self.environment), dg.DagsterInstance.get() as instance:
            yield instance

    def run(
        self, wish: UpdateRequest, on_event: Hook = lambda _: None, on_wait: Callable[[Any], Any] = lambda _: None
    ) -> list[Outcome]:
        """Bring a wish up to date in this process."""
        configured = read_settings({**os.environ, **self.environment})
        tables = Tables(configured)
        with self.entered() as instance:
            return bring_up_to_date(
                definitions_for(configured),
                instance,
                tables,
                PriceSource(configured, tables.opened),
                wish,
                on_event=lambda _, event: on_event(event),
                on_wait=on_wait,
            )

    def force(self, portfolio_id: str, on_event: Hook = lambda _: None) -> bool:
        """Run all sessions of a portfolio again in this process; return whether that succeeded."""
        (outcome,) = self.run(UpdateRequest((portfolio_id,), FIRST, LAST, force=True), on_event)
        return outcome.succeeded

    def command(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """Run a program of the environment (sigma-assets, dagster) to its end; `more` adds to its environment."""
        program, *rest = arguments
        command = [sys.executable, "-m", "sigma_assets.cli.main"] if program == "sigma-assets" else [SCRIPTS / program]
        return subprocess.run(
            [*command, *rest],
            env=self.of_process(**more),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )

    def of_process(self, **more: str) -> dict[str, str]:
        """Return the whole environment of one of its processes."""
        return {**os.environ, "PYTHONPATH": str(CHECKOUT), **self.environment, **more}

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Return every value of every table but the moments of writing, sorted by key."""
        dump = {}
        with self.database.read() as connection:
            for table in metadata.sorted_tables:
                columns = [column for column in table.columns if not isinstance(column.type, sa.DateTime)]
                dump[table.name] = sorted((tuple(row) for row in connection.execute(sa.select(*columns))), key=str)
        return dump


def add_book(database: Database, name: str = "Growth") -> str:
    """Add a portfolio with what books hold: long, short, closed, ETF, private; return its id."""
    return add(
        database,
        name,
        {"symbol": "AAPL", "quantity": 400.0, "entry_price": 180.0},
        {"symbol": "NVDA", "quantity": -100.0, "entry_price": 120.0},
        {"symbol": "XOM", "entry_price": 110.0, "exit_date": date(2026, 1, 7), "exit_price": 112.0},
        {"symbol": "QQQ", "quantity": 50.0, "entry_price": 500.0, "entry_date": date(2026, 1, 6)},
        {"symbol": "CASH_USD", "quantity": 5000.0, "entry_price": 1.0, "investment_class": "PRIVATE"},
    )


def copy_book(source: Database, target: Database) -> None:
    """Copy what a person entered, ids included."""
    for name in ("portfolios", "lots"):
        table = metadata.tables[name]
        with source.read() as reading, target.begin() as writing:
            writing.execute(sa.insert(table), [dict(row._mapping) for row in reading.execute(sa.select(table))])


def configured(home: Path, database_url: str, dagster_yaml: Path, **more: str) -> Deployment:
    """Return a deployment with a configuration of the checkout."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(dagster_yaml, home / "dagster.yaml")
    environment = {"DAGSTER_HOME": str(home), "SIGMA_DATABASE_URL": database_url, "SIGMA_PRICES": "simulated"}
    return Deployment(home, {**environment, **more})


def make_roles(server: PostgresServer, name: str) -> None:
    """Run deploy/roles.sh on a database, as its administrator."""
    subprocess.run(
        ["sh", str(CHECKOUT / "deploy" / "roles.sh")],
        env={
            "PATH": f"{Path(server.tool('psql')).parent}:{os.environ['PATH']}",
            "PGHOST": str(server.url.host),
            "PGPORT": str(server.url.port or 5432),
            "PGPASSWORD": str(server.url.password or ""),
            "POSTGRES_USER": str(server.url.username),
            "POSTGRES_DB": name,
            "SIGMA_PIPELINE_PASSWORD": PIPELINE_PASSWORD,
            "SIGMA_STATUS_PASSWORD": STATUS_PASSWORD,
        },
        check=True,
    )


def role_url(server: PostgresServer, name: str, role: str, scheme: str = "postgresql") -> str:
    """Return the address of a database for `pipeline` or `status`."""
    password = {"pipeline": PIPELINE_PASSWORD, "status": STATUS_PASSWORD}[role]
    url = server.url.set(drivername=scheme, database=name, username=f"sigma_{role}", password=password)
    return url.render_as_string(hide_password=False)
