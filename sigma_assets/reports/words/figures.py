"""The figures of a report: some numbers with a label each, and the returns beside those of the benchmark."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sigma_assets.reports.forms import (
    count,
    fine_percent,
    percent,
    ratio,
    signed_percent,
    signed_usd,
    usd,
    word,
)
from sigma_assets.reports.portfolio import PortfolioReport
from sigma_assets.reports.words.table import Source, TextTable
from sigma_assets.storage.schema import FAMILIES

Form = Callable[[Any], str]
PERIODS = {
    "return_mtd": "Month to date",
    "return_ytd": "Year to date",
    "return_1y": "1 year",
    "return_since_inception": "Since inception",
}
ZONES = {
    "green": "0 to 4 losses beyond VaR 99 % in 250 sessions: as many as it should allow",
    "yellow": "5 to 9 losses beyond VaR 99 % in 250 sessions: more than it should allow",
    "red": "10 or more losses beyond VaR 99 % in 250 sessions: it is too low",
}


@dataclass(frozen=True)
class Figures:
    """Some figures with a title.

    Attributes
    ----------
    lines : (label, text) each.
    sources : the stored number of each line; None for a word.
    """

    title: str
    lines: tuple[tuple[str, str], ...]
    sources: tuple[Source | None, ...]


def headline(report: PortfolioReport) -> tuple[tuple[str, str], ...]:
    """Return what an owner asks first: equity, the day, and how much it moves."""
    day = report.snapshot.get("daily_pnl"), report.snapshot.get("daily_return")
    return (
        ("Equity, USD", usd(report.snapshot.get("equity"))),  # type: ignore[arg-type]
        ("Day's P&L, USD", signed_usd(day[0])),  # type: ignore[arg-type]
        ("Day", signed_percent(day[1])),  # type: ignore[arg-type]
        ("Volatility, per year", percent(report.volatility.get("realized_63d"))),  # type: ignore[arg-type]
    )


HEADLINE = (
    Source("portfolio_snapshots", "equity"),
    Source("portfolio_snapshots", "daily_pnl"),
    Source("portfolio_snapshots", "daily_return"),
    Source("volatility", "realized_63d"),
)
"""The stored numbers of the headline."""


def returns(report: PortfolioReport) -> TextTable:
    """Return the portfolio's returns beside those of the benchmark."""
    beside = report.benchmark_returns
    rows = tuple(
        (label, *(signed_percent(row.get(period)) for row in (report.performance, beside)))  # type: ignore[arg-type]
        for period, label in PERIODS.items()
    )
    unknown = all(value is None for value in beside.values())
    note = (
        f"{report.benchmark} has no prices here, so there is nothing to compare with."
        if unknown
        else f"Time-weighted. {report.benchmark}: total return, of longer periods from the close of the first session."
    )
    columns = ("Period", "Portfolio", report.benchmark)
    sources = tuple((None, Source("performance", period), Source("benchmark", period)) for period in PERIODS)
    title = f"Return against {report.benchmark}"
    return TextTable("returns", title, columns, ("Period",), rows, note, sources=sources)


def zone_words(report: PortfolioReport) -> str:
    """Return what the backtest's colour means; empty where there is none."""
    return ZONES.get(str(report.risk.get("zone")), "")


def figures(report: PortfolioReport) -> list[Figures]:
    """Return the figures of a report, most wanted first."""
    day = {"daily_return": report.snapshot.get("daily_return"), **report.performance}
    risk = report.betas | report.volatility | report.correlations
    return [
        _figures("Equity and P&L, USD", report.snapshot, _EQUITY, "portfolio_snapshots"),
        _figures("Return", day, _RETURN, "portfolio_snapshots", "performance"),
        _figures(f"Against {report.benchmark}, 1 year", report.performance, _AGAINST, "performance"),
        _figures("Exposure, USD", report.snapshot, _EXPOSURE, "portfolio_snapshots"),
        _figures("Volatility and betas", risk, _VOLATILITY, "volatility", "betas", "correlations"),
        _figures("A bad day", report.risk, _BAD_DAY, "risk"),
    ]


_EQUITY: dict[str, tuple[str, Form]] = {
    "equity": ("Equity", usd),
    "daily_pnl": ("Day's P&L", signed_usd),
    "cumulative_pnl": ("P&L since inception", signed_usd),
    "cumulative_capital_flow": ("Flows since inception", signed_usd),
    "cash": ("Cash", usd),
}
_RETURN: dict[str, tuple[str, Form]] = {
    "daily_return": ("Day", signed_percent),
    "annualized_return": ("Per year", signed_percent),
    "money_weighted_return": ("Money-weighted, p.a.", signed_percent),
    "drawdown": ("Below its peak", percent),
    "max_drawdown_1y": ("Deepest fall, 1 year", percent),
    "sharpe_1y": ("Sharpe, 1 year", ratio),
    "sortino_1y": ("Sortino, 1 year", ratio),
}
_AGAINST: dict[str, tuple[str, Form]] = {
    "active_return": ("Active return", signed_percent),
    "tracking_error": ("Tracking error", percent),
    "information_ratio": ("Information ratio", ratio),
    "beta": ("Beta", ratio),
    "alpha": ("Alpha, p.a.", signed_percent),
    "correlation": ("Correlation", ratio),
    "up_capture": ("Up capture", percent),
    "down_capture": ("Down capture", percent),
}
_EXPOSURE: dict[str, tuple[str, Form]] = {
    "long_value": ("Long", usd),
    "short_value": ("Short", usd),
    "gross_exposure": ("Gross", usd),
    "net_exposure": ("Net", usd),
    "leverage": ("Leverage", ratio),
    "positions": ("Open lots", count),
    "top_3_weight": ("Largest 3 symbols", percent),
}
_VOLATILITY: dict[str, tuple[str, Form]] = {
    "realized_21d": ("Realised, 21 sessions", percent),
    "realized_63d": ("Realised, 63 sessions", percent),
    "expected_21d": ("Expected, 21 sessions", percent),
    "percentile": ("Percentile of a year", percent),
    "trend": ("Trend", word),
    "market_beta": ("Market beta", ratio),
    "rates_beta": ("Rates beta", ratio),
    "mean_correlation": ("Mean correlation", ratio),
    "effective_bets": ("Effective bets", ratio),
}
_BAD_DAY: dict[str, tuple[str, Form]] = {
    "var_95_usd": ("VaR 95 %, USD", usd),
    "var_99_usd": ("VaR 99 %, USD", usd),
    "es_95_usd": ("Shortfall 95 %, USD", usd),
    "es_975_usd": ("Shortfall 97.5 %, USD", usd),
    "var_99": ("VaR 99 % of equity", percent),
    "es_95": ("Shortfall 95 % of equity", percent),
    "zone": ("Backtest zone", word),
    "exceptions": ("Losses beyond VaR 99 %", count),
    "backtest_sessions": ("Sessions judged", count),
    "kupiec_p": ("Kupiec p-value", fine_percent),
    "christoffersen_p": ("Christoffersen p-value", fine_percent),
}


def _figures(title: str, row: Mapping[str, Any], forms: Mapping[str, tuple[str, Form]], *assets: str) -> Figures:
    lines = tuple((label, form(row.get(name))) for name, (label, form) in forms.items())
    return Figures(
        title, lines, tuple(_source(name, assets) if form is not word else None for name, (_, form) in forms.items())
    )


def _source(column: str, assets: Sequence[str]) -> Source:
    """Return the stored number of a figure: the first of the assets whose own table has the column."""
    return next(Source(asset, column) for asset in assets if column in FAMILIES[asset][0].c)
