"""Snapshots and position values are one valuation: computed once per run, stored and failing each for itself."""

import shutil
from datetime import date
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from sigma_assets.assets import portfolios
from sigma_assets.assets.coverages import price_coverage
from sigma_assets.assets.run_tables import RunTables
from sigma_assets.assets.tables import Tables
from sigma_assets.automation.inputs import adopt_portfolios
from sigma_assets.holdings.reader import read_holdings
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.partitions import Scope
from sigma_assets.runs.tags import PlannedRun, run_tags
from sigma_assets.settings import read_settings
from sigma_assets.storage.portfolios import NewPortfolio, add_portfolio
from sigma_assets_tests.analytics.books import portfolio_snapshots, position_values
from sigma_assets_tests.storage.builders import add_cash_flow
from sigma_assets_tests.templates import fresh_instance, migrated_sqlite

FIRST, LAST = date(2024, 3, 14), date(2024, 3, 15)
HOLDINGS = b"Symbol,Quantity,Entry Price Per Share,Entry Date\nAAPL,10,170,2024-03-11\nMSFT,-3,400,2024-03-14\n"
CALCULATIONS = {"portfolio_snapshots": portfolio_snapshots, "position_values": position_values}


class CountedTables(RunTables):
    """The tables of a run, and how often any run read the inputs of a valuation."""

    reads = 0

    def valuation_inputs(self, scope: Scope):
        CountedTables.reads += 1
        return super().valuation_inputs(scope)


class World:
    """A portfolio, and runs of its coverage, snapshots and position values."""

    def __init__(self, home: Path) -> None:
        settings = read_settings({"DAGSTER_HOME": str(home), "SIGMA_PRICES": f"simulated:last={LAST}"})
        shutil.copy(migrated_sqlite(), home / "sigma.sqlite")
        self.tables = Tables(settings)
        CountedTables.reads = 0
        lots = read_holdings(HOLDINGS, "holdings.csv", LAST)
        new = NewPortfolio("Once", "taxable", 50_000.0, date(2024, 3, 11))
        self.portfolio_id = add_portfolio(self.tables.database, new, lots)
        self.scope = Scope(self.tables.calendar.between(FIRST, LAST), (self.portfolio_id,))
        self.instance = fresh_instance(home)
        self.roster = adopt_portfolios(self.instance, self.tables, "sensor")

    def run(self, *assets: str) -> dg.ExecuteInProcessResult:
        """Run the price coverage and some assets."""
        every = [price_coverage, portfolios.portfolio_snapshots, portfolios.position_values]
        definitions = dg.Definitions(
            assets=every,
            jobs=[dg.define_asset_job("some", ["price_coverage", *assets])],
            resources={
                "tables": dg.ResourceDefinition(lambda _: CountedTables(self.tables)),
                "price_source": PriceSource(self.tables.settings, self.tables.opened),
            },
        )
        covered = PlannedRun((), FIRST, LAST, (self.portfolio_id,))
        tags = run_tags(covered, self.roster, source="admin", max_runtime_seconds=600)
        job = definitions.resolve_job_def("some")
        return job.execute_in_process(instance=self.instance, tags=tags, raise_on_error=False)

    def stored(self, table: str) -> pd.DataFrame:
        """Return the rows of a table."""
        return self.tables.rows(table, self.scope)

    def computed(self, table: str) -> pd.DataFrame:
        """Return what a table should hold, computed by itself."""
        inputs = Tables(self.tables.settings).valuation_inputs(self.scope)
        rows = CALCULATIONS[table](*inputs, options=self.tables.settings.option_model)
        return rows[list(self.stored(table).columns)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_run_of_both_tables_reads_and_values_once(world: World):
    assert world.run(*CALCULATIONS).success

    assert CountedTables.reads == 1
    assert len(world.stored("position_values")) == 4
    for table in CALCULATIONS:
        pd.testing.assert_frame_equal(world.stored(table), world.computed(table), check_dtype=False, check_exact=True)


def test_the_next_run_values_anew(world: World):
    """One process may work on many runs: what one of them kept must not reach another."""
    assert world.run("portfolio_snapshots").success
    add_cash_flow(world.tables.database, world.portfolio_id, FIRST, 5_000.0)

    assert world.run("position_values").success

    assert CountedTables.reads == 2
    pd.testing.assert_frame_equal(
        world.stored("position_values"), world.computed("position_values"), check_dtype=False, check_exact=True
    )


@pytest.mark.parametrize(
    ("broken", "other"), [("position_values", "portfolio_snapshots"), ("portfolio_snapshots", "position_values")]
)
def test_a_table_that_cannot_be_written_loses_nothing_of_the_other(world: World, broken: str, other: str):
    with world.tables.database.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TRIGGER full BEFORE INSERT ON {broken} BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )

    outcome = world.run(*CALCULATIONS)

    assert not outcome.success
    assert [event.step_key for event in outcome.get_step_failure_events()] == [broken]
    assert world.stored(broken).empty
    pd.testing.assert_frame_equal(world.stored(other), world.computed(other), check_dtype=False, check_exact=True)


def test_the_last_session_of_a_run_shows_its_rows_in_the_ui(tmp_path: Path) -> None:
    """Dagster renders Markdown metadata as a table: equity as stored, no bookkeeping columns, on one partition only."""
    world = World(tmp_path)
    world.run("portfolio_snapshots", "position_values")

    (stored,) = world.stored("portfolio_snapshots").query("session == @LAST").itertuples()
    shown = _shown(world, "portfolio_snapshots")
    assert set(shown) == {f"{LAST}|once-{world.portfolio_id[:8]}"}
    (table,) = shown.values()
    assert table.splitlines()[0] == str(LAST)
    assert f"| equity | {stored.equity:,.2f} |" in table
    assert "| portfolio | Once |" in table
    assert "portfolio_id" not in table
    (positions,) = _shown(world, "position_values").values()
    assert [line.split(" | ")[:3] for line in positions.splitlines()[4:]] == [
        ["| Once", "AAPL", "PUBLIC"],
        ["| Once", "MSFT", "PUBLIC"],
    ]


def _shown(world: World, asset: str) -> dict[str, str]:
    records = world.instance.fetch_materializations(dg.AssetKey(asset), limit=10).records
    made = [record.asset_materialization for record in records]
    return {
        str(each.partition): each.metadata["latest session"].md_str
        for each in made
        if "latest session" in each.metadata
    }
