"""Scales of charts: round steps, days to name, amounts that fit an axis, points that can be seen."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from math import ceil, floor, log10

MOST_POINTS = 760
"""About one per pixel of a chart on a large screen: more cannot be seen."""
MOST_DAYS = 6


def thinned(values: Sequence[float | None]) -> list[int]:
    """Return the places of at most so many values as can be seen; the extremes of each stretch stay, and both ends."""
    if len(values) <= MOST_POINTS:
        return list(range(len(values)))
    size = ceil(2 * len(values) / MOST_POINTS)
    kept = {0, len(values) - 1}
    for start in range(0, len(values), size):
        stretch = range(start, min(start + size, len(values)))
        known = [(values[at], at) for at in stretch if values[at] is not None]
        kept |= {min(known)[1], max(known)[1]} if known else {start}
    return sorted(kept)


def round_steps(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers (1, 2 or 5 times a power of ten apart) from at most `low` to at least `high`."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [round(number * step, 10) for number in range(floor(low / step), ceil(high / step) + 1)]


def named_days(sessions: Sequence[date]) -> list[tuple[date, str]]:
    """Return some sessions to name below a chart: first sessions of years or months, or single ones of a short time."""
    span = (sessions[-1] - sessions[0]).days
    if span <= 120:
        step = ceil(len(sessions) / MOST_DAYS)
        return [(day, f"{day.day} {day:%b}") for day in sessions[step // 2 :: step]]
    is_long = span > 1100
    begins = [
        later
        for day, later in pairwise(sessions)
        if day.year != later.year or (not is_long and day.month != later.month)
    ]
    form = "%Y" if is_long else "%b %Y"
    return [(day, day.strftime(form)) for day in begins[:: ceil(len(begins) / MOST_DAYS)]]


def short_amount(value: float) -> str:
    """Return an amount that fits an axis: `1.25 M`."""
    for size, unit in ((1e9, " bn"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:,.4g}{unit}"
    return f"{value:,.4g}"


def short_percent(value: float) -> str:
    """Return a fraction that fits an axis: `2.5 %`."""
    return f"{100 * value:.3g} %"
