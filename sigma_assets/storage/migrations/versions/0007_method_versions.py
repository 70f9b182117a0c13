"""Note which version of each method the numbers are of: none in a new database, the first in an older one."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from sigma_assets.base.conventions import METHOD_VERSIONS

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table = op.create_table(
        "method_versions",
        sa.Column("asset", sa.Text(), nullable=False, comment="asset whose numbers the method gives"),
        sa.Column("code_version", sa.BigInteger(), nullable=False, comment="newest version of its method seen so far"),
        sa.Column(
            "older_until",
            sa.BigInteger(),
            nullable=False,
            comment="newest event of Dagster's log that is of an older version",
        ),
        sa.Column(
            "noted_at", sa.DateTime(timezone=True), nullable=False, comment="when the version was first seen, UTC"
        ),
        sa.PrimaryKeyConstraint("asset", name=op.f("pk_method_versions")),
        comment="Where the numbers of an older method end and those of the newest begin",
    )
    is_new = op.get_bind().execute(sa.text("SELECT 1 FROM price_coverage LIMIT 1")).first() is None
    now = datetime.now(UTC)
    op.bulk_insert(
        table,
        [
            {
                "asset": asset,
                "code_version": version if is_new else 1,
                "older_until": 0,
                "noted_at": now,
            }
            for asset, version in METHOD_VERSIONS.items()
        ],
    )
