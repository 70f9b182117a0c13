"""Whether Dagster's tables have a column is looked up until they have it, and then no more."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from dagster._core.storage.base_storage import DagsterStorage


@pytest.fixture
def lookups() -> Iterator[list[str]]:
    """Return a list of the statements that read which columns a table has."""
    found: list[str] = []

    def note(connection, cursor, statement, *_):
        if "table_xinfo" in statement or "pg_attribute" in statement:
            found.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield found
    sa.event.remove(sa.Engine, "before_cursor_execute", note)


def test_a_column_that_a_migration_adds_is_noticed_and_then_known(storage: DagsterStorage, lookups: list[str]):
    events = storage.event_log_storage
    assert not events.has_asset_key_col("added_later")
    with events.index_connection() as connection:
        connection.execute(sa.text("ALTER TABLE asset_keys ADD COLUMN added_later INTEGER"))

    assert events.has_asset_key_col("added_later")
    assert lookups
    lookups.clear()
    assert events.has_asset_key_col("added_later")
    assert lookups == []


def test_columns_that_dagster_asks_for_with_each_event_and_run_are_looked_up_once(
    storage: DagsterStorage, lookups: list[str]
):
    """At most once for each table; the runs on SQLite have been asked when they were opened."""
    events, runs = storage.event_log_storage, storage.run_storage
    for _ in range(3):
        assert events.has_asset_key_index_cols()
        assert runs.has_run_stats_index_cols()
        with events.index_connection() as connection:
            assert events._has_asset_key_index_cols_on_connection(connection)

    assert len(lookups) <= 2
