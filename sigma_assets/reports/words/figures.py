"""The figures of a report: some numbers with a label each, and the returns beside those of the benchmark."""

from collections.abc import Mapping, Sequence
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
from sigma_assets.reports.words.table import Column, Form, Source, TextTable, text_table
from sigma_assets.storage.schema import FAMILIES

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
    lines : label, text, and the stored number that it shows; None for a word.
    """

    title: str
    lines: tuple[tuple[str, str, Source | None], ...]


def headline(report: PortfolioReport) -> Figures:
    """Return what an owner asks first: equity, the day, and how much it moves."""
    known = report.snapshot | report.volatility
    return _figures("At a glance", known, _HEADLINE, "portfolio_snapshots", "volatility")


def returns(report: PortfolioReport) -> TextTable:
    """Return the portfolio's returns beside those of the benchmark."""
    columns = (
        Column("Period", lambda period: PERIODS[period]),
        _returns("Portfolio", report.performance, "performance"),
        _returns(report.benchmark, report.benchmark_returns, "benchmark"),
    )
    unknown = all(value is None for value in report.benchmark_returns.values())
    note = (
        f"{report.benchmark} has no prices here, so there is nothing to compare with."
        if unknown
        else f"Time-weighted. {report.benchmark}: total return, of longer periods from the close of the first session."
    )
    return text_table("returns", f"Return against {report.benchmark}", columns, PERIODS, note)


def _returns(name: str, row: Mapping[str, Any], table: str) -> Column:
    return Column(name, lambda period: signed_percent(row.get(period)), lambda period: Source(table, period))


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


_HEADLINE: dict[str, tuple[str, Form]] = {
    "equity": ("Equity, USD", usd),
    "daily_pnl": ("Day's P&L, USD", signed_usd),
    "daily_return": ("Day", signed_percent),
    "realized_63d": ("Volatility, per year", percent),
}
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
    lines = (
        (label, form(row.get(name)), None if form is word else _source(name, assets))
        for name, (label, form) in forms.items()
    )
    return Figures(title, tuple(lines))


def _source(column: str, assets: Sequence[str]) -> Source:
    """Return the stored number of a figure: the first of the assets whose own table has the column."""
    return next(Source(asset, column) for asset in assets if column in FAMILIES[asset][0].c)
