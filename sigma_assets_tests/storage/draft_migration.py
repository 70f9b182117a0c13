"""Write the next migration: what the code has and the migrations do not.

    python -m sigma_assets_tests.storage.draft_migration "add a column"

For developers. Read the draft before committing it: alembic sees tables, columns, indexes and comments, but no renames,
no triggers, and nothing of the arrays and views that PostgreSQL has in place of some tables (0010 makes them). While 0001
is unreleased it can be drafted anew: delete it and the later ones, draft, restore those.
"""

import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.script import Script, ScriptDirectory

from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.migrations.runner import config, upgrade


def draft(message: str) -> Path:
    """Write a migration that brings a database at the newest version to the tables of the code; return its path."""
    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{folder}/draft.sqlite")
        alembic = config()
        scripts = ScriptDirectory.from_config(alembic)
        if scripts.get_current_head():
            upgrade(db)
        number = len(list(scripts.walk_revisions())) + 1

        def write(connection: sa.Connection) -> str:
            alembic.attributes["connection"] = connection
            script = command.revision(alembic, message, autogenerate=True, rev_id=f"{number:04d}")
            assert isinstance(script, Script), "one revision was asked for"
            return str(script.path)

        path = db.in_transaction(write)
        db.dispose()
    return Path(path)


if __name__ == "__main__":
    sys.stdout.write(f"{draft(sys.argv[1])}\n")
