"""Symbol assets: factor betas and metrics of every symbol in the universe."""

import dagster as dg

from sigma_assets.assets.declarations import Results, declared, recorded
from sigma_assets.assets.market import market_prices
from sigma_assets.assets.progress import Progress
from sigma_assets.assets.symbol_rows import write_symbol_rows
from sigma_assets.assets.tables import Tables
from sigma_assets.runs.partitions import sessions_def


@dg.asset(
    partitions_def=sessions_def,
    deps=[market_prices],
    group_name="symbols",
    **declared("symbol_factors"),
)
def symbol_factors(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Twelve factor betas of every symbol: market, rates, six styles (ridge) and four spreads, over rolling windows."""
    yield from _of_every_symbol(context, tables)


@dg.asset(
    partitions_def=sessions_def,
    deps=[market_prices],
    group_name="symbols",
    **declared("symbol_metrics"),
)
def symbol_metrics(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """Close, total returns over the usual periods and realised volatility of every symbol."""
    yield from _of_every_symbol(context, tables)


def _of_every_symbol(context: dg.AssetExecutionContext, tables: Tables) -> Results:
    scope = tables.scope(context)
    symbols = tables.symbols(scope)
    progress = Progress(context, "symbols", len(symbols))
    write_symbol_rows(tables, context.asset_key.to_user_string(), symbols, scope, progress.advance)
    progress.finish()
    yield from recorded(context, tables, scope)
