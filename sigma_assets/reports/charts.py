"""Shapes of the report's charts, as the page draws them with inline SVG: no script, no request, and it prints."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from math import ceil, floor, log10

from sigma_assets.reports.portfolio import Point

WIDTH, LEFT, RIGHT = 760.0, 84.0, 12.0
TOP, EQUITY_HEIGHT, GAP, DRAWDOWN_HEIGHT, BOTTOM = 10.0, 190.0, 20.0, 80.0, 26.0
MOST_POINTS = 760
"""One per unit of width: more cannot be seen."""
BAR, BAR_STEP, LABELS, VALUES = 14.0, 24.0, 230.0, 90.0


@dataclass(frozen=True)
class Tick:
    """A line of a grid: where, and what it says."""

    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """A panel: the polylines of its stretches without gaps, areas closed down to `base`, and its grid."""

    stretches: tuple[str, ...]
    areas: tuple[str, ...]
    ticks: tuple[Tick, ...]
    base: float


@dataclass(frozen=True)
class EquityChart:
    """Equity above drawdown, with common days."""

    width: float
    height: float
    left: float
    right: float
    equity: Line
    drawdown: Line | None
    days: tuple[Tick, ...]
    words: str


@dataclass(frozen=True)
class Bar:
    """A bar from the zero line; `x`, `y`, `width` in units of the chart."""

    label: str
    value: str
    x: float
    y: float
    width: float
    is_negative: bool


@dataclass(frozen=True)
class BarChart:
    """Horizontal bars on both sides of a zero line."""

    width: float
    height: float
    zero: float
    bars: tuple[Bar, ...]
    words: str


def equity_chart(points: Sequence[Point]) -> EquityChart | None:
    """Return the chart of equity (USD) and drawdown; None with fewer than two sessions."""
    if len(points) < 2:
        return None
    shown = thinned(points)
    xs = [_x(point.session, points[0].session, points[-1].session) for point in shown]
    equity = _panel(xs, [point.equity for point in shown], TOP, EQUITY_HEIGHT, _short)
    falls = [point.drawdown for point in shown]
    top = TOP + EQUITY_HEIGHT + GAP
    is_known = any(fall is not None for fall in falls)
    drawdown = _panel(xs, falls, top, DRAWDOWN_HEIGHT, _percent, top_is_zero=True) if is_known else None
    first, last = points[0], points[-1]
    words = (
        f"Equity went from {first.equity:,.0f} USD on {first.session} to {last.equity:,.0f} USD on {last.session};"
        f" lowest {min(point.equity for point in points):,.0f}, highest {max(point.equity for point in points):,.0f}."
    )
    days = tuple(Tick(round(_x(day, first.session, last.session), 1), label) for day, label in _days(points))
    height = top + DRAWDOWN_HEIGHT + BOTTOM if is_known else TOP + EQUITY_HEIGHT + BOTTOM
    return EquityChart(WIDTH, height, LEFT, WIDTH - RIGHT, equity, drawdown, days, words)


def bar_chart(entries: Sequence[tuple[str, float | None, str]], what: str) -> BarChart | None:
    """Return bars of (label, number, its text); entries without a number have none. None without any number."""
    known = [(label, value, text) for label, value, text in entries if value is not None]
    if not known:
        return None
    low, high = min(0.0, *(value for _, value, _ in known)), max(0.0, *(value for _, value, _ in known))
    scale = (WIDTH - LABELS - VALUES) / ((high - low) or 1.0)
    zero = LABELS - low * scale
    bars = tuple(
        Bar(
            label if len(label) <= 32 else label[:31] + "…",
            text,
            round(zero + min(value, 0.0) * scale, 1),
            round(at * BAR_STEP + (BAR_STEP - BAR) / 2, 1),
            round(max(abs(value) * scale, 0.5), 1),
            value < 0,
        )
        for at, (label, value, text) in enumerate(known)
    )
    words = f"{what}: {len(bars)} bars, from {min(known, key=_value)[2]} to {max(known, key=_value)[2]}."
    return BarChart(WIDTH, len(bars) * BAR_STEP, round(zero, 1), bars, words)


def thinned(points: Sequence[Point]) -> list[Point]:
    """Return no more points than can be seen; the lowest and highest equity of each stretch stay, and both ends."""
    if len(points) <= MOST_POINTS:
        return list(points)
    size = ceil(2 * len(points) / MOST_POINTS)
    kept = {0, len(points) - 1}
    for start in range(0, len(points), size):
        stretch = range(start, min(start + size, len(points)))
        kept |= {min(stretch, key=lambda at: points[at].equity), max(stretch, key=lambda at: points[at].equity)}
    return [points[at] for at in sorted(kept)]


def round_steps(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers (1, 2 or 5 times a power of ten apart) from at most `low` to at least `high`."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [round(number * step, 10) for number in range(floor(low / step), ceil(high / step) + 1)]


def _panel(
    xs: Sequence[float],
    values: Sequence[float | None],
    top: float,
    height: float,
    label: Callable[[float], str],
    *,
    top_is_zero: bool = False,
) -> Line:
    known = [value for value in values if value is not None]
    low, high = min(known), 0.0 if top_is_zero else max(known)
    if low == high:
        low, high = (-0.01, 0.0) if top_is_zero else (low, low + (abs(low) * 0.02 or 1.0))
    steps = [step for step in round_steps(low, high, 4) if step <= 0 or not top_is_zero]
    bottom, ceiling = min(steps), max(steps)

    def y(value: float) -> float:
        return top + height * (ceiling - value) / (ceiling - bottom)

    base = y(min(max(0.0, bottom), ceiling))
    stretches, areas = [], []
    for stretch in _stretches(xs, values):
        corners = [f"{x:.1f},{y(value):.1f}" for x, value in stretch]
        stretches.append(" ".join(corners))
        areas.append(" ".join([f"{stretch[0][0]:.1f},{base:.1f}", *corners, f"{stretch[-1][0]:.1f},{base:.1f}"]))
    ticks = tuple(Tick(round(y(step), 1), label(step)) for step in steps)
    return Line(tuple(stretches), tuple(areas), ticks, round(base, 1))


def _stretches(xs: Sequence[float], values: Sequence[float | None]) -> list[list[tuple[float, float]]]:
    """Return the points that follow each other without a gap: a line is not drawn over what is not known."""
    found: list[list[tuple[float, float]]] = [[]]
    for x, value in zip(xs, values, strict=True):
        if value is not None:
            found[-1].append((x, value))
        elif found[-1]:
            found.append([])
    return [stretch for stretch in found if stretch]


def _x(day: date, first: date, last: date) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (day - first).days / (last - first).days


def _days(points: Sequence[Point]) -> list[tuple[date, str]]:
    """Return some sessions to name below the chart: first sessions of months or years, at most seven."""
    sessions = [point.session for point in points]
    is_long = (sessions[-1] - sessions[0]).days > 1100
    form = "%Y" if is_long else "%b %Y"
    begins = [
        later
        for day, later in pairwise(sessions)
        if day.year != later.year or (not is_long and day.month != later.month)
    ]
    chosen = begins[:: ceil(len(begins) / 7)] if begins else []
    return [(day, day.strftime(form)) for day in chosen] or [(sessions[0], str(sessions[0]))]


def _short(value: float) -> str:
    """Return an amount that fits an axis: `1.25 M`."""
    for size, unit in ((1e9, " bn"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:,.4g}{unit}"
    return f"{value:,.4g}"


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def _value(entry: tuple[str, float, str]) -> float:
    return entry[1]
