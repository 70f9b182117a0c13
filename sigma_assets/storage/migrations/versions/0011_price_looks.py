"""Note of each portfolio how far it has been looked at for corrected prices."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "price_looks",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column(
            "revision",
            sa.BigInteger(),
            nullable=False,
            comment="price loads up to this one leave its stored numbers as they are",
        ),
        sa.Column("first_session", sa.Date(), nullable=False, comment="first session that was looked at"),
        sa.PrimaryKeyConstraint("portfolio_id", name="pk_price_looks"),
        comment="How far each portfolio has been looked at for corrected prices; one without a row has not been",
    )
