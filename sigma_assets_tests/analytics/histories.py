"""Price histories made by hand or from planted returns."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sigma_assets.base.conventions import FactorModel
from sigma_assets.base.frames import FloatArray, PriceHistory

FACTOR_SYMBOLS = FactorModel().etfs


def first_known_rows(values: FloatArray) -> npt.NDArray[np.intp]:
    """Return the first row with a known value of each column; n_rows where there is none."""
    known = np.isfinite(values)
    return np.where(known.any(axis=0), known.argmax(axis=0), len(values)).astype(np.intp)


def history_of(
    closes: Mapping[str, Sequence[float]],
    *,
    first: str = "2024-01-02",
    splits: Mapping[tuple[str, int], float] | None = None,
    dividends: Mapping[tuple[str, int], float] | None = None,
) -> PriceHistory:
    """Return the history of some closes per symbol; splits and dividends are given by (symbol, row)."""
    symbols = sorted(closes)
    close = np.array([closes[symbol] for symbol in symbols], dtype=float).T
    split_factor, dividend = np.ones_like(close), np.zeros_like(close)
    for (symbol, row), value in (splits or {}).items():
        split_factor[row, symbols.index(symbol)] = value
    for (symbol, row), value in (dividends or {}).items():
        dividend[row, symbols.index(symbol)] = value
    return PriceHistory(
        sessions=np.busday_offset(first, np.arange(len(close)), roll="forward"),
        symbols=np.array(symbols, dtype=object),
        close=close,
        split_factor=split_factor,
        dividend=dividend,
        volume=np.full_like(close, np.nan),
        prior_close=np.full(len(symbols), np.nan),
        prior_session=np.full(len(symbols), "NaT", dtype="datetime64[D]"),
    )


def history_of_returns(returns: Mapping[str, FloatArray]) -> PriceHistory:
    """Return a history whose first row has no return and whose other rows have these."""
    return history_of({symbol: 100 * np.cumprod(np.r_[1.0, 1.0 + path]) for symbol, path in returns.items()})


def factor_returns(n_sessions: int, *, seed: int = 7) -> dict[str, FloatArray]:
    """Return random but distinct returns for every factor ETF of the default model."""
    random = np.random.default_rng(seed)
    common = random.normal(0.0004, 0.008, n_sessions)
    return {etf: common * random.uniform(0.5, 1.2) + random.normal(0, 0.005, n_sessions) for etf in FACTOR_SYMBOLS}


def random_history(n_sessions: int, n_stocks: int = 8, *, seed: int = 7) -> PriceHistory:
    """Return factor ETFs and stocks S00, S01, ... that load on the market; the even ones have gaps, S01 lists late."""
    random = np.random.default_rng(seed)
    returns = factor_returns(n_sessions, seed=seed)
    for number in range(n_stocks):
        noise = random.normal(0, 0.01, n_sessions)
        returns[f"S{number:02d}"] = returns["SPY"] * random.uniform(0.3, 2.0) + noise
    history = history_of_returns(returns)
    for number in range(0, n_stocks, 2):
        history.close[random.random(n_sessions + 1) < 0.05, history.column(f"S{number:02d}")] = np.nan
    if n_stocks > 1:
        history.close[: n_sessions // 2, history.column("S01")] = np.nan
    return history


def tail(history: PriceHistory, start: int) -> PriceHistory:
    """Return the history as a reader would find it that starts at row `start`, with the closes before as seeds."""
    seen = np.isfinite(np.vstack([history.prior_close, history.close[:start]]))
    last = np.where(seen.any(axis=0), start - np.argmax(seen[::-1], axis=0), 0)
    columns = np.arange(len(history.symbols))
    closes = np.vstack([history.prior_close, history.close[:start]])
    sessions = np.vstack([history.prior_session, np.repeat(history.sessions[:start, None], len(columns), axis=1)])
    return replace(
        history,
        sessions=history.sessions[start:],
        close=history.close[start:],
        split_factor=history.split_factor[start:],
        dividend=history.dividend[start:],
        volume=history.volume[start:],
        prior_close=closes[last, columns],
        prior_session=sessions[last, columns],
    )


def only(history: PriceHistory, symbols: Sequence[str]) -> PriceHistory:
    """Return the history of some of its symbols."""
    return history.of(symbols)
