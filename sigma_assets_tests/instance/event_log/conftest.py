"""Our storage of Dagster's on both databases."""

from collections.abc import Iterator

import pytest
from dagster._core.storage.base_storage import DagsterStorage

from sigma_assets.instance.postgres import SharedPostgresStorage
from sigma_assets.instance.sqlite.storage import SharedSqliteStorage


@pytest.fixture
def storage(installed_url: str, tmp_path) -> Iterator[DagsterStorage]:
    """Return a fresh storage; the test runs once per kind of database."""
    is_sqlite = installed_url.startswith("sqlite")
    opened = SharedSqliteStorage(str(tmp_path / "home")) if is_sqlite else SharedPostgresStorage(installed_url)
    yield opened
    for part in (opened.event_log_storage, opened.run_storage, opened.schedule_storage):
        part.dispose()
