"""What the pipeline stored, against other libraries on the same price file: from CSV to table, nothing of ours between.

On real prices when they are at hand, and always on simulated ones with gaps, a split, a late listing and a delisting.
"""

from dataclasses import dataclass

import empyrical
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.optimize import nnls
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from statsmodels.regression.rolling import RollingOLS

from sigma_assets.base.conventions import SPREAD_FACTORS, STYLE_FACTORS, FactorModel
from sigma_assets.storage.portfolios import lots
from sigma_assets_tests.verification.markets import Market, real_market
from sigma_assets_tests.verification.world import World

MODEL = FactorModel()
EXACT = {"rtol": 1e-10, "atol": 1e-12}
SPREADS = MODEL.spreads


@dataclass
class Computed:
    """What the pipeline stored over the last sessions of a market, and the market."""

    market: Market
    content: dict[str, pd.DataFrame]
    lots: pd.DataFrame

    def wide(self, table: str, column: str) -> pd.DataFrame:
        """Return a column of a table: sessions x symbols."""
        return self.content[table].pivot(index="session", columns="symbol", values=column)

    def last(self, table: str) -> pd.Series:
        """Return the row of the last session of a table of portfolios."""
        return self.content[table].iloc[-1]

    @property
    def returns(self) -> pd.DataFrame:
        return self.market.returns

    def portfolio_returns(self, window: int) -> pd.Series:
        """Return what today's risk weights would have earned; a missing return earns nothing, under 80 % drops out."""
        positions = self.content["position_values"]
        today = positions[positions["session"] == positions["session"].max()].dropna(subset=["risk_symbol"])
        weights = today.groupby("risk_symbol")["risk_weight"].sum()
        returns = self.returns[weights.index].tail(window)
        coverage = returns.notna() @ weights.abs() / weights.abs().sum()
        return (returns.fillna(0.0) @ weights).where(coverage >= 0.8)


@pytest.fixture(scope="module", params=["real", "simulated"])
def computed(request, tmp_path_factory) -> Computed:
    market = real_market() if request.param == "real" else request.getfixturevalue("simulated")
    world = World.in_folder(tmp_path_factory.mktemp(request.param), market.prices)
    portfolio_id = world.add(market.holdings, request.param, market.equity)
    days = market.close.index[-30:]
    world.run(days[0].date(), days[-1].date(), portfolio_id)
    return Computed(market, world.content(), lots(world.tables.database, [portfolio_id]))


def test_market_betas_equal_rolling_regressions_of_statsmodels(computed):
    stored = computed.wide("symbol_factors", "market_beta")
    errors = computed.wide("symbol_factors", "market_std_error")
    returns = computed.returns
    complete = [s for s in stored.columns if s != "SPY" and returns[s].tail(125).notna().all()]
    assert len(complete) > 15
    for symbol in complete:
        rolling = RollingOLS(returns[symbol].tail(125), sm.add_constant(returns["SPY"].tail(125)), window=90).fit()
        expected = rolling.params["SPY"].tail(30).clip(-5, 5)
        np.testing.assert_allclose(stored[symbol].tail(30), expected, **EXACT, err_msg=symbol)
        np.testing.assert_allclose(errors[symbol].tail(30), rolling.bse["SPY"].tail(30), **EXACT, err_msg=symbol)


@pytest.mark.parametrize("factor", ["market", "rates", *SPREAD_FACTORS])
def test_betas_across_gaps_equal_least_squares_of_statsmodels(computed, factor):
    stored = computed.content["symbol_factors"].set_index(["session", "symbol"])
    returns, legs = computed.returns, SPREADS.get(factor, ("SPY" if factor == "market" else "TLT",))
    driver = returns[legs[0]] - (returns[legs[1]] if len(legs) == 2 else 0.0)
    window, least = (180, 60) if len(legs) == 2 else (90, 30)
    for (session, symbol), row in list(stored.iterrows())[::9]:
        sample = pd.concat([driver, returns[symbol]], axis=1, keys=["x", "y"]).loc[:session].tail(window).dropna()
        if len(sample) < least:
            assert np.isnan(row[f"{factor}_beta"])
            continue
        expected = sm.OLS(sample["y"], sm.add_constant(sample["x"])).fit()
        assert row[f"{factor}_observations"] == len(sample)
        np.testing.assert_allclose(row[f"{factor}_beta"], np.clip(expected.params["x"], -5, 5), **EXACT)
        np.testing.assert_allclose(row[f"{factor}_std_error"], expected.bse["x"], **EXACT)


