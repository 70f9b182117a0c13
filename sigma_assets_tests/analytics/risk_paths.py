"""Prices with planted returns and gaps, books of lots on them, and the parts of both that other readers would see."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd

from sigma_assets.base.calendar import nyse_calendar
from sigma_assets.base.frames import FloatArray, PriceHistory, SessionArray

SESSIONS = nyse_calendar(last_day=date(2024, 12, 31)).between(date(2021, 1, 1), date(2024, 12, 31))


def history_of(
    closes: Mapping[str, Sequence[float] | FloatArray], sessions: SessionArray | None = None
) -> PriceHistory:
    """Return the history of these closes, without splits, dividends or earlier prices, up to the end of 2024."""
    symbols = sorted(closes)
    close = np.array([closes[symbol] for symbol in symbols], dtype=float).T.copy()
    return PriceHistory(
        sessions=SESSIONS[-len(close) :] if sessions is None else sessions,
        symbols=np.array(symbols, dtype=object),
        close=close,
        split_factor=np.ones_like(close),
        dividend=np.zeros_like(close),
        volume=np.full_like(close, np.nan),
        prior_close=np.full(len(symbols), np.nan),
        prior_session=np.full(len(symbols), "NaT", dtype="datetime64[D]"),
    )


def history_of_returns(returns: Mapping[str, Sequence[float] | FloatArray]) -> PriceHistory:
    """Return a history whose first session has no return and whose others have these."""
    return history_of(
        {symbol: 100 * np.cumprod(np.r_[1.0, 1.0 + np.asarray(path)]) for symbol, path in returns.items()}
    )


def random_history(n_sessions: int, n_symbols: int, *, seed: int, gaps: bool = True) -> PriceHistory:
    """Return symbols S00, S01, ... with a common factor, splits and dividends; odd ones with gaps, S01 listed late."""
    random = np.random.default_rng(seed)
    market = random.normal(0.0003, 0.009, n_sessions - 1)
    history = history_of_returns(
        {f"S{number:02d}": market + random.normal(0, 0.012, n_sessions - 1) for number in range(n_symbols)}
    )
    history.dividend[random.random(history.close.shape) < 0.02] = 0.4
    history.split_factor[random.random(history.close.shape) < 0.002] = 2.0
    if gaps:
        is_gap = (random.random(history.close.shape) < 0.05) & (np.arange(n_symbols) % 2 == 1)
        is_gap[: n_sessions // 2, 1] = True
        history.close[is_gap] = np.nan
        history.dividend[is_gap] = 0.0
        history.split_factor[is_gap] = 1.0
    return history


def until(history: PriceHistory, session: np.datetime64) -> PriceHistory:
    """Return the history as it was known at the end of a session."""
    return _rows(history, slice(0, int(np.searchsorted(history.sessions, session)) + 1))


def book(
    values: Mapping[str, float],
    session: np.datetime64,
    *,
    portfolio_id: str = "P",
    equity: float = 1_000_000.0,
    investment_class: str = "PUBLIC",
) -> pd.DataFrame:
    """Return the open lots of a portfolio-session, one for each symbol and market value."""
    market_value = np.array(list(values.values()), dtype=float)
    lots = pd.DataFrame(
        {
            "portfolio_id": portfolio_id,
            "session": np.datetime64(session, "s"),
            "lot_id": [f"{portfolio_id}-{symbol}" for symbol in values],
            "symbol": list(values),
            "investment_class": investment_class,
            "market_value": market_value,
            "risk_symbol": list(values),
            "risk_value": market_value,
            "risk_weight": market_value / equity if equity > 0 else np.nan,
        }
    )
    if investment_class == "PRIVATE":
        lots["risk_symbol"] = None
        lots[["risk_value", "risk_weight"]] = np.nan
    return lots


def random_books(history: PriceHistory, sessions: SessionArray, n_portfolios: int, *, seed: int) -> pd.DataFrame:
    """Return portfolios P0, P1, ... with two lots in some of the symbols, long and short, the last with one symbol."""
    random = np.random.default_rng(seed)
    parts = []
    for number in range(n_portfolios):
        size = 1 if number == n_portfolios - 1 else random.integers(2, len(history.symbols) + 1)
        symbols = random.choice(history.symbols, size, replace=False)
        for session in sessions:
            values = dict(zip(symbols, random.normal(80_000, 60_000, size), strict=True))
            lots = book(values, session, portfolio_id=f"P{number}")
            parts += [lots, lots.assign(lot_id=lots["lot_id"] + "-2")]
    return pd.concat(parts, ignore_index=True)


def _rows(history: PriceHistory, rows: slice) -> PriceHistory:
    return replace(
        history,
        sessions=history.sessions[rows],
        close=history.close[rows],
        split_factor=history.split_factor[rows],
        dividend=history.dividend[rows],
        volume=history.volume[rows],
    )
