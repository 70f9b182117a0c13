"""Read the tables of a scope, one calculation, rows: what each asset stores, and what `explain` computes again."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from sigma_assets.analytics.factors import exposures, regression
from sigma_assets.analytics.performance import performance as performances
from sigma_assets.analytics.risk import attribution
from sigma_assets.analytics.risk import volatility as volatilities
from sigma_assets.analytics.risk.correlation import correlations as correlation
from sigma_assets.analytics.risk.stress import tables as stress
from sigma_assets.analytics.risk.stress.contracts import contracts
from sigma_assets.analytics.series import metrics
from sigma_assets.analytics.valuation.values import Watched
from sigma_assets.assets.stress_inputs import moves_of, prices_since_entry, shock_history
from sigma_assets.assets.tables import Tables
from sigma_assets.base.conventions import YEAR_LOOKBACK, RiskModel, VolatilityModel
from sigma_assets.runs.partitions import Scope

Compute = Callable[[pd.DataFrame], Sequence[pd.DataFrame]]
InParts = Callable[[pd.DataFrame, Compute], Sequence[pd.DataFrame]]
"""Applies a calculation to positions, whole or some sessions at a time, which is the same to the last bit."""


def at_once(positions: pd.DataFrame, compute: Compute) -> Sequence[pd.DataFrame]:
    """Apply a calculation to all positions at once."""
    return compute(positions)


def symbol_factors(tables: Tables, scope: Scope, symbols: Sequence[str]) -> pd.DataFrame:
    """Return the factor betas of some symbols and of the model's ETFs."""
    model = tables.settings.factor_model
    history = tables.prices(sorted({*symbols, *model.etfs}), tables.window(scope, model.longest_window))
    return regression.symbol_factors(history, scope.sessions, model)


def symbol_metrics(tables: Tables, scope: Scope, symbols: Sequence[str]) -> pd.DataFrame:
    """Return the metrics of some symbols."""
    return metrics.symbol_metrics(tables.prices(symbols, tables.window(scope, YEAR_LOOKBACK)), scope.sessions)


def betas(tables: Tables, scope: Scope, in_parts: InParts = at_once) -> Sequence[pd.DataFrame]:
    """Return the rows of the tables of `betas`."""
    positions = tables.rows("position_values", scope, columns=exposures.POSITION_COLUMNS)
    factors = tables.factors(scope, exposures.BETA_MEASURES)
    return in_parts(positions, lambda part: exposures.betas(part, factors))


def factor_exposures(tables: Tables, scope: Scope, in_parts: InParts = at_once) -> Sequence[pd.DataFrame]:
    """Return the rows of the tables of `factor_exposures`."""
    positions = tables.rows("position_values", scope, columns=exposures.POSITION_COLUMNS)
    factors = tables.factors(scope, exposures.EXPOSURE_BETAS)
    return in_parts(positions, lambda part: exposures.factor_exposures(part, factors))


def volatility(tables: Tables, scope: Scope, in_parts: InParts = at_once) -> Sequence[pd.DataFrame]:
    """Return the rows of the tables of `volatility`."""
    model = VolatilityModel()
    positions = tables.rows("position_values", scope)
    history = tables.prices(tables.symbols(scope), tables.window(scope, model.longest_window))
    return in_parts(positions, lambda part: volatilities.volatility(part, history, model))


def correlations(tables: Tables, scope: Scope, in_parts: InParts = at_once) -> Sequence[pd.DataFrame]:
    """Return the rows of the tables of `correlations`."""
    model = tables.settings.correlation_model
    positions = tables.rows("position_values", scope)
    history = tables.prices(tables.symbols(scope), tables.window(scope, model.window))
    return in_parts(positions, lambda part: correlation.correlations(part, history, model))


def risk(tables: Tables, scope: Scope, watched: Watched = iter) -> Sequence[pd.DataFrame]:
    """Return the rows of the tables of `risk`."""
    ledgers, history = tables.ledgers(scope)
    return attribution.risk(watched(ledgers), history, RiskModel(), tables.settings.factor_model)


def stress_tests(tables: Tables, scope: Scope, in_parts: InParts = at_once) -> Sequence[pd.DataFrame]:
    """Return the rows of the tables of `stress_tests`."""
    scenarios = tables.settings.scenarios
    positions = stress.sorted_positions(tables.rows("position_values", scope, columns=stress.POSITION_COLUMNS))
    lots, _ = tables.lots_and_flows(scope)
    history = shock_history(tables, scope, set(lots["underlying_symbol"].dropna()))
    since_entry = prices_since_entry(tables, scope, lots)
    moves, factors = moves_of(tables, scope, scenarios, history), tables.factors(scope, stress.BETAS)
    equity = _equity(tables, stress.without_value(positions))

    def compute(part: pd.DataFrame) -> Sequence[pd.DataFrame]:
        positions = part.reset_index(drop=True)
        options = contracts(positions, lots, history, since_entry, tables.settings.option_model)
        return stress.stress_tests(positions, factors, options, moves, scenarios, equity)

    return in_parts(positions, compute)


def _equity(tables: Tables, keys: pd.DataFrame) -> pd.DataFrame | None:
    """Return the equity of the few portfolios whose lots are all worth nothing, from their ledgers: no weight says it."""
    if keys.empty:
        return None
    sessions = np.unique(keys["session"].to_numpy().astype("datetime64[D]"))
    scope = Scope(sessions, tuple(sorted(set(keys["portfolio_id"]))))
    return tables.valued(scope, ["portfolio_snapshots"])["portfolio_snapshots"][["portfolio_id", "session", "equity"]]


def performance(tables: Tables, scope: Scope, watched: Watched = iter) -> Sequence[pd.DataFrame]:
    """Return the rows of `performance`."""
    ledgers, history = tables.ledgers(scope)
    return [performances.performance(watched(ledgers), history, tables.settings.performance_model)]
