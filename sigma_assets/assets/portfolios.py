"""Portfolio assets, per session: value, betas, exposures, volatility, correlations, risk, stress, performance."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import dagster as dg
import pandas as pd

from sigma_assets.analytics.factors import exposures
from sigma_assets.analytics.performance import performance as performances
from sigma_assets.analytics.risk import attribution
from sigma_assets.analytics.risk import volatility as volatilities
from sigma_assets.analytics.risk.correlation import correlations as correlation
from sigma_assets.analytics.risk.stress import tables as stress
from sigma_assets.analytics.risk.stress.contracts import contracts
from sigma_assets.analytics.valuation.ledger import Ledger
from sigma_assets.assets.coverages import factor_coverage, price_coverage
from sigma_assets.assets.declarations import Results, dates, declared, lots_held, lots_in, replaced
from sigma_assets.assets.progress import Progress, by_ledgers, by_sessions
from sigma_assets.assets.stress_inputs import moves_of, shock_history
from sigma_assets.assets.tables import Tables
from sigma_assets.base.conventions import LOOKBACK_MARGIN, RiskModel, VolatilityModel
from sigma_assets.runs.partitions import Scope, portfolio_sessions_def

BY_PORTFOLIO: dict[str, Any] = {
    "partitions_def": portfolio_sessions_def,
    "group_name": "portfolios",
}
LEAST_RISK_ROWS = 50_000
"""Lots x sessions of a part of a portfolio's risk, at least: each part looks back over the year of its backtest again."""


