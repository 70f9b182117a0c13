"""Performance of whole portfolios: periods of the calendar, empyrical on daily returns, and no session of another."""

from dataclasses import replace
from datetime import date

import empyrical
import numpy as np
import pandas as pd
import pytest

from sigma_assets.analytics.performance.performance import FORMULAS, performance
from sigma_assets.analytics.valuation.ledger import ledgers
from sigma_assets.base.calendar import nyse_calendar
from sigma_assets.base.conventions import OptionModel, PerformanceModel
from sigma_assets.base.frames import PriceHistory
from sigma_assets_tests.analytics.books import Book, assert_same_bits, book, lot, portfolio_snapshots, price_history
from sigma_assets_tests.analytics.risk.worlds import world

MODEL = PerformanceModel(risk_free_rate=0.02)


def measured(holdings: Book, history: PriceHistory, sessions: np.ndarray | None = None, model=MODEL) -> pd.DataFrame:
    wanted = history.sessions if sessions is None else sessions
    return performance(ledgers(*holdings, history, wanted, options=OptionModel()), history, model)


@pytest.fixture(scope="module")
def real():
    holdings, history = world()
    return holdings, history, measured(holdings, history)


@pytest.mark.parametrize("row", [389, 400, 520, 581, 582, 619])
def test_the_last_year_is_empyricals(row: int, real):
    holdings, history, table = real
    daily = portfolio_snapshots(*holdings, history, history.sessions, options=OptionModel()).set_index("session")
    day = history.sessions.astype("datetime64[s]")[row]
    returns = daily["daily_return"].loc[:day].iloc[-252:]
    benchmark = pd.Series(history.close[:, history.column("SPY")], history.sessions.astype("datetime64[s]"))
    benchmark = benchmark.pct_change(fill_method=None).reindex(daily.index[1:])
    own, other = returns.align(benchmark, join="inner")

    found = table.set_index("session").loc[day]

    rate = 0.02 / 252
    assert found["observations"] == len(returns)
    assert found["benchmark_observations"] == len(own)
    assert found["volatility_1y"] == pytest.approx(empyrical.annual_volatility(returns), abs=1e-9)
    assert found["sharpe_1y"] == pytest.approx(empyrical.sharpe_ratio(returns, rate), abs=1e-9)
    assert found["sortino_1y"] == pytest.approx(empyrical.sortino_ratio(returns, rate), abs=1e-9)
    assert found["max_drawdown_1y"] == pytest.approx(empyrical.max_drawdown(returns), abs=1e-9)
    if len(own) >= 60:
        alpha, beta = empyrical.alpha_beta(own, other, risk_free=rate)
        assert found["alpha"] == pytest.approx(alpha, abs=1e-9)
        assert found["beta"] == pytest.approx(beta, abs=1e-9)
        assert found["up_capture"] == pytest.approx(empyrical.up_capture(own, other), abs=1e-9)
        assert found["down_capture"] == pytest.approx(empyrical.down_capture(own, other), abs=1e-9)
    else:
        assert np.isnan(found[["alpha", "beta", "tracking_error"]].astype(float)).all()
    whole = daily["daily_return"].loc[:day]
    assert found["return_since_inception"] == pytest.approx(empyrical.cum_returns_final(whole), abs=1e-9)
    assert found["drawdown"] == pytest.approx(empyrical.stats.drawdown_series(whole).iloc[-1], abs=1e-9)
    if len(whole) >= 252:
        assert found["annualized_return"] == pytest.approx(empyrical.annual_return(whole), abs=1e-9)
    else:
        assert np.isnan(found["annualized_return"])


CALENDAR = nyse_calendar(last_day=date(2025, 6, 30))


def growing(first: date, last: date) -> tuple[Book, PriceHistory]:
    """Return a portfolio that earns 0.1 % each session, entered at the close of its first one."""
    sessions = CALENDAR.between(first, last)
    closes = 100 * 1.001 ** np.arange(len(sessions))
    holdings = book([lot("L1", "SPY", 100, 100.0, str(sessions[0]))], equity=10_000.0, inception=str(sessions[0]))
    return holdings, price_history(sessions, {"SPY": closes})


