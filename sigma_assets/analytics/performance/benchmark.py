"""The benchmark beside a portfolio: what the same money in it would be worth, its fall, and its returns (SPEC 4.12)."""

from dataclasses import dataclass

import numpy as np

from sigma_assets.analytics.performance.performance import CALENDAR_PERIODS
from sigma_assets.analytics.series.periods import reference_days
from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.base.frames import FloatArray, PriceHistory, SessionArray


@dataclass(frozen=True)
class Benchmark:
    """A benchmark over the sessions of a portfolio; arrays of shape (n_sessions,), NaN where it has no close.

    Attributes
    ----------
    value : USD; equity of the first session at its close, invested in the benchmark, with the portfolio's later flows
        at the close of their session.
    index : growth of one dollar in it since the close of the first session; without a close it stays as it was.
    drawdown : fall of its total-return index from the peak since the first session, <= 0.
    returns : total return over each period that ends at the last session: `return_mtd`, `return_ytd`, `return_1y`,
        `return_since_inception`, as the portfolio's; from the first session's close where a period began before it,
        but NaN for `return_1y` then.
    """

    value: FloatArray
    index: FloatArray
    drawdown: FloatArray
    returns: dict[str, float]


def benchmark_beside(history: PriceHistory, equity: float, flows: FloatArray) -> Benchmark:
    """Return the benchmark beside a portfolio.

    Parameters
    ----------
    history : the benchmark alone, over the portfolio's sessions from the first one on, at least one.
    equity : the portfolio's at the close of the first session, USD; its flow is part of it.
    flows : the portfolio's at each session, USD; the first one does not count.

    Returns
    -------
    Benchmark
        Values end (NaN) where withdrawals exceed what is there, or where the first equity is not positive. All is NaN if
        the benchmark has no close up to the first session: nothing can be compared then.
    """
    own = total_returns(history)[:, 0].copy()
    is_known = np.isfinite(history.close[:, 0])
    is_there = bool(is_known[0]) or bool(np.isfinite(history.prior_close[0]))
    own[0] = 0.0
    # A session without a close returns nothing: the next close has it all. Its own value stays unknown, see `is_known`.
    growth = np.where(np.isnan(own), 1.0, 1.0 + own)
    index = np.asarray(np.cumprod(growth) if is_there else np.full(len(own), np.nan), dtype=np.float64)
    later = np.concatenate([[0.0], flows[1:]])
    value = index * (equity + np.cumsum(later / index))
    is_over = np.logical_or.accumulate(~(value > 0))
    return Benchmark(
        value=np.where(is_known & ~is_over, value, np.nan),
        index=index,
        drawdown=np.where(is_known, index / np.maximum.accumulate(index) - 1.0, np.nan),
        returns=_returns(history, np.where(is_known, index, np.nan)[-1], index),
    )


def starts_of_periods(sessions: SessionArray) -> dict[str, int | None]:
    """Return, for each return of `Benchmark`, the place of the session from whose close it is counted.

    Parameters
    ----------
    sessions : of the portfolio, the last of them ends the periods.

    Returns
    -------
    dict
        None where the portfolio is younger than `return_1y`; the first session where another period began before it.
    """
    found: dict[str, int | None] = {"return_since_inception": 0}
    for period in CALENDAR_PERIODS:
        before = int(np.searchsorted(sessions, reference_days(sessions[-1:], period)[0], side="right")) - 1
        found[f"return_{period}"] = None if before < 0 and period == "1y" else max(before, 0)
    return found


def _returns(history: PriceHistory, last: float, index: FloatArray) -> dict[str, float]:
    starts = starts_of_periods(history.sessions)
    return {name: float("nan") if at is None else float(last / index[at] - 1.0) for name, at in starts.items()}
