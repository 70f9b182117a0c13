"""What alembic runs: migrate over the connection, and inside the transaction, that `runner` hands over."""

from alembic import context

from sigma_assets.storage.migrations.runner import VERSION_TABLE
from sigma_assets.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
context.run_migrations()
