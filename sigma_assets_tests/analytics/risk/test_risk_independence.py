"""A number depends on its own window only, to the last bit: SPEC 1 and 9.11."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sigma_assets.analytics.risk.correlation.correlations import correlations
from sigma_assets.analytics.risk.volatility import volatility
from sigma_assets.analytics.series.metrics import symbol_metrics
from sigma_assets.base.conventions import CorrelationModel, VolatilityModel
from sigma_assets.base.frames import PriceHistory
from sigma_assets_tests.analytics.histories import only, tail
from sigma_assets_tests.analytics.risk_paths import random_books, random_history, until

HISTORY = random_history(640, 9, seed=3)
SESSIONS = HISTORY.sessions[-12:]
POSITIONS = random_books(HISTORY, SESSIONS, 5, seed=4)
PARTS = [random_history(640, 9, seed=3).sessions[-1:], SESSIONS[3:4], SESSIONS[2:9], SESSIONS[::-1]]
Tables = tuple[pd.DataFrame, ...]


def _volatility(positions: pd.DataFrame, history: PriceHistory) -> Tables:
    return volatility(positions, history, VolatilityModel())


def _correlations(positions: pd.DataFrame, history: PriceHistory) -> Tables:
    return correlations(positions, history, CorrelationModel(cluster_threshold=0.4))


CALCULATIONS = pytest.mark.parametrize("calculate", [_volatility, _correlations])
Calculate = Callable[[pd.DataFrame, PriceHistory], Tables]


def _same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected.reset_index(drop=True), check_exact=True)


def _of(tables: Tables, **values: object) -> Tables:
    return tuple(
        table[np.logical_and.reduce([table[k].isin(np.atleast_1d(v)) for k, v in values.items()])] for table in tables
    )


@CALCULATIONS
def test_tables_of_this_test_are_not_empty(calculate: Calculate):
    assert all(len(table) > 10 for table in calculate(POSITIONS, HISTORY))


@CALCULATIONS
@pytest.mark.parametrize("sessions", PARTS, ids=["last", "one", "some", "backwards"])
def test_each_session_is_the_same_alone_and_among_others(calculate: Calculate, sessions: np.ndarray):
    days = sessions.astype("datetime64[s]")
    part = POSITIONS[POSITIONS["session"].isin(days)]

    for found, expected in zip(calculate(part, HISTORY), _of(calculate(POSITIONS, HISTORY), session=days), strict=True):
        _same(found, expected)


@CALCULATIONS
@pytest.mark.parametrize("portfolio_id", ["P0", "P2", "P4"])
def test_each_portfolio_is_the_same_alone_with_its_own_symbols_only(calculate: Calculate, portfolio_id: str):
    part = POSITIONS[POSITIONS["portfolio_id"] == portfolio_id]
    history = only(HISTORY, sorted(part["symbol"].unique()))

    for found, expected in zip(
        calculate(part, history), _of(calculate(POSITIONS, HISTORY), portfolio_id=portfolio_id), strict=True
    ):
        _same(found, expected)


@CALCULATIONS
def test_one_portfolio_on_one_session_is_the_same_as_among_all(calculate: Calculate):
    everything = calculate(POSITIONS, HISTORY)
    for (portfolio_id, session), part in POSITIONS.groupby(["portfolio_id", "session"]):
        history = only(HISTORY, sorted(part["symbol"].unique()))
        expected_tables = _of(everything, portfolio_id=portfolio_id, session=session)

        for found, expected in zip(calculate(part, history), expected_tables, strict=True):
            _same(found, expected)


@CALCULATIONS
@pytest.mark.parametrize("spare", [0, 1, 17, 200])
def test_earlier_history_than_the_windows_need_changes_nothing(calculate: Calculate, spare: int):
    start = len(HISTORY.sessions) - len(SESSIONS) - (VolatilityModel().longest_window + 1) - spare

    for found, expected in zip(calculate(POSITIONS, tail(HISTORY, start)), calculate(POSITIONS, HISTORY), strict=True):
        _same(found, expected)


@CALCULATIONS
def test_later_prices_change_nothing(calculate: Calculate):
    session = SESSIONS[4]
    part = POSITIONS[POSITIONS["session"] == session]

    for found, expected in zip(calculate(part, until(HISTORY, session)), calculate(part, HISTORY), strict=True):
        _same(found, expected)


@CALCULATIONS
def test_order_of_lots_changes_nothing(calculate: Calculate):
    shuffled = POSITIONS.sample(frac=1.0, random_state=5)

    for found, expected in zip(calculate(shuffled, HISTORY), calculate(POSITIONS, HISTORY), strict=True):
        _same(found, expected)


@CALCULATIONS
def test_sessions_as_dates_give_the_same_as_timestamps(calculate: Calculate):
    as_dates = POSITIONS.assign(session=POSITIONS["session"].dt.date)

    for found, expected in zip(calculate(as_dates, HISTORY), calculate(POSITIONS, HISTORY), strict=True):
        _same(found, expected)


@pytest.mark.parametrize("sessions", PARTS, ids=["last", "one", "some", "backwards"])
def test_metrics_of_a_session_are_the_same_alone_and_among_others(sessions: np.ndarray):
    everything = symbol_metrics(HISTORY, SESSIONS)

    _same(symbol_metrics(HISTORY, sessions), everything[everything["session"].isin(sessions.astype("datetime64[s]"))])


@pytest.mark.parametrize("symbols", [["S01"], ["S04"], ["S00", "S05", "S07"]])
def test_metrics_of_a_symbol_are_the_same_alone_and_among_others(symbols: list[str]):
    everything = symbol_metrics(HISTORY, SESSIONS)

    _same(symbol_metrics(only(HISTORY, symbols), SESSIONS), everything[everything["symbol"].isin(symbols)])
    _same(
        symbol_metrics(only(HISTORY, symbols), SESSIONS[5:6]),
        everything[everything["symbol"].isin(symbols) & (everything["session"] == SESSIONS[5])],
    )


@pytest.mark.parametrize("spare", [0, 1, 17, 200])
def test_metrics_do_not_see_how_far_history_reaches_back(spare: int):
    start = len(HISTORY.sessions) - len(SESSIONS) - 260 - spare

    _same(symbol_metrics(tail(HISTORY, start), SESSIONS), symbol_metrics(HISTORY, SESSIONS))


def test_metrics_do_not_look_ahead():
    session = SESSIONS[4]
    later = HISTORY.sessions > session
    changed = replace(HISTORY, close=np.where(later[:, None], 1.0, HISTORY.close))

    _same(symbol_metrics(changed, SESSIONS[4:5]), symbol_metrics(until(HISTORY, session), SESSIONS[4:5]))


@CALCULATIONS
@pytest.mark.parametrize("silent", [slice(300, 370), slice(345, 370), slice(330, 372)])
def test_a_gap_where_the_history_begins_is_known_to_be_one(calculate: Calculate, silent: slice):
    """A history that starts amid a gap has the last close as a seed: the symbol is silent there, not yet unborn."""
    history = random_history(640, 4, seed=6, gaps=False)
    history.close[silent, 2] = np.nan
    positions = random_books(history, history.sessions[-1:], 3, seed=7)
    start = len(history.sessions) - 1 - (VolatilityModel().longest_window + 1)
    assert silent.start <= start <= silent.stop

    for found, expected in zip(calculate(positions, tail(history, start)), calculate(positions, history), strict=True):
        _same(found, expected)
