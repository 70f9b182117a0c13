"""Forms in which tables leave: the columns of `export` and of the numbers API."""

import sqlalchemy as sa

from sigma_assets.storage.schema.families import TABLES
from sigma_assets.storage.schema.fields import (
    count_column,
    flag_column,
    number_column,
    portfolio_table,
    session_column,
    share_column,
    text_column,
)

tidy_metadata = sa.MetaData()


def _factor() -> sa.Column:
    return text_column("factor", "factor of the beta", key=True)


sa.Table(
    "symbol_factors",
    tidy_metadata,
    session_column(),
    text_column("symbol", "listed instrument", key=True),
    _factor(),
    number_column("beta", "beta, capped at +-5", low=-5, high=5),
    number_column("r_squared", "R^2 of the regression; null if the symbol never moved", null=True, high=1),
    count_column("observations", "returns in the regression"),
    number_column("std_error", "standard error of the beta", null=True, low=0),
    text_column("quality", "full_history from 0.9 x window observations on, else limited_history"),
    flag_column("is_capped", "whether the beta was beyond +-5"),
    number_column("alpha", "intercept of the market regression, per day; null for other factors", null=True),
    comment="Factor betas of each symbol, one row per factor with a known beta",
)
portfolio_table(
    "factor_exposures_by_portfolio",
    _factor(),
    number_column("exposure", "sum over lots of weight x beta", null=True),
    number_column("exposure_usd", "exposure x equity, USD", null=True),
    share_column("coverage", "share of |market value| with a beta"),
    within=tidy_metadata,
    comment="Exposure of each portfolio to the ten style and spread factors, one row per factor",
)
portfolio_table(
    "factor_exposures_by_position",
    text_column("lot_id", "lot", key=True),
    text_column("symbol", "listed instrument"),
    _factor(),
    number_column("exposure", "weight x beta"),
    within=tidy_metadata,
    comment="Exposure of each open lot to the ten style and spread factors, one row per factor",
)
portfolio_table(
    "stress_tests_by_position",
    text_column("lot_id", "lot", key=True),
    text_column("symbol", "listed instrument; for options the contract"),
    text_column("scenario", "name of the scenario", key=True),
    number_column("pnl_usd", "P&L in the scenario, USD"),
    within=tidy_metadata,
    comment="What each scenario would do to each open lot that can move, one row per scenario",
)
portfolio_table(
    "allocation",
    text_column("scheme", "what is classified: sector, country, asset class, ...", key=True),
    text_column("class", "class of the scheme; `unclassified` where a symbol has none", key=True),
    number_column("long_value", "market value of long lots, USD", low=0),
    number_column("short_value", "market value of short lots, USD, <= 0", high=0),
    number_column("net_exposure", "long_value + short_value, USD"),
    number_column("gross_exposure", "long_value - short_value, USD", low=0),
    number_column("cash_equivalents", "market value of cash and money-market funds, no exposure, USD"),
    share_column("share_of_gross", "gross_exposure / that of the whole scheme"),
    within=tidy_metadata,
    comment="Exposure by class: positions by the classes that `classify` has read",
)
INTERNAL = ("prices_revision", "holdings_revision", "revision")
"""Columns for the pipeline itself, which do not leave."""


def outgoing_columns(table: str) -> list[sa.Column]:
    """Return the columns of a table, or of `allocation`, as exports and the numbers API give them."""
    source = tidy_metadata.tables.get(table)
    if source is None:
        source = TABLES[table]
    return [column for column in source.columns if column.name not in INTERNAL]
