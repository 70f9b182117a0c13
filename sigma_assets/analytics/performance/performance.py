"""How a portfolio is doing, and against what: one row per session, a closed form of its ledger (SPEC 4.12)."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sigma_assets.analytics.performance.money_weighted import Cash, money_weighted_returns
from sigma_assets.analytics.performance.ratios import against_benchmark, deepest_fall, sharpe, sortino
from sigma_assets.analytics.series.moments import deviation
from sigma_assets.analytics.series.periods import reference_days
from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.analytics.series.windows import RowArray, rows_of, together
from sigma_assets.analytics.valuation.ledger import Ledger
from sigma_assets.analytics.valuation.snapshots import daily_returns, ends_index
from sigma_assets.base.conventions import SESSIONS_PER_YEAR, PerformanceModel
from sigma_assets.base.formulas import Formula, Formulas
from sigma_assets.base.frames import FloatArray, PriceHistory

CALENDAR_PERIODS = ("mtd", "qtd", "ytd", "1y")
PERIODS = (*(f"return_{period}" for period in CALENDAR_PERIODS), "return_since_inception", "annualized_return")
OWN = (
    "volatility_1y",
    "sharpe_1y",
    "sortino_1y",
    "drawdown",
    "max_drawdown_1y",
    "money_weighted_return",
    "observations",
)
AGAINST = (
    "active_return", "tracking_error", "information_ratio", "alpha", "beta", "r_squared", "correlation", "up_capture",
    "down_capture", "benchmark_observations",
)  # fmt: skip
NUMBERS = (*PERIODS, *OWN, *AGAINST)

_ENOUGH = 1_000
"""Sessions of portfolios from which on computing more of them at once saves no more time, but takes memory."""

_Numbers = dict[str, FloatArray]


@dataclass(frozen=True)
class _Path:
    """What the sessions wanted of one portfolio are computed from.

    Attributes
    ----------
    columns : keys, and the numbers that are computed from all sessions since inception.
    returns, falls, benchmark : float arrays of shape (n_wanted, window); daily returns, NaN where not known. In `falls`
        that of a session on which the index ended is -1.
    """

    columns: dict[str, np.ndarray]
    returns: FloatArray
    falls: FloatArray
    benchmark: FloatArray
    cash: Cash


def performance(ledgers: Iterable[Ledger], history: PriceHistory, model: PerformanceModel) -> pd.DataFrame:
    """Return the performance of portfolios.

    Parameters
    ----------
    ledgers : portfolios at the sessions wanted.
    history : prices of the benchmark from `model.window` sessions before the first session wanted, if they exist.

    Returns
    -------
    DataFrame with the columns of the table, sorted by key; one row per session from the first one on
        Period returns compound daily returns and start at inception where that is later, but `return_1y`, which needs the
        whole year, and `annualized_return`, which needs `model.window` sessions. The last year's ratios are on the last
        `model.window` sessions, at least `model.min_observations` returns. The comparison leaves out the session of
        inception, whose return counts from entry prices. Where equity was not positive, or a session lost all of it, the
        index ends: every return that spans such a session is NaN, and the fall is -1.
    """
    benchmark = total_returns(history.of([model.benchmark]))[:, 0]
    blocks: list[dict[str, np.ndarray]] = []
    cash: list[Cash] = []
    paths = (_path(ledger, benchmark, history, model) for ledger in ledgers if len(ledger.wanted))
    for some in together(paths, lambda path: len(path.returns), _ENOUGH):
        own = {name: np.concatenate([path.columns[name] for path in some]) for name in some[0].columns}
        blocks.append(own | _ratios(some, model))
        cash += [path.cash for path in some]
    rates = money_weighted_returns(cash)
    names = ("portfolio_id", "session", "benchmark", *NUMBERS)
    parts = {name: [block[name] for block in blocks] for name in names if name != "money_weighted_return"}
    return rows_of(parts | {"money_weighted_return": rates}, names, texts=("portfolio_id", "benchmark"))


def _path(ledger: Ledger, benchmark: FloatArray, history: PriceHistory, model: PerformanceModel) -> _Path:
    daily = daily_returns(ledger)
    is_over = ends_index(ledger, daily)
    known = np.where(is_over, np.nan, daily)
    of_benchmark = np.full(len(ledger.sessions), np.nan)
    of_benchmark[1:] = benchmark[history.rows(ledger.sessions[1:])]
    n_rows = len(ledger.wanted)
    columns = {
        "portfolio_id": np.full(n_rows, ledger.portfolio_id, dtype=object),
        "session": ledger.sessions[ledger.wanted],
        "benchmark": np.full(n_rows, model.benchmark, dtype=object),
        **_period_returns(ledger, known, model),
        "drawdown": _drawdown(known, is_over)[ledger.wanted],
    }
    return _Path(
        columns=columns,
        returns=_windows(known, model.window, ledger.wanted),
        falls=_windows(np.where(is_over, -1.0, daily), model.window, ledger.wanted),
        benchmark=_windows(of_benchmark, model.window, ledger.wanted),
        cash=_cash(ledger),
    )


def _ratios(paths: list[_Path], model: PerformanceModel) -> _Numbers:
    """Return the ratios of the last year, each row's of its own windows alone."""
    window = np.concatenate([path.returns for path in paths])
    other = np.concatenate([path.benchmark for path in paths])
    observations = np.isfinite(window).sum(axis=1)
    compared = (np.isfinite(other) & np.isfinite(window)).sum(axis=1)
    daily_risk_free = model.risk_free_rate / SESSIONS_PER_YEAR
    own = {
        "volatility_1y": deviation(window) * np.sqrt(SESSIONS_PER_YEAR),
        "sharpe_1y": sharpe(window, daily_risk_free),
        "sortino_1y": sortino(window, daily_risk_free),
    }
    against = against_benchmark(window, other, daily_risk_free)
    enough, is_comparable = observations >= model.min_observations, compared >= model.min_observations
    return {
        **{name: np.where(enough, values, np.nan) for name, values in own.items()},
        "max_drawdown_1y": deepest_fall(np.concatenate([path.falls for path in paths])),
        "observations": observations.astype(float),
        **{name: np.where(is_comparable, values, np.nan) for name, values in against.items()},
        "benchmark_observations": compared.astype(float),
    }


