"""The tables: the one truth about columns, types, keys, units. Migrations, checks, exports and the UI are made from it.

Key columns come in the order portfolio_id, session, symbol/lot. A table belongs to the asset whose name it starts
with: `betas_by_position` and `betas_by_portfolio` are the family of the asset `betas`. `Column.info` may carry
`min`/`max` (a closed range that every value must lie in), from which asset checks are generated.
"""

import sqlalchemy as sa

from sigma_assets.base.conventions import EXPOSURE_FACTORS, FACTORS, MOST_SCENARIOS, REGRESSIONS

SCHEMA = "sigma"
"""Schema of our tables on PostgreSQL; on SQLite they have a file of their own."""

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

packed = sa.MetaData()
"""Tables that are read and written as any other, but stored packed: see `PACKED`."""


def _text(name: str, comment: str, *, key: bool = False, null: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text, primary_key=key, nullable=null and not key, comment=comment)


def _session(
    comment: str = "NYSE session", *, name: str = "session", key: bool = True, null: bool = False
) -> sa.Column:
    return sa.Column(name, sa.Date, primary_key=key, nullable=null, comment=comment)


def _number(
    name: str, comment: str, *, null: bool = False, low: float | None = None, high: float | None = None
) -> sa.Column:
    info = {bound: value for bound, value in (("min", low), ("max", high)) if value is not None}
    return sa.Column(name, sa.Double, nullable=null, comment=comment, info=info)


def _count(name: str, comment: str, *, null: bool = False) -> sa.Column:
    return sa.Column(name, sa.BigInteger, nullable=null, comment=comment, info={"min": 0})


def _flag(name: str, comment: str) -> sa.Column:
    return sa.Column(name, sa.Boolean, nullable=False, comment=comment)


def _moment(name: str, comment: str, *, null: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=null, comment=f"{comment}, UTC")


def _portfolio_key() -> sa.Column:
    return _text("portfolio_id", "portfolio (uuid)", key=True)


# --- inputs (SPEC 2) -------------------------------------------------------------------------------------------------

portfolios = sa.Table(
    "portfolios",
    metadata,
    _portfolio_key(),
    _text("name", "name given by the owner, 1 to 255 characters; unique among active portfolios"),
    _text("account_type", "taxable, ira, roth_ira, 401k, 403b, 529, hsa, trust or other"),
    _text("currency", "USD"),
    _number("initial_equity_usd", "equity at inception, USD; never rewritten", low=0, high=1e12),
    _session("first day of its history", name="inception", key=False),
    _moment("created_at", "when it was imported"),
    _moment("deleted_at", "when it was removed; null while active", null=True),
    comment="Portfolios; active while deleted_at is null",
)
sa.Index(
    "uq_portfolios_active_name",
    portfolios.c.name,
    unique=True,
    sqlite_where=portfolios.c.deleted_at.is_(None),
    postgresql_where=portfolios.c.deleted_at.is_(None),
)

portfolio_partitions = sa.Table(
    "portfolio_partitions",
    metadata,
    sa.Column(
        "ordinal",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
        comment="running number; never reused, so that a run can write down which portfolios it covers",
    ),
    sa.Column(
        "portfolio_id",
        sa.Text,
        sa.ForeignKey("portfolios.portfolio_id"),
        nullable=False,
        unique=True,
        comment="portfolio (uuid)",
    ),
    sa.Column(
        "partition_name",
        sa.Text,
        nullable=False,
        unique=True,
        comment="its partition in Dagster: slug of the name it had then, and the beginning of its id; never reused",
    ),
    _text("adopted_by", "who made it a partition and so asks for its first run: import, sensor or command"),
    _moment("adopted_at", "when"),
    comment="Portfolios that became partitions, in this order; a removed portfolio keeps its line",
    sqlite_autoincrement=True,
)

