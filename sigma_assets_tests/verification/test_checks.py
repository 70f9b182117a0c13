"""Asset checks: a row that is corrupted in the database is found by its check, then and later."""

import json

import dagster as dg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from sigma_assets.assets.checks.domain import ERROR, checks_of
from sigma_assets.assets.checks.evaluation import checked
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, SYMBOL_ASSETS, names
from sigma_assets.cli.main import cli
from sigma_assets.runs.partitions import Scope
from sigma_assets.settings import settings
from sigma_assets.storage.schema import FAMILIES
from sigma_assets_tests.verification.world import World

SESSIONS = 3
ONE = "session = '{day}'"
SYMBOL = "symbol = 'S1' AND session = '{day}'"
CORRUPTIONS = {
    ("market_prices", "schema"): f"UPDATE market_prices SET close = -1 WHERE {SYMBOL}",
    ("market_prices", "complete"): f"DELETE FROM market_prices WHERE {SYMBOL}",
    ("market_prices", "moves_plausible"): f"UPDATE market_prices SET close = close * 100 WHERE {SYMBOL}",
    ("symbol_factors", "schema"): f"UPDATE symbol_factors SET market_beta = 7 WHERE {SYMBOL}",
    ("symbol_factors", "complete"): f"DELETE FROM symbol_factors WHERE {SYMBOL}",
    ("symbol_metrics", "schema"): f"UPDATE symbol_metrics SET volatility_21d = -0.1 WHERE {SYMBOL}",
    ("symbol_metrics", "complete"): f"DELETE FROM symbol_metrics WHERE {SYMBOL}",
    ("price_coverage", "schema"): f"UPDATE price_coverage SET needed = -1 WHERE {ONE}",
    ("price_coverage", "complete"): f"UPDATE price_coverage SET missing_symbols = 'S1' WHERE {ONE}",
    ("price_coverage", "moves_plausible"): f"UPDATE market_prices SET close = close / 100 WHERE {SYMBOL}",
    ("factor_coverage", "schema"): f"UPDATE factor_coverage SET stale = -1 WHERE {ONE}",
    ("factor_coverage", "complete"): f"UPDATE factor_coverage SET missing_symbols = 'S1' WHERE {ONE}",
    ("symbol_factors", "style_etfs_move"): "UPDATE symbol_factors SET quality_beta = NULL WHERE session = '{day}'",
    ("factor_coverage", "style_etfs_move"): "UPDATE symbol_factors SET size_beta = NULL WHERE session = '{day}'",
    ("metric_coverage", "schema"): f"UPDATE metric_coverage SET missing = -1 WHERE {ONE}",
    ("metric_coverage", "complete"): f"UPDATE metric_coverage SET missing_symbols = 'S1' WHERE {ONE}",
    ("portfolio_snapshots", "schema"): f"UPDATE portfolio_snapshots SET hhi = 20000 WHERE {ONE}",
    ("portfolio_snapshots", "complete"): f"DELETE FROM portfolio_snapshots WHERE {ONE}",
    ("portfolio_snapshots", "cash_constant"): (
        f"UPDATE portfolio_snapshots SET cash = cash + 1, equity = equity + 1 WHERE {ONE}"
    ),
    ("portfolio_snapshots", "exposures_add_up"): (
        f"UPDATE portfolio_snapshots SET gross_exposure = gross_exposure + 1 WHERE {ONE}"
    ),
    ("portfolio_snapshots", "lots_priced"): f"UPDATE portfolio_snapshots SET lots_unpriced = 9 WHERE {ONE}",
    ("position_values", "schema"): f"UPDATE position_values SET price = -1 WHERE {SYMBOL}",
    ("position_values", "complete"): f"DELETE FROM position_values WHERE {SYMBOL}",
    ("position_values", "values_add_up"): f"UPDATE position_values SET market_value = market_value + 1 WHERE {SYMBOL}",
    ("betas", "schema"): f"UPDATE betas_by_position SET market_r_squared = 2 WHERE {SYMBOL}",
    ("betas", "sum_of_positions"): f"UPDATE betas_by_portfolio SET market_beta = market_beta + 0.001 WHERE {ONE}",
    ("betas", "every_holding"): f"DELETE FROM betas_by_position WHERE {SYMBOL}",
    ("factor_exposures", "schema"): f"UPDATE factor_exposures_by_portfolio SET value_coverage = 1.5 WHERE {ONE}",
    ("factor_exposures", "sum_of_positions"): (
        f"UPDATE factor_exposures_by_position SET size_exposure = size_exposure + 0.001 WHERE {SYMBOL}"
    ),
    ("volatility", "schema"): f"UPDATE volatility_by_portfolio SET percentile = 1.2 WHERE {ONE}",
    ("correlations", "schema"): f"UPDATE correlations_by_portfolio SET mean_correlation = 1.2 WHERE {ONE}",
    ("risk", "schema"): f"UPDATE risk_by_portfolio SET kupiec_p = 1.5 WHERE {ONE}",
    ("risk", "contributions_add_up"): (
        f"UPDATE risk_by_position SET volatility_contribution = volatility_contribution + 0.001 WHERE {SYMBOL}"
    ),
    ("risk", "tails_in_order"): f"UPDATE risk_by_portfolio SET es_99 = var_99 - 0.001 WHERE {ONE}",
    ("risk", "value_at_risk_holds"): f"UPDATE risk_by_portfolio SET exceptions = 12, zone = 'red' WHERE {ONE}",
    ("stress_tests", "schema"): f"UPDATE stress_tests_by_portfolio SET direct_share = 2 WHERE {ONE}",
    ("stress_tests", "scenarios_add_up"): (
        f"UPDATE stress_tests_by_position SET scenario_04_pnl_usd = scenario_04_pnl_usd + 1 WHERE {SYMBOL}"
    ),
    ("stress_tests", "every_holding"): f"DELETE FROM stress_tests_by_position WHERE {SYMBOL}",
    ("performance", "schema"): f"UPDATE performance SET drawdown = -1.5 WHERE {ONE}",
    ("performance", "complete"): f"DELETE FROM performance WHERE {ONE}",
    ("performance", "ratios_agree"): (
        f"UPDATE performance SET active_return = 0.2, tracking_error = 0.1, information_ratio = 1 WHERE {ONE}"
    ),
    ("factor_exposures", "complete"): f"DELETE FROM factor_exposures_by_portfolio WHERE {ONE}",
    ("volatility", "complete"): f"DELETE FROM volatility_by_portfolio WHERE {ONE}",
    ("volatility", "every_holding"): f"DELETE FROM volatility_by_symbol WHERE {SYMBOL}",
    ("correlations", "complete"): f"DELETE FROM correlations_by_portfolio WHERE {ONE}",
    ("correlations", "pairs_agree"): (
        f"UPDATE correlations_by_portfolio SET mean_correlation = mean_correlation - 0.001 WHERE {ONE}"
    ),
}


