"""Returns and share counts from what each source stores, across a split and an ex-date, are the planted ones."""

import numpy as np
import pandas as pd
import pytest

from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.base.frames import PriceHistory
from sigma_assets_tests.providers.loopback import Loopback
from sigma_assets_tests.providers.massive.fake_massive import dividend, provider_at, sessions_between, split
from sigma_assets_tests.providers.yahoo import test_yahoo as yahoo_tests
from sigma_assets_tests.providers.yahoo.fake_yahoo import FakeYahoo, Listing

fresh_yfinance = yahoo_tests.fresh_yfinance
WEEK = sessions_between("2025-03-10", "2025-03-14")
CLOSES = dict(zip(WEEK, (100.0, 51.0, 50.49, 16.83, 17.3349), strict=True))
RETURNS = [np.nan, 0.02, 0.0, 0.0, 0.03]
"""2-for-1 into 51 is 2 %; 50.49 + 0.51 cash is 51; 3-for-1 into 16.83 is 50.49; 17.3349 is 3 % more."""


def history_of(rows: pd.DataFrame) -> PriceHistory:
    """Return the rows of one symbol as a price history."""
    column = {name: rows[name].to_numpy()[:, None] for name in ("close", "split_factor", "dividend", "volume")}
    nothing = np.array([np.datetime64("NaT")], dtype="datetime64[D]")
    return PriceHistory(
        sessions=rows["session"].to_numpy().astype("datetime64[D]"),
        symbols=np.array(["AAA"], dtype=object),
        prior_close=np.array([np.nan]),
        prior_session=nothing,
        **column,
    )


@pytest.fixture
def from_massive(massive, market, clock):
    """Return Massive's rows: the backfill, and night after night."""
    market.prices("AAA", dict(CLOSES))
    market.splits = [split("AAA", str(WEEK[1]), 1, 2), split("AAA", str(WEEK[3]), 1, 3)]
    market.dividends = [dividend("AAA", str(WEEK[2]), 0.51)]
    nights = [provider_at(massive, clock, current_session=night).daily_bars({"AAA": [night]}) for night in WEEK]
    backfill = next(provider_at(massive, clock).daily_bars({"AAA": WEEK})).rows
    return backfill, pd.concat([next(night).rows for night in nights])


@pytest.fixture
def from_yahoo(clock):
    """Return Yahoo's rows: the backfill, and night after night, when later splits were not known."""
    market = FakeYahoo(now=WEEK[4])
    market.listings["AAA"] = Listing(
        dict(CLOSES), splits={WEEK[1]: (2, 1), WEEK[3]: (3, 1)}, dividends={WEEK[2]: 0.51}
    )  # fmt: skip
    nights = []
    with Loopback(market.answer).running() as server:
        backfill = yahoo_tests.load(server, clock, market, {"AAA": WEEK})[0].rows
        for night in WEEK:
            market.now = night
            nights.append(yahoo_tests.load(server, clock, market, {"AAA": [night]})[0].rows)
    return backfill, pd.concat(nights)


@pytest.mark.parametrize("source", ["from_massive", "from_yahoo"])
@pytest.mark.parametrize("mode", [0, 1], ids=["backfill", "night after night"])
def test_returns_and_share_counts_are_the_planted_ones(source, mode, request):
    rows = request.getfixturevalue(source)[mode]

    assert total_returns(history_of(rows))[:, 0].tolist() == pytest.approx(RETURNS, abs=1e-12, nan_ok=True)
    assert 100 * np.prod(rows["split_factor"]) == 600.0