lots = sa.Table(
    "lots",
    metadata,
    _text("lot_id", "lot (uuid)", key=True),
    sa.Column(
        "portfolio_id",
        sa.Text,
        sa.ForeignKey("portfolios.portfolio_id"),
        nullable=False,
        index=True,
        comment="portfolio that holds the lot",
    ),
    sa.Column("symbol", sa.Text, nullable=False, index=True, comment="upper-case symbol; for options the contract"),
    _number("quantity", "signed shares or contracts as entered; negative = short or written"),
    _number("entry_price", "price per share at entry, USD", low=0),
    _session("day of entry", name="entry_date", key=False),
    _session("day of exit; null while open", name="exit_date", key=False, null=True),
    _number("exit_price", "price per share at exit, USD; null while open", null=True, low=0),
    _text("investment_class", "PUBLIC, OPTIONS or PRIVATE"),
    _text("investment_subtype", "subtype of the class, or null", null=True),
    _text("underlying_symbol", "underlying of an option", null=True),
    _number("strike_price", "strike of an option, USD", null=True, low=0),
    _session("expiration of an option", name="expiration_date", key=False, null=True),
    _text("option_type", "CALL or PUT", null=True),
    _number(
        "multiplier",
        "quantity x price x this is USD; null for the usual one: 100 for options, 0.01 for bonds, else 1",
        null=True,
        low=0,
    ),
    comment="Lots: one purchase or short sale each; open on d iff entry_date <= d and (no exit_date or exit_date > d)",
)

cash_flows = sa.Table(
    "cash_flows",
    metadata,
    _text("flow_id", "cash flow (uuid)", key=True),
    sa.Column(
        "portfolio_id",
        sa.Text,
        sa.ForeignKey("portfolios.portfolio_id"),
        nullable=False,
        index=True,
        comment="portfolio that the cash moves in or out of",
    ),
    _session("day of the flow", name="flow_date", key=False),
    _number("amount_usd", "+ contribution, - withdrawal, USD"),
    sa.Column(
        "kind",
        sa.Text,
        nullable=False,
        server_default="external",
        comment="external (contribution, withdrawal), or P&L: fee, interest or tax",
    ),
    comment="External cash flows",
)

holdings_edits = sa.Table(
    "holdings_edits",
    metadata,
    sa.Column(
        "edit_id",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
        comment="running number",
    ),
    sa.Column("portfolio_id", sa.Text, nullable=False, index=True, comment="portfolio that was edited"),
    _text("edit", "what was done, in words"),
    _text("rows_before", "lots and flows before, JSON"),
    _text("rows_after", "the same rows after, JSON"),
    _moment("edited_at", "when"),
    comment="Edits of holdings by a command, so that the last one can be undone",
)

holdings_changes = sa.Table(
    "holdings_changes",
    metadata,
    sa.Column(
        "change_id",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
        comment="running number",
    ),
    sa.Column("portfolio_id", sa.Text, nullable=False, comment="portfolio whose lots or flows changed"),
    _session("first day whose numbers the change can alter", name="effective_from", key=False),
    _text("kind", "lot_added, lot_changed, lot_removed, flow_added, flow_changed or flow_removed"),
    _moment("changed_at", "when"),
    sa.Index("ix_holdings_changes_portfolio_id_effective_from", "portfolio_id", "effective_from"),
    comment="Journal of lots and cash_flows, written by triggers: no writer can forget it, whatever its code",
)

method_versions = sa.Table(
    "method_versions",
    metadata,
    _text("asset", "asset whose numbers the method gives", key=True),
    sa.Column("code_version", sa.BigInteger, nullable=False, comment="newest version of its method seen so far"),
    sa.Column(
        "older_until",
        sa.BigInteger,
        nullable=False,
        comment="newest event of Dagster's log that is of an older version",
    ),
    _moment("noted_at", "when the version was first seen"),
    comment="Where the numbers of an older method end and those of the newest begin",
)

classifications = sa.Table(
    "classifications",
    metadata,
    _text("symbol", "listed instrument", key=True),
    _text("scheme", "what is classified: sector, country, asset class, ...", key=True),
    _text("class", "class of the scheme", key=True),
    _number(
        "weight", "share of the symbol that belongs to the class; adds up to 1 by symbol and scheme", low=0, high=1
    ),
    _moment("updated_at", "when it was read"),
    comment="Classes of symbols, look-through included: several rows of a symbol and scheme",
)

# --- market (SPEC 3, 4.1, 4.2) -----------------------------------------------------------------------------------------

price_loads = sa.Table(
    "price_loads",
    metadata,
    sa.Column(
        "revision",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
        comment="running number of the load; grows in the order of commit",
    ),
    _text("source", "price source"),
    _moment("loaded_at", "when"),
    _count("rows", "price rows written"),
    comment="One row per transaction that wrote prices",
)

