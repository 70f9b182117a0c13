"""Everything that Dagster loads, on one page."""

import dagster as dg

from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, SYMBOL_ASSETS, portfolios_job, symbols_job
from sigma_assets.resources import PriceSource, Tables
from sigma_assets.settings import settings

tables = Tables(settings())
price_source = PriceSource(settings(), tables)

defs = dg.Definitions(
    assets=[*SYMBOL_ASSETS, *PORTFOLIO_ASSETS],
    jobs=[symbols_job, portfolios_job],
    resources={"tables": tables, "price_source": price_source},
    executor=dg.in_process_executor,
)