def _period_returns(ledger: Ledger, known: FloatArray, model: PerformanceModel) -> _Numbers:
    days = ledger.sessions[ledger.wanted]
    # Row 0 stands before the first session: the index is 1 there, and nothing was over yet.
    index = np.concatenate([[1.0], np.cumprod(np.where(np.isfinite(known), 1.0 + known, 1.0))])
    overs = np.concatenate([[0], np.cumsum(~np.isfinite(known))])
    now = ledger.wanted + 1
    found = {}
    for period in CALENDAR_PERIODS:
        before = np.searchsorted(ledger.sessions, reference_days(days, period), side="right")
        growth = index[now] / index[before]
        is_known = (overs[now] == overs[before]) & ((before > 0) | (period != "1y"))
        found[f"return_{period}"] = np.where(is_known, growth - 1.0, np.nan)
    total = np.where(overs[now] == 0, index[now], np.nan)
    found["return_since_inception"] = total - 1.0
    found["annualized_return"] = np.where(now >= model.window, total ** (SESSIONS_PER_YEAR / now) - 1.0, np.nan)
    return found


def _drawdown(known: FloatArray, is_over: np.ndarray) -> FloatArray:
    """Return the fall of the index from its peak since inception; -1 once it has ended."""
    index = np.cumprod(np.where(is_over, 0.0, 1.0 + known))
    return index / np.maximum.accumulate(np.maximum(index, 1.0)) - 1.0


def _cash(ledger: Ledger) -> Cash:
    flows = np.flatnonzero(ledger.flows)
    amounts = np.concatenate([[ledger.initial_equity], ledger.flows[flows]])
    days = np.concatenate([ledger.sessions[:1], ledger.sessions[flows]])
    return Cash(amounts, days, ledger.equity[ledger.wanted], ledger.sessions[ledger.wanted])