@pytest.fixture(scope="module")
def days(simulated):
    return [day.date() for day in simulated.close.index[-SESSIONS:]]


@pytest.fixture(scope="module")
def computed(simulated, days, tmp_path_factory) -> World:
    """Return a portfolio with three sessions of everything."""
    world = World.in_folder(tmp_path_factory.mktemp("computed"), simulated.prices)
    world.add(simulated.holdings, "book", simulated.equity)
    world.run(days[0], days[-1])
    return world


@pytest.fixture
def world(computed, tmp_path) -> World:
    return computed.copied_to(tmp_path)


def _scope(asset: str, world: World, days) -> Scope:
    ids = () if asset in names(SYMBOL_ASSETS) else (world.rows_of_portfolios()["portfolio_id"].item(),)
    return Scope(world.tables.calendar.between(days[0], days[-1]), ids)


def _corrupt(world: World, statement: str, day) -> None:
    with world.tables.database.begin() as connection:
        assert connection.execute(sa.text(statement.format(day=day))).rowcount > 0


def test_every_check_has_a_corruption_that_it_must_find():
    every = {(asset, check.name) for asset in names([*SYMBOL_ASSETS, *PORTFOLIO_ASSETS]) for check in checks_of(asset)}

    assert set(CORRUPTIONS) == every
    assert {asset for asset, _ in every} == set(FAMILIES)