@pytest.mark.parametrize(
    ("session", "column", "reference"),
    [
        ("2024-12-31", "return_ytd", "2023-12-29"),
        ("2025-01-02", "return_ytd", "2024-12-31"),
        ("2024-07-03", "return_mtd", "2024-06-28"),  # a half day
        ("2024-11-29", "return_mtd", "2024-10-31"),  # the half day after Thanksgiving ends the month
        ("2024-12-02", "return_mtd", "2024-11-29"),
        ("2024-03-28", "return_qtd", "2023-12-29"),  # Good Friday ends the quarter's trading a day early
        ("2024-04-01", "return_qtd", "2024-03-28"),
        ("2024-02-29", "return_1y", "2023-02-28"),  # a leap day has no day a year before
        ("2025-02-28", "return_1y", "2024-02-28"),
        ("2025-01-10", "return_1y", "2024-01-10"),  # 2025-01-09 was closed
        ("2024-01-16", "return_1y", "2023-01-13"),  # a year before was Martin Luther King's day
    ],
)
def test_periods_count_from_the_last_session_before_them(session: str, column: str, reference: str):
    holdings, history = growing(date(2022, 6, 1), date(2025, 3, 31))
    day, before = np.array([session], dtype="datetime64[D]"), np.datetime64(reference)

    found = measured(holdings, history, day).iloc[0]

    count = int(np.searchsorted(history.sessions, day[0]) - np.searchsorted(history.sessions, before))
    assert before in history.sessions
    assert found[column] == pytest.approx(1.001**count - 1, rel=1e-10)


def test_a_portfolio_of_the_benchmark_alone_is_the_benchmark():
    sessions = CALENDAR.between(date(2023, 1, 3), date(2024, 6, 28))
    closes = 100 * np.cumprod(1 + np.random.default_rng(1).normal(0, 0.01, len(sessions)))
    lots = [lot("L1", "SPY", 10_000 / closes[0], closes[0], str(sessions[0]))]

    found = measured(book(lots, inception=str(sessions[0])), price_history(sessions, {"SPY": closes}))

    known = found.dropna(subset=["beta"])
    assert len(known) == len(sessions) - 60
    np.testing.assert_allclose(known[["active_return", "tracking_error", "alpha"]], 0.0, atol=1e-12)
    np.testing.assert_allclose(known[["beta", "r_squared", "up_capture", "down_capture"]], 1.0, atol=1e-9)
    assert found["information_ratio"].isna().all()
    assert (found["benchmark"] == "SPY").all()


def test_the_first_sessions_have_what_can_be_known_and_no_more():
    holdings, history = growing(date(2024, 3, 27), date(2024, 4, 2))

    found = measured(holdings, history)

    assert found["return_mtd"].tolist() == pytest.approx([0.0, 0.001, 0.001, 1.001**2 - 1])
    assert found["return_since_inception"].tolist() == pytest.approx([0.0, 0.001, 1.001**2 - 1, 1.001**3 - 1])
    assert found[["return_1y", "annualized_return", "sharpe_1y", "beta"]].isna().all().all()
    assert found["money_weighted_return"].isna().tolist() == [True, False, False, False]


def test_flows_change_the_money_weighted_return_alone():
    """10,000 earns 1 % on one day, then 90,000 more arrive and nothing is earned: 1 % time-weighted."""
    sessions = CALENDAR.between(date(2024, 1, 2), date(2024, 12, 31))
    closes = np.r_[100.0, np.full(len(sessions) - 1, 101.0)]
    lots = [lot("L1", "SPY", 100, 100.0, str(sessions[0]))]
    flows = [(str(sessions[2]), 90_000.0)]

    found = measured(book(lots, flows, inception=str(sessions[0])), price_history(sessions, {"SPY": closes})).iloc[-1]

    assert found["return_since_inception"] == pytest.approx(0.01, abs=1e-12)
    assert 0 < found["money_weighted_return"] < 0.0011
    years = (sessions[-1] - sessions[[0, 2]]).astype(float) / 365
    grown = np.array([10_000.0, 90_000.0]) @ (1 + found["money_weighted_return"]) ** years
    assert grown == pytest.approx(100_100.0, rel=1e-12)


