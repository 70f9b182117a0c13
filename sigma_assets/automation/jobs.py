"""The two jobs: one over sessions for the whole universe, one over session x portfolio. Dagster cannot mix the two."""

import dagster as dg

from sigma_assets.assets import coverages, market, portfolios, symbols
from sigma_assets.runs.tags import PORTFOLIO_JOB, SYMBOL_JOB

SYMBOL_ASSETS = [market.market_prices, symbols.symbol_factors, symbols.symbol_metrics]
PORTFOLIO_ASSETS = [
    coverages.price_coverage,
    coverages.factor_coverage,
    coverages.metric_coverage,
    portfolios.portfolio_snapshots,
    portfolios.position_values,
    portfolios.betas,
    portfolios.factor_exposures,
    portfolios.volatility,
    portfolios.correlations,
    portfolios.risk,
    portfolios.stress_tests,
    portfolios.performance,
]

symbols_job = dg.define_asset_job(
    SYMBOL_JOB,
    selection=dg.AssetSelection.assets(*SYMBOL_ASSETS),
    description="Prices, factor betas and metrics of every symbol, for a range of sessions.",
)
portfolios_job = dg.define_asset_job(
    PORTFOLIO_JOB,
    selection=dg.AssetSelection.assets(*PORTFOLIO_ASSETS),
    description="Everything about some portfolios, for a range of sessions: loads and computes what their symbols lack.",
)


def names(assets: list[dg.AssetsDefinition]) -> list[str]:
    """Return the names of assets, in order."""
    return [asset.key.to_user_string() for asset in assets]
