"""Tables of what users enter, and what is noted of it (SPEC 2)."""

import sqlalchemy as sa

from sigma_assets.storage.schema.fields import (
    metadata,
    moment_column,
    number_column,
    portfolio_column,
    serial_column,
    session_column,
    text_column,
)

portfolios = sa.Table(
    "portfolios",
    metadata,
    portfolio_column(),
    text_column("name", "name given by the owner, 1 to 255 characters; unique among active portfolios"),
    text_column("account_type", "taxable, ira, roth_ira, 401k, 403b, 529, hsa, trust or other"),
    text_column("currency", "USD"),
    number_column("initial_equity_usd", "equity at inception, USD; never rewritten", low=0, high=1e12),
    session_column("first day of its history", name="inception", key=False),
    moment_column("created_at", "when it was imported"),
    moment_column("deleted_at", "when it was removed; null while active", null=True),
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
    serial_column("ordinal", "running number; never reused, so that a run can write down which portfolios it covers"),
    text_column("portfolio_id", "portfolio (uuid)", sa.ForeignKey("portfolios.portfolio_id"), unique=True),
    text_column(
        "partition_name",
        "its partition in Dagster: slug of the name it had then, and the beginning of its id; never reused",
        unique=True,
    ),
    text_column("adopted_by", "who made it a partition and so asks for its first run: import, sensor or command"),
    moment_column("adopted_at", "when"),
    comment="Portfolios that became partitions, in this order; a removed portfolio keeps its line",
    sqlite_autoincrement=True,
)

lots = sa.Table(
    "lots",
    metadata,
    text_column("lot_id", "lot (uuid)", key=True),
    text_column("portfolio_id", "portfolio that holds the lot", sa.ForeignKey("portfolios.portfolio_id"), index=True),
    text_column("symbol", "upper-case symbol; for options the contract", index=True),
    number_column("quantity", "signed shares or contracts as entered; negative = short or written"),
    number_column("entry_price", "price per share at entry, USD", low=0),
    session_column("day of entry", name="entry_date", key=False),
    session_column("day of exit; null while open", name="exit_date", key=False, null=True),
    number_column("exit_price", "price per share at exit, USD; null while open", null=True, low=0),
    text_column("investment_class", "PUBLIC, OPTIONS or PRIVATE"),
    text_column("investment_subtype", "subtype of the class, or null", null=True),
    text_column("underlying_symbol", "underlying of an option", null=True),
    number_column("strike_price", "strike of an option, USD", null=True, low=0),
    session_column("expiration of an option", name="expiration_date", key=False, null=True),
    text_column("option_type", "CALL or PUT", null=True),
    number_column(
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
    text_column("flow_id", "cash flow (uuid)", key=True),
    text_column(
        "portfolio_id",
        "portfolio that the cash moves in or out of",
        sa.ForeignKey("portfolios.portfolio_id"),
        index=True,
    ),
    session_column("day of the flow", name="flow_date", key=False),
    number_column("amount_usd", "+ contribution, - withdrawal, USD"),
    text_column("kind", "external (contribution, withdrawal), or P&L: fee, interest or tax", server_default="external"),
    comment="External cash flows",
)

holdings_edits = sa.Table(
    "holdings_edits",
    metadata,
    serial_column("edit_id", "running number"),
    text_column("portfolio_id", "portfolio that was edited", index=True),
    text_column("edit", "what was done, in words"),
    text_column("rows_before", "lots and flows before, JSON"),
    text_column("rows_after", "the same rows after, JSON"),
    moment_column("edited_at", "when"),
    comment="Edits of holdings by a command, so that the last one can be undone",
)

holdings_changes = sa.Table(
    "holdings_changes",
    metadata,
    serial_column("change_id", "running number"),
    sa.Column("portfolio_id", sa.Text, nullable=False, comment="portfolio whose lots or flows changed"),
    session_column("first day whose numbers the change can alter", name="effective_from", key=False),
    text_column("kind", "lot_added, lot_changed, lot_removed, flow_added, flow_changed or flow_removed"),
    moment_column("changed_at", "when"),
    sa.Index("ix_holdings_changes_portfolio_id_effective_from", "portfolio_id", "effective_from"),
    comment="Journal of lots and cash_flows, written by triggers: no writer can forget it, whatever its code",
)

method_versions = sa.Table(
    "method_versions",
    metadata,
    text_column("asset", "asset whose numbers the method gives", key=True),
    sa.Column("code_version", sa.BigInteger, nullable=False, comment="newest version of its method seen so far"),
    sa.Column(
        "older_until",
        sa.BigInteger,
        nullable=False,
        comment="newest event of Dagster's log that is of an older version",
    ),
    moment_column("noted_at", "when the version was first seen"),
    comment="Where the numbers of an older method end and those of the newest begin",
)

classifications = sa.Table(
    "classifications",
    metadata,
    text_column("symbol", "listed instrument", key=True),
    text_column("scheme", "what is classified: sector, country, asset class, ...", key=True),
    text_column("class", "class of the scheme", key=True),
    number_column(
        "weight", "share of the symbol that belongs to the class; adds up to 1 by symbol and scheme", low=0, high=1
    ),
    moment_column("updated_at", "when it was read"),
    comment="Classes of symbols, look-through included: several rows of a symbol and scheme",
)
