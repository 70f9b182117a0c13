"""A Dagster instance, our tables and a client of the status server, on SQLite and on PostgreSQL."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from sigma_assets.settings import Settings, read_settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.schema import lots, portfolio_partitions, portfolios
from sigma_assets.web.app import create_app
from sigma_assets_tests.templates import copy_dagster_files, migrated_sqlite
from sigma_assets_tests.web.browser import Site, free_port, open_browser, served
from sigma_assets_tests.web.pipeline import FIRST, ordinal_of

LOGGING = """
python_logs: {managed_python_loggers: [sigma_assets], python_log_level: INFO}
telemetry: {enabled: false}
concurrency: {runs: {max_concurrent_runs: 4}}
compute_logs: {module: dagster._core.storage.noop_compute_log_manager, class: NoOpComputeLogManager}
"""
EMBEDDED = """
storage:
  custom:
    module: sigma_assets.instance.sqlite.storage
    class: SharedSqliteStorage
    config: {base_dir: %s}
"""
TEAM = """
storage:
  custom:
    module: sigma_assets.instance.postgres
    class: SharedPostgresStorage
    config: {postgres_url: %s}
"""
"""As in deploy/dagster.yaml."""


class World:
    """An installation: settings, tables, Dagster's instance; and what a test does with them."""

    def __init__(self, settings: Settings, home: Path, configuration: str) -> None:
        (home / "dagster.yaml").write_text(configuration + LOGGING)
        self.settings = settings
        self.home = home
        self.database = Database(settings.database)
        self.instance = dg.DagsterInstance.from_config(str(home))

    def add_portfolio(
        self, portfolio_id: str, name: str = "Growth", inception: date = FIRST, created: datetime | None = None
    ) -> str:
        """Store a portfolio with two lots."""
        row = {
            "portfolio_id": portfolio_id,
            "name": name,
            "account_type": "taxable",
            "currency": "USD",
            "initial_equity_usd": 1e6,
            "inception": inception,
            "created_at": created or datetime.now(UTC),
        }
        lot = {
            "portfolio_id": portfolio_id,
            "quantity": 10.0,
            "entry_price": 1.0,
            "entry_date": inception,
            "investment_class": "PUBLIC",
        }
        with self.database.begin() as connection:
            connection.execute(sa.insert(portfolios), row)
            held = [{**lot, "lot_id": f"{portfolio_id}-{symbol}", "symbol": symbol} for symbol in ("AAPL", "MSFT")]
            connection.execute(sa.insert(lots), held)
            line = {"ordinal": ordinal_of(portfolio_id), "portfolio_id": portfolio_id, "partition_name": portfolio_id}
            adopted = {"adopted_by": "sensor", "adopted_at": row["created_at"]}
            connection.execute(sa.insert(portfolio_partitions), line | adopted)
        return portfolio_id

    def client(self, **changes: str) -> TestClient:
        """Return a client of a server that starts now and knows nothing from before; answers are never cached."""
        settings = replace(self.settings, **changes)
        app = create_app(settings, self.instance, cache_seconds=0.0)
        return TestClient(app, base_url="http://127.0.0.1:3001", raise_server_exceptions=False)

    def status(self, portfolio_id: str, **query: str) -> dict:
        """Return what a server that starts now says of a portfolio."""
        return self.client().get(f"/api/v1/onboarding/status/{portfolio_id}", params=query).json()

    def restart(self) -> None:
        """Open everything anew, as other processes would."""
        self.instance.dispose()
        self.database.dispose()
        self.database = Database(self.settings.database)
        self.instance = dg.DagsterInstance.from_config(str(self.home))


def configured_world(home: Path, database_url: str, storage: str) -> World:
    """Return an installation with this storage of Dagster's."""
    return World(read_settings({"DAGSTER_HOME": str(home), "SIGMA_DATABASE_URL": database_url}), home, storage)


def _world(home: Path, database_url: str) -> World:
    storage = EMBEDDED % home if database_url.startswith("sqlite") else TEAM % database_url
    if database_url.startswith("sqlite"):
        copy_dagster_files(home)
    return configured_world(home, database_url, storage)


@pytest.fixture
def world(tmp_path: Path, installed_url: str) -> Iterator[World]:
    """Return a fresh installation; the test runs once per kind of database."""
    fresh = _world(tmp_path, installed_url)
    yield fresh
    fresh.instance.dispose()
    fresh.database.dispose()


@contextmanager
def embedded_world(home: Path) -> Iterator[World]:
    """Make a fresh installation on SQLite in a folder."""
    file = home / "sigma.sqlite"
    shutil.copy(migrated_sqlite(), file)
    fresh = _world(home, f"sqlite:///{file}")
    yield fresh
    fresh.instance.dispose()
    fresh.database.dispose()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[World]:
    """Return a fresh installation on SQLite."""
    with embedded_world(tmp_path) as fresh:
        yield fresh


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return the browser of these tests."""
    with open_browser() as opened:
        yield opened


@pytest.fixture
def site(embedded: World, browser: Browser) -> Iterator[Site]:
    """Return a served installation; whatever a test does, no script fails and nobody else's server is asked."""
    app = create_app(embedded.settings, embedded.instance, cache_seconds=0.0)
    with served(app, free_port()) as base:
        opened = Site(embedded, browser, base)
        yield opened
        for context in browser.contexts:
            context.close()
    assert opened.problems == []
    assert [url for url in opened.asked if not url.startswith((base, "blob:"))] == []
