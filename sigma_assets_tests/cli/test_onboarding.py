"""The runs that an import asks for, where the webserver answers some of its requests and not others."""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import pytest

from sigma_assets.automation.inputs import adopt_portfolios
from sigma_assets.automation.webserver import Webserver, WebserverError
from sigma_assets.cli.onboarding import prepare_onboarding
from sigma_assets.settings import settings
from sigma_assets_tests.automation.world import World, lots

ENTRY, LAST = date(2025, 6, 2), date(2026, 1, 8)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path / "home", f"simulated:last={LAST}")
    monkeypatch.setenv("DAGSTER_HOME", str(made.home))
    monkeypatch.setenv("SIGMA_PRICES", made.settings.prices)
    settings.cache_clear()
    yield made
    settings.cache_clear()
    made.close()


def test_where_only_the_first_of_several_runs_can_be_asked_for_the_rest_is_left_and_that_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """1,200 lots since June are two runs."""
    key = world.add("Large", lots({"AAPL": 1}, ENTRY).loc[[0] * 1_200].reset_index(drop=True), ENTRY)
    adopt_portfolios(world.instance, world.tables, "import")
    asked: list[Mapping[str, str]] = []

    def request(_: Webserver, name: str, tags: Mapping[str, str]) -> str:
        asked.append(tags)
        return "the first run"

    def away(_: Webserver, tags: Mapping[str, str]) -> str:
        raise WebserverError("no Dagster webserver at there")

    monkeypatch.setattr(Webserver, "check", lambda _: None)
    monkeypatch.setattr(Webserver, "request_onboarding", request)
    monkeypatch.setattr(Webserver, "launch", away)

    launch = prepare_onboarding(ENTRY)
    assert launch is not None
    run_id = launch(world.database, key)

    assert run_id == "the first run"
    assert len(asked) == 1
    assert capsys.readouterr().err == (
        "no Dagster webserver at there; the sensor `reconcile` or `sigma-assets run` will start the rest\n"
    )