def test_style_betas_equal_ridge_of_scikit_learn(computed):
    stored = computed.content["symbol_factors"].set_index(["session", "symbol"])
    returns, styles = computed.returns, [MODEL.styles[factor] for factor in STYLE_FACTORS]
    checked = 0
    for (session, symbol), row in list(stored.iterrows())[::5]:
        window = returns.loc[:session].tail(90)
        sample = window[[*dict.fromkeys([*styles, symbol])]].dropna()
        if len(sample) < 30:
            continue
        scaler = StandardScaler().fit(sample[styles].to_numpy())
        ridge = Ridge(alpha=1.0).fit(scaler.transform(sample[styles].to_numpy()), sample[symbol].to_numpy())
        found = row[[f"{factor}_beta" for factor in STYLE_FACTORS]].to_numpy(dtype=float)
        np.testing.assert_allclose(found, np.clip(ridge.coef_ / scaler.scale_, -5, 5), rtol=1e-9, atol=1e-11)
        checked += 1
    assert checked > 100


def test_metrics_equal_pandas(computed):
    close, returns = computed.market.close, computed.returns
    growth = (1 + returns.fillna(0.0)).cumprod()
    for name, reference in {
        "return_mtd": lambda day: day.replace(day=1) - pd.Timedelta(days=1),
        "return_ytd": lambda day: day.replace(month=1, day=1) - pd.Timedelta(days=1),
        "return_3m": lambda day: day - pd.DateOffset(months=3),
        "return_1y": lambda day: day - pd.DateOffset(years=1),
    }.items():
        stored = computed.wide("symbol_metrics", name)
        for day in stored.index[::7]:
            past = reference(day)
            expected = growth.loc[day] / growth.loc[:past].iloc[-1] - 1
            expected = expected.where(close.loc[day].notna() & close.loc[:past].notna().any())
            known = [symbol for symbol in stored.columns if np.isfinite(stored.loc[day, symbol])]
            assert set(known) == set(expected.dropna().index) & set(stored.columns)
            np.testing.assert_allclose(stored.loc[day, known], expected[known], rtol=1e-9, atol=1e-12)
    stored = computed.wide("symbol_metrics", "volatility_63d")
    full = returns.rolling(63, min_periods=63).std() * np.sqrt(252)
    expected = full.loc[stored.index, stored.columns]
    complete = expected.notna() & stored.notna()
    assert complete.to_numpy().mean() > 0.8
    np.testing.assert_allclose(stored.to_numpy()[complete], expected.to_numpy()[complete], **EXACT)


def test_equity_is_what_the_holdings_file_and_the_price_file_say(computed):
    snapshots, market = computed.content["portfolio_snapshots"], computed.market
    close, lots = market.close.ffill(), computed.lots[computed.lots["investment_class"] == "PUBLIC"]
    modelled = computed.content["position_values"].query("investment_class == 'OPTIONS'")
    of_options = modelled.groupby("session")["unrealized_pnl"].sum()
    for row in snapshots.iloc[::3].itertuples():
        equity = market.equity + of_options.get(row.session, 0.0)
        for lot in lots.itertuples():
            if lot.entry_date > row.session:
                continue
            last = row.session if pd.isna(lot.exit_date) else min(row.session, lot.exit_date)
            held = market.split_factor[lot.symbol].loc[lot.entry_date : last].iloc[1:].cumprod()
            quantity = lot.quantity * (held.iloc[-1] if len(held) else 1.0)
            closed = not pd.isna(lot.exit_date) and row.session >= lot.exit_date
            price = lot.exit_price if closed else close.at[row.session, lot.symbol]
            dividends = market.dividend[lot.symbol].loc[lot.entry_date : last].iloc[1:]
            equity += quantity * price - lot.quantity * lot.entry_price + (lot.quantity * held * dividends).sum()
        assert row.equity == pytest.approx(equity, rel=1e-12)


def test_drawdown_and_compounded_return_equal_empyrical(computed):
    snapshots = computed.content["portfolio_snapshots"]
    first = snapshots["session"].iloc[0]
    daily = snapshots["daily_return"]
    before = 1 + snapshots["time_weighted_return"].iloc[0]

    compounded = (1 + daily.iloc[1:]).prod() * before - 1

    assert snapshots["time_weighted_return"].iloc[-1] == pytest.approx(compounded, rel=1e-10)
    if computed.lots["entry_date"].min() == first:  # the whole history is there
        assert snapshots["max_drawdown"].iloc[-1] == pytest.approx(empyrical.max_drawdown(daily), rel=1e-10)
        assert snapshots["time_weighted_return"].iloc[-1] == pytest.approx(empyrical.cum_returns_final(daily))


