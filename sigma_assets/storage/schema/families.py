"""Which tables belong to which asset, and where they are stored."""

import sqlalchemy as sa

from sigma_assets.storage.schema import inputs, market, portfolios, risk  # noqa: F401 (so that `metadata` has their tables)
from sigma_assets.storage.schema.fields import metadata, packed

TABLES: dict[str, sa.Table] = {**metadata.tables, **packed.tables}
"""Every table by its name."""

_NAMES = {
    "market_prices": ["market_prices"],
    "symbol_factors": ["symbol_factors"],
    "symbol_metrics": ["symbol_metrics"],
    "price_coverage": ["price_coverage"],
    "factor_coverage": ["factor_coverage"],
    "metric_coverage": ["metric_coverage"],
    "portfolio_snapshots": ["portfolio_snapshots"],
    "position_values": ["position_values"],
    "betas": ["betas_by_portfolio", "betas_by_position"],
    "factor_exposures": ["factor_exposures_by_portfolio", "factor_exposures_by_position"],
    "volatility": ["volatility_by_portfolio", "volatility_by_symbol"],
    "correlations": ["correlations_by_portfolio", "correlations_by_pair", "correlations_by_cluster"],
    "risk": ["risk_by_portfolio", "risk_by_position", "risk_by_factor"],
    "stress_tests": ["stress_tests_by_portfolio", "stress_tests_by_position"],
    "performance": ["performance"],
}
FAMILIES = {asset: tuple(TABLES[name] for name in names) for asset, names in _NAMES.items()}
"""Tables of each asset; the first one is what `export ASSET` prints unless told otherwise."""

PACKED = {TABLES["correlations_by_pair"]: TABLES["correlation_matrices"]}
"""Table as everybody sees it -> the table of the database that holds its rows (`storage/frames/matrices.py`)."""