market_prices = sa.Table(
    "market_prices",
    metadata,
    _session(),
    _text("symbol", "listed instrument", key=True),
    _number("open", "open as traded, USD", null=True, low=0),
    _number("high", "high as traded, USD", null=True, low=0),
    _number("low", "low as traded, USD", null=True, low=0),
    _number("close", "close as traded, USD", low=0),
    _number("volume", "shares traded", null=True, low=0),
    _number("split_factor", "2 for a 2-for-1 split effective at this session's open, else 1", low=0),
    _number("dividend", "cash per share going ex this session, USD, else 0", low=0),
    _text("source", "price source"),
    _moment("loaded_at", "when this row was last written"),
    sa.Column("revision", sa.BigInteger, nullable=False, comment="load that last wrote this row"),
    sa.Index("ix_market_prices_symbol_session", "symbol", "session"),
    sa.Index("ix_market_prices_revision", "revision"),
    comment="Daily prices as traded; never rewritten for a later split or dividend",
)
sa.Index(
    "ix_market_prices_actions",
    market_prices.c.symbol,
    market_prices.c.session,
    sqlite_where=sa.or_(market_prices.c.split_factor != 1, market_prices.c.dividend != 0),
    postgresql_where=sa.or_(market_prices.c.split_factor != 1, market_prices.c.dividend != 0),
)

price_gaps = sa.Table(
    "price_gaps",
    metadata,
    _text("symbol", "listed instrument", key=True),
    _session("session that was asked for and had no price"),
    _text("reason", "unknown_symbol, not_yet_listed, delisted, late, no_bar, rejected or not_covered"),
    _text("detail", "what the source said"),
    _text("source", "price source"),
    _moment("asked_at", "when it was last asked for"),
    _session("first day on which to ask again; null = never", name="next_try", key=False, null=True),
    comment="What a source could not serve, so that it is not asked again each session",
)

price_sources = sa.Table(
    "price_sources",
    metadata,
    _text("name", "`current`: the only row", key=True),
    _text("fingerprint", "digest of the setting SIGMA_PRICES and, where it can be known, of what the source has"),
    _moment("changed_at", "when a load first met this fingerprint, and gaps became open again"),
    _flag("is_asked", "whether the whole universe has been asked for since"),
    comment="Which price source, with which content, the remembered gaps speak of",
)

provider_calls = sa.Table(
    "provider_calls",
    metadata,
    _text("source", "price source", key=True),
    sa.Column("slot", sa.BigInteger, primary_key=True, comment="one for each call that is allowed per minute"),
    _number("starts_at", "when the last call in this slot started, or may start, seconds since 1970"),
    comment="Pace of calls to price sources, shared by all processes",
)

symbols = sa.Table(
    "symbols",
    metadata,
    _text("symbol", "listed instrument", key=True),
    _text("status", "active, unknown or delisted"),
    _text("detail", "why, in the source's words", null=True),
    _text("renamed_to", "its symbol after a rename", null=True),
    _text("source", "price source that said so"),
    _session("first day on which to ask again; null = never", name="next_try", key=False, null=True),
    _moment("updated_at", "when this was learnt"),
    comment="What price sources said of a symbol as a whole; symbols without a remark have no row",
)

symbol_factors = sa.Table(
    "symbol_factors",
    metadata,
    _session(),
    _text("symbol", "listed instrument", key=True),
    *(
        _number(f"{factor}_beta", f"{factor} beta, capped at +-5; null = too few returns", null=True, low=-5, high=5)
        for factor in FACTORS
    ),
    *(_number(f"{factor}_std_error", f"standard error of the {factor} beta", null=True, low=0) for factor in FACTORS),
    _number("market_alpha", "intercept of the market regression, per day", null=True),
    *(_number(f"{fit}_r_squared", f"R^2 of the {fit} regression", null=True, high=1) for fit in REGRESSIONS),
    *(_count(f"{fit}_observations", f"returns in the {fit} regression", null=True) for fit in REGRESSIONS),
    sa.Column("prices_revision", sa.BigInteger, nullable=False, comment="newest price load seen when computed"),
    comment="Factor betas of each symbol; one wide row for twelve factors, tidy in exports",
)

symbol_metrics = sa.Table(
    "symbol_metrics",
    metadata,
    _session(),
    _text("symbol", "listed instrument", key=True),
    _number("close", "close as traded, USD", low=0),
    *(
        _number(f"return_{period}", f"total return, {words}; 0.01 is 1 %", null=True)
        for period, words in {
            "1d": "since the previous session",
            "mtd": "since the end of the previous month",
            "ytd": "since the end of the previous year",
            "1m": "since the same day 1 month earlier",
            "3m": "since the same day 3 months earlier",
            "1y": "since the same day 12 months earlier",
        }.items()
    ),
    _number("volatility_21d", "realised volatility of the last 21 returns, per year", null=True, low=0),
    _number("volatility_63d", "realised volatility of the last 63 returns, per year", null=True, low=0),
    _number("volume", "shares traded", null=True, low=0),
    sa.Column("prices_revision", sa.BigInteger, nullable=False, comment="newest price load seen when computed"),
    comment="Returns and realised volatility of each symbol",
)


