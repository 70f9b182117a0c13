"""Portfolio assets, per session: value, betas, exposures, volatility, correlations, risk, stress, performance."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import pandas as pd

from sigma_assets.analytics.valuation.values import Watched
from sigma_assets.assets import calculations
from sigma_assets.assets.coverages import factor_coverage, price_coverage
from sigma_assets.assets.declarations import Results, dates, declared, lots_held, lots_in, replaced
from sigma_assets.assets.progress import LEAST_ROWS, Progress, by_ledgers, by_sessions
from sigma_assets.assets.tables import Tables
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
    scope, work = tables.scope(context), InParts(context)
    rows = calculations.betas(tables, scope, work)
    yield from replaced(context, tables, scope, rows, work.progress)


@dg.asset(**BY_PORTFOLIO, deps=[position_values, factor_coverage], **declared("factor_exposures"))
def factor_exposures(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Exposure of each lot and each portfolio to six styles and four spreads, with the share that it covers."""
    scope, work = tables.scope(context), InParts(context)
    rows = calculations.factor_exposures(tables, scope, work)
    yield from replaced(context, tables, scope, rows, work.progress)


@dg.asset(**BY_PORTFOLIO, deps=[position_values, price_coverage], **declared("volatility"))
def volatility(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Realised and expected volatility, trend and percentile, of each portfolio and each symbol that it holds."""
    scope, work = tables.scope(context), InParts(context)
    rows = calculations.volatility(tables, scope, work)
    yield from replaced(context, tables, scope, rows, work.progress)


@dg.asset(**BY_PORTFOLIO, deps=[position_values, price_coverage], **declared("correlations"))
def correlations(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Correlation matrix of each portfolio's larger public holdings, its summary, and clusters of lookalikes."""
    scope = tables.scope(context)
    work = InParts(context, dates(scope))
    rows = calculations.correlations(tables, scope, work)
    yield from replaced(context, tables, scope, rows, work.progress)


@dg.asset(**BY_PORTFOLIO, deps=[position_values, price_coverage], **declared("risk"))
def risk(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """One-day value at risk and expected shortfall with a backtest over the last year, and risk contributions by symbol
    and by factor."""
    scope = tables.scope(context)
    progress = Progress(context, *lots_held(tables.holdings(scope)[1], scope))
    rows = calculations.risk(tables, scope, _watched(progress, scope, LEAST_RISK_ROWS))
    yield from replaced(context, tables, scope, rows, progress)


@dg.asset(**BY_PORTFOLIO, deps=[position_values, factor_coverage], **declared("stress_tests"))
def stress_tests(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """P&L of each portfolio and each lot in each scenario: shocks of one factor at a time, and replays of market falls."""
    scope = tables.scope(context)
    work = InParts(context, ("scenarios", len(tables.settings.scenarios.names)))
    rows = calculations.stress_tests(tables, scope, work)
    yield from replaced(context, tables, scope, rows, work.progress)


@dg.asset(**BY_PORTFOLIO, deps=[price_coverage], **declared("performance"))
def performance(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Returns over calendar periods and since inception, time- and money-weighted; ratios and drawdowns of the last year;
    comparison with a benchmark."""
    scope = tables.scope(context)
    progress = Progress(context, *dates(scope))
    rows = calculations.performance(tables, scope, _watched(progress, scope))
    yield from replaced(context, tables, scope, rows, progress)


def _valuation(context: dg.AssetExecutionContext, tables: Tables, scope: Scope, progress: Progress) -> pd.DataFrame:
    """Return this asset's rows of the run's one valuation, which computes whichever of its two assets the run has."""
    mine, both = context.asset_key, {portfolio_snapshots.key, position_values.key}
    asked = both.intersection(context.run.asset_selection or both) | {mine}
    names = sorted(key.to_user_string() for key in asked)
    return tables.valuation(mine.to_user_string(), scope, names, _watched(progress, scope))


class InParts:
    """Computes positions some sessions at a time and counts what is done: lots, or what it was given."""

    progress: Progress

    def __init__(self, context: dg.AssetExecutionContext, counted: tuple[str, int] | None = None) -> None:
        self._context = context
        self._counted = counted

    def __call__(self, positions: pd.DataFrame, compute: calculations.Compute) -> Sequence[pd.DataFrame]:
        """Return the rows of all positions."""
        self.progress = Progress(self._context, *(self._counted or lots_in(positions)))
        return by_sessions(self.progress, positions, compute)


def _watched(progress: Progress, scope: Scope, least_rows: int = LEAST_ROWS) -> Watched:
    """Return what hands on ledgers, a large one in parts, and reports how far that is."""
    return lambda ledgers: by_ledgers(progress, ledgers, len(scope.portfolio_ids), least_rows=least_rows)
