"""Simulated prices are named for as long as any of them is stored: a later, real source does not make them real."""

import shutil
from datetime import date

import pytest

from sigma_assets.prices.tables import write_prices
from sigma_assets.reports.gaps.holdings import Holdings, holdings_of
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets_tests.storage.builders import EVENING, add, bars
from sigma_assets_tests.templates import migrated_sqlite

CLOSES = {"2026-01-06": 150.0, "2026-01-07": 151.0}


@pytest.fixture
def settings(tmp_path) -> Settings:
    """Settings of a home whose prices come from files by now."""
    shutil.copy(migrated_sqlite(), tmp_path / "sigma.sqlite")
    return Settings(home=tmp_path, prices=f"files:{tmp_path}")


def _known(settings: Settings, simulated: dict[str, dict[str, float]], real: dict[str, dict[str, float]]) -> Holdings:
    database = Database(settings.database)
    for closes, source in ((simulated, "simulated"), (real, "files")):
        if closes:
            write_prices(database, bars(closes), source, EVENING)
    portfolio_id = add(database, "Real", {})
    return holdings_of(database, settings, [portfolio_id])[portfolio_id]


def test_prices_simulated_before_the_source_was_changed_are_named(settings):
    """AAPL was simulated up to 6 January; the close of 7 January is real, and a return between the two is not."""
    known = _known(settings, {"AAPL": {"2026-01-06": 90.0}}, {"AAPL": {"2026-01-07": 151.0}})

    (gap,) = known.gaps
    assert known.price_source == "files, simulated"
    assert known.is_simulated
    assert not known.is_all_simulated
    assert gap.lacks == "real prices"
    assert f"AAPL up to {date(2026, 1, 6)} are simulated" in gap.reason
    assert "sigma-assets prices reload" in gap.remedy


@pytest.mark.parametrize("etf", ["SPY", "MTUM"])
def test_a_simulated_factor_etf_makes_betas_up_though_all_holdings_are_real(settings, etf):
    known = _known(settings, {etf: CLOSES}, {"AAPL": CLOSES})

    assert known.is_simulated
    assert [gap.lacks for gap in known.gaps] == ["real prices"]
    assert etf in known.gaps[0].reason


def test_other_symbols_of_a_demo_are_no_concern_of_a_real_portfolio(settings):
    known = _known(settings, {"NVDA": CLOSES}, {"AAPL": CLOSES, "SPY": CLOSES})

    assert (known.price_source, known.gaps) == ("files", ())


def test_of_prices_that_are_all_simulated_one_sentence_tells(settings):
    known = _known(settings, {"AAPL": CLOSES, "SPY": CLOSES}, {})

    assert known.is_all_simulated
    assert known.gaps == ()