def test_portfolio_betas_are_those_of_the_portfolio_s_own_returns(computed):
    """Weights are fixed in the window, so a regression of the weighted returns must give the weighted betas."""
    positions = computed.content["position_values"]
    today = positions[positions["session"] == positions["session"].max()].dropna(subset=["risk_symbol"])
    betas = computed.wide("symbol_factors", "market_beta").iloc[-1]

    expected = (today["risk_weight"] * today["risk_symbol"].map(betas)).sum()

    assert computed.last("betas_by_portfolio")["market_beta"] == pytest.approx(expected, rel=1e-12)
    series = computed.portfolio_returns(90)
    if computed.returns[list(set(today["risk_symbol"]))].tail(90).notna().all(axis=None):
        slope = sm.OLS(series.to_numpy(), sm.add_constant(computed.returns["SPY"].tail(90).to_numpy())).fit().params[1]
        assert computed.last("betas_by_portfolio")["market_beta"] == pytest.approx(slope, rel=1e-9)


def test_portfolio_volatility_equals_pandas_and_scipy(computed):
    stored = computed.last("volatility_by_portfolio")
    series = computed.portfolio_returns(293)
    variance = series**2 * 252

    def mean(window: int) -> pd.Series:
        return variance.rolling(window, min_periods=int(np.ceil(0.8 * window))).mean()

    design = pd.DataFrame(
        {"one": 1.0, "day": variance, "week": mean(5), "month": mean(21), "target": mean(21).shift(-21)}
    )
    sample = design.iloc[-21 - 252 : -21].dropna()
    regressors, target = sample.drop(columns="target").to_numpy(), sample["target"].to_numpy()
    coefficients, residual = nnls(regressors, target)
    today = design.drop(columns="target").ffill(limit=4).iloc[-1].to_numpy()
    means = [mean(window).iloc[-1] for window in (21, 63, 252)]
    forecast = (today @ coefficients + np.mean(means)) / 2

    assert stored["realized_21d"] == pytest.approx(series.tail(21).std() * np.sqrt(252), rel=1e-10)
    assert stored["realized_63d"] == pytest.approx(series.tail(63).std() * np.sqrt(252), rel=1e-10)
    assert stored["observations"] == len(sample)
    assert stored["expected_21d"] == pytest.approx(np.sqrt(forecast), rel=1e-9)
    explained = 1 - residual**2 / ((target - target.mean()) ** 2).sum()
    assert stored["r_squared"] == pytest.approx(explained, rel=1e-8)


def test_correlations_equal_pandas_and_clusters_follow_from_them(computed):
    pairs = computed.content["correlations_by_pair"]
    today = pairs[pairs["session"] == pairs["session"].max()]
    summary = computed.last("correlations_by_portfolio")
    symbols = sorted({*today["symbol"], *today["other_symbol"]})
    matrix = computed.returns[symbols].tail(90).corr(min_periods=30)
    assert len(symbols) >= 6
    assert not summary["is_repaired"]

    expected = np.array([matrix.at[row.symbol, row.other_symbol] for row in today.itertuples()])

    np.testing.assert_allclose(today["correlation"], expected, **EXACT)
    assert len(today) == len(symbols) * (len(symbols) - 1) / 2
    assert summary["mean_correlation"] == pytest.approx(expected.mean(), rel=1e-10)
    assert summary["condition_number"] == pytest.approx(np.linalg.cond(matrix.to_numpy()), rel=1e-8)
    positions = computed.content["position_values"].query("investment_class == 'PUBLIC'")
    values = positions[positions["session"] == positions["session"].max()].groupby("symbol")["market_value"].sum()
    weights = values[symbols].abs() / values[symbols].abs().sum()
    assert summary["effective_bets"] == pytest.approx(1 / (weights @ matrix @ weights), rel=1e-10)