@pytest.mark.parametrize(("asset", "check"), list(CORRUPTIONS))
def test_a_corrupted_row_is_found_by_its_check(world, days, asset, check):
    scope = _scope(asset, world, days)
    before = {one.name: findings for one, findings in checked(asset, world.tables, scope).found.items()}

    _corrupt(world, CORRUPTIONS[asset, check], days[1])

    judged = checked(asset, world.tables, scope)
    found = {result.check_name: result for result in judged.results()}[check]
    after = {one.name: findings for one, findings in judged.found.items()}[check]
    assert not found.passed
    assert set(after) - set(before[check])


def test_sound_tables_break_no_check_that_must_hold(world, days):
    for asset in FAMILIES:
        for result in checked(asset, world.tables, _scope(asset, world, days)).results():
            assert result.passed or result.severity != ERROR, (asset, result.check_name, result.description)


def test_a_cash_equivalent_has_a_row_and_is_no_open_lot_of_the_snapshot(world, days):
    """The snapshots count positions without cash, so each cash lot used to be reported as an open lot without a row."""
    columns = [column.name for column in FAMILIES["position_values"][0].columns]
    cash = {"lot_id": "'cash'", "symbol": "'CASH_USD'", "risk_symbol": "NULL", "risk_value": "0.0"}
    values = ", ".join(cash.get(name, name) for name in columns)
    statement = (
        f"INSERT INTO position_values ({', '.join(columns)}) SELECT {values} FROM position_values WHERE {SYMBOL}"
    )
    _corrupt(world, statement, days[1])

    results = checked("position_values", world.tables, _scope("position_values", world, days)).results()

    (complete,) = [result for result in results if result.check_name == "complete"]
    assert complete.passed, complete.description


def test_a_null_or_an_infinity_where_the_schema_forbids_it_is_found(world, days):
    """SQLite keeps what it is given; a column of another type stands for a fault below SQL."""
    with world.tables.database.begin() as connection:
        connection.execute(sa.text("UPDATE symbol_metrics SET return_1d = 9e999 WHERE symbol = 'S1'"))

    results = checked("symbol_metrics", world.tables, _scope("symbol_metrics", world, days)).results()

    (schema,) = [result for result in results if result.check_name == "schema"]
    assert "return_1d is infinite on 3 rows" in str(schema.description)


@pytest.fixture
def command(world, monkeypatch):
    """Return a function that calls `sigma-assets` on the world's folder."""
    monkeypatch.setenv("DAGSTER_HOME", str(world.settings.home))
    monkeypatch.setenv("SIGMA_PRICES", world.settings.prices)
    settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(cli, list(arguments))
    settings.cache_clear()


def test_the_command_finds_a_corruption_without_computing_anything(world, days, command):
    sound = command("check", "--json")
    _corrupt(world, CORRUPTIONS["betas", "sum_of_positions"], days[1])
    (portfolio_id,) = world.rows_of_portfolios()["portfolio_id"]

    broken = command("check", "--portfolio", portfolio_id, "--json")
    elsewhere = command("check", "--start", str(days[2]), "--json")

    assert sound.exit_code == 0, sound.output
    assert {row["asset"] for row in json.loads(sound.stdout)} == set(FAMILIES)
    assert broken.exit_code == 1
    (failed,) = [row for row in json.loads(broken.stdout) if row["outcome"] == "FAILED"]
    assert (failed["asset"], failed["check"]) == ("betas", "sum_of_positions")
    (finding,) = failed["findings"]
    assert finding.startswith(f"book on {days[1]}: ")
    assert elsewhere.exit_code == 0
    with dg.DagsterInstance.get() as instance:
        summary = instance.event_log_storage.get_latest_asset_check_execution_by_key(
            [dg.AssetCheckKey(dg.AssetKey("betas"), "sum_of_positions")]
        )
    (execution,) = summary.values()
    assert execution.status.value == "SUCCEEDED"  # the latest look was at a sound range


def test_an_unknown_portfolio_is_refused(command):
    refused = command("check", "--portfolio", "nobody")

    assert refused.exit_code == 2
    assert "no active portfolio nobody" in refused.output
