"""Windows of what happened before, on prices small enough to check by hand."""

from datetime import date

import numpy as np
import pytest

from sigma_assets.analytics.risk.stress.replays import replay_windows, window_returns
from sigma_assets.analytics.risk.stress.scenarios import Replay
from sigma_assets_tests.analytics.histories import history_of

# 2024-01-02 is a Tuesday; rows 0 to 9 are 01-02 to 01-15.
MARKET = history_of({"SPY": [100, 110, 99, 90, 95, 100, 80, 84, 70, 100]})


def windows(replay: Replay, *, market=MARKET):
    return replay_windows((replay,), market, market.sessions)


def test_a_dated_replay_is_seen_once_it_is_over():
    found = windows(Replay("r", date(2024, 1, 3), date(2024, 1, 8)))

    assert found.first.astype(str).tolist() == ["2024-01-03"]
    assert found.last.astype(str).tolist() == ["2024-01-08"]
    assert found.of_session[0].tolist() == [-1, -1, -1, -1, 0, 0, 0, 0, 0, 0]


def test_dates_without_trading_mean_the_session_before():
    found = windows(Replay("r", date(2024, 1, 7), date(2024, 1, 13)))

    assert (str(found.first[0]), str(found.last[0])) == ("2024-01-05", "2024-01-12")


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2023, 12, 29), date(2024, 1, 8)),
        (date(2024, 1, 3), date(2024, 1, 16)),
        (date(2008, 9, 2), date(2009, 3, 9)),
    ],
)
def test_dates_of_which_the_market_has_no_prices_have_no_window(first: date, last: date):
    assert (windows(Replay("r", first, last)).of_session == -1).all()


def test_the_worst_sessions_are_those_up_to_the_session_in_which_the_market_lost_most():
    """Two sessions: 110 to 90 (-18 %) until 100 to 84 (-16 %) is not worse, 84 to 100 neither; 84, 70 is."""
    found = windows(Replay("r", worst_sessions=2))

    seen = [None if place < 0 else (str(found.first[place]), str(found.last[place])) for place in found.of_session[0]]
    assert seen[:2] == [None, None]
    assert seen[2] == ("2024-01-02", "2024-01-04")  # 100 to 99
    assert seen[3] == seen[6] == ("2024-01-03", "2024-01-05")  # 110 to 90: -18.2 %
    assert seen[7] == ("2024-01-03", "2024-01-05")  # 100 to 84 is -16 %
    assert seen[9] == ("2024-01-03", "2024-01-05")  # 80 to 70 is -12.5 %


def test_the_first_stretch_of_all_stays_the_worst():
    market = history_of({"SPY": [100, 70, 90, 95, 90, 95]})

    found = windows(Replay("r", worst_sessions=1), market=market)

    assert found.of_session[0].tolist() == [-1, 0, 0, 0, 0, 0]
    assert (str(found.first[0]), str(found.last[0])) == ("2024-01-02", "2024-01-03")


def test_a_price_missing_inside_the_worst_stretch_does_not_hide_it():
    """110 to 90 in two sessions is -18 %, whatever the close between was; 90 to 94 is not the worst that happened."""
    market = history_of({"SPY": [100, 110, np.nan, 90, 95, 94]})

    found = replay_windows((Replay("r", worst_sessions=2),), market, market.sessions[-1:])

    assert (str(found.first[0]), str(found.last[0])) == ("2024-01-03", "2024-01-05")


def test_a_stretch_begins_and_ends_with_a_price():
    """From 110 or to 60 no stretch of two sessions is known: its other end has no price."""
    market = history_of({"SPY": [100, np.nan, 110, 105, np.nan, 60, np.nan]})

    found = replay_windows((Replay("r", worst_sessions=2),), market, market.sessions)

    assert found.of_session[0].tolist() == [-1, -1, 0, 0, 0, 1, 1]
    assert found.first.astype(str).tolist() == ["2024-01-02", "2024-01-05"]  # 100 to 110, 105 to 60
    assert found.last.astype(str).tolist() == ["2024-01-04", "2024-01-09"]


def test_a_window_return_is_a_total_return_from_close_to_close():
    """A 2-for-1 split and 1.00 dividend: 2 x (52 + 1) / 100 - 1 = 6 %, then 52 to 26."""
    history = history_of({"AAA": [90, 100, 52, 26]}, splits={("AAA", 2): 2.0}, dividends={("AAA", 2): 1.0})

    found = window_returns(history, history.sessions[1])

    assert found[0] == pytest.approx(1.06 * 0.5 - 1)


def test_a_symbol_needs_a_recent_close_at_both_ends():
    nan = np.nan
    history = history_of(
        {
            "BOTH": [100.0] * 8 + [50.0],
            "DELISTED": [100.0, 100.0, *[nan] * 7],
            "GAPS": [100.0, nan, nan, 90.0, nan, 80.0, nan, nan, nan],
            "LATE": [nan] * 4 + [100.0] * 5,
        }
    )

    found = window_returns(history, history.sessions[2])

    np.testing.assert_allclose(found, [-0.5, np.nan, -0.2, np.nan])
