"""Readable partition names: a line for each portfolio that became a partition."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "portfolio_partitions",
        sa.Column(
            "ordinal",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
            comment="running number; never reused, so that a run can write down which portfolios it covers",
        ),
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column(
            "partition_name",
            sa.Text(),
            nullable=False,
            comment="its partition in Dagster: slug of the name it had then, and the beginning of its id; never reused",
        ),
        sa.Column(
            "adopted_by",
            sa.Text(),
            nullable=False,
            comment="who made it a partition and so asks for its first run: import, sensor or command",
        ),
        sa.Column("adopted_at", sa.DateTime(timezone=True), nullable=False, comment="when, UTC"),
        sa.ForeignKeyConstraint(
            ["portfolio_id"], ["portfolios.portfolio_id"], name=op.f("fk_portfolio_partitions_portfolio_id")
        ),
        sa.PrimaryKeyConstraint("ordinal", name=op.f("pk_portfolio_partitions")),
        sa.UniqueConstraint("partition_name", name=op.f("uq_portfolio_partitions_partition_name")),
        sa.UniqueConstraint("portfolio_id", name=op.f("uq_portfolio_partitions_portfolio_id")),
        comment="Portfolios that became partitions, in this order; a removed portfolio keeps its line",
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("portfolio_partitions")
