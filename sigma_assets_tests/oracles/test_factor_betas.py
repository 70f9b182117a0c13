"""Factor betas against scikit-learn and statsmodels, symbol by symbol and session by session."""

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.preprocessing import StandardScaler
from statsmodels.regression.rolling import RollingOLS

from sigma_assets.analytics.factors.regression import symbol_factors
from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.base.conventions import STYLE_FACTORS, FactorModel
from sigma_assets_tests.analytics.histories import history_of, random_history

MODEL = FactorModel()
CHECKOUT = Path(__file__).parents[2]
REAL_DATA = Path(os.environ.get("SIGMA_TEST_DATA", CHECKOUT.parent / "shared" / "data"))
REAL_PRICES = REAL_DATA / "prices_2015_2019.csv.gz"
SINGLE = {"market": lambda r: r["SPY"], "rates": lambda r: r["TLT"]}
SPREADS = {name: (lambda r, legs=legs: r[legs[0]] - r[legs[1]]) for name, legs in MODEL.spreads.items()}


@pytest.fixture(scope="module")
def history():
    return random_history(240, 6)


@pytest.fixture(scope="module")
def returns(history):
    return pd.DataFrame(total_returns(history), index=history.sessions, columns=history.symbols)


@pytest.fixture(scope="module")
def betas(history):
    return symbol_factors(history, history.sessions, MODEL).set_index(["session", "symbol"])


@pytest.mark.parametrize(("factor", "window"), [*((f, 90) for f in SINGLE), *((f, 180) for f in SPREADS)])
def test_single_factor_betas_equal_statsmodels(returns, betas, factor, window):
    x = {**SINGLE, **SPREADS}[factor](returns).rename("x")
    minimum, alphas = (30 if window == 90 else 60), []
    for session, symbol in [pair for pair in betas.index if pair[1] in ("S00", "S01", "S02", "S03", "GLD", "QUAL")][
        ::17
    ]:
        sample = pd.concat([x, returns[symbol].rename("y")], axis=1).loc[:session].tail(window).dropna()
        found = betas.loc[(session, symbol)]
        if len(sample) < minimum:
            assert np.isnan(found[f"{factor}_beta"])
            continue
        expected = sm.OLS(sample["y"], sm.add_constant(sample["x"])).fit()
        assert found[f"{factor}_beta"] == pytest.approx(expected.params["x"], rel=1e-10, abs=1e-12)
        assert found[f"{factor}_std_error"] == pytest.approx(expected.bse["x"], rel=1e-10, abs=1e-12)
        assert found[f"{factor}_r_squared"] == pytest.approx(expected.rsquared, rel=1e-10, abs=1e-12)
        assert found[f"{factor}_observations"] == len(sample)
        alphas.append((found["market_alpha"], expected.params["const"]))
    assert len(alphas) > 20
    if factor == "market":
        np.testing.assert_allclose(*np.transpose(alphas), rtol=1e-10, atol=1e-14)


def test_complete_windows_equal_rolling_ols(returns, betas):
    rolling = RollingOLS(returns["S03"].iloc[1:], sm.add_constant(returns["SPY"].iloc[1:]), window=90).fit()

    found = betas.xs("S03", level="symbol")[["market_beta", "market_std_error"]].iloc[-100:]
    expected = pd.concat([rolling.params["SPY"], rolling.bse["SPY"]], axis=1).iloc[-100:]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_style_betas_equal_scikit_learn_s_ridge_on_standardised_factors(returns, betas):
    x = returns[[MODEL.styles[factor] for factor in STYLE_FACTORS]]
    checked = 0
    for session, symbol in betas.index[::23]:
        sample = pd.concat([x, returns[symbol].rename("y")], axis=1).loc[:session].tail(90).dropna()
        found = betas.loc[(session, symbol)]
        if len(sample) < 30:
            assert np.isnan(found["value_beta"])
            continue
        factors, target = sample.iloc[:, :6].to_numpy(), sample["y"].to_numpy()
        scaler = StandardScaler().fit(factors)
        ridge = Ridge(alpha=1.0).fit(scaler.transform(factors), target)
        expected = ridge.coef_ / scaler.scale_
        np.testing.assert_allclose(found[[f"{f}_beta" for f in STYLE_FACTORS]].to_numpy(float), expected, rtol=1e-10)
        r_squared = ridge.score(scaler.transform(factors), target)
        assert found["style_r_squared"] == pytest.approx(r_squared, rel=1e-10)
        np.testing.assert_allclose(
            found[[f"{f}_std_error" for f in STYLE_FACTORS]].to_numpy(float),
            ridge_errors(scaler.transform(factors), target) / scaler.scale_,
            rtol=1e-10,
        )
        checked += 1
    assert checked > 100


def ridge_errors(scores, target):
    """Return the standard errors of a ridge fit from its smoother matrix: b = M y, so var b = s^2 M M'."""
    n = len(target)
    smoother = np.linalg.solve(scores.T @ scores + np.eye(scores.shape[1]), scores.T)
    hat = scores @ smoother + np.full((n, n), 1 / n)
    residual = target - hat @ target
    variance = residual @ residual / (n - np.trace(hat))
    return np.sqrt(variance * np.diag(smoother @ smoother.T))


def test_betas_of_real_prices_equal_scikit_learn():
    if not REAL_PRICES.exists():
        pytest.skip(f"no real prices at {REAL_PRICES}: set SIGMA_TEST_DATA to the folder that has them")
    with gzip.open(REAL_PRICES, "rt") as file:
        closes = pd.read_csv(file).pivot(index="date", columns="symbol", values="close").tail(220)
    history = history_of({symbol: closes[symbol].to_list() for symbol in closes.columns})
    returns = closes.pct_change().iloc[1:]
    styles = returns[[MODEL.styles[factor] for factor in STYLE_FACTORS]].tail(90)
    scaler = StandardScaler().fit(styles.to_numpy())

    found = symbol_factors(history, history.sessions[-1:], MODEL).set_index("symbol")

    ridge = Ridge(alpha=1.0).fit(scaler.transform(styles.to_numpy()), returns.tail(90).to_numpy())
    market = LinearRegression().fit(returns[["SPY"]].tail(90).to_numpy(), returns.tail(90).to_numpy())
    size = (returns["IWM"] - returns["SPY"]).tail(180).to_numpy()[:, None]
    spread = LinearRegression().fit(size, returns.tail(180).to_numpy())
    found = found.loc[list(returns.columns)]
    style_betas = found[[f"{factor}_beta" for factor in STYLE_FACTORS]]
    np.testing.assert_allclose(style_betas, ridge.coef_ / scaler.scale_, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(found["market_beta"], market.coef_[:, 0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found["market_alpha"], market.intercept_, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(found["size_spread_beta"], spread.coef_[:, 0], rtol=1e-10, atol=1e-12)
