"""The tables: the one truth about columns, types, keys, units. Migrations, checks, exports and the UI are made from it.

Key columns come in the order portfolio_id, session, symbol/lot. A table belongs to the asset whose name it starts
with: `betas_by_position` and `betas_by_portfolio` are the family of the asset `betas`. `Column.info` may carry
`min`/`max` (a closed range that every value must lie in), from which asset checks are generated.

Some tables are stored otherwise than they are read; `stored_table` says in which table of the database their rows are.
"""

from sigma_assets.storage.schema.families import ARRAYS, FAMILIES, PACKED, TABLES, stored_table
from sigma_assets.storage.schema.fields import SCHEMA, arrays, metadata, packed
from sigma_assets.storage.schema.forms import INTERNAL, outgoing_columns, tidy_metadata
from sigma_assets.storage.schema.inputs import (
    cash_flows,
    classifications,
    holdings_changes,
    holdings_edits,
    lots,
    method_versions,
    portfolio_partitions,
    portfolios,
)
from sigma_assets.storage.schema.market import (
    factor_coverage,
    market_prices,
    metric_coverage,
    price_coverage,
    price_gaps,
    price_loads,
    price_looks,
    price_sources,
    provider_calls,
    symbol_factors,
    symbol_metrics,
    symbols,
)
from sigma_assets.storage.schema.portfolios import (
    betas_by_portfolio,
    betas_by_position,
    correlation_matrices,
    correlations_by_cluster,
    correlations_by_pair,
    correlations_by_portfolio,
    factor_exposures_by_portfolio,
    factor_exposures_by_position,
    portfolio_snapshots,
    position_values,
    volatility_by_portfolio,
    volatility_by_symbol,
)
from sigma_assets.storage.schema.risk import (
    performance,
    risk_by_factor,
    risk_by_portfolio,
    risk_by_position,
    stress_tests_by_portfolio,
    stress_tests_by_position,
)
