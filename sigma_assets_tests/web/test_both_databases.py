"""Numbers, report and explanations are read from PostgreSQL as from SQLite."""

import json
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from sigma_assets.reports.explain.formulas import FORMULAS, TABLES
from sigma_assets.reports.numbers import NAMES, json_text, tidy_rows
from sigma_assets.storage.schema import portfolio_snapshots
from sigma_assets.web.app import create_app
from sigma_assets_tests.reports.computed import LAST, compute_world, computed_world, disposed
from sigma_assets_tests.verification.world import World

WHICH = {
    "market_prices": {"symbol": "SPY"}, "symbol_factors": {"symbol": "SPY"}, "symbol_metrics": {"symbol": "SPY"},
    "position_values": {"symbol": "AAPL"}, "betas_by_position": {"symbol": "AAPL"},
    "factor_exposures_by_position": {"symbol": "AAPL"}, "stress_tests_by_position": {"symbol": "AAPL"},
    "volatility_by_symbol": {"symbol": "AAPL"}, "correlations_by_pair": {"symbol": ["AAPL", "SPY"]},
    "correlations_by_cluster": {"cluster": 1}, "risk_by_position": {"symbol": "AAPL"},
    "risk_by_factor": {"factor": "market"},
    "stress_tests_by_portfolio": {"scenario": "market_down_20"},
}  # fmt: skip
"""What tells a row of a table from the others; AAPL is held in two lots."""


@pytest.fixture
def computed(tmp_path, database_url) -> Iterator[tuple[World, str]]:
    if database_url.startswith("sqlite"):
        yield from disposed(computed_world(tmp_path))
        return
    made = compute_world(tmp_path, database_url)
    yield from disposed(made)
    made[0].instance.dispose()


def test_all_that_is_read_is_read_from_both(computed):
    world, key = computed
    client = TestClient(create_app(world.settings, world.instance, cache_seconds=0.0), base_url="http://127.0.0.1:3001")
    with world.tables.database.read() as connection:
        mine = sa.and_(portfolio_snapshots.c.portfolio_id == key, portfolio_snapshots.c.session == LAST)
        equity = connection.execute(sa.select(portfolio_snapshots.c.equity).where(mine)).scalar_one()

    report = client.get(f"/api/v1/portfolios/{key}/report")
    page = client.get(f"/portfolio/{key}")

    assert report.json()["snapshot"]["equity"] == equity
    assert f"{equity:,.0f}" in page.text
    for table in NAMES:
        rows = client.get(f"/api/v1/portfolios/{key}/{table}").json()
        assert rows == json.loads(json_text(tidy_rows(world.tables.database, world.settings, table, (key,))))
        assert client.get(f"/api/v1/portfolios/{key}/{table}?limit=3").json() == rows[:3]
    for table in TABLES:
        column = next(iter(FORMULAS[table]))
        found = client.get(f"/api/v1/portfolios/{key}/explain/{table}/{column}", params=WHICH.get(table, {}))
        assert found.status_code == 200, f"{table}.{column}: {found.text}"
        assert found.json()["is_equal"] in (True, None), found.json()["verdict"]
