"""Portfolio assets, per session: value, betas, exposures, volatility, correlations, risk, stress, performance."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import dagster as dg
import pandas as pd

from sigma_assets.analytics.valuation.ledger import Ledger
from sigma_assets.assets import calculations
from sigma_assets.assets.apart import Calculation, replace_apart
from sigma_assets.assets.coverages import factor_coverage, price_coverage
from sigma_assets.assets.declarations import Results, dates, declared, lots_held, lots_in, recorded
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
    yield from _valued(context, tables, scope, ByLedgers(context, scope, dates(scope)))


@dg.asset(**BY_PORTFOLIO, deps=[price_coverage], **declared("position_values"))
def position_values(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Value, P&L and weight of each open lot, with the session that its price comes from."""
    scope = tables.scope(context)
    work = ByLedgers(context, scope, lots_held(tables.lots_and_flows(scope)[0], scope))
    yield from _valued(context, tables, scope, work)


@dg.asset(**BY_PORTFOLIO, deps=[position_values, factor_coverage], **declared("betas"))
def betas(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Market and rates beta of each lot, and of each portfolio at its signed weights, with the share that they cover."""
    yield from _calculated(context, tables, tables.scope(context), calculations.betas, InParts(context))


@dg.asset(**BY_PORTFOLIO, deps=[position_values, factor_coverage], **declared("factor_exposures"))
def factor_exposures(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Exposure of each lot and each portfolio to six styles and four spreads, with the share that it covers."""
    yield from _calculated(context, tables, tables.scope(context), calculations.factor_exposures, InParts(context))


@dg.asset(**BY_PORTFOLIO, deps=[position_values, price_coverage], **declared("volatility"))
def volatility(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Realised and expected volatility, trend and percentile, of each portfolio and each symbol that it holds."""
    yield from _calculated(context, tables, tables.scope(context), calculations.volatility, InParts(context))


@dg.asset(**BY_PORTFOLIO, deps=[position_values, price_coverage], **declared("correlations"))
def correlations(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Correlation matrix of each portfolio's larger public holdings, its summary, and clusters of lookalikes."""
    scope = tables.scope(context)
    yield from _calculated(context, tables, scope, calculations.correlations, InParts(context, dates(scope)))


@dg.asset(**BY_PORTFOLIO, deps=[position_values, price_coverage], **declared("risk"))
def risk(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """One-day value at risk and expected shortfall with a backtest over the last year, and risk contributions by symbol
    and by factor."""
    scope = tables.scope(context)
    work = ByLedgers(context, scope, lots_held(tables.lots_and_flows(scope)[0], scope), LEAST_RISK_ROWS)
    yield from _calculated(context, tables, scope, calculations.risk, work)


@dg.asset(**BY_PORTFOLIO, deps=[position_values, factor_coverage], **declared("stress_tests"))
def stress_tests(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """P&L of each portfolio and each lot in each scenario: shocks of one factor at a time, and replays of market falls."""
    work = InParts(context, ("scenarios", len(tables.settings.scenarios.names)))
    yield from _calculated(context, tables, tables.scope(context), calculations.stress_tests, work)


@dg.asset(**BY_PORTFOLIO, deps=[price_coverage], **declared("performance"))
def performance(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Returns over calendar periods and since inception, time- and money-weighted; ratios and drawdowns of the last year;
    comparison with a benchmark."""
    scope = tables.scope(context)
    yield from _calculated(context, tables, scope, calculations.performance, ByLedgers(context, scope, dates(scope)))


class ByLedgers:
    """Hands on ledgers, a large one in parts, and counts what is done.

    Parameters
    ----------
    counted : what is counted, and how many there are.
    least_rows : lots x sessions of a part, at least.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        scope: Scope,
        counted: tuple[str, int],
        least_rows: int = LEAST_ROWS,
    ) -> None:
        self.progress = Progress(context, *counted)
        self._n_portfolios, self._least_rows = len(scope.portfolio_ids), least_rows

    def __call__(self, ledgers: Iterable[Ledger]) -> Iterator[Ledger]:
        """Yield the ledgers."""
        return by_ledgers(self.progress, ledgers, self._n_portfolios, least_rows=self._least_rows)


class InParts:
    """Computes positions some sessions at a time and counts what is done: lots, or what it was given."""

    progress: Progress | None = None

    def __init__(self, context: dg.AssetExecutionContext, counted: tuple[str, int] | None = None) -> None:
        self._context = context
        self._counted = counted

    def __call__(self, positions: pd.DataFrame, compute: calculations.Compute) -> Sequence[pd.DataFrame]:
        """Return the rows of all positions."""
        self.progress = Progress(self._context, *(self._counted or lots_in(positions)))
        return by_sessions(self.progress, positions, compute)


def _valued(context: dg.AssetExecutionContext, tables: Tables, scope: Scope, work: ByLedgers) -> Results:
    """Store this asset's rows of the run's one valuation, which computes whichever of its two assets the run has."""
    mine, both = context.asset_key, {portfolio_snapshots.key, position_values.key}
    table, asked = mine.to_user_string(), both.intersection(context.run.asset_selection or both) | {mine}
    names = sorted(key.to_user_string() for key in asked)
    return _stored(
        context,
        tables,
        scope,
        work,
        together=lambda scope: [tables.valuation(table, scope, names, work)],
        again=lambda part: [tables.valued(part, [table])[table]],
    )


def _calculated(
    context: dg.AssetExecutionContext,
    tables: Tables,
    scope: Scope,
    calculate: Callable[..., Sequence[pd.DataFrame]],
    work: ByLedgers | InParts,
) -> Results:
    """Store the rows of a calculation."""
    return _stored(
        context,
        tables,
        scope,
        work,
        together=lambda scope: calculate(tables, scope, work),
        again=lambda part: calculate(tables, part),
    )


def _stored(
    context: dg.AssetExecutionContext,
    tables: Tables,
    scope: Scope,
    work: ByLedgers | InParts,
    *,
    together: Calculation,
    again: Calculation,
) -> Results:
    without_rows = replace_apart(tables, context.asset_key.to_user_string(), scope, together, again)
    if work.progress is not None:
        work.progress.finish()
    yield from recorded(context, tables, scope, without_rows=without_rows)