def _coverage(name: str, what: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        _portfolio_key(),
        _session(),
        _count("needed", f"symbols that need {what}: held and factor ETFs"),
        _count("present", f"of these, with {what} on this session"),
        _count("stale", f"of these, without {what} on this session but on an earlier one"),
        _count("missing", f"of these, without {what} up to this session"),
        _text("missing_symbols", "held symbols without, comma-separated; null = none", null=True),
        sa.Column("prices_revision", sa.BigInteger, nullable=False, comment="newest price load seen when computed"),
        *(
            [_count("holdings_revision", "changes of lots and flows in effect by this session when computed")]
            if name == "price_coverage"
            else []
        ),
        comment=f"Whether the symbols of a portfolio have {what}, per session",
    )


price_coverage = _coverage("price_coverage", "prices")
factor_coverage = _coverage("factor_coverage", "factor betas")
metric_coverage = _coverage("metric_coverage", "metrics")

# --- portfolios (SPEC 4.3 to 4.8) ----------------------------------------------------------------------------------------

portfolio_snapshots = sa.Table(
    "portfolio_snapshots",
    metadata,
    _portfolio_key(),
    _session(),
    _number("equity", "initial equity + P&L + dividends + flows to date, USD"),
    _number("daily_pnl", "change of equity less flows, USD"),
    _number("daily_return", "daily P&L / previous equity; null if that is not > 0", null=True),
    _number("cumulative_pnl", "P&L since inception, USD"),
    _number("realized_pnl", "P&L of lots closed this session, USD"),
    _number("dividend_income", "dividends going ex this session, shorts pay, USD"),
    _number("price_pnl", "daily P&L less dividend income, USD"),
    _number("cash", "equity less net market value, USD; negative = margin"),
    _number(
        "cash_equivalents", "market value of cash and money-market funds, no exposure, USD; null = by 0.1", null=True
    ),
    _number("long_value", "market value of long lots, USD", low=0),
    _number("short_value", "market value of short lots, USD, <= 0", high=0),
    _number("gross_exposure", "long_value - short_value, USD", low=0),
    _number("net_exposure", "long_value + short_value, USD"),
    _number("leverage", "gross_exposure / equity; null if equity is not > 0", null=True, low=0),
    _count("positions", "open lots"),
    _count("long_positions", "open lots with quantity > 0"),
    _count("short_positions", "open lots with quantity < 0"),
    _count("lots_unpriced", "open lots whose price is more than 5 sessions old or was never seen"),
    _count("lots_stale", "open lots whose price is older than this session"),
    _number(
        "hhi",
        "10,000 x sum of squared shares of gross, by symbol; null without positions",
        null=True,
        low=0,
        high=10000.01,
    ),
    _number("effective_positions", "1 / sum of squared shares; null without positions", null=True, low=0),
    _number("top_3_weight", "share of gross of the 3 largest symbols", null=True, low=0, high=1.000001),
    _number("top_10_weight", "share of gross of the 10 largest symbols", null=True, low=0, high=1.000001),
    _number("capital_flow", "flows since the previous session, USD"),
    _number("cumulative_capital_flow", "flows since inception, USD"),
    _number("max_drawdown", "deepest fall of the time-weighted index from its peak to date, <= 0", null=True, high=0),
    _number("time_weighted_return", "compounded daily returns to date", null=True),
    comment="Equity, P&L, exposure and concentration of each portfolio",
)

position_values = sa.Table(
    "position_values",
    metadata,
    _portfolio_key(),
    _session(),
    _text("lot_id", "lot", key=True),
    _text("symbol", "listed instrument; for options the contract"),
    _text("investment_class", "PUBLIC, OPTIONS or PRIVATE"),
    _number("quantity", "shares or contracts as held this session (after splits)"),
    _number("price", "price used, USD", low=0),
    _session("session that the price comes from; null = entry price", name="price_session", key=False, null=True),
    _flag("is_stale", "price is older than this session"),
    _flag("is_modelled", "price is a Black-Scholes value, for want of a quote"),
    _number("market_value", "quantity x multiplier x price, USD"),
    _number("cost_basis", "entered quantity x multiplier x entry price, USD"),
    _number("unrealized_pnl", "market_value - cost_basis, USD"),
    _number("daily_pnl", "P&L of this session, dividends included, USD"),
    _number("weight", "market_value / equity; null if equity is not > 0", null=True),
    _text(
        "risk_symbol",
        "symbol whose betas and returns apply: its own, the underlying of an option; null = none",
        null=True,
    ),
    _number(
        "risk_value", "market value, or delta-equivalent value of an option, USD; null without risk_symbol", null=True
    ),
    _number("risk_weight", "risk_value / equity; null if equity is not > 0 or without risk_symbol", null=True),
    comment="Value of each open lot",
)