def test_where_equity_was_not_positive_the_index_ends():
    """Short 100 at 100 with 10,000: at 250 the loss is 15,000, at 50 the equity is 15,000 again."""
    sessions = CALENDAR.between(date(2024, 1, 2), date(2024, 3, 28))
    closes = np.full(len(sessions), 100.0)
    closes[20], closes[21:] = 250.0, 50.0
    lots = [lot("L1", "AAA", -100, 100.0, str(sessions[0]))]

    found = measured(book(lots, inception=str(sessions[0])), price_history(sessions, {"AAA": closes, "SPY": closes}))

    assert found["return_since_inception"].notna().tolist() == [row < 20 for row in range(len(sessions))]
    assert found["drawdown"].iloc[19] == 0.0
    assert (found["drawdown"].iloc[20:] == -1.0).all()
    assert (found["max_drawdown_1y"].iloc[20:] == -1.0).all()
    # The loss falls on the last session of January; the first of February starts from nothing.
    assert found.loc[found["session"].dt.month == 2, "return_mtd"].isna().all()
    assert found.loc[found["session"].dt.month == 3, "return_mtd"].tolist() == pytest.approx([0.0] * 20)
    assert found["money_weighted_return"].notna().iloc[-1]


def test_where_a_day_lost_more_than_all_the_index_ends_though_money_came():
    """Short 100 at 100 with 10,000: at 250 the loss is 15,000, and 20,000 come on that day, so that 15,000 are there."""
    sessions = CALENDAR.between(date(2024, 1, 2), date(2024, 6, 28))
    closes = np.full(len(sessions), 100.0)
    closes[20:] = 250.0
    market = 100 * np.cumprod(1 + np.random.default_rng(1).normal(0, 0.01, len(sessions)))
    holdings = book(
        [lot("L1", "AAA", -100, 100.0, str(sessions[0]))],
        [(str(sessions[20]), 20_000.0)],
        inception=str(sessions[0]),
    )

    found = measured(holdings, price_history(sessions, {"AAA": closes, "SPY": market}))

    is_before = [row < 20 for row in range(len(sessions))]
    assert found["return_since_inception"].notna().tolist() == is_before
    assert (
        found["drawdown"].tolist()
        == found["max_drawdown_1y"].tolist()
        == [0.0 if early else -1.0 for early in is_before]
    )
    assert found.loc[found["session"].dt.month == 1, "return_mtd"].notna().tolist() == is_before[:21]
    assert found.loc[found["session"].dt.month == 3, "return_mtd"].eq(0).all()
    assert found["observations"].iloc[-1] == len(sessions) - 1
    assert "those left out on which the index ends" in FORMULAS["performance"]["observations"].text
    assert found["volatility_1y"].iloc[-1] == 0.0


def test_a_session_alone_has_the_bits_that_it_has_among_all_and_reads_nothing_later(real):
    holdings, history, together = real
    day = history.sessions[520:521]
    spoiled = replace(history, close=np.where(np.arange(len(history.close))[:, None] > 520, 7.0, history.close))

    for prices in (history, spoiled):
        found = measured(holdings, prices, day)
        assert_same_bits(found, together[together["session"].to_numpy().astype("datetime64[D]") == day[0]])


def test_a_benchmark_without_prices_leaves_the_comparison_unknown(real):
    holdings, history, _ = real

    found = measured(holdings, history, history.sessions[-1:], PerformanceModel(benchmark="NONE")).iloc[0]

    assert found["benchmark_observations"] == 0
    assert np.isnan(found["beta"])
    assert np.isfinite(found["sharpe_1y"])
