"""Keep the journal of holdings by triggers."""

from alembic import op

from sigma_assets.storage.migrations import journal_triggers

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    for statement in journal_triggers.statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
