"""Tables of portfolios per session (SPEC 4.3 to 4.8)."""

import sqlalchemy as sa

from sigma_assets.base.conventions import EXPOSURE_FACTORS
from sigma_assets.storage.schema.fields import (
    count_column,
    flag_column,
    number_column,
    packed,
    portfolio_table,
    session_column,
    share_column,
    text_column,
)

portfolio_snapshots = portfolio_table(
    "portfolio_snapshots",
    number_column("equity", "initial equity + P&L + dividends + flows to date, USD"),
    number_column("daily_pnl", "change of equity less flows, USD"),
    number_column("daily_return", "daily P&L / previous equity; null if that is not > 0", null=True),
    number_column("cumulative_pnl", "P&L since inception, USD"),
    number_column("realized_pnl", "P&L of lots closed this session, USD"),
    number_column("dividend_income", "dividends going ex this session, shorts pay, USD"),
    number_column("price_pnl", "daily P&L less dividend income, USD"),
    number_column("cash", "equity less net market value, USD; negative = margin"),
    number_column(
        "cash_equivalents", "market value of cash and money-market funds, no exposure, USD; null = by 0.1", null=True
    ),
    number_column("long_value", "market value of long lots, USD", low=0),
    number_column("short_value", "market value of short lots, USD, <= 0", high=0),
    number_column("gross_exposure", "long_value - short_value, USD", low=0),
    number_column("net_exposure", "long_value + short_value, USD"),
    number_column("leverage", "gross_exposure / equity; null if equity is not > 0", null=True, low=0),
    count_column("positions", "open lots"),
    count_column("long_positions", "open lots with quantity > 0"),
    count_column("short_positions", "open lots with quantity < 0"),
    count_column("lots_unpriced", "open lots whose price is more than 5 sessions old or was never seen"),
    count_column("lots_stale", "open lots whose price is older than this session"),
    number_column(
        "hhi",
        "10,000 x sum of squared shares of |market value| netted by symbol; null without positions",
        null=True,
        low=0,
        high=10000.01,
    ),
    number_column("effective_positions", "1 / sum of squared shares; null without positions", null=True, low=0),
    share_column("top_3_weight", "share of the 3 largest symbols in |market value| netted by symbol"),
    share_column("top_10_weight", "share of the 10 largest symbols in |market value| netted by symbol"),
    number_column("capital_flow", "flows since the previous session, USD"),
    number_column("cumulative_capital_flow", "flows since inception, USD"),
    number_column(
        "max_drawdown", "deepest fall of the time-weighted index from its peak to date, <= 0", null=True, high=0
    ),
    number_column("time_weighted_return", "compounded daily returns to date", null=True),
    comment="Equity, P&L, exposure and concentration of each portfolio",
)

position_values = portfolio_table(
    "position_values",
    text_column("lot_id", "lot", key=True),
    text_column("symbol", "listed instrument; for options the contract"),
    text_column("investment_class", "PUBLIC, OPTIONS or PRIVATE"),
    number_column("quantity", "shares or contracts as held this session (after splits)"),
    number_column("price", "price used, USD", low=0),
    session_column("session that the price comes from; null = entry price", name="price_session", key=False, null=True),
    flag_column("is_stale", "price is older than this session"),
    flag_column("is_modelled", "price is a Black-Scholes value, for want of a quote"),
    number_column("market_value", "quantity x multiplier x price, USD"),
    number_column("cost_basis", "entered quantity x multiplier x entry price, USD"),
    number_column("unrealized_pnl", "market_value - cost_basis, USD"),
    number_column("daily_pnl", "P&L of this session, dividends included, USD"),
    number_column("weight", "market_value / equity; null if equity is not > 0", null=True),
    text_column(
        "risk_symbol",
        "symbol whose betas and returns apply: its own, the underlying of an option; null = none",
        null=True,
    ),
    number_column(
        "risk_value", "market value, or delta-equivalent value of an option, USD; null without risk_symbol", null=True
    ),
    number_column("risk_weight", "risk_value / equity; null if equity is not > 0 or without risk_symbol", null=True),
    comment="Value of each open lot",
)

betas_by_position = portfolio_table(
    "betas_by_position",
    text_column("lot_id", "lot", key=True),
    text_column("symbol", "listed instrument"),
    number_column("weight", "risk weight: signed value / equity"),
    *(
        column
        for factor in ("market", "rates")
        for column in (
            number_column(f"{factor}_beta", f"{factor} beta of its symbol; null = unknown", null=True, low=-5, high=5),
            number_column(f"{factor}_r_squared", f"R^2 of the {factor} regression", null=True, high=1),
            count_column(f"{factor}_observations", f"returns in the {factor} regression", null=True),
        )
    ),
    comment="Market and rates beta of each open lot with a known beta",
)

