"""Performance and stress tests of 300 sessions, from the CSV alone: a split, dividends, gaps, a delisting, flows."""

from dataclasses import dataclass
from datetime import date

import empyrical
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from sigma_assets.analytics.risk.stress.scenarios import standard_scenarios
from sigma_assets_tests.storage.builders import add_cash_flow
from sigma_assets_tests.verification.markets import CSV_HEADER, Market
from sigma_assets_tests.verification.world import World

EQUITY = 500_000.0
CONTRIBUTION, FEE = 25_000.0, -150.0
STRIKE, EXPIRY = 100.0, date(2021, 12, 17)
BETA_OF = {
    "market": "market_beta", "rates": "rates_beta", "growth_value_spread": "growth_value_spread_beta",
    "momentum_spread": "momentum_spread_beta", "size_spread": "size_spread_beta", "quality_spread": "quality_spread_beta",
}  # fmt: skip
LEGS = {
    "growth_value_spread": ("VUG", "VTV"), "momentum_spread": ("MTUM", "SPY"), "size_spread": ("IWM", "SPY"),
    "quality_spread": ("QUAL", "SPY"),
}  # fmt: skip
LOTS = [  # symbol, quantity, entry price, session of entry, session of exit, exit price
    ("S0", 400, 95.0, -300, None, None),
    ("S1", 300, 90.0, -300, None, None),
    ("S2", 200, 105.0, -150, None, None),
    ("S3", 500, 100.0, -300, None, None),
    ("S4", 350, 101.0, -300, None, None),
    ("S6", -300, 99.0, -300, None, None),
    ("GLD", 250, 100.0, -300, -100, 103.5),
    ("SPY", 600, 100.0, -300, None, None),
]


@dataclass
class Year:
    """The market, what the pipeline stored of the last session, and equity from the price file alone."""

    market: Market
    world: World
    day: pd.Timestamp
    equity: pd.Series
    flows: pd.Series

    def row(self, table: str) -> pd.Series:
        """Return the last session's row of a table of portfolios."""
        return self.rows(table).iloc[0]

    def rows(self, table: str) -> pd.DataFrame:
        """Return the last session's rows."""
        return self.world.rows(table).query("session == @self.day")

    @property
    def daily(self) -> pd.Series:
        """Returns of the book; a contribution is none, a fee is one."""
        before = self.equity.shift(fill_value=EQUITY)
        return (self.equity - self.flows - before) / before


@pytest.fixture(scope="module")
def year(simulated: Market, tmp_path_factory: pytest.TempPathFactory) -> Year:
    days = simulated.close.index
    lines = [CSV_HEADER]
    for symbol, quantity, price, entry, exit_, exit_price in LOTS:
        closing = f"{days[exit_].date()},{exit_price}" if exit_ else ","
        lines.append(f"{symbol},{quantity},{price},{days[entry].date()},,,,,,{closing}")
    lines.append(f"S1211217C00100000,5,7.5,{days[-1].date()},OPTIONS,S1,{STRIKE},{EXPIRY},CALL,,")
    lines.append(f"VINEYARD,20,1000,{days[-300].date()},PRIVATE,,,,,,")
    world = World.in_folder(tmp_path_factory.mktemp("year"), simulated.prices)
    portfolio_id = world.add("\n".join(lines).encode(), "year", EQUITY)
    add_cash_flow(world.tables.database, portfolio_id, days[-80].date(), CONTRIBUTION)
    add_cash_flow(world.tables.database, portfolio_id, days[-40].date(), FEE, "fee")
    world.run(days[-2].date(), days[-1].date(), portfolio_id)
    flows = pd.Series(0.0, days[-300:])
    flows[days[-80]] = CONTRIBUTION
    return Year(simulated, world, days[-1], _equity(simulated), flows)