@dg.asset(**BY_PORTFOLIO, deps=[price_coverage], **declared("portfolio_snapshots"))
def portfolio_snapshots(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Equity, P&L, exposure, concentration and drawdown of each portfolio: a closed form of its lots, cash flows and
    prices, never a roll-forward of the row before."""
    scope = tables.scope(context)
    progress = Progress(context, *dates(scope))
    rows = _valuation(context, tables, scope, progress)
    yield from replaced(context, tables, scope, [rows], progress)


@dg.asset(**BY_PORTFOLIO, deps=[price_coverage], **declared("position_values"))
def position_values(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Value, P&L and weight of each open lot, with the session that its price comes from."""
    scope = tables.scope(context)
    progress = Progress(context, *lots_held(tables.holdings(scope)[1], scope))
    rows = _valuation(context, tables, scope, progress)
    yield from replaced(context, tables, scope, [rows], progress)


@dg.asset(**BY_PORTFOLIO, deps=[position_values, factor_coverage], **declared("betas"))
def betas(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Market and rates beta of each lot, and of each portfolio at its signed weights, with the share that they cover."""
    scope = tables.scope(context)
    positions = tables.rows("position_values", scope, columns=exposures.POSITION_COLUMNS)
    factors = tables.factors(scope, exposures.BETA_MEASURES)
    progress = Progress(context, *lots_in(positions))
    rows = by_sessions(progress, positions, lambda part: exposures.betas(part, factors))
    yield from replaced(context, tables, scope, rows, progress)


@dg.asset(**BY_PORTFOLIO, deps=[position_values, factor_coverage], **declared("factor_exposures"))
def factor_exposures(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Exposure of each lot and each portfolio to six styles and four spreads, with the share that it covers."""
    scope = tables.scope(context)
    positions = tables.rows("position_values", scope, columns=exposures.POSITION_COLUMNS)
    factors = tables.factors(scope, exposures.EXPOSURE_BETAS)
    progress = Progress(context, *lots_in(positions))
    rows = by_sessions(progress, positions, lambda part: exposures.factor_exposures(part, factors))
    yield from replaced(context, tables, scope, rows, progress)


@dg.asset(**BY_PORTFOLIO, deps=[position_values, price_coverage], **declared("volatility"))
def volatility(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Realised and expected volatility, trend and percentile, of each portfolio and each symbol that it holds."""
    scope, model = tables.scope(context), VolatilityModel()
    positions = tables.rows("position_values", scope)
    history = tables.prices(tables.symbols(scope), tables.window(scope, model.longest_window))
    progress = Progress(context, *lots_in(positions))
    rows = by_sessions(progress, positions, lambda part: volatilities.volatility(part, history, model))
    yield from replaced(context, tables, scope, rows, progress)


@dg.asset(**BY_PORTFOLIO, deps=[position_values, price_coverage], **declared("correlations"))
def correlations(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Correlation matrix of each portfolio's larger public holdings, its summary, and clusters of lookalikes."""
    scope, model = tables.scope(context), tables.settings.correlation_model
    positions = tables.rows("position_values", scope)
    history = tables.prices(tables.symbols(scope), tables.window(scope, model.window))
    progress = Progress(context, *dates(scope))
    rows = by_sessions(progress, positions, lambda part: correlation.correlations(part, history, model))
    yield from replaced(context, tables, scope, rows, progress)


@dg.asset(**BY_PORTFOLIO, deps=[position_values, price_coverage], **declared("risk"))
def risk(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """One-day value at risk and expected shortfall with a backtest over the last year, and risk contributions by symbol
    and by factor."""
    scope, model = tables.scope(context), RiskModel()
    ledgers, history = tables.ledgers(
        scope, sessions_before=model.backtest_window, lookback=model.longest_window + LOOKBACK_MARGIN
    )
    progress = Progress(context, *lots_held(tables.holdings(scope)[1], scope))
    watched = by_ledgers(progress, ledgers, len(scope.portfolio_ids), least_rows=LEAST_RISK_ROWS)
    rows = attribution.risk(watched, history, model, tables.settings.factor_model)
    yield from replaced(context, tables, scope, rows, progress)


@dg.asset(**BY_PORTFOLIO, deps=[position_values, factor_coverage], **declared("stress_tests"))
def stress_tests(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """P&L of each portfolio and each lot in each scenario: shocks of one factor at a time, and replays of market falls."""
    scope, scenarios = tables.scope(context), tables.settings.scenarios
    positions = stress.sorted_positions(tables.rows("position_values", scope, columns=stress.POSITION_COLUMNS))
    lots = tables.holdings(scope)[1]
    history = shock_history(tables, scope, set(lots["underlying_symbol"].dropna()))
    moves, factors = moves_of(tables, scope, scenarios, history), tables.factors(scope, stress.BETAS)

    def compute(part: pd.DataFrame) -> Sequence[pd.DataFrame]:
        positions = part.reset_index(drop=True)
        options = contracts(positions, lots, history, tables.settings.option_model)
        return stress.stress_tests(positions, factors, options, moves, scenarios)

    progress = Progress(context, "scenarios", len(scenarios.names))
    rows = by_sessions(progress, positions, compute)
    yield from replaced(context, tables, scope, rows, progress)


@dg.asset(**BY_PORTFOLIO, deps=[price_coverage], **declared("performance"))
def performance(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Returns over calendar periods and since inception, time- and money-weighted; ratios and drawdowns of the last year;
    comparison with a benchmark."""
    scope = tables.scope(context)
    ledgers, history = tables.ledgers(scope)
    progress = Progress(context, *dates(scope))
    watched = by_ledgers(progress, ledgers, len(scope.portfolio_ids))
    rows = performances.performance(watched, history, tables.settings.performance_model)
    yield from replaced(context, tables, scope, [rows], progress)


def _valuation(context: dg.AssetExecutionContext, tables: Tables, scope: Scope, progress: Progress) -> pd.DataFrame:
    """Return this asset's rows of the run's one valuation, which computes whichever of its two assets the run has."""
    mine, both = context.asset_key, {portfolio_snapshots.key, position_values.key}
    asked = both.intersection(context.run.asset_selection or both) | {mine}
    names = sorted(key.to_user_string() for key in asked)

    def watched(ledgers: Iterable[Ledger]) -> Iterator[Ledger]:
        return by_ledgers(progress, ledgers, len(scope.portfolio_ids))

    return tables.valuation(mine.to_user_string(), scope, context.run.run_id, names, watched)
