"""Remember which price source the gaps speak of, and share the pace of calls."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "price_sources",
        sa.Column("name", sa.Text(), nullable=False, comment="`current`: the only row"),
        sa.Column(
            "fingerprint",
            sa.Text(),
            nullable=False,
            comment="digest of the setting SIGMA_PRICES and, where it can be known, of what the source has",
        ),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when a load first met this fingerprint, and gaps became open again, UTC",
        ),
        sa.Column(
            "is_asked", sa.Boolean(), nullable=False, comment="whether the whole universe has been asked for since"
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_price_sources")),
        comment="Which price source, with which content, the remembered gaps speak of",
    )
    op.create_table(
        "provider_calls",
        sa.Column("source", sa.Text(), nullable=False, comment="price source"),
        sa.Column("slot", sa.BigInteger(), nullable=False, comment="one for each call that is allowed per minute"),
        sa.Column(
            "starts_at",
            sa.Double(),
            nullable=False,
            comment="when the last call in this slot started, or may start, seconds since 1970",
        ),
        sa.PrimaryKeyConstraint("source", "slot", name=op.f("pk_provider_calls")),
        comment="Pace of calls to price sources, shared by all processes",
    )