def _windows(values: FloatArray, length: int, rows: RowArray) -> FloatArray:
    """Return the `length` values that end at each of some sessions; NaN before the first."""
    padded = np.concatenate([np.full(length - 1, np.nan), values])
    return padded[rows[:, None] + np.arange(length)]


_OVER = "equity was not > 0 on a session of the period, or one lost all of it, or the portfolio is younger"
_YEAR = "fewer than {model.min_observations} daily returns in the last {model.window} sessions: {observations}"
_COMPARED = "fewer than {model.min_observations} sessions on which both have a return: {benchmark_observations}"
_PERIOD = {**{period: period for period in CALENDAR_PERIODS}, "since_inception": "inception"}
_BOTH = "{benchmark_observations} sessions among {last.window} on which both have a return"
_EMPYRICAL = "as in empyrical-reloaded"
FORMULAS: Formulas = {
    "performance": {
        **{
            f"return_{name}": Formula(
                f"product of (1 + daily_return) over the sessions after {{since.{since}}} - 1", _OVER
            )
            for name, since in _PERIOD.items()
        },
        "annualized_return": Formula(
            "(1 + {return_since_inception}) ^ (252 / {ledger.sessions}) - 1",
            "younger than {model.window} sessions",
        ),
        "volatility_1y": Formula(
            "standard deviation of the {observations} daily returns in {last.window} x sqrt(252)", _YEAR, _EMPYRICAL
        ),
        "sharpe_1y": Formula(
            "mean of (daily return - {model.risk_free_rate} / 252) / standard deviation x sqrt(252), both of the"
            " {observations} daily returns in {last.window}",
            _YEAR,
            "Sharpe 1994",
        ),
        "sortino_1y": Formula(
            "mean of (daily return - {model.risk_free_rate} / 252) / root mean square of shortfalls x sqrt(252), both of"
            " the {observations} daily returns in {last.window}",
            _YEAR,
            "Sortino and Price 1994",
        ),
        "drawdown": Formula(
            "index / highest index so far - 1, index = product of (1 + daily_return) over the sessions after"
            " {since.inception}",
            _OVER,
        ),
        "max_drawdown_1y": Formula(
            "least of index / highest index before it - 1 within {last.window}, index = product of (1 + daily_return)",
            _OVER,
        ),
        "money_weighted_return": Formula(
            "rate per year at which initial equity {portfolio.initial_equity_usd}, the flows after {since.inception} and"
            " equity {snapshot.equity} have no present value (XIRR, actual days / 365)",
            "no change of sign, no time has passed, or too large for a number (sevenfold in a day)",
        ),
        "observations": Formula(
            "count of the daily returns in {last.window}, those left out on which the index ends: equity is not > 0, or all"
            " of it is lost"
        ),
        "active_return": Formula(
            f"mean of (daily return - that of {{benchmark}}) x 252, {_BOTH}", _COMPARED, _EMPYRICAL
        ),
        "tracking_error": Formula(
            f"standard deviation of (daily return - that of {{benchmark}}) x sqrt(252), {_BOTH}", _COMPARED
        ),
        "information_ratio": Formula("{active_return} / {tracking_error}", "no tracking error: {tracking_error}"),
        "alpha": Formula(
            f"(1 + intercept of the regression of daily excess returns on those of {{benchmark}}) ^ 252 - 1, {_BOTH}",
            _COMPARED,
            "Jensen 1968",
        ),
        "beta": Formula(
            f"covariance of the daily returns with those of {{benchmark}} / variance of these, {_BOTH}", _COMPARED
        ),
        "r_squared": Formula("{correlation} x {correlation}", _COMPARED),
        "correlation": Formula(
            f"Pearson correlation of the daily returns with those of {{benchmark}}, {_BOTH}", _COMPARED
        ),
        "up_capture": Formula(
            f"annual return on the sessions on which {{benchmark}} rose / that of {{benchmark}}, of {_BOTH}", _COMPARED
        ),
        "down_capture": Formula(
            f"annual return on the sessions on which {{benchmark}} fell / that of {{benchmark}}, of {_BOTH}", _COMPARED
        ),
        "benchmark_observations": Formula(
            "count of the sessions among {last.window} on which portfolio and {benchmark} have a return"
        ),
    }
}
