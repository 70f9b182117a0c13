"""Store a correlation matrix as one row instead of a row per pair."""

import pandas as pd
import sqlalchemy as sa
from alembic import op

from sigma_assets.storage.frames.matrices import packed

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

PAIRS = "SELECT portfolio_id, session, symbol, other_symbol, correlation, observations FROM correlations_by_pair"


def upgrade() -> None:
    table = op.create_table(
        "correlation_matrices",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("symbols", sa.Text(), nullable=False, comment="symbols of the matrix, alphabetically: a JSON list"),
        sa.Column(
            "correlations",
            sa.Text(),
            nullable=False,
            comment="upper triangle, row by row: base64 of 8-byte floats, little-endian",
        ),
        sa.Column(
            "observations",
            sa.Text(),
            nullable=False,
            comment="returns in common, in the same order: base64 of compressed 2-byte numbers, little-endian",
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "session", name=op.f("pk_correlation_matrices")),
        comment="Correlation matrices; read and exported as correlations_by_pair",
    )
    connection = op.get_bind()
    owners = connection.execute(sa.text("SELECT DISTINCT portfolio_id FROM correlations_by_pair")).scalars().all()
    for portfolio_id in owners:
        rows = connection.execute(sa.text(f"{PAIRS} WHERE portfolio_id = :owner"), {"owner": portfolio_id})
        pairs = pd.DataFrame(rows.all(), columns=list(rows.keys())).astype({"session": "datetime64[s]"})
        matrices = packed(pairs)
        matrices["session"] = matrices["session"].dt.date
        op.bulk_insert(table, matrices.to_dict("records"))
    op.drop_table("correlations_by_pair")
