"""The history in a report: the portfolio's sessions beside its benchmark, ends of months, evenly spaced sessions."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np

from sigma_assets.analytics.performance.benchmark import benchmark_beside
from sigma_assets.base.calendar import TradingCalendar
from sigma_assets.prices.history import price_history
from sigma_assets.reports.portfolio import Point, Row
from sigma_assets.storage.connection.database import Database

MOST_SESSIONS = 260
"""Sessions of a history besides that of equity: a year of them, or evenly spaced ones of a longer time."""


def benchmarked(
    database: Database, calendar: TradingCalendar, benchmark: str, rows: Sequence[Any]
) -> tuple[tuple[Point, ...], Row]:
    """Return a portfolio's sessions beside its benchmark, and that one's returns.

    Parameters
    ----------
    rows : session, equity, cumulative_capital_flow (USD), drawdown; ascending.
    """
    if not rows:
        return (), {}
    history = price_history(database, [benchmark], rows[0].session, rows[-1].session, calendar)
    places = history.rows(np.array([row.session for row in rows], dtype="datetime64[D]"))
    flows = np.zeros(len(history.sessions))
    flows[places[1:]] = [
        after.cumulative_capital_flow - before.cumulative_capital_flow for before, after in pairwise(rows)
    ]
    beside = benchmark_beside(history, rows[0].equity, flows)
    points = (
        Point(row.session, row.equity, row.drawdown, value, fall)
        for row, value, fall in zip(rows, _known(beside.value[places]), _known(beside.drawdown[places]), strict=True)
    )
    returns = dict(zip(beside.returns, _known(np.array([*beside.returns.values()])), strict=True))
    return tuple(points), {**returns}


def month_ends(sessions: Sequence[date]) -> list[date]:
    """Return the last of the sessions in each month."""
    return list({(day.year, day.month): day for day in sessions}.values())


def evenly_spaced(sessions: Sequence[date], most: int) -> list[date]:
    """Return at most so many sessions, evenly spaced, the last one among them."""
    step = max(ceil(len(sessions) / most), 1)
    return list(sessions[::-1][::step][::-1])


def _known(values: np.ndarray) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
