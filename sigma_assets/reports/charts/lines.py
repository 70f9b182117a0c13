"""Line charts: panels above each other over common days, each with its own scale.

A plot is 1,000 wide and each panel 100 high whatever its size on the page: the page stretches it, and the text beside it
keeps its size. So one drawing serves a screen, a phone and paper.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sigma_assets.reports.charts.scales import named_days, round_steps, thinned

WIDTH, HEIGHT = 1000.0, 100.0
EDGE = 60.0
"""So close to an end of the plot (of 1,000), the name of a day begins or ends there."""


@dataclass(frozen=True)
class Tick:
    """A line of a grid: where, in per cent of the plot, and what it says; `anchor` as in SVG."""

    at: float
    label: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Line:
    """A line: the polylines of its stretches without gaps, and their areas down to `base`, if it is filled."""

    name: str
    stretches: tuple[str, ...]
    areas: tuple[str, ...]


@dataclass(frozen=True)
class Panel:
    """Lines on one scale; `base` is where areas end, in per cent from the top."""

    name: str
    lines: tuple[Line, ...]
    ticks: tuple[Tick, ...]
    base: float


@dataclass(frozen=True)
class LineChart:
    """Panels above each other; `words` say what there is to see."""

    first: date
    last: date
    panels: tuple[Panel, ...]
    days: tuple[Tick, ...]
    words: str


@dataclass(frozen=True)
class Drawn:
    """What a panel is to show: numbers by line (None = not known), the first one filled where `is_filled`."""

    name: str
    values: Mapping[str, Sequence[float | None]]
    label: Callable[[float], str]
    is_filled: bool = True
    starts_at_zero: bool = False


def line_chart(sessions: Sequence[date], drawn: Sequence[Drawn], words: str) -> LineChart | None:
    """Return a chart; None with fewer than two sessions. Panels without any number are left out."""
    if len(sessions) < 2:
        return None
    span = (sessions[-1] - sessions[0]).days
    xs = [round(WIDTH * (day - sessions[0]).days / span, 1) for day in sessions]
    known = [each for each in drawn if any(value is not None for line in each.values.values() for value in line)]
    panels = tuple(_panel(xs, each) for each in known)
    days = tuple(
        Tick(round(x / 10, 2), label, "start" if x < EDGE else "end" if x > WIDTH - EDGE else "middle")
        for x, label in ((WIDTH * (day - sessions[0]).days / span, label) for day, label in named_days(sessions))
    )
    return LineChart(sessions[0], sessions[-1], panels, days, words)


def sparkline_path(values: Sequence[float | None], low: float, high: float) -> tuple[tuple[str, ...], float]:
    """Return the stretches of a small line between two bounds, and where zero is; both as in a panel."""
    span = (high - low) or 1.0
    xs = [round(WIDTH * at / max(len(values) - 1, 1), 1) for at in range(len(values))]
    places = [None if value is None else HEIGHT * (high - value) / span for value in values]
    return tuple(_corners(stretch) for stretch in _stretches(xs, places)), round(HEIGHT * high / span, 1)


def _panel(xs: Sequence[float], drawn: Drawn) -> Panel:
    known = [value for line in drawn.values.values() for value in line if value is not None]
    low, high = min(known), max(known)
    if drawn.starts_at_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        low, high = (low - 0.01, high) if drawn.starts_at_zero else (low, low + (abs(low) * 0.02 or 1.0))
    steps = round_steps(low, high, 4)
    if drawn.starts_at_zero and high == 0.0:
        steps = [step for step in steps if step <= 0]
    bottom, top = min(steps), max(steps)

    def y(value: float) -> float:
        return round(HEIGHT * (top - value) / (top - bottom), 2)

    base = y(min(max(0.0, bottom), top))
    lines = []
    for at, (name, values) in enumerate(drawn.values.items()):
        kept = thinned(values)
        places = [None if (value := values[place]) is None else y(value) for place in kept]
        stretches = _stretches([xs[place] for place in kept], places)
        areas = [
            f"{stretch[0][0]:g},{base:g} {_corners(stretch)} {stretch[-1][0]:g},{base:g}"
            for stretch in stretches
            if at == 0 and drawn.is_filled
        ]
        lines.append(Line(name, tuple(_corners(stretch) for stretch in stretches), tuple(areas)))
    ticks = tuple(Tick(y(step), drawn.label(step)) for step in steps)
    return Panel(drawn.name, tuple(lines), ticks, base)


def _corners(stretch: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:.4g}" for x, y in stretch)


def _stretches(xs: Sequence[float], values: Sequence[float | None]) -> list[list[tuple[float, float]]]:
    """Return the points that follow each other without a gap: a line is not drawn over what is not known."""
    found: list[list[tuple[float, float]]] = [[]]
    for x, value in zip(xs, values, strict=True):
        if value is not None:
            found[-1].append((x, value))
        elif found[-1]:
            found.append([])
    return [stretch for stretch in found if stretch]
