"""Scenario 20: an upgrade changes a formula; nothing is computed unasked; what is older is brought up to date on request."""

from datetime import date

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from fastapi.testclient import TestClient

from sigma_assets.automation.reasons.methods import OlderNumbers, note_newer_methods, outdated
from sigma_assets.base import conventions
from sigma_assets.base.conventions import METHOD_VERSIONS
from sigma_assets.base.errors import SchemaVersionError
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.methods import note_methods, noted_methods, refuse_newer_methods
from sigma_assets.storage.migrations import upgrade
from sigma_assets.web.app import create_app
from sigma_assets_tests.verification.markets import simulated_market
from sigma_assets_tests.verification.world import World


@pytest.fixture(scope="module")
def computed(tmp_path_factory) -> tuple[World, list[date]]:
    market = simulated_market(tmp_path_factory.mktemp("market"))
    world = World.in_folder(tmp_path_factory.mktemp("computed"), market.prices)
    days = [day.date() for day in market.close.index[-2:]]
    world.add(market.holdings, "book", market.equity)
    world.run(days[0], days[-1])
    return world, days


def test_every_place_that_shows_a_portfolio_says_that_its_numbers_are_of_an_older_method(computed, monkeypatch):
    """Also before anybody has noted the newer version: a reader of the new code is enough."""
    world, days = computed
    (portfolio_id,) = world.tables.roster().name_of
    monkeypatch.setenv("DAGSTER_HOME", str(world.settings.home))
    app = _started(world)
    addresses = [f"/api/v1/onboarding/status/{portfolio_id}", f"/api/v1/portfolios/{portfolio_id}/report"]
    assert "run --outdated" not in app.get("/portfolio/" + portfolio_id).text
    counted = app.get("/api/v1/portfolios").json()["portfolios"][0]["warnings"]

    monkeypatch.setitem(conventions.METHOD_VERSIONS, "performance", METHOD_VERSIONS["performance"] + 1)
    app = _started(world)  # answers of before are kept until something is written, or the program starts again

    for address in addresses:
        (told,) = [one for one in app.get(address).json()["warnings"] if "run --outdated" in one["remedy"]]
        assert told["reason"].endswith(f"computed performance on 2 sessions from {days[0]} to {days[1]}")
    assert app.get("/api/v1/portfolios").json()["portfolios"][0]["warnings"] == counted + 1
    assert "run --outdated" in app.get(f"/portfolio/{portfolio_id}").text


def _started(world: World) -> TestClient:
    return TestClient(create_app(world.settings, world.instance, cache_seconds=0.0), base_url="http://127.0.0.1:3001")


def test_a_changed_method_marks_what_is_there_and_what_is_made_of_it(computed, monkeypatch):
    world, days = computed
    assert _outdated(world) == {}

    monkeypatch.setitem(conventions.METHOD_VERSIONS, "betas", METHOD_VERSIONS["betas"] + 1)
    note_newer_methods(world.instance, world.tables.database)
    assert {asset: len(sessions) for (_, asset), sessions in _outdated(world).items()} == {"betas": 2}
    assert _told(world) == [
        "portfolio lacks numbers of the current method: an older version of the method computed betas on"
        f" 2 sessions from {days[0]} to {days[1]}; run `sigma-assets run --outdated`"
    ]

    world.run(days[1], days[1], outdated=True)
    assert f"computed betas on {days[0]};" in _told(world)[0]
    assert _told(world, ends_only=True) == _told(world)
    assert {asset: list(sessions.astype(date)) for (_, asset), sessions in _outdated(world).items()} == {
        "betas": [days[0]]
    }
    world.run(None, None, outdated=True)
    assert _outdated(world) == {}
    assert _told(world) == []

    monkeypatch.setitem(conventions.METHOD_VERSIONS, "position_values", METHOD_VERSIONS["position_values"] + 1)
    note_newer_methods(world.instance, world.tables.database)
    followers = {"betas", "factor_exposures", "volatility", "correlations", "risk", "stress_tests"}
    assert {asset for _, asset in _outdated(world)} == {"position_values", *followers}


def _outdated(world: World) -> dict:
    return outdated(world.instance, world.tables, world.tables.roster())


def _told(world: World, *, ends_only: bool = False) -> list[str]:
    roster = world.tables.roster()
    older = OlderNumbers(world.instance, world.tables.database, world.settings.history_start)
    return [str(gap) for gaps in older.gaps(roster, roster.name_of, ends_only=ends_only).values() for gap in gaps]


def test_noting_the_same_versions_again_changes_nothing(tmp_path):
    database = _database(tmp_path)
    before = noted_methods(database)

    note_methods(database, METHOD_VERSIONS, 7)

    assert before == noted_methods(database) == {asset: (version, 0) for asset, version in METHOD_VERSIONS.items()}


def test_a_process_of_the_older_code_may_not_write_any_more(tmp_path):
    database = _database(tmp_path)
    note_methods(database, {"betas": 9}, 120)

    assert noted_methods(database)["betas"] == (9, 120)
    refuse_newer_methods(database, "betas", 9)
    with pytest.raises(SchemaVersionError, match=r"betas: this process computes method version 1.* version 9"):
        refuse_newer_methods(database, "betas", 1)
    note_methods(database, {"betas": 1}, 500)
    assert noted_methods(database)["betas"] == (9, 120)


def test_every_asset_shows_its_version_in_dagster():
    from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, SYMBOL_ASSETS

    shown = {
        asset.key.to_user_string(): next(iter(asset.specs)).code_version
        for asset in [*SYMBOL_ASSETS, *PORTFOLIO_ASSETS]
    }

    assert shown == {asset: str(version) for asset, version in METHOD_VERSIONS.items()}


def test_force_and_outdated_exclude_each_other():
    from sigma_assets.cli.main import cli

    answer = CliRunner().invoke(cli, ["run", "--force", "--outdated"])

    assert answer.exit_code == 2
    assert "choose one" in answer.output


def _database(folder) -> Database:
    database = Database(f"sqlite:///{folder / 'sigma.sqlite'}")
    upgrade(database)
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM method_versions")).scalar_one() == len(METHOD_VERSIONS)
    return database
