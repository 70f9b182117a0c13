"""First schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "betas_by_portfolio",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column(
            "market_beta", sa.Double(), nullable=True, comment="sum of weight x market beta; null = no lot has one"
        ),
        sa.Column("market_coverage", sa.Double(), nullable=True, comment="share of |market value| with a market beta"),
        sa.Column(
            "rates_beta", sa.Double(), nullable=True, comment="sum of weight x rates beta; null = no lot has one"
        ),
        sa.Column("rates_coverage", sa.Double(), nullable=True, comment="share of |market value| with a rates beta"),
        sa.PrimaryKeyConstraint("portfolio_id", "session", name=op.f("pk_betas_by_portfolio")),
        comment="Market and rates beta of each portfolio",
    )
    op.create_table(
        "betas_by_position",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("lot_id", sa.Text(), nullable=False, comment="lot"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="listed instrument"),
        sa.Column("weight", sa.Double(), nullable=False, comment="risk weight: signed value / equity"),
        sa.Column("market_beta", sa.Double(), nullable=True, comment="market beta of its symbol; null = unknown"),
        sa.Column("market_r_squared", sa.Double(), nullable=True, comment="R^2 of the market regression"),
        sa.Column("market_observations", sa.BigInteger(), nullable=True, comment="returns in the market regression"),
        sa.Column("rates_beta", sa.Double(), nullable=True, comment="rates beta of its symbol; null = unknown"),
        sa.Column("rates_r_squared", sa.Double(), nullable=True, comment="R^2 of the rates regression"),
        sa.Column("rates_observations", sa.BigInteger(), nullable=True, comment="returns in the rates regression"),
        sa.PrimaryKeyConstraint("portfolio_id", "session", "lot_id", name=op.f("pk_betas_by_position")),
        comment="Market and rates beta of each open lot with a known beta",
    )
    op.create_table(
        "correlations_by_cluster",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("cluster", sa.Integer(), autoincrement=False, nullable=False, comment="1 = largest by value"),
        sa.Column("name", sa.Text(), nullable=False, comment="<largest holding> lookalikes"),
        sa.Column("members", sa.Text(), nullable=False, comment="symbols, comma-separated, largest first"),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="symbols in the cluster"),
        sa.Column("mean_correlation", sa.Double(), nullable=False, comment="mean correlation between members"),
        sa.Column("share_of_gross", sa.Double(), nullable=False, comment="share of gross exposure"),
        sa.PrimaryKeyConstraint("portfolio_id", "session", "cluster", name=op.f("pk_correlations_by_cluster")),
        comment="Groups of holdings that move together: connected components of |correlation| >= 0.7",
    )
    op.create_table(
        "correlations_by_pair",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="first symbol, alphabetically"),
        sa.Column("other_symbol", sa.Text(), nullable=False, comment="second symbol"),
        sa.Column(
            "correlation",
            sa.Double(),
            nullable=False,
            comment="Pearson correlation of 90 simple returns, repaired where flagged",
        ),
        sa.Column("observations", sa.BigInteger(), nullable=False, comment="returns that both have"),
        sa.PrimaryKeyConstraint(
            "portfolio_id", "session", "symbol", "other_symbol", name=op.f("pk_correlations_by_pair")
        ),
        comment="Upper triangle of each portfolio's correlation matrix",
    )
    op.create_table(
        "correlations_by_portfolio",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("mean_correlation", sa.Double(), nullable=True, comment="mean of the upper triangle"),
        sa.Column(
            "mean_abs_correlation", sa.Double(), nullable=True, comment="mean absolute value of the upper triangle"
        ),
        sa.Column("effective_bets", sa.Double(), nullable=True, comment="1 / (w' C w), w = share of |market value|"),
        sa.Column("condition_number", sa.Double(), nullable=True, comment="of the correlation matrix; null = singular"),
        sa.Column("symbols_included", sa.BigInteger(), nullable=False, comment="symbols in the matrix"),
        sa.Column(
            "symbols_excluded",
            sa.BigInteger(),
            nullable=False,
            comment="public symbols held but left out: too small or too short a history",
        ),
        sa.Column("concentration", sa.Double(), nullable=True, comment="share of gross in clusters"),
        sa.Column(
            "is_repaired",
            sa.Boolean(),
            nullable=False,
            comment="matrix was indefinite (pairwise deletion) and was repaired",
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "session", name=op.f("pk_correlations_by_portfolio")),
        comment="Summary of each portfolio's correlation matrix",
    )
    op.create_table(
        "factor_coverage",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column(
            "needed", sa.BigInteger(), nullable=False, comment="symbols that need factor betas: held and factor ETFs"
        ),
        sa.Column("present", sa.BigInteger(), nullable=False, comment="of these, with factor betas on this session"),
        sa.Column(
            "stale",
            sa.BigInteger(),
            nullable=False,
            comment="of these, without factor betas on this session but on an earlier one",
        ),
        sa.Column(
            "missing", sa.BigInteger(), nullable=False, comment="of these, without factor betas up to this session"
        ),
        sa.Column(
            "missing_symbols", sa.Text(), nullable=True, comment="held symbols without, comma-separated; null = none"
        ),
        sa.Column("prices_revision", sa.BigInteger(), nullable=False, comment="newest price load seen when computed"),
        sa.PrimaryKeyConstraint("portfolio_id", "session", name=op.f("pk_factor_coverage")),
        comment="Whether the symbols of a portfolio have factor betas, per session",
    )
    op.create_table(
        "factor_exposures_by_portfolio",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("value_exposure", sa.Double(), nullable=True, comment="sum over lots of weight x value beta"),
        sa.Column("growth_exposure", sa.Double(), nullable=True, comment="sum over lots of weight x growth beta"),
        sa.Column("momentum_exposure", sa.Double(), nullable=True, comment="sum over lots of weight x momentum beta"),
        sa.Column("quality_exposure", sa.Double(), nullable=True, comment="sum over lots of weight x quality beta"),
        sa.Column("size_exposure", sa.Double(), nullable=True, comment="sum over lots of weight x size beta"),
        sa.Column(
            "low_volatility_exposure",
            sa.Double(),
            nullable=True,
            comment="sum over lots of weight x low_volatility beta",
        ),
        sa.Column(
            "growth_value_spread_exposure",
            sa.Double(),
            nullable=True,
            comment="sum over lots of weight x growth_value_spread beta",
        ),
        sa.Column(
            "momentum_spread_exposure",
            sa.Double(),
            nullable=True,
            comment="sum over lots of weight x momentum_spread beta",
        ),
        sa.Column(
            "size_spread_exposure", sa.Double(), nullable=True, comment="sum over lots of weight x size_spread beta"
        ),
        sa.Column(
            "quality_spread_exposure",
            sa.Double(),
            nullable=True,
            comment="sum over lots of weight x quality_spread beta",
        ),
        sa.Column("value_exposure_usd", sa.Double(), nullable=True, comment="value exposure x equity, USD"),
        sa.Column("growth_exposure_usd", sa.Double(), nullable=True, comment="growth exposure x equity, USD"),
        sa.Column("momentum_exposure_usd", sa.Double(), nullable=True, comment="momentum exposure x equity, USD"),
        sa.Column("quality_exposure_usd", sa.Double(), nullable=True, comment="quality exposure x equity, USD"),
        sa.Column("size_exposure_usd", sa.Double(), nullable=True, comment="size exposure x equity, USD"),
        sa.Column(
            "low_volatility_exposure_usd", sa.Double(), nullable=True, comment="low_volatility exposure x equity, USD"
        ),
        sa.Column(
            "growth_value_spread_exposure_usd",
            sa.Double(),
            nullable=True,
            comment="growth_value_spread exposure x equity, USD",
        ),
        sa.Column(
            "momentum_spread_exposure_usd", sa.Double(), nullable=True, comment="momentum_spread exposure x equity, USD"
        ),
        sa.Column("size_spread_exposure_usd", sa.Double(), nullable=True, comment="size_spread exposure x equity, USD"),
        sa.Column(
            "quality_spread_exposure_usd", sa.Double(), nullable=True, comment="quality_spread exposure x equity, USD"
        ),
        sa.Column("value_coverage", sa.Double(), nullable=True, comment="share of |market value| with a value beta"),
        sa.Column("growth_coverage", sa.Double(), nullable=True, comment="share of |market value| with a growth beta"),
        sa.Column(
            "momentum_coverage", sa.Double(), nullable=True, comment="share of |market value| with a momentum beta"
        ),
        sa.Column(
            "quality_coverage", sa.Double(), nullable=True, comment="share of |market value| with a quality beta"
        ),
        sa.Column("size_coverage", sa.Double(), nullable=True, comment="share of |market value| with a size beta"),
        sa.Column(
            "low_volatility_coverage",
            sa.Double(),
            nullable=True,
            comment="share of |market value| with a low_volatility beta",
        ),
        sa.Column(
            "growth_value_spread_coverage",
            sa.Double(),
            nullable=True,
            comment="share of |market value| with a growth_value_spread beta",
        ),
        sa.Column(
            "momentum_spread_coverage",
            sa.Double(),
            nullable=True,
            comment="share of |market value| with a momentum_spread beta",
        ),
        sa.Column(
            "size_spread_coverage",
            sa.Double(),
            nullable=True,
            comment="share of |market value| with a size_spread beta",
        ),
        sa.Column(
            "quality_spread_coverage",
            sa.Double(),
            nullable=True,
            comment="share of |market value| with a quality_spread beta",
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "session", name=op.f("pk_factor_exposures_by_portfolio")),
        comment="Exposure of each portfolio to the ten style and spread factors",
    )
    op.create_table(
        "factor_exposures_by_position",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("lot_id", sa.Text(), nullable=False, comment="lot"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="listed instrument"),
        sa.Column("value_exposure", sa.Double(), nullable=True, comment="weight x value beta; null = unknown"),
        sa.Column("growth_exposure", sa.Double(), nullable=True, comment="weight x growth beta; null = unknown"),
        sa.Column("momentum_exposure", sa.Double(), nullable=True, comment="weight x momentum beta; null = unknown"),
        sa.Column("quality_exposure", sa.Double(), nullable=True, comment="weight x quality beta; null = unknown"),
        sa.Column("size_exposure", sa.Double(), nullable=True, comment="weight x size beta; null = unknown"),
        sa.Column(
            "low_volatility_exposure",
            sa.Double(),
            nullable=True,
            comment="weight x low_volatility beta; null = unknown",
        ),
        sa.Column(
            "growth_value_spread_exposure",
            sa.Double(),
            nullable=True,
            comment="weight x growth_value_spread beta; null = unknown",
        ),
        sa.Column(
            "momentum_spread_exposure",
            sa.Double(),
            nullable=True,
            comment="weight x momentum_spread beta; null = unknown",
        ),
        sa.Column(
            "size_spread_exposure", sa.Double(), nullable=True, comment="weight x size_spread beta; null = unknown"
        ),
        sa.Column(
            "quality_spread_exposure",
            sa.Double(),
            nullable=True,
            comment="weight x quality_spread beta; null = unknown",
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "session", "lot_id", name=op.f("pk_factor_exposures_by_position")),
        comment="Exposure of each open lot to the ten style and spread factors",
    )
    op.create_table(
        "holdings_changes",
        sa.Column(
            "change_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
            comment="running number",
        ),
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio whose lots or flows changed"),
        sa.Column("effective_from", sa.Date(), nullable=False, comment="first day whose numbers the change can alter"),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="lot_added, lot_changed, lot_removed, flow_added, flow_changed or flow_removed",
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, comment="when, UTC"),
        sa.PrimaryKeyConstraint("change_id", name=op.f("pk_holdings_changes")),
        comment="Journal of lots and cash_flows, written by triggers: no writer can forget it, whatever its code",
    )
    op.create_index(
        "ix_holdings_changes_portfolio_id_effective_from",
        "holdings_changes",
        ["portfolio_id", "effective_from"],
        unique=False,
    )
    op.create_table(
        "market_prices",
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="listed instrument"),
        sa.Column("open", sa.Double(), nullable=True, comment="open as traded, USD"),
        sa.Column("high", sa.Double(), nullable=True, comment="high as traded, USD"),
        sa.Column("low", sa.Double(), nullable=True, comment="low as traded, USD"),
        sa.Column("close", sa.Double(), nullable=False, comment="close as traded, USD"),
        sa.Column("volume", sa.Double(), nullable=True, comment="shares traded"),
        sa.Column(
            "split_factor",
            sa.Double(),
            nullable=False,
            comment="2 for a 2-for-1 split effective at this session's open, else 1",
        ),
        sa.Column("dividend", sa.Double(), nullable=False, comment="cash per share going ex this session, USD, else 0"),
        sa.Column("source", sa.Text(), nullable=False, comment="price source"),
        sa.Column(
            "loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when this row was last written, UTC"
        ),
        sa.Column("revision", sa.BigInteger(), nullable=False, comment="load that last wrote this row"),
        sa.PrimaryKeyConstraint("session", "symbol", name=op.f("pk_market_prices")),
        comment="Daily prices as traded; never rewritten for a later split or dividend",
    )
    op.create_index(
        "ix_market_prices_actions",
        "market_prices",
        ["symbol", "session"],
        unique=False,
        sqlite_where=sa.text("split_factor != 1 OR dividend != 0"),
        postgresql_where=sa.text("split_factor != 1 OR dividend != 0"),
    )
    op.create_index("ix_market_prices_revision", "market_prices", ["revision"], unique=False)
    op.create_index("ix_market_prices_symbol_session", "market_prices", ["symbol", "session"], unique=False)
    op.create_table(
        "metric_coverage",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("needed", sa.BigInteger(), nullable=False, comment="symbols that need metrics: held and factor ETFs"),
        sa.Column("present", sa.BigInteger(), nullable=False, comment="of these, with metrics on this session"),
        sa.Column(
            "stale",
            sa.BigInteger(),
            nullable=False,
            comment="of these, without metrics on this session but on an earlier one",
        ),
        sa.Column("missing", sa.BigInteger(), nullable=False, comment="of these, without metrics up to this session"),
        sa.Column(
            "missing_symbols", sa.Text(), nullable=True, comment="held symbols without, comma-separated; null = none"
        ),
        sa.Column("prices_revision", sa.BigInteger(), nullable=False, comment="newest price load seen when computed"),
        sa.PrimaryKeyConstraint("portfolio_id", "session", name=op.f("pk_metric_coverage")),
        comment="Whether the symbols of a portfolio have metrics, per session",
    )
    op.create_table(
        "portfolio_snapshots",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column(
            "equity", sa.Double(), nullable=False, comment="initial equity + P&L + dividends + flows to date, USD"
        ),
        sa.Column("daily_pnl", sa.Double(), nullable=False, comment="change of equity less flows, USD"),
        sa.Column(
            "daily_return", sa.Double(), nullable=True, comment="daily P&L / previous equity; null if that is not > 0"
        ),
        sa.Column("cumulative_pnl", sa.Double(), nullable=False, comment="P&L since inception, USD"),
        sa.Column("realized_pnl", sa.Double(), nullable=False, comment="P&L of lots closed this session, USD"),
        sa.Column(
            "dividend_income", sa.Double(), nullable=False, comment="dividends going ex this session, shorts pay, USD"
        ),
        sa.Column("price_pnl", sa.Double(), nullable=False, comment="daily P&L less dividend income, USD"),
        sa.Column("cash", sa.Double(), nullable=False, comment="equity less net market value, USD; negative = margin"),
        sa.Column("long_value", sa.Double(), nullable=False, comment="market value of long lots, USD"),
        sa.Column("short_value", sa.Double(), nullable=False, comment="market value of short lots, USD, <= 0"),
        sa.Column("gross_exposure", sa.Double(), nullable=False, comment="long_value - short_value, USD"),
        sa.Column("net_exposure", sa.Double(), nullable=False, comment="long_value + short_value, USD"),
        sa.Column("leverage", sa.Double(), nullable=True, comment="gross_exposure / equity; null if equity is not > 0"),
        sa.Column("positions", sa.BigInteger(), nullable=False, comment="open lots"),
        sa.Column("long_positions", sa.BigInteger(), nullable=False, comment="open lots with quantity > 0"),
        sa.Column("short_positions", sa.BigInteger(), nullable=False, comment="open lots with quantity < 0"),
        sa.Column(
            "lots_unpriced",
            sa.BigInteger(),
            nullable=False,
            comment="open lots whose price is more than 5 sessions old or was never seen",
        ),
        sa.Column(
            "lots_stale", sa.BigInteger(), nullable=False, comment="open lots whose price is older than this session"
        ),
        sa.Column(
            "hhi",
            sa.Double(),
            nullable=True,
            comment="10,000 x sum of squared shares of gross, by symbol; null without positions",
        ),
        sa.Column(
            "effective_positions",
            sa.Double(),
            nullable=True,
            comment="1 / sum of squared shares; null without positions",
        ),
        sa.Column("top_3_weight", sa.Double(), nullable=True, comment="share of gross of the 3 largest symbols"),
        sa.Column("top_10_weight", sa.Double(), nullable=True, comment="share of gross of the 10 largest symbols"),
        sa.Column("capital_flow", sa.Double(), nullable=False, comment="flows since the previous session, USD"),
        sa.Column("cumulative_capital_flow", sa.Double(), nullable=False, comment="flows since inception, USD"),
        sa.Column(
            "max_drawdown",
            sa.Double(),
            nullable=True,
            comment="deepest fall of the time-weighted index from its peak to date, <= 0",
        ),
        sa.Column("time_weighted_return", sa.Double(), nullable=True, comment="compounded daily returns to date"),
        sa.PrimaryKeyConstraint("portfolio_id", "session", name=op.f("pk_portfolio_snapshots")),
        comment="Equity, P&L, exposure and concentration of each portfolio",
    )
    op.create_table(
        "portfolios",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column(
            "name",
            sa.Text(),
            nullable=False,
            comment="name given by the owner, 1 to 255 characters; unique among active portfolios",
        ),
        sa.Column(
            "account_type",
            sa.Text(),
            nullable=False,
            comment="taxable, ira, roth_ira, 401k, 403b, 529, hsa, trust or other",
        ),
        sa.Column("currency", sa.Text(), nullable=False, comment="USD"),
        sa.Column(
            "initial_equity_usd", sa.Double(), nullable=False, comment="equity at inception, USD; never rewritten"
        ),
        sa.Column("inception", sa.Date(), nullable=False, comment="first day of its history"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="when it was imported, UTC"),
        sa.Column(
            "deleted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it was removed; null while active, UTC",
        ),
        sa.PrimaryKeyConstraint("portfolio_id", name=op.f("pk_portfolios")),
        comment="Portfolios; active while deleted_at is null",
    )
    op.create_index(
        "uq_portfolios_active_name",
        "portfolios",
        ["name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "position_values",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("lot_id", sa.Text(), nullable=False, comment="lot"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="listed instrument; for options the contract"),
        sa.Column("investment_class", sa.Text(), nullable=False, comment="PUBLIC, OPTIONS or PRIVATE"),
        sa.Column(
            "quantity", sa.Double(), nullable=False, comment="shares or contracts as held this session (after splits)"
        ),
        sa.Column("price", sa.Double(), nullable=False, comment="price used, USD"),
        sa.Column(
            "price_session", sa.Date(), nullable=True, comment="session that the price comes from; null = entry price"
        ),
        sa.Column("is_stale", sa.Boolean(), nullable=False, comment="price is older than this session"),
        sa.Column(
            "is_modelled", sa.Boolean(), nullable=False, comment="price is a Black-Scholes value, for want of a quote"
        ),
        sa.Column("market_value", sa.Double(), nullable=False, comment="quantity x multiplier x price, USD"),
        sa.Column(
            "cost_basis", sa.Double(), nullable=False, comment="entered quantity x multiplier x entry price, USD"
        ),
        sa.Column("unrealized_pnl", sa.Double(), nullable=False, comment="market_value - cost_basis, USD"),
        sa.Column("daily_pnl", sa.Double(), nullable=False, comment="P&L of this session, dividends included, USD"),
        sa.Column("weight", sa.Double(), nullable=True, comment="market_value / equity; null if equity is not > 0"),
        sa.Column(
            "risk_symbol",
            sa.Text(),
            nullable=True,
            comment="symbol whose betas and returns apply: its own, the underlying of an option; null = none",
        ),
        sa.Column(
            "risk_value",
            sa.Double(),
            nullable=True,
            comment="market value, or delta-equivalent value of an option, USD; null without risk_symbol",
        ),
        sa.Column(
            "risk_weight",
            sa.Double(),
            nullable=True,
            comment="risk_value / equity; null if equity is not > 0 or without risk_symbol",
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "session", "lot_id", name=op.f("pk_position_values")),
        comment="Value of each open lot",
    )
    op.create_table(
        "price_coverage",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("needed", sa.BigInteger(), nullable=False, comment="symbols that need prices: held and factor ETFs"),
        sa.Column("present", sa.BigInteger(), nullable=False, comment="of these, with prices on this session"),
        sa.Column(
            "stale",
            sa.BigInteger(),
            nullable=False,
            comment="of these, without prices on this session but on an earlier one",
        ),
        sa.Column("missing", sa.BigInteger(), nullable=False, comment="of these, without prices up to this session"),
        sa.Column(
            "missing_symbols", sa.Text(), nullable=True, comment="held symbols without, comma-separated; null = none"
        ),
        sa.Column("prices_revision", sa.BigInteger(), nullable=False, comment="newest price load seen when computed"),
        sa.Column(
            "holdings_revision",
            sa.BigInteger(),
            nullable=False,
            comment="changes of lots and flows in effect by this session when computed",
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "session", name=op.f("pk_price_coverage")),
        comment="Whether the symbols of a portfolio have prices, per session",
    )
    op.create_table(
        "price_gaps",
        sa.Column("symbol", sa.Text(), nullable=False, comment="listed instrument"),
        sa.Column("session", sa.Date(), nullable=False, comment="session that was asked for and had no price"),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=False,
            comment="unknown_symbol, not_yet_listed, delisted, late, no_bar, rejected or not_covered",
        ),
        sa.Column("detail", sa.Text(), nullable=False, comment="what the source said"),
        sa.Column("source", sa.Text(), nullable=False, comment="price source"),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False, comment="when it was last asked for, UTC"),
        sa.Column("next_try", sa.Date(), nullable=True, comment="first day on which to ask again; null = never"),
        sa.PrimaryKeyConstraint("symbol", "session", name=op.f("pk_price_gaps")),
        comment="What a source could not serve, so that it is not asked again each session",
    )
    op.create_table(
        "price_loads",
        sa.Column(
            "revision",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
            comment="running number of the load; grows in the order of commit",
        ),
        sa.Column("source", sa.Text(), nullable=False, comment="price source"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when, UTC"),
        sa.Column("rows", sa.BigInteger(), nullable=False, comment="price rows written"),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_price_loads")),
        comment="One row per transaction that wrote prices",
    )
    op.create_table(
        "symbol_factors",
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="listed instrument"),
        sa.Column(
            "market_beta", sa.Double(), nullable=True, comment="market beta, capped at +-5; null = too few returns"
        ),
        sa.Column(
            "rates_beta", sa.Double(), nullable=True, comment="rates beta, capped at +-5; null = too few returns"
        ),
        sa.Column(
            "value_beta", sa.Double(), nullable=True, comment="value beta, capped at +-5; null = too few returns"
        ),
        sa.Column(
            "growth_beta", sa.Double(), nullable=True, comment="growth beta, capped at +-5; null = too few returns"
        ),
        sa.Column(
            "momentum_beta", sa.Double(), nullable=True, comment="momentum beta, capped at +-5; null = too few returns"
        ),
        sa.Column(
            "quality_beta", sa.Double(), nullable=True, comment="quality beta, capped at +-5; null = too few returns"
        ),
        sa.Column("size_beta", sa.Double(), nullable=True, comment="size beta, capped at +-5; null = too few returns"),
        sa.Column(
            "low_volatility_beta",
            sa.Double(),
            nullable=True,
            comment="low_volatility beta, capped at +-5; null = too few returns",
        ),
        sa.Column(
            "growth_value_spread_beta",
            sa.Double(),
            nullable=True,
            comment="growth_value_spread beta, capped at +-5; null = too few returns",
        ),
        sa.Column(
            "momentum_spread_beta",
            sa.Double(),
            nullable=True,
            comment="momentum_spread beta, capped at +-5; null = too few returns",
        ),
        sa.Column(
            "size_spread_beta",
            sa.Double(),
            nullable=True,
            comment="size_spread beta, capped at +-5; null = too few returns",
        ),
        sa.Column(
            "quality_spread_beta",
            sa.Double(),
            nullable=True,
            comment="quality_spread beta, capped at +-5; null = too few returns",
        ),
        sa.Column("market_std_error", sa.Double(), nullable=True, comment="standard error of the market beta"),
        sa.Column("rates_std_error", sa.Double(), nullable=True, comment="standard error of the rates beta"),
        sa.Column("value_std_error", sa.Double(), nullable=True, comment="standard error of the value beta"),
        sa.Column("growth_std_error", sa.Double(), nullable=True, comment="standard error of the growth beta"),
        sa.Column("momentum_std_error", sa.Double(), nullable=True, comment="standard error of the momentum beta"),
        sa.Column("quality_std_error", sa.Double(), nullable=True, comment="standard error of the quality beta"),
        sa.Column("size_std_error", sa.Double(), nullable=True, comment="standard error of the size beta"),
        sa.Column(
            "low_volatility_std_error", sa.Double(), nullable=True, comment="standard error of the low_volatility beta"
        ),
        sa.Column(
            "growth_value_spread_std_error",
            sa.Double(),
            nullable=True,
            comment="standard error of the growth_value_spread beta",
        ),
        sa.Column(
            "momentum_spread_std_error",
            sa.Double(),
            nullable=True,
            comment="standard error of the momentum_spread beta",
        ),
        sa.Column(
            "size_spread_std_error", sa.Double(), nullable=True, comment="standard error of the size_spread beta"
        ),
        sa.Column(
            "quality_spread_std_error", sa.Double(), nullable=True, comment="standard error of the quality_spread beta"
        ),
        sa.Column("market_alpha", sa.Double(), nullable=True, comment="intercept of the market regression, per day"),
        sa.Column("market_r_squared", sa.Double(), nullable=True, comment="R^2 of the market regression"),
        sa.Column("rates_r_squared", sa.Double(), nullable=True, comment="R^2 of the rates regression"),
        sa.Column("style_r_squared", sa.Double(), nullable=True, comment="R^2 of the style regression"),
        sa.Column(
            "growth_value_spread_r_squared",
            sa.Double(),
            nullable=True,
            comment="R^2 of the growth_value_spread regression",
        ),
        sa.Column(
            "momentum_spread_r_squared", sa.Double(), nullable=True, comment="R^2 of the momentum_spread regression"
        ),
        sa.Column("size_spread_r_squared", sa.Double(), nullable=True, comment="R^2 of the size_spread regression"),
        sa.Column(
            "quality_spread_r_squared", sa.Double(), nullable=True, comment="R^2 of the quality_spread regression"
        ),
        sa.Column("market_observations", sa.BigInteger(), nullable=True, comment="returns in the market regression"),
        sa.Column("rates_observations", sa.BigInteger(), nullable=True, comment="returns in the rates regression"),
        sa.Column("style_observations", sa.BigInteger(), nullable=True, comment="returns in the style regression"),
        sa.Column(
            "growth_value_spread_observations",
            sa.BigInteger(),
            nullable=True,
            comment="returns in the growth_value_spread regression",
        ),
        sa.Column(
            "momentum_spread_observations",
            sa.BigInteger(),
            nullable=True,
            comment="returns in the momentum_spread regression",
        ),
        sa.Column(
            "size_spread_observations", sa.BigInteger(), nullable=True, comment="returns in the size_spread regression"
        ),
        sa.Column(
            "quality_spread_observations",
            sa.BigInteger(),
            nullable=True,
            comment="returns in the quality_spread regression",
        ),
        sa.Column("prices_revision", sa.BigInteger(), nullable=False, comment="newest price load seen when computed"),
        sa.PrimaryKeyConstraint("session", "symbol", name=op.f("pk_symbol_factors")),
        comment="Factor betas of each symbol; one wide row for twelve factors, tidy in exports",
    )
    op.create_table(
        "symbol_metrics",
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="listed instrument"),
        sa.Column("close", sa.Double(), nullable=False, comment="close as traded, USD"),
        sa.Column(
            "return_1d", sa.Double(), nullable=True, comment="total return, since the previous session; 0.01 is 1 %"
        ),
        sa.Column(
            "return_mtd",
            sa.Double(),
            nullable=True,
            comment="total return, since the end of the previous month; 0.01 is 1 %",
        ),
        sa.Column(
            "return_ytd",
            sa.Double(),
            nullable=True,
            comment="total return, since the end of the previous year; 0.01 is 1 %",
        ),
        sa.Column(
            "return_1m",
            sa.Double(),
            nullable=True,
            comment="total return, since the same day 1 month earlier; 0.01 is 1 %",
        ),
        sa.Column(
            "return_3m",
            sa.Double(),
            nullable=True,
            comment="total return, since the same day 3 months earlier; 0.01 is 1 %",
        ),
        sa.Column(
            "return_1y",
            sa.Double(),
            nullable=True,
            comment="total return, since the same day 12 months earlier; 0.01 is 1 %",
        ),
        sa.Column(
            "volatility_21d", sa.Double(), nullable=True, comment="realised volatility of the last 21 returns, per year"
        ),
        sa.Column(
            "volatility_63d", sa.Double(), nullable=True, comment="realised volatility of the last 63 returns, per year"
        ),
        sa.Column("volume", sa.Double(), nullable=True, comment="shares traded"),
        sa.Column("prices_revision", sa.BigInteger(), nullable=False, comment="newest price load seen when computed"),
        sa.PrimaryKeyConstraint("session", "symbol", name=op.f("pk_symbol_metrics")),
        comment="Returns and realised volatility of each symbol",
    )
    op.create_table(
        "symbols",
        sa.Column("symbol", sa.Text(), nullable=False, comment="listed instrument"),
        sa.Column("status", sa.Text(), nullable=False, comment="active, unknown or delisted"),
        sa.Column("detail", sa.Text(), nullable=True, comment="why, in the source's words"),
        sa.Column("renamed_to", sa.Text(), nullable=True, comment="its symbol after a rename"),
        sa.Column("source", sa.Text(), nullable=False, comment="price source that said so"),
        sa.Column("next_try", sa.Date(), nullable=True, comment="first day on which to ask again; null = never"),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, comment="when this was learnt, UTC"),
        sa.PrimaryKeyConstraint("symbol", name=op.f("pk_symbols")),
        comment="What price sources said of a symbol as a whole; symbols without a remark have no row",
    )
    op.create_table(
        "volatility_by_portfolio",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column(
            "realized_21d", sa.Double(), nullable=True, comment="realised volatility of the last 21 returns, per year"
        ),
        sa.Column(
            "realized_63d", sa.Double(), nullable=True, comment="realised volatility of the last 63 returns, per year"
        ),
        sa.Column(
            "expected_21d",
            sa.Double(),
            nullable=True,
            comment="HAR-RV forecast of the next 21 sessions' volatility, per year",
        ),
        sa.Column("r_squared", sa.Double(), nullable=True, comment="R^2 of the HAR regression"),
        sa.Column("observations", sa.BigInteger(), nullable=True, comment="targets in the HAR regression"),
        sa.Column("trend", sa.Text(), nullable=True, comment="increasing, decreasing or stable"),
        sa.Column("trend_ratio", sa.Double(), nullable=True, comment="realized_21d / realized_63d"),
        sa.Column(
            "percentile", sa.Double(), nullable=True, comment="share of the last 252 realized_21d that are <= today's"
        ),
        sa.Column(
            "coverage",
            sa.Double(),
            nullable=True,
            comment="mean share of |weight| with a return over the last 63 sessions",
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "session", name=op.f("pk_volatility_by_portfolio")),
        comment="Volatility of each portfolio at the weights of the session",
    )
    op.create_table(
        "volatility_by_symbol",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="symbol held, or underlying of an option held"),
        sa.Column(
            "realized_21d", sa.Double(), nullable=True, comment="realised volatility of the last 21 returns, per year"
        ),
        sa.Column(
            "realized_63d", sa.Double(), nullable=True, comment="realised volatility of the last 63 returns, per year"
        ),
        sa.Column(
            "expected_21d",
            sa.Double(),
            nullable=True,
            comment="HAR-RV forecast of the next 21 sessions' volatility, per year",
        ),
        sa.Column("r_squared", sa.Double(), nullable=True, comment="R^2 of the HAR regression"),
        sa.Column("observations", sa.BigInteger(), nullable=True, comment="targets in the HAR regression"),
        sa.Column("trend", sa.Text(), nullable=True, comment="increasing, decreasing or stable"),
        sa.Column("trend_ratio", sa.Double(), nullable=True, comment="realized_21d / realized_63d"),
        sa.Column(
            "percentile", sa.Double(), nullable=True, comment="share of the last 252 realized_21d that are <= today's"
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "session", "symbol", name=op.f("pk_volatility_by_symbol")),
        comment="Volatility of each symbol held",
    )
    op.create_table(
        "cash_flows",
        sa.Column("flow_id", sa.Text(), nullable=False, comment="cash flow (uuid)"),
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio that the cash moves in or out of"),
        sa.Column("flow_date", sa.Date(), nullable=False, comment="day of the flow"),
        sa.Column("amount_usd", sa.Double(), nullable=False, comment="+ contribution, - withdrawal, USD"),
        sa.ForeignKeyConstraint(["portfolio_id"], ["portfolios.portfolio_id"], name=op.f("fk_cash_flows_portfolio_id")),
        sa.PrimaryKeyConstraint("flow_id", name=op.f("pk_cash_flows")),
        comment="External cash flows",
    )
    op.create_index(op.f("ix_cash_flows_portfolio_id"), "cash_flows", ["portfolio_id"], unique=False)
    op.create_table(
        "lots",
        sa.Column("lot_id", sa.Text(), nullable=False, comment="lot (uuid)"),
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio that holds the lot"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="upper-case symbol; for options the contract"),
        sa.Column(
            "quantity",
            sa.Double(),
            nullable=False,
            comment="signed shares or contracts as entered; negative = short or written",
        ),
        sa.Column("entry_price", sa.Double(), nullable=False, comment="price per share at entry, USD"),
        sa.Column("entry_date", sa.Date(), nullable=False, comment="day of entry"),
        sa.Column("exit_date", sa.Date(), nullable=True, comment="day of exit; null while open"),
        sa.Column("exit_price", sa.Double(), nullable=True, comment="price per share at exit, USD; null while open"),
        sa.Column("investment_class", sa.Text(), nullable=False, comment="PUBLIC, OPTIONS or PRIVATE"),
        sa.Column("investment_subtype", sa.Text(), nullable=True, comment="subtype of the class, or null"),
        sa.Column("underlying_symbol", sa.Text(), nullable=True, comment="underlying of an option"),
        sa.Column("strike_price", sa.Double(), nullable=True, comment="strike of an option, USD"),
        sa.Column("expiration_date", sa.Date(), nullable=True, comment="expiration of an option"),
        sa.Column("option_type", sa.Text(), nullable=True, comment="CALL or PUT"),
        sa.ForeignKeyConstraint(["portfolio_id"], ["portfolios.portfolio_id"], name=op.f("fk_lots_portfolio_id")),
        sa.PrimaryKeyConstraint("lot_id", name=op.f("pk_lots")),
        comment="Lots: one purchase or short sale each; open on d iff entry_date <= d and (no exit_date or exit_date > d)",
    )
    op.create_index(op.f("ix_lots_portfolio_id"), "lots", ["portfolio_id"], unique=False)
    op.create_index(op.f("ix_lots_symbol"), "lots", ["symbol"], unique=False)
