"""A portfolio's report: one set of data for the terminal, the page and the API. `reading` fills it from the database."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from sigma_assets.reports.gaps.kinds import SIMULATED, Gap

Cell = float | int | str | bool | date | None
Row = dict[str, Cell]
"""A row of a table: its columns without the key; empty where the table has no such row."""


@dataclass(frozen=True)
class Point:
    """A portfolio at the close of a session, and the same money in the benchmark.

    Attributes
    ----------
    equity, benchmark_equity : USD; the second as in `analytics.performance.benchmark`.
    drawdown, benchmark_drawdown : fall from the peak, <= 0, of the time-weighted index and of the benchmark's.
    """

    session: date
    equity: float
    drawdown: float | None
    benchmark_equity: float | None = None
    benchmark_drawdown: float | None = None


@dataclass(frozen=True)
class Month:
    """Time-weighted returns of a month and of its year up to a session: the last one of the month, or of the report."""

    session: date
    return_mtd: float | None
    return_ytd: float | None


@dataclass(frozen=True)
class Correlations:
    """Correlation matrix of the largest holdings in it, those that move together side by side.

    Attributes
    ----------
    symbols : in the order of rows and columns.
    matrix : one row per symbol; 1 on the diagonal, None where a pair is not stored.
    included : symbols in the whole matrix; the others are in `correlations_by_pair`.
    """

    symbols: tuple[str, ...]
    matrix: tuple[tuple[float | None, ...], ...]
    included: int


@dataclass(frozen=True)
class Computed:
    """Who computed an asset for the session of the report: the newest run, when (ISO 8601, UTC), with which method.

    `run_id` and the rest are None where Dagster knows of no run: the rows came otherwise, or its storage was emptied.
    """

    asset: str
    computed_at: str | None = None
    run_id: str | None = None
    run_url: str | None = None
    code_version: str | None = None


@dataclass(frozen=True)
class Holding:
    """All open lots of a symbol.

    Attributes
    ----------
    price : USD; None where lots without any price stand at different entry prices.
    price_session : session of the price; None where it is an entry price.
    value, unrealized_pnl, daily_pnl : USD, summed over lots.
    weight : value / equity.
    volatility_contribution : per year; as `risk_by_position`, which has a row per symbol whose returns count: where an
        option and its underlying share one, by risk weight, in which both contributions are linear.
    risk_share : volatility_contribution / realized_63d; likewise.
    es_contribution : share of equity; likewise.
    lot_id : of its only lot; None where there are several.
    has_own_risk : whether its contributions are a row of `risk_by_position`, shared with no other symbol.
    """

    symbol: str
    quantity: float
    price: float | None
    price_session: date | None
    is_stale: bool
    is_modelled: bool
    value: float
    weight: float | None
    unrealized_pnl: float
    daily_pnl: float
    market_beta: float | None
    volatility_contribution: float | None
    risk_share: float | None
    es_contribution: float | None
    lot_id: str | None
    has_own_risk: bool


@dataclass(frozen=True)
class Exposure:
    """Exposure to a factor; `coverage` is the share of |market value| with a beta."""

    factor: str
    exposure: float | None
    exposure_usd: float | None
    coverage: float | None


@dataclass(frozen=True)
class PortfolioReport:
    """What is stored of a portfolio on one session. None = not known; fractions (0.01 = 1 %), USD, volatility per year.

    Attributes
    ----------
    session : the session of all numbers; None while nothing is computed, and then all that follows is empty.
    last_session : the last one that is stored.
    gaps_session : session that `warnings` about single symbols speak of: the last one with coverage.
    newest_price_age : sessions between the newest price of any symbol ever held and the current session.
    snapshot, performance, betas, volatility, risk, correlations : the portfolio's row of the table of that name.
    benchmark : symbol that returns are compared with.
    benchmark_returns : its `return_mtd`, ... beside those in `performance`; see `analytics.performance.benchmark`.
    series : each session up to this one.
    months : each month up to this session.
    volatility_history, exposure_history : rows of the portfolio's tables on at most `MOST_SESSIONS` sessions, evenly
        spaced, the last one always among them.
    holdings : by |value|, largest first.
    allocation : long, short, net, gross, cash (USD) and share of gross by `scheme` and `class`: the kind of holding first,
        then what `sigma-assets classify` has read.
    risk_by_factor, stress_tests, clusters : rows of their tables.
    heat_map : None where no correlations are known.
    computed : per asset; empty where Dagster was not asked.
    """

    portfolio_id: str
    name: str
    account_type: str
    currency: str
    inception: date
    session: date | None
    last_session: date | None
    current_session: date
    price_source: str
    is_simulated: bool
    newest_price: date | None
    newest_price_age: int | None
    gaps_session: date | None
    warnings: tuple[Gap, ...]
    snapshot: Row
    performance: Row
    betas: Row
    volatility: Row
    risk: Row
    correlations: Row
    benchmark: str
    benchmark_returns: Row
    series: tuple[Point, ...]
    months: tuple[Month, ...]
    volatility_history: tuple[Row, ...]
    exposure_history: tuple[Row, ...]
    holdings: tuple[Holding, ...]
    factor_exposures: tuple[Exposure, ...]
    risk_by_factor: tuple[Row, ...]
    stress_tests: tuple[Row, ...]
    clusters: tuple[Row, ...]
    allocation: tuple[Row, ...]
    heat_map: Correlations | None
    computed: tuple[Computed, ...] = ()

    @property
    def is_all_simulated(self) -> bool:
        """Whether every price is made up; if only some are, a warning says which."""
        return self.price_source == SIMULATED

    def json(self, indent: int | None = None) -> str:
        """Return the report as a JSON object, on one line unless indented; days as YYYY-MM-DD."""
        return json.dumps(self, default=_plain, allow_nan=False, indent=indent)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else vars(value)
