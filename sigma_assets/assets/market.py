"""Assets of the market: daily prices of every symbol that anybody holds."""

import dagster as dg

from sigma_assets.assets.declarations import OWNERS, PRICE_POOL, columns_of, single_run
from sigma_assets.partitions import Scope, sessions_def
from sigma_assets.resources import PriceSource, Tables, recorded


@dg.asset(
    partitions_def=sessions_def,
    backfill_policy=single_run,
    group_name="market",
    kinds={"table"},
    owners=OWNERS,
    metadata=columns_of("market_prices"),
    pool=PRICE_POOL,
)
def market_prices(
    context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables], price_source: dg.ResourceParam[PriceSource]
) -> dg.MaterializeResult:
    """As-traded daily prices, splits and dividends of the whole universe: every symbol held or ever priced, and the
    factor ETFs. Only what is missing is asked for, look-back included; rows are never rewritten for a later split."""
    scope = Scope.of(context)
    loaded = price_source.load_missing(tables.symbols(scope), tables.window(scope, tables.lookback))
    return recorded({"market_prices": loaded.rows}, scope, **loaded.metadata())
