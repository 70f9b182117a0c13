"""The pipeline on PostgreSQL computes what it computes on SQLite, whichever way its address is written."""

from pathlib import Path

import dagster as dg
import pytest

from sigma_assets.automation.execution import UpdateRequest
from sigma_assets.instance.postgres import PooledPostgresEventLogStorage
from sigma_assets_tests.deployment.deployment import (
    CHECKOUT,
    FIRST,
    LAST,
    Deployment,
    add_book,
    configured,
    copy_book,
    role_url,
)
from sigma_assets_tests.postgres import PostgresServer


def test_every_number_is_the_same_on_both_databases(deployment: Deployment, embedded: Deployment) -> None:
    """To the last bit, in all tables; only the moments at which rows were written differ."""
    add_book(embedded.database)
    copy_book(embedded.database, deployment.database)

    for each in (embedded, deployment):
        assert [outcome.succeeded for outcome in each.run(UpdateRequest(first=FIRST, last=LAST))] == [True, True]

    expected, found = embedded.rows(), deployment.rows()
    for table in expected:
        assert found[table] == expected[table], table
    unfilled = {table for table, rows in found.items() if not rows}
    assert unfilled <= {
        "cash_flows", "symbols", "price_gaps", "symbol_renames", "provider_calls", "holdings_edits", "classifications",
    }  # fmt: skip


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_dagster_starts_on_every_way_to_write_the_address(
    postgres_server: PostgresServer, database_name: str, tmp_path: Path, scheme: str
) -> None:
    """On its first start, too, when it makes its tables."""
    address = role_url(postgres_server, database_name, "pipeline", scheme)
    deployment = configured(tmp_path / "home", address, CHECKOUT / "deploy" / "dagster.yaml")

    with deployment.entered() as instance:
        instance.add_dynamic_partitions("portfolio", ["p1"])

        assert isinstance(instance.event_log_storage, PooledPostgresEventLogStorage)
        assert instance.get_dynamic_partitions("portfolio") == ["p1"]
        assert instance.event_log_storage.get_event_records(_materializations(), limit=1) == []


def _materializations() -> dg.EventRecordsFilter:
    return dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION, asset_key=dg.AssetKey("market_prices"))
