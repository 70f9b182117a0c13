"""Scenario 20: an upgrade changes a formula; nothing is computed unasked; what is older is brought up to date on request."""

from datetime import date

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from sigma_assets.automation.methods import note_newer_methods, outdated
from sigma_assets.base import conventions
from sigma_assets.base.conventions import METHOD_VERSIONS
from sigma_assets.base.errors import SchemaVersionError
from sigma_assets.storage.database import Database
from sigma_assets.storage.methods import note_methods, noted_methods, refuse_newer_methods
from sigma_assets.storage.migrations import upgrade
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


def test_a_changed_method_marks_what_is_there_and_what_is_made_of_it(computed, monkeypatch):
    world, days = computed
    assert _outdated(world) == {}

    monkeypatch.setitem(conventions.METHOD_VERSIONS, "betas", METHOD_VERSIONS["betas"] + 1)
    note_newer_methods(world.instance, world.tables.database)
    assert {asset: len(sessions) for (_, asset), sessions in _outdated(world).items()} == {"betas": 2}

    world.run(days[1], days[1], outdated=True)
    assert {asset: list(sessions.astype(date)) for (_, asset), sessions in _outdated(world).items()} == {
        "betas": [days[0]]
    }
    world.run(None, None, outdated=True)
    assert _outdated(world) == {}

    monkeypatch.setitem(conventions.METHOD_VERSIONS, "position_values", METHOD_VERSIONS["position_values"] + 1)
    note_newer_methods(world.instance, world.tables.database)
    followers = {"betas", "factor_exposures", "volatility", "correlations", "risk", "stress_tests"}
    assert {asset for _, asset in _outdated(world)} == {"position_values", *followers}


def _outdated(world: World) -> dict:
    return outdated(world.instance, world.tables, world.tables.roster())


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