def test_tails_contributions_and_factors_equal_numpy_pandas_and_statsmodels(computed):
    stored = computed.last("risk_by_portfolio")
    series = computed.portfolio_returns(250).dropna()

    assert stored["observations"] == len(series)
    for level, q in {"95": 0.05, "975": 0.025, "99": 0.01}.items():
        quantile = np.quantile(series, q, method="inverted_cdf")
        if level != "975":
            assert stored[f"var_{level}"] == pytest.approx(-quantile, abs=1e-12)
        assert stored[f"es_{level}"] == pytest.approx(-series[series <= quantile + 1e-13].mean(), abs=1e-12)
    assert stored["var_99_normal"] == pytest.approx(2.3263478740 * series.std() - series.mean(), abs=1e-11)

    today = computed.content["risk_by_position"].query("session == @stored.session").set_index("symbol")
    positions = computed.content["position_values"].query("session == @stored.session").dropna(subset=["risk_symbol"])
    weights = positions.groupby("risk_symbol")["risk_weight"].sum()
    recent = computed.returns[weights.index].tail(63)
    assert stored["realized_63d"] == pytest.approx(today["volatility_contribution"].sum(), abs=1e-12)
    assert stored["es_95"] == pytest.approx(today["es_contribution"].sum(), abs=1e-12)
    if recent.notna().all(axis=None):
        total = (recent @ weights).std()
        expected = weights * recent.apply(lambda own: own.cov(recent @ weights)) / total * np.sqrt(252)
        np.testing.assert_allclose(today["volatility_contribution"], expected[today.index], **EXACT)

    legs = [SPREADS[name] for name in SPREAD_FACTORS]
    returns = computed.returns
    factors = pd.concat([returns["SPY"], returns["TLT"], *(returns[a] - returns[b] for a, b in legs)], axis=1)
    sample = pd.concat([computed.portfolio_returns(252).rename("y"), factors.tail(252)], axis=1).dropna()
    fit = sm.OLS(sample["y"].to_numpy(), sm.add_constant(sample.drop(columns="y").to_numpy())).fit()
    of_factors = computed.content["risk_by_factor"].query("session == @stored.session").set_index("factor")
    order = ["market", "rates", *SPREAD_FACTORS]
    np.testing.assert_allclose(of_factors.loc[order, "beta"], fit.params[1:], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(of_factors.loc[order, "std_error"], fit.bse[1:], rtol=1e-8)
    assert stored["specific_share"] == pytest.approx(1 - fit.rsquared, abs=1e-10)
    assert stored["factor_observations"] == len(sample)


def test_shocks_and_the_worst_month_follow_from_stored_betas_and_prices(computed):
    last = computed.content["position_values"]["session"].max()
    positions = computed.content["position_values"].query("session == @last and investment_class == 'PUBLIC'")
    betas = computed.wide("symbol_factors", "market_beta").loc[last]
    stored = computed.content["stress_tests_by_portfolio"].query("session == @last").set_index("scenario")
    is_linear = positions["market_value"].eq(positions["risk_value"]).all()
    no_options = not (
        computed.content["position_values"].query("session == @last")["investment_class"] == "OPTIONS"
    ).any()

    if is_linear and no_options:
        loss = (positions["risk_value"] * positions["risk_symbol"].map(betas)).sum() * -0.2
        assert stored.loc["market_down_20", "pnl_usd"] == pytest.approx(loss, rel=1e-12)
        assert stored.loc["market_up_10", "pnl_usd"] == pytest.approx(-loss / 2, rel=1e-12)
    spy = computed.returns["SPY"].dropna()
    growth = (1 + spy).rolling(21).apply(np.prod, raw=True)
    seen = growth.loc[pd.Timestamp(stored.loc["worst_21_sessions", "first_session"]) :]
    assert stored.loc["worst_21_sessions", "shock"] == pytest.approx(seen.min() - 1, rel=1e-9)


def test_performance_equals_empyrical_on_an_equity_path_of_prices_alone(computed):
    stored, market = computed.last("performance"), computed.market
    book = computed.lots
    if not (market.split_factor.eq(1).all(axis=None) and market.dividend.eq(0).all(axis=None)):
        pytest.skip("splits, dividends and flows: test_second_opinion_of_a_year.py")
    days = market.close.index[market.close.index >= book["entry_date"].min()]
    assert book["exit_date"].isna().all()
    paid = (book["quantity"] * book["entry_price"]).sum()
    held = market.close.loc[days, book["symbol"]].to_numpy() @ book["quantity"].to_numpy()
    equity = market.equity + held - paid
    daily = pd.Series(equity / np.r_[market.equity, equity[:-1]] - 1, days)
    own, benchmark = daily.iloc[1:].tail(252), computed.returns["SPY"].loc[days].iloc[1:].tail(252)

    assert stored["volatility_1y"] == pytest.approx(empyrical.annual_volatility(daily.tail(252)), abs=1e-9)
    assert stored["sharpe_1y"] == pytest.approx(empyrical.sharpe_ratio(daily.tail(252)), abs=1e-9)
    assert stored["sortino_1y"] == pytest.approx(empyrical.sortino_ratio(daily.tail(252)), abs=1e-9)
    assert stored["max_drawdown_1y"] == pytest.approx(empyrical.max_drawdown(daily.tail(252)), abs=1e-9)
    assert stored["return_since_inception"] == pytest.approx(empyrical.cum_returns_final(daily), abs=1e-9)
    alpha, beta = empyrical.alpha_beta(own, benchmark)
    assert stored["alpha"] == pytest.approx(alpha, abs=1e-9)
    assert stored["beta"] == pytest.approx(beta, abs=1e-9)
    assert stored["tracking_error"] == pytest.approx(empyrical.annual_volatility(own - benchmark), abs=1e-9)
    assert stored["down_capture"] == pytest.approx(empyrical.down_capture(own, benchmark), abs=1e-9)
    years = (days[-1] - days[0]).days / 365
    assert stored["money_weighted_return"] == pytest.approx((equity[-1] / market.equity) ** (1 / years) - 1, abs=1e-9)