def _equity(market: Market) -> pd.Series:
    """Return what a broker's statement would say, session by session: quantity x last close, dividends, flows."""
    days, close = market.close.index[-300:], market.close.ffill()
    equity = pd.Series(EQUITY, days)
    for symbol, quantity, price, entry, exit_, exit_price in LOTS:
        own = market.close.index[entry:exit_]
        later = pd.Series(True, own) & (own > own[0])
        held = quantity * market.split_factor[symbol][own].where(later, 1.0).cumprod()
        income = (held * market.dividend[symbol][own].where(later, 0.0)).cumsum()
        pnl = held * close[symbol][own] - quantity * price + income
        if exit_:
            closing = market.close.index[exit_]
            after = days[days >= closing]
            pnl = pd.concat([pnl, pd.Series(quantity * (exit_price - price), after)])
        equity = equity.add(pnl, fill_value=0.0)
    equity[days >= market.close.index[-80]] += CONTRIBUTION
    equity[days >= market.close.index[-40]] += FEE
    equity.iloc[-1] += 500 * (_call(market, close["S1"].iloc[-1]) - 7.5)
    return equity


def _call(market: Market, underlying: float) -> float:
    """Return the Black-Scholes value per share of the call on the last session, at 63-session volatility and no interest."""
    sigma = market.returns["S1"].tail(63).std() * np.sqrt(252)
    root = np.sqrt((EXPIRY - market.close.index[-1].date()).days / 365)
    up = np.log(underlying / STRIKE) / (sigma * root) + sigma * root / 2
    return underlying * norm.cdf(up) - STRIKE * norm.cdf(up - sigma * root)


def test_equity_is_what_a_statement_would_say(year: Year):
    assert year.row("portfolio_snapshots")["equity"] == pytest.approx(year.equity.iloc[-1], rel=1e-12)
    assert year.row("portfolio_snapshots")["daily_return"] == pytest.approx(year.daily.iloc[-1], abs=1e-12)


def test_performance_equals_empyrical_pandas_and_scipy(year: Year):
    stored, daily = year.row("performance"), year.daily
    last_year = daily.tail(252)
    own, benchmark = last_year, year.market.returns["SPY"].tail(252)

    expected = {
        "volatility_1y": empyrical.annual_volatility(last_year),
        "sharpe_1y": empyrical.sharpe_ratio(last_year),
        "sortino_1y": empyrical.sortino_ratio(last_year),
        "max_drawdown_1y": -empyrical.max_drawdown(last_year),
        "return_since_inception": empyrical.cum_returns_final(daily),
        "return_mtd": empyrical.cum_returns_final(daily["2021-06"]),
        "return_qtd": empyrical.cum_returns_final(daily["2021-04":]),
        "return_ytd": empyrical.cum_returns_final(daily["2021"]),
        "annualized_return": empyrical.annual_return(daily),
        "active_return": (own - benchmark).mean() * 252,
        "tracking_error": empyrical.annual_volatility(own - benchmark),
        "information_ratio": (own - benchmark).mean() / (own - benchmark).std() * np.sqrt(252),
        "correlation": own.corr(benchmark),
        "r_squared": own.corr(benchmark) ** 2,
        "up_capture": empyrical.up_capture(own, benchmark),
        "down_capture": empyrical.down_capture(own, benchmark),
    }
    expected["alpha"], expected["beta"] = empyrical.alpha_beta(own, benchmark)

    assert (stored["observations"], stored["benchmark_observations"]) == (252, 252)
    signs = {"max_drawdown_1y": np.sign(stored["max_drawdown_1y"])}  # a fall, written as in the table
    for name, value in expected.items():
        assert stored[name] == pytest.approx(value * signs.get(name, 1.0), abs=1e-9), name