betas_by_position = sa.Table(
    "betas_by_position",
    metadata,
    _portfolio_key(),
    _session(),
    _text("lot_id", "lot", key=True),
    _text("symbol", "listed instrument"),
    _number("weight", "risk weight: signed value / equity"),
    *(
        column
        for factor in ("market", "rates")
        for column in (
            _number(f"{factor}_beta", f"{factor} beta of its symbol; null = unknown", null=True, low=-5, high=5),
            _number(f"{factor}_r_squared", f"R^2 of the {factor} regression", null=True, high=1),
            _count(f"{factor}_observations", f"returns in the {factor} regression", null=True),
        )
    ),
    comment="Market and rates beta of each open lot with a known beta",
)

betas_by_portfolio = sa.Table(
    "betas_by_portfolio",
    metadata,
    _portfolio_key(),
    _session(),
    *(
        column
        for factor in ("market", "rates")
        for column in (
            _number(f"{factor}_beta", f"sum of weight x {factor} beta; null = no lot has one", null=True),
            _number(
                f"{factor}_coverage", f"share of |market value| with a {factor} beta", null=True, low=0, high=1.000001
            ),
        )
    ),
    comment="Market and rates beta of each portfolio",
)

factor_exposures_by_position = sa.Table(
    "factor_exposures_by_position",
    metadata,
    _portfolio_key(),
    _session(),
    _text("lot_id", "lot", key=True),
    _text("symbol", "listed instrument"),
    *(
        _number(f"{factor}_exposure", f"weight x {factor} beta; null = unknown", null=True)
        for factor in EXPOSURE_FACTORS
    ),
    comment="Exposure of each open lot to the ten style and spread factors",
)

factor_exposures_by_portfolio = sa.Table(
    "factor_exposures_by_portfolio",
    metadata,
    _portfolio_key(),
    _session(),
    *(
        _number(f"{factor}_exposure", f"sum over lots of weight x {factor} beta", null=True)
        for factor in EXPOSURE_FACTORS
    ),
    *(_number(f"{factor}_exposure_usd", f"{factor} exposure x equity, USD", null=True) for factor in EXPOSURE_FACTORS),
    *(
        _number(f"{factor}_coverage", f"share of |market value| with a {factor} beta", null=True, low=0, high=1.000001)
        for factor in EXPOSURE_FACTORS
    ),
    comment="Exposure of each portfolio to the ten style and spread factors",
)


def _volatility_columns() -> list[sa.Column]:
    return [
        _number("realized_21d", "realised volatility of the last 21 returns, per year", null=True, low=0),
        _number("realized_63d", "realised volatility of the last 63 returns, per year", null=True, low=0),
        _number("expected_21d", "forecast of the next 21 sessions' volatility, per year", null=True, low=0),
        _number("r_squared", "R^2 of the regression in the forecast", null=True, low=0, high=1),
        _count("observations", "targets in the regression in the forecast", null=True),
        _text("trend", "increasing, decreasing or stable", null=True),
        _number("trend_ratio", "realized_21d / realized_63d", null=True, low=0),
        _number("percentile", "share of the last 252 realized_21d that are <= today's", null=True, low=0, high=1),
    ]


volatility_by_symbol = sa.Table(
    "volatility_by_symbol",
    metadata,
    _portfolio_key(),
    _session(),
    _text("symbol", "symbol held, or underlying of an option held", key=True),
    *_volatility_columns(),
    comment="Volatility of each symbol held",
)

volatility_by_portfolio = sa.Table(
    "volatility_by_portfolio",
    metadata,
    _portfolio_key(),
    _session(),
    *_volatility_columns(),
    _number(
        "coverage", "mean share of |weight| with a return over the last 63 sessions", null=True, low=0, high=1.000001
    ),
    comment="Volatility of each portfolio at the weights of the session",
)

