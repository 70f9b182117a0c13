"""PostgreSQL is away: every answer is a 503 that says so, after the patience of a server and not after several of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sigma_assets.storage import migrations
from sigma_assets.storage.connection import patience as waiting
from sigma_assets_tests.conftest import drop_database, fresh_database
from sigma_assets_tests.postgres import PostgresServer
from sigma_assets_tests.web.conftest import TEAM, World, configured_world
from sigma_assets_tests.web.pipeline import complete

STATUS = "/api/v1/onboarding/status/P1"
PATHS = (STATUS, f"{STATUS}?debug=true", f"{STATUS}/logs", "/api/v1/portfolios", "/healthz")


@pytest.fixture
def team(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[World]:
    """Return an installation as deploy/ makes it, with a completed portfolio."""
    if not postgres_server.is_ours:
        pytest.skip("the server given is not ours to stop")
    name = fresh_database(postgres_server)
    url = postgres_server.url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    world = configured_world(tmp_path, url, TEAM % url)
    migrations.upgrade(world.database)
    world.add_portfolio("P1")
    complete(world.instance, ["P1"])
    yield world
    world.instance.dispose()
    world.database.dispose()
    drop_database(postgres_server, name)


def test_every_answer_is_a_503_and_the_patience_is_spent_once(
    team: World, postgres_server: PostgresServer, monkeypatch
):
    """Version 0.1 answered 500 after three times its six seconds. Counted are the ends of patience, not seconds."""
    monkeypatch.setattr(waiting.patience, "seconds", 1.0)
    client = team.client()
    assert [client.get(path).status_code for path in PATHS[:4]] == [200] * 4
    ends: list[str] = []
    pause = waiting._pause

    def counting(error, failures, began, *, forever):
        left = pause(error, failures, began, forever=forever)
        ends.extend(["over"] if left is None else [])
        return left

    monkeypatch.setattr(waiting, "_pause", counting)
    postgres_server.halt()
    try:
        for path in PATHS:
            ends.clear()
            answer = client.get(path)
            assert (path, answer.status_code, len(ends)) == (path, 503, 1), answer.text
        assert answer.json() == {
            "ok": False,
            "failing": ["database: cannot be read", "dagster storage: on the same server"],
        }
    finally:
        postgres_server.start()

    assert [client.get(path).status_code for path in PATHS[:4]] == [200] * 4


def test_the_first_request_after_a_restart_of_the_server_is_answered(team: World, postgres_server: PostgresServer):
    """Dagster's pools for servers of pages held connections that had ended: a 503 each, and a false alarm of /healthz."""
    team.instance.optimize_for_webserver(statement_timeout=10_000, pool_recycle=3600, max_overflow=40)
    client = team.client()
    assert [client.get(path).status_code for path in PATHS[:4]] == [200] * 4
    well = client.get("/healthz").json()["failing"]

    for path in PATHS:
        postgres_server.halt()
        postgres_server.start()
        answer = client.get(path)
        assert answer.json()["failing"] == well if path == "/healthz" else answer.status_code == 200, path

    with team.instance.event_log_storage._engine.connect() as connection:  # type: ignore[attr-defined]
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar_one() == "10s"