betas_by_portfolio = portfolio_table(
    "betas_by_portfolio",
    *(
        column
        for factor in ("market", "rates")
        for column in (
            number_column(f"{factor}_beta", f"sum of weight x {factor} beta; null = no lot has one", null=True),
            share_column(f"{factor}_coverage", f"share of |market value| with a {factor} beta"),
        )
    ),
    comment="Market and rates beta of each portfolio",
)

factor_exposures_by_position = portfolio_table(
    "factor_exposures_by_position",
    text_column("lot_id", "lot", key=True),
    text_column("symbol", "listed instrument"),
    *(
        number_column(f"{factor}_exposure", f"weight x {factor} beta; null = unknown", null=True)
        for factor in EXPOSURE_FACTORS
    ),
    comment="Exposure of each open lot to the ten style and spread factors",
)

factor_exposures_by_portfolio = portfolio_table(
    "factor_exposures_by_portfolio",
    *(
        number_column(f"{factor}_exposure", f"sum over lots of weight x {factor} beta", null=True)
        for factor in EXPOSURE_FACTORS
    ),
    *(
        number_column(f"{factor}_exposure_usd", f"{factor} exposure x equity, USD", null=True)
        for factor in EXPOSURE_FACTORS
    ),
    *(
        share_column(f"{factor}_coverage", f"share of |market value| with a {factor} beta")
        for factor in EXPOSURE_FACTORS
    ),
    comment="Exposure of each portfolio to the ten style and spread factors",
)


def _volatility_columns() -> list[sa.Column]:
    return [
        number_column("realized_21d", "realised volatility of the last 21 returns, per year", null=True, low=0),
        number_column("realized_63d", "realised volatility of the last 63 returns, per year", null=True, low=0),
        number_column("expected_21d", "forecast of the next 21 sessions' volatility, per year", null=True, low=0),
        number_column("r_squared", "R^2 of the regression in the forecast", null=True, low=0, high=1),
        count_column("observations", "targets in the regression in the forecast", null=True),
        text_column("trend", "increasing, decreasing or stable", null=True),
        number_column("trend_ratio", "realized_21d / realized_63d", null=True, low=0),
        number_column("percentile", "share of the last 252 realized_21d that are <= today's", null=True, low=0, high=1),
    ]


volatility_by_symbol = portfolio_table(
    "volatility_by_symbol",
    text_column("symbol", "symbol held, or underlying of an option held", key=True),
    *_volatility_columns(),
    comment="Volatility of each symbol held",
)

volatility_by_portfolio = portfolio_table(
    "volatility_by_portfolio",
    *_volatility_columns(),
    share_column("coverage", "mean share of |weight| with a return over the last 63 sessions"),
    comment="Volatility of each portfolio at the weights of the session",
)

correlations_by_portfolio = portfolio_table(
    "correlations_by_portfolio",
    number_column("mean_correlation", "mean of the upper triangle", null=True, low=-1, high=1),
    number_column("mean_abs_correlation", "mean absolute value of the upper triangle", null=True, low=0, high=1),
    number_column("effective_bets", "1 / (w' C w), w = share of |market value|", null=True, low=0),
    number_column("condition_number", "of the correlation matrix; null = singular", null=True, low=1),
    count_column("symbols_included", "symbols in the matrix"),
    count_column("symbols_excluded", "public symbols held but left out: too small or too short a history"),
    share_column("concentration", "share of gross in clusters"),
    flag_column("is_repaired", "matrix was indefinite (pairwise deletion) and was repaired"),
    comment="Summary of each portfolio's correlation matrix",
)

correlation_matrices = portfolio_table(
    "correlation_matrices",
    text_column("symbols", "symbols of the matrix, alphabetically: a JSON list"),
    text_column("correlations", "upper triangle, row by row: base64 of 8-byte floats, little-endian"),
    text_column(
        "observations", "returns in common, in the same order: base64 of compressed 2-byte numbers, little-endian"
    ),
    comment="Correlation matrices; read and exported as correlations_by_pair",
)

correlations_by_pair = portfolio_table(
    "correlations_by_pair",
    text_column("symbol", "first symbol, alphabetically", key=True),
    text_column("other_symbol", "second symbol", key=True),
    number_column("correlation", "Pearson correlation of 90 simple returns, repaired where flagged", low=-1, high=1),
    count_column("observations", "returns that both have"),
    comment="Upper triangle of each portfolio's correlation matrix",
    within=packed,
)

correlations_by_cluster = portfolio_table(
    "correlations_by_cluster",
    sa.Column("cluster", sa.Integer, primary_key=True, autoincrement=False, comment="1 = largest by value"),
    text_column("name", "<largest holding> lookalikes"),
    text_column("members", "symbols, comma-separated, largest first"),
    count_column("size", "symbols in the cluster"),
    number_column("mean_correlation", "mean correlation between members", low=-1, high=1),
    number_column("share_of_gross", "share of gross exposure", low=0, high=1.000001),
    comment="Groups of holdings that move together: connected components of |correlation| >= 0.7",
)