correlations_by_portfolio = sa.Table(
    "correlations_by_portfolio",
    metadata,
    _portfolio_key(),
    _session(),
    _number("mean_correlation", "mean of the upper triangle", null=True, low=-1, high=1),
    _number("mean_abs_correlation", "mean absolute value of the upper triangle", null=True, low=0, high=1),
    _number("effective_bets", "1 / (w' C w), w = share of |market value|", null=True, low=0),
    _number("condition_number", "of the correlation matrix; null = singular", null=True, low=1),
    _count("symbols_included", "symbols in the matrix"),
    _count("symbols_excluded", "public symbols held but left out: too small or too short a history"),
    _number("concentration", "share of gross in clusters", null=True, low=0, high=1.000001),
    _flag("is_repaired", "matrix was indefinite (pairwise deletion) and was repaired"),
    comment="Summary of each portfolio's correlation matrix",
)

correlation_matrices = sa.Table(
    "correlation_matrices",
    metadata,
    _portfolio_key(),
    _session(),
    _text("symbols", "symbols of the matrix, alphabetically: a JSON list"),
    _text("correlations", "upper triangle, row by row: base64 of 8-byte floats, little-endian"),
    _text("observations", "returns in common, in the same order: base64 of compressed 2-byte numbers, little-endian"),
    comment="Correlation matrices; read and exported as correlations_by_pair",
)

correlations_by_pair = sa.Table(
    "correlations_by_pair",
    packed,
    _portfolio_key(),
    _session(),
    _text("symbol", "first symbol, alphabetically", key=True),
    _text("other_symbol", "second symbol", key=True),
    _number("correlation", "Pearson correlation of 90 simple returns, repaired where flagged", low=-1, high=1),
    _count("observations", "returns that both have"),
    comment="Upper triangle of each portfolio's correlation matrix",
)

correlations_by_cluster = sa.Table(
    "correlations_by_cluster",
    metadata,
    _portfolio_key(),
    _session(),
    sa.Column("cluster", sa.Integer, primary_key=True, autoincrement=False, comment="1 = largest by value"),
    _text("name", "<largest holding> lookalikes"),
    _text("members", "symbols, comma-separated, largest first"),
    _count("size", "symbols in the cluster"),
    _number("mean_correlation", "mean correlation between members", low=-1, high=1),
    _number("share_of_gross", "share of gross exposure", low=0, high=1.000001),
    comment="Groups of holdings that move together: connected components of |correlation| >= 0.7",
)

# --- risk, stress, performance (SPEC 4.10 to 4.12) ---------------------------------------------------------------------


def _tail_columns(unit: str, suffix: str) -> list[sa.Column]:
    return [
        *(
            _number(
                f"var_{level}{suffix}", f"loss of one day exceeded {worse} of the time, historical, {unit}", null=True
            )
            for level, worse in (("95", "5 %"), ("99", "1 %"))
        ),
        *(
            _number(f"es_{level}{suffix}", f"mean loss of the worst {worse} of days, {unit}", null=True)
            for level, worse in (("95", "5 %"), ("975", "2.5 %"), ("99", "1 %"))
        ),
        _number(f"var_99_normal{suffix}", f"var_99 if returns were normal, {unit}", null=True),
    ]


risk_by_portfolio = sa.Table(
    "risk_by_portfolio",
    metadata,
    _portfolio_key(),
    _session(),
    _number(
        "realized_63d", "realised volatility of the last 63 returns at today's weights, per year", null=True, low=0
    ),
    *_tail_columns("share of equity", ""),
    *_tail_columns("USD", "_usd"),
    _count("observations", "returns in value at risk, at most 250; null = too few", null=True),
    _number(
        "coverage", "mean share of |weight| with a return over the last 63 sessions", null=True, low=0, high=1.000001
    ),
    _count("exceptions", "sessions of the last 250 that lost more than var_99 of the session before"),
    _count("backtest_sessions", "sessions of the last 250 that could be judged so"),
    _number("kupiec_p", "probability of so odd a count of exceptions if var_99 is right", null=True, low=0, high=1),
    _number("christoffersen_p", "probability of exceptions so clustered if independent", null=True, low=0, high=1),
    _number("specific_share", "1 - R^2 of the joint regression on six factors", null=True, low=0, high=1.000001),
    _number("systematic_share", "R^2 of the regression on the market alone", null=True, low=0, high=1.000001),
    _count("factor_observations", "returns in the joint regression", null=True),
    _text("zone", "Basel's green (0 to 4 exceptions), yellow (5 to 9) or red (10 or more)", null=True),
    comment="How bad a day can be for each portfolio, whether that was right, and how much the factors explain",
)

