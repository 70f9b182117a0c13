"""Give lots a multiplier and cash flows a kind, and keep what `undo` needs."""

import sqlalchemy as sa
from alembic import op

from sigma_assets.storage.migrations import journal_triggers

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    op.add_column(
        "lots",
        sa.Column(
            "multiplier",
            sa.Double(),
            nullable=True,
            comment="quantity x price x this is USD; null for the usual one: 100 for options, 0.01 for bonds, else 1",
        ),
    )
    op.add_column(
        "cash_flows",
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            server_default="external",
            comment="external (contribution, withdrawal), or P&L: fee, interest or tax",
        ),
    )
    op.add_column(
        "portfolio_snapshots",
        sa.Column(
            "cash_equivalents",
            sa.Double(),
            nullable=True,
            comment="market value of cash and money-market funds, no exposure, USD; null = by 0.1",
        ),
    )
    op.create_table(
        "holdings_edits",
        sa.Column(
            "edit_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
            comment="running number",
        ),
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio that was edited"),
        sa.Column("edit", sa.Text(), nullable=False, comment="what was done, in words"),
        sa.Column("rows_before", sa.Text(), nullable=False, comment="lots and flows before, JSON"),
        sa.Column("rows_after", sa.Text(), nullable=False, comment="the same rows after, JSON"),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=False, comment="when, UTC"),
        sa.PrimaryKeyConstraint("edit_id", name=op.f("pk_holdings_edits")),
        comment="Edits of holdings by a command, so that the last one can be undone",
    )
    op.create_index(op.f("ix_holdings_edits_portfolio_id"), "holdings_edits", ["portfolio_id"], unique=False)
    for statement in journal_triggers.with_multiplier(connection.dialect.name):
        connection.exec_driver_sql(statement)
