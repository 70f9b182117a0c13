"""A late or corrected price touches exactly the sessions that read it."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from sigma_assets.automation.reasons.corrections import (
    Reach,
    differing_sessions,
    sessions_behind,
    touched_sessions,
)
from sigma_assets.base.frames import PriceHistory

SESSIONS = np.arange("2026-01-01", "2026-01-31", dtype="datetime64[D]")
REACH = Reach(
    {
        "price_coverage": 9,
        "factor_coverage": 5,
        "portfolio_snapshots": 0,
        "betas": 5,
        "volatility": 9,
        "correlations": 3,
    },
    of_factors={"price_coverage": 9, "betas": 5},
    of_rows={"price_coverage": 5, "factor_coverage": 5},
)


@pytest.fixture
def history() -> PriceHistory:
    """FUND has a price each day but the 12th to 14th; SPY each day."""
    close = np.full((30, 2), 10.0)
    close[11:14, 0] = np.nan
    ones, zeros = np.ones_like(close), np.zeros_like(close)
    never = np.array(["NaT", "NaT"], dtype="datetime64[D]")
    symbols = np.array(["FUND", "SPY"], dtype=object)
    return PriceHistory(SESSIONS, symbols, close, ones, zeros, zeros, np.full(2, np.nan), never)


@pytest.fixture
def computed() -> pd.DataFrame:
    return pd.DataFrame({"session": SESSIONS.astype("datetime64[s]"), "prices_revision": 7})


def changed(symbol: str, day: int, revision: int = 8) -> pd.DataFrame:
    return pd.DataFrame(
        {"symbol": [symbol], "session": [pd.Timestamp(2026, 1, day).as_unit("s")], "revision": [revision]}
    )


def numbers(touched: dict, asset: str) -> list[int]:
    return [day.item().day for day in touched[asset]]


def test_a_price_touches_no_session_before_the_symbol_was_bought(history, computed):
    """FUND was bought on the 8th: its price of the 5th is read by windows of later sessions alone, and by its own betas."""
    bought = {"FUND": date(2026, 1, 8)}

    touched = touched_sessions(
        changed("FUND", 5), history, computed, held=bought, factor_etfs=set(), reach=REACH, rows={"FUND": SESSIONS[:7]}
    )

    assert "portfolio_snapshots" not in touched
    assert numbers(touched, "betas") == [8, 9, 10]
    assert numbers(touched, "volatility") == list(range(8, 15))
    assert numbers(touched, "factor_coverage") == list(range(5, 11)), "and no row of it on a session without one"


def test_a_new_symbol_touches_no_session_that_has_no_row_of_it(history, computed):
    """All its prices came after the sessions were computed, when it was bought on the 8th."""
    touched = touched_sessions(
        changed("FUND", 5), history, computed, held={"FUND": date(2026, 1, 8)}, factor_etfs=set(), reach=REACH
    )

    assert numbers(touched, "factor_coverage") == [8, 9, 10]


def test_before_a_factor_etf_was_bought_its_prices_are_read_as_a_factor(history, computed):
    bought = {"SPY": date(2026, 1, 8)}

    touched = touched_sessions(changed("SPY", 5), history, computed, held=bought, factor_etfs={"SPY"}, reach=REACH)

    assert numbers(touched, "betas") == list(range(5, 11))
    assert numbers(touched, "volatility") == list(range(8, 15))


def test_a_snapshot_depends_on_its_own_price_and_through_pnl_on_the_one_before(history, computed):
    touched = touched_sessions(
        changed("FUND", 5), history, computed, held={"FUND": date.min}, factor_etfs=set(), reach=REACH
    )

    assert numbers(touched, "portfolio_snapshots") == [5, 6]


def test_a_price_is_carried_over_a_gap_until_the_next_one(history, computed):
    touched = touched_sessions(
        changed("FUND", 11), history, computed, held={"FUND": date.min}, factor_etfs=set(), reach=REACH
    )

    assert numbers(touched, "portfolio_snapshots") == [11, 12, 13, 14, 15]


def test_windowed_assets_read_the_return_at_the_price_and_the_one_after(history, computed):
    """The return of the 5th is in 5 windows from the 5th on, that of the 6th in 5 from the 6th on."""
    touched = touched_sessions(
        changed("FUND", 5), history, computed, held={"FUND": date.min}, factor_etfs=set(), reach=REACH
    )

    assert numbers(touched, "betas") == list(range(5, 11))
    assert numbers(touched, "correlations") == list(range(5, 9))
    assert numbers(touched, "price_coverage") == numbers(touched, "volatility") == list(range(5, 15))


def test_a_factor_etf_that_is_not_held_touches_betas_only(history, computed):
    touched = touched_sessions(
        changed("SPY", 5), history, computed, held={"FUND": date.min}, factor_etfs={"SPY"}, reach=REACH
    )

    assert set(touched) == {"betas", "price_coverage"}


def test_of_a_symbol_that_is_everybodys_the_betas_are_kept_whether_it_is_held_or_not(history, computed):
    """Such as GLD: it is no factor, but every portfolio's runs compute its betas and metrics."""
    touched = touched_sessions(
        changed("SPY", 5), history, computed, held={}, factor_etfs=set(), reach=REACH, rows={"SPY": SESSIONS}
    )

    assert set(touched) == {"factor_coverage", "price_coverage"}


def test_a_portfolio_that_does_not_hold_the_symbol_is_not_touched(history, computed):
    assert (
        touched_sessions(changed("FUND", 5), history, computed, held={"SPY": date.min}, factor_etfs=set(), reach=REACH)
        == {}
    )


def test_rows_computed_after_the_price_came_are_not_touched(history, computed):
    computed.loc[computed.index >= 5, "prices_revision"] = 8

    touched = touched_sessions(
        changed("FUND", 5), history, computed, held={"FUND": date.min}, factor_etfs=set(), reach=REACH
    )

    assert numbers(touched, "betas") == [5]


def snapshots(**columns) -> pd.DataFrame:
    base = pd.DataFrame({"portfolio_id": "A", "session": SESSIONS[:3].astype("datetime64[s]"), "max_drawdown": 0.0})
    exposures = dict.fromkeys(("equity", "gross_exposure", "net_exposure", "long_value", "short_value"), 100.0)
    return base.assign(**exposures, **columns)


def test_every_later_session_that_was_computed_before_a_price_came_is_compared(computed):
    """The price of the 5th came with load 8, that of the 20th with load 9; the 6th to the 10th have seen load 8."""
    computed.loc[5:9, "prices_revision"] = 8
    both = pd.concat([changed("FUND", 20, revision=9), changed("SPY", 5)])

    behind = sessions_behind(computed, both)

    assert [day.item().day for day in behind] == [5, *range(11, 31)]
    computed.loc[5:, "prices_revision"] = 8
    assert [day.item().day for day in sessions_behind(computed, both)] == [5, *range(20, 31)]
    assert len(sessions_behind(computed, both.iloc[:0])) == 0


def test_a_snapshot_that_would_now_be_another_one_is_found_by_comparison():
    """Drawdown to date moves no position; equity moves weights, and all that is weighted."""
    stored = snapshots(time_weighted_return=[0.1, np.nan, 0.1])
    now = stored.assign(max_drawdown=[0.0, 0.0, -0.2], equity=[100.0, 101.0, 100.0])

    differs, moved = differing_sessions(now, stored)

    assert differs.tolist() == [SESSIONS[1].item(), SESSIONS[2].item()]
    assert moved.tolist() == [SESSIONS[1].item()]
