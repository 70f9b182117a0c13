"""Tables of prices and of symbols (SPEC 3, 4.1, 4.2), and how far they cover each portfolio."""

import sqlalchemy as sa

from sigma_assets.base.conventions import FACTORS, REGRESSIONS
from sigma_assets.storage.schema.fields import (
    count_column,
    flag_column,
    metadata,
    moment_column,
    number_column,
    portfolio_column,
    portfolio_table,
    serial_column,
    session_column,
    text_column,
)

price_loads = sa.Table(
    "price_loads",
    metadata,
    serial_column("revision", "running number of the load; grows in the order of commit"),
    text_column("source", "price source"),
    moment_column("loaded_at", "when"),
    count_column("rows", "price rows written"),
    comment="One row per transaction that wrote prices",
)

market_prices = sa.Table(
    "market_prices",
    metadata,
    session_column(),
    text_column("symbol", "listed instrument", key=True),
    number_column("open", "open as traded, USD", null=True, low=0),
    number_column("high", "high as traded, USD", null=True, low=0),
    number_column("low", "low as traded, USD", null=True, low=0),
    number_column("close", "close as traded, USD", low=0),
    number_column("volume", "shares traded", null=True, low=0),
    number_column("split_factor", "2 for a 2-for-1 split effective at this session's open, else 1", low=0),
    number_column("dividend", "cash per share going ex this session, USD, else 0", low=0),
    text_column("source", "price source"),
    moment_column("loaded_at", "when this row was last written"),
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
    text_column("symbol", "listed instrument", key=True),
    session_column("session that was asked for and had no price"),
    text_column("reason", "unknown_symbol, not_yet_listed, delisted, late, no_bar, rejected or not_covered"),
    text_column("detail", "what the source said"),
    text_column("source", "price source"),
    moment_column("asked_at", "when it was last asked for"),
    session_column("first day on which to ask again; null = never", name="next_try", key=False, null=True),
    comment="What a source could not serve, so that it is not asked again each session",
)

price_sources = sa.Table(
    "price_sources",
    metadata,
    text_column("name", "`current`: the only row", key=True),
    text_column("fingerprint", "digest of the setting SIGMA_PRICES and, where it can be known, of what the source has"),
    moment_column("changed_at", "when a load first met this fingerprint, and gaps became open again"),
    flag_column("is_asked", "whether the whole universe has been asked for since"),
    comment="Which price source, with which content, the remembered gaps speak of",
)

price_looks = sa.Table(
    "price_looks",
    metadata,
    portfolio_column(),
    count_column("revision", "price loads up to this one leave its stored numbers as they are"),
    session_column("first session that was looked at", name="first_session", key=False),
    comment="How far each portfolio has been looked at for corrected prices; one without a row has not been",
)

provider_calls = sa.Table(
    "provider_calls",
    metadata,
    text_column("source", "price source", key=True),
    sa.Column("slot", sa.BigInteger, primary_key=True, comment="one for each call that is allowed per minute"),
    number_column("starts_at", "when the last call in this slot started, or may start, seconds since 1970"),
    comment="Pace of calls to price sources, shared by all processes",
)

symbols = sa.Table(
    "symbols",
    metadata,
    text_column("symbol", "listed instrument", key=True),
    text_column("status", "active, unknown or delisted"),
    text_column("detail", "why, in the source's words", null=True),
    text_column("renamed_to", "its symbol after a rename", null=True),
    text_column("source", "price source that said so"),
    session_column("first day on which to ask again; null = never", name="next_try", key=False, null=True),
    moment_column("updated_at", "when this was learnt"),
    comment="What price sources said of a symbol as a whole; symbols without a remark have no row",
)

symbol_factors = sa.Table(
    "symbol_factors",
    metadata,
    session_column(),
    text_column("symbol", "listed instrument", key=True),
    *(
        number_column(
            f"{factor}_beta", f"{factor} beta, capped at +-5; null = too few returns", null=True, low=-5, high=5
        )
        for factor in FACTORS
    ),
    *(
        number_column(f"{factor}_std_error", f"standard error of the {factor} beta", null=True, low=0)
        for factor in FACTORS
    ),
    number_column("market_alpha", "intercept of the market regression, per day", null=True),
    *(number_column(f"{fit}_r_squared", f"R^2 of the {fit} regression", null=True, high=1) for fit in REGRESSIONS),
    *(count_column(f"{fit}_observations", f"returns in the {fit} regression", null=True) for fit in REGRESSIONS),
    sa.Column("prices_revision", sa.BigInteger, nullable=False, comment="newest price load seen when computed"),
    comment="Factor betas of each symbol; one wide row for twelve factors, tidy in exports",
)

symbol_metrics = sa.Table(
    "symbol_metrics",
    metadata,
    session_column(),
    text_column("symbol", "listed instrument", key=True),
    number_column("close", "close as traded, USD", low=0),
    *(
        number_column(f"return_{period}", f"total return, {words}; 0.01 is 1 %", null=True)
        for period, words in {
            "1d": "since the previous session",
            "mtd": "since the end of the previous month",
            "ytd": "since the end of the previous year",
            "1m": "since the same day 1 month earlier",
            "3m": "since the same day 3 months earlier",
            "1y": "since the same day 12 months earlier",
        }.items()
    ),
    number_column("volatility_21d", "realised volatility of the last 21 returns, per year", null=True, low=0),
    number_column("volatility_63d", "realised volatility of the last 63 returns, per year", null=True, low=0),
    number_column("volume", "shares traded", null=True, low=0),
    sa.Column("prices_revision", sa.BigInteger, nullable=False, comment="newest price load seen when computed"),
    comment="Returns and realised volatility of each symbol",
)


def _coverage(name: str, what: str) -> sa.Table:
    return portfolio_table(
        name,
        count_column("needed", f"symbols that need {what}: held and factor ETFs"),
        count_column("present", f"of these, with {what} on this session"),
        count_column("stale", f"of these, without {what} on this session but on an earlier one"),
        count_column("missing", f"of these, without {what} up to this session"),
        text_column("missing_symbols", "held symbols without, comma-separated; null = none", null=True),
        sa.Column("prices_revision", sa.BigInteger, nullable=False, comment="newest price load seen when computed"),
        *(
            [count_column("holdings_revision", "changes of lots and flows in effect by this session when computed")]
            if name == "price_coverage"
            else []
        ),
        comment=f"Whether the symbols of a portfolio have {what}, per session",
    )


price_coverage = _coverage("price_coverage", "prices")
factor_coverage = _coverage("factor_coverage", "factor betas")
metric_coverage = _coverage("metric_coverage", "metrics")
