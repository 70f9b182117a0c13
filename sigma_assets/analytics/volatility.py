"""Realised and expected volatility of symbols, and of portfolios at the weights of a session (SPEC 4.7).

Everything is computed per series: one window of returns ending at one session. So a number depends on that window alone,
not on what else is computed with it.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from sigma_assets.analytics.har import expected_variance
from sigma_assets.analytics.returns import last_known_close, total_returns
from sigma_assets.conventions import SESSIONS_PER_YEAR, VolatilityModel
from sigma_assets.frames import FloatArray, PriceHistory

BoolArray = npt.NDArray[np.bool_]
KEY = ["portfolio_id", "session"]
MIN_PRESENT = 0.8
"""Least share of a window's returns that must be there; the others are skipped."""
SERIES_AT_ONCE = 512


def realized_volatility(returns: FloatArray, known: BoolArray, window: int) -> FloatArray:
    """Return the annualised volatility of the last `window` returns at each position of each series.

    Parameters
    ----------
    returns : float array of shape (n_series, n_sessions); NaN is a missing return and is skipped, never filled.
    known : bool array of the same shape; False before the first return that can be known. A window that starts before
        it has no volatility: n returns need n + 1 prices.

    Returns
    -------
    float array of shape (n_series, n_sessions - window + 1)
        Sample standard deviation (ddof 1) times sqrt(252); NaN where less than 80 % of the window's returns are there.
    """
    present = np.isfinite(returns)
    windows = sliding_window_view(np.where(present, returns, 0.0), window, axis=1)
    there = sliding_window_view(present, window, axis=1)
    count = there.sum(axis=2)
    enough = known[:, : known.shape[1] - window + 1] & (count >= np.ceil(MIN_PRESENT * window)) & (count >= 2)
    safe = np.where(enough, count, 2)
    mean = windows.sum(axis=2) / safe
    deviations = np.where(there, windows - mean[:, :, None], 0.0)
    variance = (deviations * deviations).sum(axis=2) / (safe - 1)
    return np.where(enough, np.sqrt(variance * SESSIONS_PER_YEAR), np.nan)


