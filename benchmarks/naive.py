"""The reference: the same numbers as a user would write them first, loops over sessions and symbols on pandas.

scikit-learn for the ridge, statsmodels for every other regression, a window cut out of a DataFrame each time. Nothing is
made slow on purpose; everything is in memory, there is no database and no Dagster.
"""

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.cases import LOTS, SYMBOLS, YEAR
from benchmarks.measuring import Measured, measured
from benchmarks.numerics import in_memory

YEARLY = np.sqrt(252)


def naive(sessions: int = YEAR, of_year: int = YEAR) -> list[Measured]:
    """Time the loops over the last `sessions` sessions; a second line scales them up to `of_year` if these are more."""
    world, inputs = in_memory(sessions, SYMBOLS)
    from sigma_assets.analytics.series.returns import total_returns

    history = inputs["history"]
    returns = pd.DataFrame(total_returns(history), index=pd.DatetimeIndex(history.sessions), columns=history.symbols)
    close = pd.DataFrame(history.close, index=returns.index, columns=history.symbols)
    lots = inputs["valuation"][1].set_index("symbol")["quantity"]
    model = world.tables.settings.factor_model
    lines: list[Measured] = []
    _session(returns, close, lots, model)  # imports and first calls are no part of what is scaled up
    with measured("the naive way", f"{SYMBOLS} symbols x {sessions} sessions", lines) as line:
        for session in inputs["sessions"]:
            line.rows += _session(returns.loc[:session], close.loc[:session], lots, model)
    if of_year > sessions:
        share = of_year / sessions
        whole = Measured(
            "the naive way", f"scaled up to {of_year} sessions", lines[0].wall * share, lines[0].cpu * share
        )
        lines.append(whole)
    return lines


def _session(returns: pd.DataFrame, close: pd.DataFrame, lots: pd.Series, model: Any) -> int:
    betas = {symbol: _betas(symbol, returns, model) for symbol in returns.columns}
    rows = sum(len(numbers) for numbers in betas.values())
    values = lots * close.iloc[-1].reindex(lots.index)
    weights = values / values.sum()
    exposures = {
        factor: sum(weights[s] * betas[s][factor] for s in lots.index if factor in betas[s]) for factor in _names(model)
    }
    portfolio = returns[lots.index] @ weights
    risk = [_volatility(series) for series in (portfolio, *(returns[symbol] for symbol in lots.index))]
    correlation = returns[lots.index].tail(90).corr(min_periods=30)
    return rows + len(exposures) + len(risk) + LOTS * (LOTS - 1) // 2 + int(correlation.notna().any().sum())


def _names(model: Any) -> list[str]:
    return ["market", "rates", *model.styles, *model.spreads]


def _betas(symbol: str, returns: pd.DataFrame, model: Any) -> dict[str, float]:
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    betas = {}
    window = returns.tail(model.window)
    for factor, etf in (("market", model.market), ("rates", model.rates)):
        betas[factor] = _slope(window[symbol], window[etf])
    both = pd.concat([window[symbol].rename("y"), window[list(model.styles.values())]], axis=1).dropna()
    if len(both) >= model.min_observations:
        scaler = StandardScaler().fit(both.iloc[:, 1:])
        ridge = Ridge(alpha=model.ridge_alpha).fit(scaler.transform(both.iloc[:, 1:]), both["y"])
        betas |= dict(zip(model.styles, ridge.coef_ / scaler.scale_, strict=True))
    window = returns.tail(model.spread_window)
    for factor, (long_leg, short_leg) in model.spreads.items():
        betas[factor] = _slope(window[symbol], window[long_leg] - window[short_leg])
    return betas


def _slope(y: pd.Series, x: pd.Series) -> float:
    import statsmodels.api as sm

    both = pd.concat([y.rename("y"), x.rename("x")], axis=1).dropna()
    return float(sm.OLS(both["y"], sm.add_constant(both["x"], has_constant="add")).fit().params["x"])


def _volatility(series: pd.Series) -> tuple[float, float, float, float]:
    """Return realised volatility over 21 and 63 sessions, HAR-RV forecast and percentile of one series."""
    import statsmodels.api as sm

    recent, longer = series.tail(21).std() * YEARLY, series.tail(63).std() * YEARLY
    variance = series.tail(296) ** 2 * 252
    features = pd.DataFrame({"day": variance, "week": variance.rolling(5).mean(), "month": variance.rolling(21).mean()})
    target = variance.rolling(21).mean().shift(-21)
    known = features.assign(target=target).dropna().tail(252)
    fit = sm.OLS(known["target"], sm.add_constant(known[["day", "week", "month"]])).fit()
    forecast = fit.predict(sm.add_constant(features.tail(1), has_constant="add")).iloc[0]
    rolling = series.tail(273).rolling(21).std().dropna()
    return recent, longer, float(np.sqrt(max(forecast, 1e-8))), float((rolling <= rolling.iloc[-1]).mean())
