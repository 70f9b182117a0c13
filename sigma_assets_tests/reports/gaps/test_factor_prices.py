"""A price source without the factor ETFs or the benchmark costs betas and more, and that is said."""

import shutil
from datetime import date

import pytest

from sigma_assets.base.conventions import FACTOR_ETFS
from sigma_assets.prices.tables import write_prices
from sigma_assets.reports.gaps.holdings import Holdings, holdings_of
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames.rows import Rows, replace_rows
from sigma_assets.storage.schema import price_coverage
from sigma_assets_tests.storage.builders import EVENING, add, bars, coverage
from sigma_assets_tests.templates import migrated_sqlite

LACKS = "prices of factor ETFs or the benchmark"
DAYS = ("2026-01-06", "2026-01-07")


def _known(home, priced, benchmark: str = "SPY") -> Holdings:
    settings = Settings(home=home, prices=f"files:{home}", benchmark=benchmark)
    shutil.copy(migrated_sqlite(), home / "sigma.sqlite")
    database = Database(settings.database)
    write_prices(database, bars({symbol: dict.fromkeys(DAYS, 50.0) for symbol in priced}), "files", EVENING)
    portfolio_id = add(database, "Book", {})
    last = date.fromisoformat(DAYS[-1])
    rows = coverage([portfolio_id], DAYS[-1:])
    replace_rows(database, {price_coverage: rows}, Rows(last, last, (portfolio_id,)))
    return holdings_of(database, settings, [portfolio_id])[portfolio_id]


def test_a_source_without_factor_etfs_is_told(tmp_path):
    """ "19 symbols have prices", and no warning, was said where two of them had any and no beta could be known."""
    known = _known(tmp_path, ["AAPL"])

    (gap,) = [gap for gap in known.gaps if gap.lacks == LACKS]
    assert "IWM, MTUM, QUAL and 14 more are without a recent price up to 2026-01-07" in gap.reason
    assert "SIGMA_PRICES" in gap.remedy
    assert known.counted_symbols == f"1 of {1 + len(FACTOR_ETFS)} symbols"


def test_a_benchmark_without_prices_is_told(tmp_path):
    known = _known(tmp_path, ["AAPL", *FACTOR_ETFS], benchmark="NOSUCH")

    (gap,) = [gap for gap in known.gaps if gap.lacks == LACKS]
    assert gap.reason.startswith("NOSUCH is without a recent price")


@pytest.mark.parametrize("more", [(), ("VWRL",)])
def test_with_all_of_them_nothing_is_said(tmp_path, more):
    known = _known(tmp_path, ["AAPL", *FACTOR_ETFS, *more], benchmark=(more or ("SPY",))[0])

    assert [gap for gap in known.gaps if gap.lacks == LACKS] == []
    assert known.counted_symbols == f"{1 + len(FACTOR_ETFS)} symbols"