def test_the_money_weighted_return_discounts_flows_to_nothing(year: Year):
    days = year.equity.index
    ages = {0: (days[-1] - days[0]).days / 365, 1: (days[-1] - year.market.close.index[-80]).days / 365}

    def surplus(rate: float) -> float:
        return EQUITY * (1 + rate) ** ages[0] + CONTRIBUTION * (1 + rate) ** ages[1] - year.equity.iloc[-1]

    assert year.row("performance")["money_weighted_return"] == pytest.approx(brentq(surplus, -0.9, 9.0), abs=1e-9)


def _moves(year: Year) -> dict[str, pd.Series]:
    """Return scenario -> each symbol's move."""
    betas, returns = year.rows("symbol_factors").set_index("symbol"), year.market.returns
    moves = {}
    for shock in standard_scenarios().shocks:
        size = {"move": shock.size, "basis_points": -16.5 * shock.size / 10_000}.get(shock.unit)
        if size is None:
            leg, other = LEGS[shock.factor]
            size = shock.size * (returns[leg] - returns[other]).tail(252).std() * np.sqrt(63)
        moves[shock.name] = betas[BETA_OF[shock.factor]].astype(float) * size
    spy = (1 + returns["SPY"]).rolling(21).apply(np.prod, raw=True)
    place = returns.index.get_loc(spy.idxmin())
    windows = {
        "pandemic_2020": (pd.Timestamp("2020-02-19"), pd.Timestamp("2020-03-23")),
        "worst_21_sessions": (returns.index[place - 21], returns.index[place]),
    }
    for name, (first, last) in windows.items():
        span = returns.loc[first:last].iloc[1:]
        own = (1 + span).prod() - 1
        has_prices = year.market.close.ffill(limit=5).loc[[first, last]].notna().all()
        by_beta = betas["market_beta"].astype(float) * own["SPY"]
        moves[name] = own.where(has_prices).reindex(by_beta.index).fillna(by_beta)
    return moves


def test_every_lot_in_every_scenario_is_worth_what_its_move_says(year: Year):
    moves, names = _moves(year), standard_scenarios().names
    stored = year.rows("stress_tests_by_position").set_index("symbol")
    of_portfolio = year.rows("stress_tests_by_portfolio").set_index("scenario")
    close = year.market.close.ffill().loc[year.day]
    factor = year.market.split_factor.iloc[-150:].prod()
    quantity = {symbol: lot * factor[symbol] for symbol, lot, _, _, exit_, _ in LOTS if exit_ is None}

    assert set(of_portfolio.index) == moves.keys()
    assert set(stored.index) == {*quantity, "S1211217C00100000"}
    for name, move in moves.items():
        column = f"scenario_{names.index(name) + 1:02d}_pnl_usd"
        expected = pd.Series({symbol: held * close[symbol] * move[symbol] for symbol, held in quantity.items()})
        option = 500 * (_call(year.market, close["S1"] * (1 + move["S1"])) - _call(year.market, close["S1"]))
        np.testing.assert_allclose(stored.loc[expected.index, column], expected, rtol=1e-9, err_msg=name)
        assert stored.loc["S1211217C00100000", column] == pytest.approx(option, rel=1e-9)
        assert of_portfolio.loc[name, "pnl_usd"] == pytest.approx(expected.sum() + option, rel=1e-9)
        share = (expected.sum() + option) / year.equity.iloc[-1]
        assert of_portfolio.loc[name, "pnl_share"] == pytest.approx(share, rel=1e-9)


def test_a_replay_says_how_much_moved_by_prices_of_its_own(year: Year):
    """S2 was listed after the pandemic's fall: it moves by its beta, and counts as not direct."""
    values = (
        year.rows("position_values").query("investment_class != 'PRIVATE'").set_index("symbol")["market_value"].abs()
    )
    stored = year.rows("stress_tests_by_portfolio").set_index("scenario")

    share = 1 - values["S2"] / values.sum()

    assert stored.loc["pandemic_2020", "direct_share"] == pytest.approx(share, rel=1e-12)
    assert stored.loc["pandemic_2020", "coverage"] == pytest.approx(1.0)
