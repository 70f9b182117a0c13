"""The charts of a report: equity and drawdown beside the benchmark over some ranges, volatility, bars and small lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from sigma_assets.reports.charts.lines import Drawn, LineChart, line_chart, sparkline_path
from sigma_assets.reports.charts.scales import short_amount, short_percent
from sigma_assets.reports.portfolio import Point, PortfolioReport, Row

MONTHS_BACK = {"1M": 1, "3M": 3, "YTD": 0, "1Y": 12}
ALL = "All"


@dataclass(frozen=True)
class Bar:
    """A bar from the zero line, in per cent of the room there is."""

    start: float
    width: float
    zero: float
    is_negative: bool


@dataclass(frozen=True)
class SmallLine:
    """A small line without axes; `zero` in per cent from the top."""

    stretches: tuple[str, ...]
    zero: float


def equity_ranges(report: PortfolioReport) -> dict[str, LineChart]:
    """Return the chart of equity and drawdown over each range that is shorter than the history, and over all of it."""
    points = report.series
    chosen = [(label, _since(points, months)) for label, months in MONTHS_BACK.items()] + [(ALL, points)]
    shown = [(label, some) for label, some in chosen if label == ALL or 1 < len(some) < len(points)]
    charts = [(label, equity_chart(some, report.benchmark)) for label, some in shown]
    return {label: chart for label, chart in charts if chart is not None}


def equity_chart(points: Sequence[Point], benchmark: str) -> LineChart | None:
    """Return the chart of equity (USD) above drawdown, both beside the benchmark; None with fewer than two sessions."""
    if len(points) < 2:
        return None
    first, last = points[0], points[-1]
    words = (
        f"Equity went from {first.equity:,.0f} USD on {first.session} to {last.equity:,.0f} USD on {last.session};"
        f" lowest {min(point.equity for point in points):,.0f}, highest {max(point.equity for point in points):,.0f}."
    )
    if first.benchmark_equity is not None and last.benchmark_equity is not None:
        words += f" The same money in {benchmark}: {first.benchmark_equity:,.0f} to {last.benchmark_equity:,.0f} USD."
    money: dict[str, list[float | None]] = {
        "equity": [point.equity for point in points],
        "benchmark": [point.benchmark_equity for point in points],
    }
    falls: dict[str, list[float | None]] = {
        "drawdown": [point.drawdown for point in points],
        "benchmark": [point.benchmark_drawdown for point in points],
    }
    panels = (
        Drawn("tall", money, short_amount),
        Drawn("short", falls, short_percent, starts_at_zero=True),
    )
    return line_chart([point.session for point in points], panels, words)


def volatility_chart(history: Sequence[Row]) -> LineChart | None:
    """Return the chart of realised and expected volatility; None with fewer than two sessions, or where none is known."""
    rows: Sequence[dict[str, Any]] = history
    names = {"realized-21": "realized_21d", "realized-63": "realized_63d", "expected": "expected_21d"}
    values = {line: [row[name] for row in rows] for line, name in names.items()}
    known = [value for line in values.values() for value in line if value is not None]
    if not known:
        return None
    words = (
        f"Volatility per year from {rows[0]['session']} to {rows[-1]['session']}, realised and expected:"
        f" between {min(known):.1%} and {max(known):.1%}."
    )
    panel = Drawn("tall", values, short_percent, is_filled=False, starts_at_zero=True)
    return line_chart([row["session"] for row in rows], [panel], words)


def bars(measures: Sequence[float | None]) -> list[Bar | None]:
    """Return a bar for each number on one scale; None where it is not known."""
    known = [value for value in measures if value is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    scale = 100.0 / ((high - low) or 1.0)
    zero = round(-low * scale, 2)
    return [
        None
        if value is None
        else Bar(round(zero + min(value, 0.0) * scale, 2), round(max(abs(value) * scale, 0.3), 2), zero, value < 0)
        for value in measures
    ]


def small_lines(lines: Sequence[Sequence[float | None]]) -> list[SmallLine]:
    """Return small lines on one scale that includes zero, so that they can be compared."""
    known = [value for line in lines for value in line if value is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    return [SmallLine(*sparkline_path(line, low, high)) for line in lines]


def _since(points: Sequence[Point], months: int) -> Sequence[Point]:
    """Return the points from the close that a range is measured from: so many months earlier, or the end of last year."""
    if not points:
        return points
    last = points[-1].session
    start = date(last.year - 1, 12, 31) if months == 0 else (pd.Timestamp(last) - pd.DateOffset(months=months)).date()
    before = [at for at, point in enumerate(points) if point.session <= start]
    return points[before[-1] if before else 0 :]
