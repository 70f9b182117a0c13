"""Say in the comments of concentration and of observed returns what these numbers are a share and a count of."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

COMMENTS: tuple[tuple[str, str, sa.types.TypeEngine, str, str], ...] = (
    (
        "portfolio_snapshots",
        "hhi",
        sa.Double(),
        "10,000 x sum of squared shares of gross, by symbol; null without positions",
        "10,000 x sum of squared shares of |market value| netted by symbol; null without positions",
    ),
    (
        "portfolio_snapshots",
        "top_3_weight",
        sa.Double(),
        "share of gross of the 3 largest symbols",
        "share of the 3 largest symbols in |market value| netted by symbol",
    ),
    (
        "portfolio_snapshots",
        "top_10_weight",
        sa.Double(),
        "share of gross of the 10 largest symbols",
        "share of the 10 largest symbols in |market value| netted by symbol",
    ),
    (
        "performance",
        "observations",
        sa.BigInteger(),
        "daily returns known in the last 252 sessions",
        "daily returns in the last 252 sessions, those left out on which equity is not > 0 or all is lost",
    ),
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        for table, column, kind, old, new in COMMENTS:
            op.alter_column(table, column, existing_type=kind, comment=new, existing_comment=old)
