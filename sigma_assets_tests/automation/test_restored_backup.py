"""Our tables come back from a backup that is older than Dagster's storage, or the other way round: nothing stays lost."""

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from sigma_assets.automation import reconcile
from sigma_assets.storage.roster import adopt
from sigma_assets.web.app import create_app
from sigma_assets_tests.automation.world import World, lots

ENTRY, WEEK_AGO, TODAY = date(2025, 12, 29), date(2026, 1, 5), date(2026, 1, 8)
TABLES = (
    "market_prices",
    "symbol_factors",
    "symbol_metrics",
    "portfolio_snapshots",
    "position_values",
    "betas_by_portfolio",
)


def copied(source: Path, target: Path) -> None:
    """Copy a SQLite database as `sqlite3 FILE .backup` does: also while somebody has it open."""
    with closing(sqlite3.connect(source)) as of, closing(sqlite3.connect(target)) as to:
        of.backup(to)


def counts(world: World) -> dict[str, tuple[int, str]]:
    """Return rows and last session of each table."""
    with world.database.read() as connection:
        query = "SELECT count(*), max(session) FROM {}"
        return {name: tuple(connection.exec_driver_sql(query.format(name)).one()) for name in TABLES}


@pytest.fixture(scope="module")
def current(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a closed world that is up to date, and whose home has a backup of three sessions ago, to be copied."""
    made = World(tmp_path_factory.mktemp("current") / "home", f"simulated:last={WEEK_AGO}")
    made.id = made.add("Restored", lots({"AAPL": 10, "JNJ": 5}, ENTRY), ENTRY)
    made.bring()
    copied(made.home / "sigma.sqlite", made.home / "backup.sqlite")
    made.prices(f"simulated:last={TODAY}")
    made.bring()
    made.close()
    return made


@pytest.mark.parametrize("healer", ["command", "daemon"])
def test_tables_from_a_backup_are_filled_again_although_dagster_remembers_all_as_done(
    tmp_path, monkeypatch, current, healer
):
    """Seen: `nothing is missing`, and `run` left the snapshots of four sessions away for ever."""
    monkeypatch.setattr(reconcile, "SCHEDULE_GRACE", reconcile.timedelta(0))
    world, portfolio_id = World(tmp_path / "home", f"simulated:last={TODAY}", copy_of=current), current.id
    whole, before = counts(world), world.times_materialized()
    assert whole["portfolio_snapshots"][1] == str(TODAY)

    copied(world.home / "backup.sqlite", world.home / "sigma.sqlite")
    assert counts(world)["portfolio_snapshots"][1] == str(WEEK_AGO)
    if healer == "command":
        assert all(outcome.succeeded for outcome in world.bring())
    else:
        assert all(run.is_success for run in world.settle("reconcile"))

    assert counts(world) == whole
    again = {key[1] for key, count in world.times_materialized().items() if count > before[key]}
    assert again == {f"{day}|{portfolio_id}" for day in ("2026-01-06", "2026-01-07", "2026-01-08")}
    assert world.bring() == world.tick("reconcile") == []
    world.close()


def test_the_status_and_the_list_say_at_once_what_a_backup_lacks(tmp_path):
    """Seen: `completed` and `current` until the next tick of `reconcile`, over tables that ended days before."""
    world = World(tmp_path / "home", f"simulated:last={WEEK_AGO}")
    early = world.add("Onboarded before the backup", lots({"AAPL": 10}, ENTRY), ENTRY)
    world.bring()
    late = world.add("Adopted before the backup, computed after it", lots({"JNJ": 5}, ENTRY), ENTRY)
    adopt(world.database, [late], "sensor")
    copied(world.home / "sigma.sqlite", tmp_path / "backup.sqlite")
    world.prices(f"simulated:last={TODAY}")
    world.bring()
    server = TestClient(create_app(world.settings, world.instance, cache_seconds=0.0), base_url="http://127.0.0.1:3001")
    assert stands(server, early) == ("completed", "current", "", [])
    assert stands(server, late) == ("completed", "current", "", [])

    copied(tmp_path / "backup.sqlite", world.home / "sigma.sqlite")

    lost = "the sessions 2026-01-06 to 2026-01-08"
    assert stands(server, early) == ("completed", "behind", "3 sessions after 2026-01-05", [lost])
    assert stands(server, late)[:3] == ("partial", "behind", "everything")
    (warning,) = server.get(f"/api/v1/onboarding/status/{early}").json()["warnings"]
    assert warning["reason"] == "computed before, but not in the tables: these are older, as from a backup"
    assert "sigma-assets run" in warning["remedy"]

    world.bring()

    assert stands(server, early) == stands(server, late) == ("completed", "current", "", [])
    world.close()


def stands(server: TestClient, portfolio_id: str) -> tuple[str, str, str, list[str]]:
    """Return status, state in the list, what is missing there, and what the warnings say is lacking."""
    status = server.get(f"/api/v1/onboarding/status/{portfolio_id}").json()
    lines = {each["portfolio_id"]: each for each in server.get("/api/v1/portfolios").json()["portfolios"]}
    lacks = [each["lacks"] for each in status["warnings"] if each["symbol"] is None]
    return status["status"], lines[portfolio_id]["state"], lines[portfolio_id]["missing"], lacks
