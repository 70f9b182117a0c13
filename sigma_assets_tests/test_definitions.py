"""What Dagster loads: twelve assets and three coverages, described, checked, and reading only what their lineage says."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.inputs import adopt_portfolios
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, SYMBOL_ASSETS, names
from sigma_assets.base.calendar import nyse_calendar
from sigma_assets.base.frames import PriceHistory, SessionArray
from sigma_assets.definitions import defs
from sigma_assets.holdings.reader import read_holdings
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.partitions import Scope
from sigma_assets.runs.tags import PlannedRun, run_tags
from sigma_assets.settings import read_settings
from sigma_assets.storage.portfolios import NewPortfolio, add_portfolio
from sigma_assets.storage.schema import FAMILIES
from sigma_assets_tests.templates import migrated_sqlite

ROOT = Path(__file__).parents[1]
INPUTS = {"portfolios", "lots", "cash_flows", "holdings_changes", "price_loads", "price_gaps", "symbols"}
HOLDINGS = b"Symbol,Quantity,Entry Price Per Share,Entry Date\nAAPL,100,180,2024-03-11\nSPY,10,500,2024-03-11\n"


def test_every_table_family_has_its_asset():
    assert set(names(SYMBOL_ASSETS) + names(PORTFOLIO_ASSETS)) == set(FAMILIES)


@pytest.mark.parametrize("asset", [*SYMBOL_ASSETS, *PORTFOLIO_ASSETS], ids=names([*SYMBOL_ASSETS, *PORTFOLIO_ASSETS]))
def test_every_asset_says_what_it_is_who_owns_it_and_what_its_columns_mean(asset: dg.AssetsDefinition):
    (spec,) = asset.specs
    schema = spec.metadata["dagster/column_schema"]

    assert spec.description
    assert spec.owners
    assert spec.kinds
    assert spec.group_name in ("market", "symbols", "portfolios")
    assert all(column.description for column in schema.columns)
    assert "schema" in {check.name for check in asset.check_specs}
    # `instance.event_log.storage` relies on it
    assert all(check.partitions_def is None for check in asset.check_specs)


def test_every_asset_names_its_table_its_kinds_and_its_source():
    graph = defs.resolve_asset_graph()
    for name, tables in FAMILIES.items():
        node = graph.get(dg.AssetKey(name))
        (reference,) = node.metadata["dagster/code_references"].code_references
        assert Path(reference.file_path).is_file()
        assert node.kinds == {"python", "sqlite"}
        assert node.metadata["dagster/table_name"] == f"main.{tables[0].name}"


def test_prices_go_stale_after_the_longest_weekend():
    """Nobody is warned of a weekend, and everybody of a night that loaded nothing."""
    policy = defs.resolve_asset_graph().get(dg.AssetKey("market_prices")).freshness_policy
    sessions = nyse_calendar().between(date(2010, 1, 4), date(2026, 12, 31))
    gaps = np.diff(sessions).astype(int)

    assert (gaps <= policy.warn_window.to_timedelta() / timedelta(days=1)).mean() > 0.999
    assert policy.warn_window.to_timedelta() < timedelta(days=5) < policy.fail_window.to_timedelta()


@pytest.mark.parametrize("command", ["check", "list"])
def test_dg_loads_the_project(tmp_path, command):
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "SIGMA_PRICES": "simulated", "PATH": paths}

    answer = subprocess.run(
        ["dg", command, "defs"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "All definitions loaded successfully" in answer.stdout or "position_values" in answer.stdout


def test_every_sensor_and_schedule_says_what_it_does_and_is_on_from_the_start():
    repository = defs.get_repository_def()
    automations = [*repository.sensor_defs, *repository.schedule_defs]

    assert {each.name: bool(each.description) for each in automations} == dict.fromkeys(
        ("onboarding", "reconcile", "failure_alert", "nightly"), True
    )
    assert {each.default_status.value for each in automations} == {"RUNNING"}


def test_dagster_validates_the_workspace(tmp_path):
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "SIGMA_PRICES": "simulated"}
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())

    answer = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "--workspace", "workspace.yaml"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert answer.returncode == 0, answer.stderr


class ObservedTables(Tables):
    """The tables, and a note of which asset read which."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.read: set[str] = set()

    def rows(self, table: str, *arguments, **options) -> pd.DataFrame:
        self.read.add(table)
        return super().rows(table, *arguments, **options)

    def prices(self, symbols: Sequence[str], sessions: SessionArray) -> PriceHistory:
        self.read.add("market_prices")
        return super().prices(symbols, sessions)


def test_assets_read_what_their_lineage_says_and_nothing_else(tmp_path):
    settings = read_settings({"DAGSTER_HOME": str(tmp_path), "SIGMA_PRICES": "simulated:last=2024-03-15"})
    shutil.copy(migrated_sqlite(), tmp_path / "sigma.sqlite")
    tables = ObservedTables(settings)
    lots = read_holdings(HOLDINGS, "holdings.csv", date(2024, 3, 15))
    new = NewPortfolio("Observed", "taxable", 50_000.0, date(2024, 3, 11))
    portfolio_id = add_portfolio(tables.database, new, lots)
    resources = {"tables": tables, "price_source": PriceSource(settings, tables.opened)}
    reads: dict[str, set[str]] = {}

    with dg.DagsterInstance.ephemeral() as instance:
        roster = adopt_portfolios(instance, tables, "sensor")
        for asset in PORTFOLIO_ASSETS:
            tables.read.clear()
            covered = PlannedRun((), date(2024, 3, 14), date(2024, 3, 15), (portfolio_id,))
            tags = run_tags(covered, roster, source="admin", max_runtime_seconds=600)
            job = dg.Definitions(assets=[asset], jobs=[dg.define_asset_job("one", [asset])], resources=resources)
            assert job.resolve_job_def("one").execute_in_process(instance=instance, tags=tags).success
            reads[asset.key.to_user_string()] = set(tables.read)

    graph = defs.resolve_asset_graph()
    for name, read in reads.items():
        ancestors = graph.get_ancestor_asset_keys(dg.AssetKey(name)) | {dg.AssetKey(name)}
        allowed = {table.name for key in ancestors for table in FAMILIES[key.to_user_string()]} | INPUTS
        assert read - allowed == set(), name
    assert "market_prices" in reads["volatility"]


def test_the_scope_of_a_run_never_reaches_symbols_outside_it(tmp_path):
    settings = read_settings({"DAGSTER_HOME": str(tmp_path), "SIGMA_PRICES": "simulated:last=2024-03-15"})
    shutil.copy(migrated_sqlite(), tmp_path / "sigma.sqlite")
    tables = Tables(settings)
    lots = read_holdings(HOLDINGS, "holdings.csv", date(2024, 3, 15))
    portfolio_id = add_portfolio(tables.database, NewPortfolio("Scoped", "taxable", 50_000.0, date(2024, 3, 11)), lots)

    scope = Scope(tables.calendar.between(date(2024, 3, 14), date(2024, 3, 15)), (portfolio_id,))

    assert tables.symbols(scope) == sorted({"AAPL", *tables.factor_etfs})
    assert len(tables.symbols(scope)) == 18