risk_by_position = sa.Table(
    "risk_by_position",
    metadata,
    _portfolio_key(),
    _session(),
    _text("symbol", "symbol held, or underlying of an option held", key=True),
    _number("weight", "signed delta-equivalent value / equity"),
    _number("volatility_contribution", "share of realized_63d that comes from it, per year", null=True),
    _number("share", "volatility_contribution / realized_63d", null=True),
    _number("es_contribution", "share of es_95 that comes from it, share of equity", null=True),
    comment="Where each portfolio's volatility and bad days come from, by symbol held",
)

risk_by_factor = sa.Table(
    "risk_by_factor",
    metadata,
    _portfolio_key(),
    _session(),
    _text("factor", "market, rates or a spread", key=True),
    _number("beta", "of the portfolio's returns in one joint regression on all factors"),
    _number("std_error", "standard error of the beta", null=True, low=0),
    _number("variance_share", "share of the portfolio's variance that comes from it; negative = it hedges"),
    comment="Where each portfolio's variance comes from, by factor",
)

stress_tests_by_portfolio = sa.Table(
    "stress_tests_by_portfolio",
    metadata,
    _portfolio_key(),
    _session(),
    _text("scenario", "name of the scenario", key=True),
    _count("number", "place of the scenario in its file, from 1: column of stress_tests_by_position"),
    _number("pnl_usd", "P&L in the scenario, USD"),
    _number("pnl_share", "P&L / equity; null if equity is not > 0", null=True),
    _number(
        "direct_share",
        "share of |market value| that moves by an own beta or own prices",
        null=True,
        low=0,
        high=1.000001,
    ),
    _number("coverage", "share of |market value| whose P&L is known", null=True, low=0, high=1.000001),
    _number("shock", "return of the factor in a shock, of the market in a replay", null=True),
    _session("session whose close a replay starts from; null for shocks", name="first_session", key=False, null=True),
    _session("session at whose close a replay ends; null for shocks", name="last_session", key=False, null=True),
    comment="What each scenario would do to each portfolio",
)

stress_tests_by_position = sa.Table(
    "stress_tests_by_position",
    metadata,
    _portfolio_key(),
    _session(),
    _text("lot_id", "lot", key=True),
    _text("symbol", "listed instrument; for options the contract"),
    *(
        _number(f"scenario_{number:02d}_pnl_usd", f"P&L in the scenario of number {number}, USD", null=True)
        for number in range(1, MOST_SCENARIOS + 1)
    ),
    comment="What each scenario would do to each open lot that can move; one wide row, tidy in exports",
)

performance = sa.Table(
    "performance",
    metadata,
    _portfolio_key(),
    _session(),
    _text("benchmark", "symbol that the portfolio is measured against"),
    *(
        _number(name, words, null=True)
        for name, words in {
            "return_mtd": "time-weighted return since the end of the previous month",
            "return_qtd": "time-weighted return since the end of the previous quarter",
            "return_ytd": "time-weighted return since the end of the previous year",
            "return_1y": "time-weighted return since the same day 12 months earlier; null for a younger portfolio",
            "return_since_inception": "time-weighted return since inception",
            "annualized_return": "the same per year of 252 sessions, from one year on",
        }.items()
    ),
    _number("volatility_1y", "standard deviation of the last 252 daily returns, per year", null=True, low=0),
    _number("sharpe_1y", "mean excess return / standard deviation, per year", null=True),
    _number("sortino_1y", "mean excess return / root mean square of shortfalls, per year", null=True),
    _number("drawdown", "fall of the time-weighted index from its peak, <= 0", null=True, low=-1, high=0),
    _number("max_drawdown_1y", "deepest fall within the last 252 sessions, <= 0", null=True, low=-1, high=0),
    _number("money_weighted_return", "XIRR of flows and equity since inception, per year", null=True, low=-1),
    _count("observations", "daily returns known in the last 252 sessions"),
    _number("active_return", "mean difference to the benchmark x 252", null=True),
    _number("tracking_error", "standard deviation of the difference, per year", null=True, low=0),
    _number("information_ratio", "active_return / tracking_error", null=True),
    _number("alpha", "intercept of the regression on the benchmark, compounded per year", null=True),
    _number("beta", "slope of the regression on the benchmark", null=True),
    _number("r_squared", "R^2 of the regression on the benchmark", null=True, low=0, high=1),
    _number("correlation", "with the benchmark", null=True, low=-1, high=1),
    _number("up_capture", "annual return on the benchmark's good sessions / the benchmark's", null=True),
    _number("down_capture", "annual return on the benchmark's bad sessions / the benchmark's", null=True),
    _count("benchmark_observations", "sessions of the last 252 on which both have a return"),
    comment="How each portfolio is doing, and against what",
)