def volatility(
    position_values: pd.DataFrame, history: PriceHistory, model: VolatilityModel
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the volatility of each portfolio and of each symbol that it holds, per session.

    Parameters
    ----------
    position_values : rows of position_values: their risk_symbol and risk_weight count.
    history : prices of these symbols for `model.longest_window` sessions before the first session, if they exist.

    Returns
    -------
    by_portfolio, by_symbol : DataFrames with the columns of volatility_by_portfolio and volatility_by_symbol
        A row where at least the realised 21-day volatility is known. A portfolio's returns hold the weights of its
        session over the window; a symbol without a return on a date is left out of it, and a date on which less than
        80 % of the absolute weight has a return drops out.
    """
    held = position_values.dropna(subset=["risk_symbol", "risk_weight"])
    weights = held.groupby([*KEY, "risk_symbol"], sort=True)["risk_weight"].sum().rename("weight").reset_index()
    windows = _Windows(history, model.longest_window)
    by_symbol = _by_symbol(weights, windows, model)
    return _by_portfolio(weights, windows, model), by_symbol


def describe_series(returns: FloatArray, known: BoolArray, model: VolatilityModel) -> pd.DataFrame:
    """Return the volatility measures of series of `model.longest_window` returns, at their last session.

    Returns
    -------
    DataFrame with `realized_21d, realized_63d, expected_21d, r_squared, observations, trend, trend_ratio, percentile`,
    one row per series; NaN (None for the trend) where unknown.
    """
    parts = [
        _describe(returns[start : start + SERIES_AT_ONCE], known[start : start + SERIES_AT_ONCE], model)
        for start in range(0, max(len(returns), 1), SERIES_AT_ONCE)
    ]
    return pd.concat(parts, ignore_index=True)


def _describe(returns: FloatArray, known: BoolArray, model: VolatilityModel) -> pd.DataFrame:
    trailing = model.percentile_window + model.short_window - 1
    short = realized_volatility(returns[:, -trailing:], known[:, -trailing:], model.short_window)
    long = realized_volatility(returns[:, -model.long_window :], known[:, -model.long_window :], model.long_window)[
        :, 0
    ]
    now = short[:, -1]
    variance, r_squared, observations = expected_variance(returns, model)
    ratio = np.divide(now, long, out=np.full(len(now), np.nan), where=long > 0)
    values = np.isfinite(short).sum(axis=1)
    share = np.divide((short <= now[:, None]).sum(axis=1), values, out=np.full(len(now), np.nan), where=values > 0)
    trend = np.where(ratio > model.trend_up, "increasing", np.where(ratio < model.trend_down, "decreasing", "stable"))
    return pd.DataFrame(
        {
            "realized_21d": now,
            "realized_63d": long,
            "expected_21d": np.sqrt(variance),
            "r_squared": r_squared,
            "observations": observations,
            "trend": np.where(np.isfinite(ratio), trend.astype(object), None),
            "trend_ratio": ratio,
            "percentile": np.where(np.isfinite(now) & (values >= model.percentile_min), share, np.nan),
        }
    )


class _Windows:
    """Windows of returns ending at a session, per symbol; NaN before the history starts."""

    def __init__(self, history: PriceHistory, length: int) -> None:
        self.history, self.length = history, length
        before = last_known_close(history, before=True)[0]
        padding = ((0, 0), (length - 1, 1))  # the last column stands for symbols without any price
        self._returns = np.pad(total_returns(history).T, padding, constant_values=np.nan)[:, :-1]
        self._known = np.pad(np.isfinite(before).T, padding, constant_values=False)[:, :-1]
        self._column = {symbol: column for column, symbol in enumerate(history.symbols)}

    def of(self, symbols: list[str], session: np.datetime64) -> tuple[FloatArray, BoolArray]:
        """Return the returns of symbols in the window ending at a session: shape (n_symbols, length), and what is known."""
        row = int(self.history.rows(np.array([session]))[0])
        window = slice(row, row + self.length)
        columns = [self._column.get(symbol, -1) for symbol in symbols]
        absent = np.array(columns) < 0
        returns, known = self._returns[columns, window], self._known[columns, window]
        returns[absent], known[absent] = np.nan, False
        return returns, known


def _by_symbol(weights: pd.DataFrame, windows: _Windows, model: VolatilityModel) -> pd.DataFrame:
    pairs = weights[["session", "risk_symbol"]].drop_duplicates().sort_values(["session", "risk_symbol"])
    blocks = [
        windows.of(list(group["risk_symbol"]), np.datetime64(session, "D"))
        for session, group in pairs.groupby("session")
    ]
    returns = np.concatenate([block[0] for block in blocks] or [np.empty((0, model.longest_window))])
    known = np.concatenate([block[1] for block in blocks] or [np.empty((0, model.longest_window), dtype=bool)])
    measures = describe_series(returns, known, model)
    table = pd.concat([pairs.reset_index(drop=True), measures], axis="columns")
    rows = weights[[*KEY, "risk_symbol"]].merge(table, on=["session", "risk_symbol"], how="left")
    rows = rows.rename(columns={"risk_symbol": "symbol"})
    return rows[rows["realized_21d"].notna()].reset_index(drop=True)


def _by_portfolio(weights: pd.DataFrame, windows: _Windows, model: VolatilityModel) -> pd.DataFrame:
    keys, returns, coverage = [], [], []
    for (portfolio_id, session), group in weights.groupby(KEY, sort=True):
        series, share = _portfolio_returns(group, windows, np.datetime64(session, "D"), model)
        keys.append((portfolio_id, session))
        returns.append(series)
        coverage.append(share[-model.long_window :].mean())
    series = np.array(returns).reshape(len(keys), model.longest_window)
    known = np.maximum.accumulate(np.isfinite(series), axis=1)
    table = describe_series(series, known, model)
    table.insert(0, "portfolio_id", pd.Series([key[0] for key in keys], dtype=object))
    table.insert(1, "session", pd.Series([key[1] for key in keys], dtype="datetime64[s]"))
    table["coverage"] = np.array(coverage, dtype=float)
    return table[table["realized_21d"].notna()].reset_index(drop=True)


def _portfolio_returns(
    group: pd.DataFrame, windows: _Windows, session: np.datetime64, model: VolatilityModel
) -> tuple[FloatArray, FloatArray]:
    """Return a portfolio's returns at constant weights, and the share of absolute weight that has a return, per date."""
    weight = group["weight"].to_numpy(dtype=float)
    by_date = np.ascontiguousarray(windows.of(list(group["risk_symbol"]), session)[0].T)
    present = np.isfinite(by_date)
    total = np.abs(weight).sum()
    share = np.where(present, np.abs(weight), 0.0).sum(axis=1) / total if total > 0 else np.zeros(len(by_date))
    series = np.where(present, by_date * weight, 0.0).sum(axis=1)
    return np.where(share >= model.min_coverage, series, np.nan), share
