"""Scenario 13: nine holdings that the source does not know are named, with why and what to do, wherever they are shown."""

import json
from datetime import date

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient
from playwright.sync_api import expect

from sigma_assets.base.conventions import FACTOR_ETFS
from sigma_assets.cli.main import cli
from sigma_assets.settings import settings
from sigma_assets.web.app import create_app
from sigma_assets_tests.automation.world import World, lots
from sigma_assets_tests.web.browser import free_port, open_browser, served

KNOWN = ("AAA", "BBB", "CCC", "DDD")
UNKNOWN = tuple(f"NIX{number}" for number in range(1, 10))
ENTRY = date(2025, 1, 2)
HOST = "http://127.0.0.1:3001"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory):
    """Run a portfolio of thirteen lots, nine of which the price files do not know; return its world and its id."""
    folder = tmp_path_factory.mktemp("prices")
    settings_calendar = settings().calendar
    days = settings_calendar.between(date(2024, 1, 2), date(2025, 1, 31)).tolist()
    rows = [
        f"{day},{symbol},{50 + (at * 7 + place * 13) % 11 + place}"
        for place, symbol in enumerate((*KNOWN, *FACTOR_ETFS))
        for at, day in enumerate(days)
    ]
    (folder / "prices.csv").write_text("date,symbol,close\n" + "\n".join(rows) + "\n")
    world = World(tmp_path_factory.mktemp("home"), f"files:{folder}")
    held = lots(dict.fromkeys((*KNOWN, *UNKNOWN), 10.0), ENTRY)
    portfolio_id = world.add("Nine unknown", held, ENTRY)
    outcomes = world.bring(portfolio_id)
    assert all(outcome.succeeded for outcome in outcomes)
    yield world, portfolio_id
    world.close()


@pytest.fixture(scope="module")
def app(told):
    """Return the status server of the world."""
    world, _ = told
    return create_app(world.settings, world.instance, cache_seconds=0.0)


def test_the_api_names_each_with_reason_and_remedy(told, app):
    """`completed`, and yet nine are not known: 13 lots, 18 symbols held or factor ETFs and more."""
    _, portfolio_id = told

    status = TestClient(app, base_url=HOST).get(f"/api/v1/onboarding/status/{portfolio_id}").json()

    assert (status["status"], status["errors"]) == ("completed", [])
    unpriced = {warning["symbol"]: warning for warning in status["warnings"] if "price" in warning["lacks"].split(", ")}
    assert sorted(unpriced) == sorted(UNKNOWN)
    assert all("does not know the symbol" in warning["reason"] for warning in unpriced.values())
    assert all("sigma-assets sync" in warning["remedy"] for warning in unpriced.values())
    summary = status["summary"]
    assert summary["symbols"] - summary["symbols_priced"] == len(UNKNOWN)
    assert status["phases"][0]["total"] == summary["symbols"]
    assert (status["price_source"], status["newest_price"]) == ("files", "2025-01-31")
    assert any(warning["lacks"] == "volatility of the portfolio" for warning in status["warnings"])


def test_the_list_counts_them(told, app):
    """Up to date, 9 of 13 without prices."""
    (line,) = TestClient(app, base_url=HOST).get("/api/v1/portfolios").json()["portfolios"]

    assert (line["state"], line["gaps"]) == ("current", "9 of 13 without prices")
    assert line["newest_price"] == "2025-01-31"


def test_the_page_shows_them_before_anything_else(told, app):
    """Each with its reason; the state says that there are gaps, and the sentence how many symbols have prices."""
    _, portfolio_id = told
    with served(app, free_port()) as base, open_browser() as browser:
        page = browser.new_page()
        page.goto(f"{base}/onboarding/{portfolio_id}")
        expect(page.locator("#status")).to_have_text("Completed with gaps")
        shown = page.locator("#warning-list")
        for symbol in UNKNOWN:
            expect(shown).to_contain_text(f"{symbol} lacks price")
        expect(page.locator("#announcement")).to_contain_text(" of ")
        expect(page.locator("#announcement")).to_contain_text("prices up to 2025-01-31, current session ")
        assert page.evaluate("document.querySelector('#content').firstElementChild.id") == "warnings"
        page.goto(base)
        expect(page.locator("#rows tr")).to_contain_text("Up to date, 9 of 13 without prices")


def test_commands_name_them(told, monkeypatch: pytest.MonkeyPatch):
    """`status` in words and as JSON; `missing` and `run` on stderr although nothing is missing."""
    world, portfolio_id = told
    monkeypatch.setenv("DAGSTER_HOME", str(world.home))
    monkeypatch.setenv("SIGMA_PRICES", world.settings.prices)
    settings.cache_clear()
    runner = CliRunner()

    words = runner.invoke(cli, ["status", portfolio_id], catch_exceptions=False)
    record = json.loads(runner.invoke(cli, ["status", portfolio_id, "--json"], catch_exceptions=False).stdout)
    missing = runner.invoke(cli, ["missing"], catch_exceptions=False)

    settings.cache_clear()
    assert all(f"warning: {symbol} lacks price" in words.stdout for symbol in UNKNOWN)
    assert {warning["symbol"] for warning in record["warnings"]} >= set(UNKNOWN)
    assert "nothing is missing" in missing.stdout
    assert "Nine unknown: 9 of 13 without prices" in missing.stderr
    assert all(symbol in missing.stderr for symbol in UNKNOWN)