FAMILIES: dict[str, tuple[sa.Table, ...]] = {
    "market_prices": (market_prices,),
    "symbol_factors": (symbol_factors,),
    "symbol_metrics": (symbol_metrics,),
    "price_coverage": (price_coverage,),
    "factor_coverage": (factor_coverage,),
    "metric_coverage": (metric_coverage,),
    "portfolio_snapshots": (portfolio_snapshots,),
    "position_values": (position_values,),
    "betas": (betas_by_portfolio, betas_by_position),
    "factor_exposures": (factor_exposures_by_portfolio, factor_exposures_by_position),
    "volatility": (volatility_by_portfolio, volatility_by_symbol),
    "correlations": (correlations_by_portfolio, correlations_by_pair, correlations_by_cluster),
    "risk": (risk_by_portfolio, risk_by_position, risk_by_factor),
    "stress_tests": (stress_tests_by_portfolio, stress_tests_by_position),
    "performance": (performance,),
}
"""Tables of each asset; the first one is what `export ASSET` prints unless told otherwise."""

PACKED = {correlations_by_pair: correlation_matrices}
"""Table as everybody sees it -> the table of the database that holds its rows (`storage/matrices.py`)."""

TABLES: dict[str, sa.Table] = {**metadata.tables, **packed.tables}
"""Every table by its name."""
# --- forms in which tables leave (export, numbers API) -------------------------------------------------------------------
tidy_metadata = sa.MetaData()


def _tidy(name: str, *columns: sa.Column, comment: str) -> sa.Table:
    return sa.Table(name, tidy_metadata, *columns, comment=comment)


def _factor() -> sa.Column:
    return _text("factor", "factor of the beta", key=True)


_tidy(
    "symbol_factors",
    _session(),
    _text("symbol", "listed instrument", key=True),
    _factor(),
    _number("beta", "beta, capped at +-5", low=-5, high=5),
    _number("r_squared", "R^2 of the regression; null if the symbol never moved", null=True, high=1),
    _count("observations", "returns in the regression"),
    _number("std_error", "standard error of the beta", null=True, low=0),
    _text("quality", "full_history from 0.9 x window observations on, else limited_history"),
    _flag("is_capped", "whether the beta was beyond +-5"),
    _number("alpha", "intercept of the market regression, per day; null for other factors", null=True),
    comment="Factor betas of each symbol, one row per factor with a known beta",
)
_tidy(
    "factor_exposures_by_portfolio",
    _portfolio_key(),
    _session(),
    _factor(),
    _number("exposure", "sum over lots of weight x beta", null=True),
    _number("exposure_usd", "exposure x equity, USD", null=True),
    _number("coverage", "share of |market value| with a beta", null=True, low=0, high=1.000001),
    comment="Exposure of each portfolio to the ten style and spread factors, one row per factor",
)
_tidy(
    "factor_exposures_by_position",
    _portfolio_key(),
    _session(),
    _text("lot_id", "lot", key=True),
    _text("symbol", "listed instrument"),
    _factor(),
    _number("exposure", "weight x beta"),
    comment="Exposure of each open lot to the ten style and spread factors, one row per factor",
)
_tidy(
    "stress_tests_by_position",
    _portfolio_key(),
    _session(),
    _text("lot_id", "lot", key=True),
    _text("symbol", "listed instrument; for options the contract"),
    _text("scenario", "name of the scenario", key=True),
    _number("pnl_usd", "P&L in the scenario, USD"),
    comment="What each scenario would do to each open lot that can move, one row per scenario",
)
_tidy(
    "allocation",
    _portfolio_key(),
    _session(),
    _text("scheme", "what is classified: sector, country, asset class, ...", key=True),
    _text("class", "class of the scheme; `unclassified` where a symbol has none", key=True),
    _number("long_value", "market value of long lots, USD", low=0),
    _number("short_value", "market value of short lots, USD, <= 0", high=0),
    _number("net_exposure", "long_value + short_value, USD"),
    _number("gross_exposure", "long_value - short_value, USD", low=0),
    _number("share_of_gross", "gross_exposure / that of the whole scheme", null=True, low=0, high=1.000001),
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
