"""Estimates from simulated prices find what was planted: betas, tails, clustered volatility, splits, dividends."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from sigma_assets.base.calendar import as_dates, nyse_calendar
from sigma_assets.base.conventions import FactorModel
from sigma_assets.providers.simulated.provider import ORIGIN, SimulatedProvider
from sigma_assets_tests.providers.simulated.truth import truth_of

CALENDAR = nyse_calendar()
SESSIONS = as_dates(CALENDAR.between(ORIGIN, date(2026, 1, 8)))
MARKET = SimulatedProvider(CALENDAR, SESSIONS[-1], seed=3, extra_symbols=60)
MODEL = FactorModel()


REGRESSIONS = {
    "market": {"market": (MODEL.market,)},
    "rates": {"rates": (MODEL.rates,)},
    "style": {name: (etf,) for name, etf in MODEL.styles.items()},
    **{name: {name: legs} for name, legs in MODEL.spreads.items()},
}
"""The seven fits of SPEC 4.1: factor -> ETF, or the two legs of a spread."""


def all_bars(market: SimulatedProvider, symbols: tuple[str, ...]) -> pd.DataFrame:
    """Return close, split_factor and dividend of each symbol, one row per session."""
    rows = pd.concat([each.rows for each in market.daily_bars(dict.fromkeys(symbols, SESSIONS))])
    return rows.pivot(index="session", columns="symbol", values=["close", "split_factor", "dividend"])


def total_returns(bars: pd.DataFrame) -> pd.DataFrame:
    """Return total simple returns by the formula of SPEC 3; NaN around gaps."""
    return bars["split_factor"] * (bars["close"] + bars["dividend"]) / bars["close"].shift() - 1


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    return all_bars(MARKET, MARKET.symbols)


@pytest.fixture(scope="module")
def returns(bars) -> pd.DataFrame:
    return total_returns(bars)


def z_scores(market: SimulatedProvider, returns: pd.DataFrame, symbol: str, fit: str) -> list[float]:
    """Return (estimate - truth) / standard error of each beta; the errors allow for moving volatility."""
    factors = {
        name: returns[legs[0]] - (returns[legs[1]] if len(legs) == 2 else 0.0)
        for name, legs in REGRESSIONS[fit].items()
    }
    regressors = sm.add_constant(pd.DataFrame(factors))
    estimate = sm.OLS(returns[symbol], regressors, missing="drop").fit(cov_type="HC1")
    truth = pd.Series(truth_of(market, symbol).betas)
    return [(estimate.params[name] - truth[name]) / estimate.bse[name] for name in factors]


@pytest.mark.parametrize("fit", REGRESSIONS)
def test_every_planted_beta_is_found_within_its_error(returns, fit):
    legs = {leg for legs in REGRESSIONS[fit].values() for leg in legs}
    symbols = [symbol for symbol in MARKET.symbols if symbol not in legs]

    scores = [score for symbol in symbols for score in z_scores(MARKET, returns, symbol, fit)]

    assert max(map(abs, scores)) < 5


def test_confidence_bands_of_95_percent_hold_the_planted_betas_in_95_percent_of_markets():
    """One market is one draw: its symbols share the chance correlations of its drivers, so many seeds are asked."""
    stocks = ("AAPL", "JPM", "SIM0001")
    scores = []
    for seed in range(25):
        market = SimulatedProvider(CALENDAR, SESSIONS[-1], seed=seed)
        returns = total_returns(all_bars(market, (*stocks, *MODEL.etfs)))
        scores += [
            score for symbol in stocks for fit in REGRESSIONS for score in z_scores(market, returns, symbol, fit)
        ]

    assert np.mean(np.abs(scores) < 1.96) == pytest.approx(0.95, abs=0.03)


def test_a_style_etf_is_its_own_factor():
    betas = truth_of(MARKET, "VUG").betas

    assert betas["growth"] == pytest.approx(1)
    assert [betas[name] for name in MODEL.styles if name != "growth"] == pytest.approx([0] * 5, abs=1e-12)
    assert truth_of(MARKET, "SPY").betas["market"] == pytest.approx(1)
    assert truth_of(MARKET, "SPY").betas["rates"] == pytest.approx(0)


def test_planted_volatility_is_found_over_ten_years(returns):
    found = returns.drop(columns=["ARM", "ATVI"]).std()
    planted = pd.Series({symbol: truth_of(MARKET, symbol).volatility for symbol in found.index})

    assert ((found / planted).between(0.75, 1.3)).all()
    assert (found / planted).mean() == pytest.approx(1, abs=0.12)


def test_returns_have_fat_tails(returns):
    assert (returns.kurt() + 3 > 4).mean() > 0.95


def test_volatility_comes_in_clusters(returns):
    squares = returns**2
    persistence = pd.Series(
        {symbol: np.mean([squares[symbol].autocorr(lag) for lag in range(1, 11)]) for symbol in squares}
    )

    assert (persistence > 0).mean() > 0.95
    assert persistence.mean() > 0.05
    assert returns.apply(lambda each: each.autocorr()).abs().mean() < 0.05


def test_a_split_halves_the_price_as_traded_and_leaves_the_return_alone(bars, returns):
    for symbol in ("AAPL", "NVDA", "WMT"):
        for session, ratio in truth_of(MARKET, symbol).splits.items():
            day = pd.Timestamp(session)
            fall = bars["close"][symbol].pct_change()[day]
            assert ratio == 2
            assert fall == pytest.approx(-0.5, abs=0.08)
            assert abs(returns.loc[day, symbol]) < 0.15


def test_one_stock_splits_each_june():
    splits = sorted(day for symbol in ("AAPL", "NVDA", "WMT") for day in truth_of(MARKET, symbol).splits)

    assert [(day.year, day.month) for day in splits] == [(year, 6) for year in range(2016, 2026)]


def test_dividends_come_four_times_a_year_and_add_up_to_the_yield(bars):
    year = bars.loc["2018-01-01":"2018-12-31"]
    for symbol in ("JNJ", "XOM", "SPY", "VBTLX"):
        paid = year["dividend"][symbol]
        assert (paid > 0).sum() == 4
        share = (paid / bars["close"][symbol].shift()[paid.index]).sum()
        assert share == pytest.approx(truth_of(MARKET, symbol).dividend_yield, rel=0.02)


def test_a_dividend_is_no_loss(bars, returns):
    """Prices fall by the dividend on the ex-date; total returns on such days are like all others."""
    is_ex_day = bars["dividend"] > 0
    all_days = returns.stack()
    ex_days = returns[is_ex_day].stack()

    assert len(ex_days) > 1000
    assert ex_days.mean() == pytest.approx(all_days.mean(), abs=4 * all_days.std() / np.sqrt(len(ex_days)) + 0.002)
    price_only = (bars["close"] / bars["close"].shift() - 1)[is_ex_day & (bars["split_factor"] == 1)].stack()
    assert (ex_days - price_only).mean() == pytest.approx(0.0055, abs=0.003)
