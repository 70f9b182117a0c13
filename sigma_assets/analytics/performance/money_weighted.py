"""The money-weighted return: the rate at which all flows would have grown to what is there (SPEC 4.12)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sigma_assets.base.frames import FloatArray, SessionArray

DAYS_PER_YEAR = 365
"""Actual days / 365, the convention of spreadsheets' XIRR."""
_GRID = np.sinh(np.linspace(-8.0, 8.0, 161))
"""Logarithms of yearly growth among which a root is looked for: from e^-1490 to e^1490, fine around no growth."""
_STEPS = 200
_LARGEST = float(np.log(np.finfo(float).max))
"""The logarithm of the largest number."""
_ROUNDING = 4 * np.finfo(float).eps
"""A gain below this share of all amounts is what adding them up has rounded."""


class Cash(NamedTuple):
    """What went into a portfolio, and what it was worth.

    Attributes
    ----------
    amounts : float array of shape (n_flows,), USD; contributions positive, the first one is the initial equity.
    days : datetime64[D] array of shape (n_flows,), ascending.
    equity : float array of shape (n_sessions,), USD.
    sessions : datetime64[D] array of shape (n_sessions,).
    """

    amounts: FloatArray
    days: SessionArray
    equity: FloatArray
    sessions: SessionArray


def money_weighted_returns(portfolios: Sequence[Cash]) -> list[FloatArray]:
    """Return XIRR of the flows up to each session and the equity of that session, of each portfolio.

    The rate r that solves sum of amount_i (1 + r)^((d - day_i) / 365) = equity_d. Flows of both signs can have several
    such rates: the one nearest to 0 is taken, in terms of log(1 + r). Portfolios with equally many flows are solved
    together; a session's return does not depend on what is solved beside it.

    Returns
    -------
    float arrays of shape (n_sessions,), per year
        NaN on the first day, and where no rate solves it: without a change of sign, where equity is not positive. NaN,
        too, where the rate is too large for a number: sevenfold in a day.

    Examples
    --------
    >>> days = np.array(["2008-01-01", "2008-03-01", "2008-10-30", "2009-02-15", "2009-04-01"], dtype="datetime64[D]")
    >>> amounts = np.array([10_000.0, -2_750.0, -4_250.0, -3_250.0])
    >>> money_weighted_returns([Cash(amounts, days[:4], np.array([2_750.0]), days[4:])])[0].round(7).tolist()
    [0.3733625]
    """
    found: list[FloatArray] = [np.empty(0)] * len(portfolios)
    for n_flows in {len(cash.amounts) for cash in portfolios}:
        alike = [number for number, cash in enumerate(portfolios) if len(cash.amounts) == n_flows]
        rates = _solved([portfolios[number] for number in alike])
        ends = np.cumsum([len(portfolios[number].equity) for number in alike])
        for number, part in zip(alike, np.split(rates, ends[:-1]), strict=True):
            found[number] = part
    return found


def _solved(portfolios: Sequence[Cash]) -> FloatArray:
    """Return the returns of portfolios with equally many flows, one after the other."""
    years = np.concatenate([cash.sessions[:, None] - cash.days[None, :] for cash in portfolios]).astype(float)
    years = years / DAYS_PER_YEAR
    amounts = np.concatenate(
        [np.broadcast_to(cash.amounts, (len(cash.sessions), len(cash.amounts))) for cash in portfolios]
    )
    equity = np.concatenate([cash.equity for cash in portfolios])
    is_later = np.concatenate([cash.sessions > cash.days[0] for cash in portfolios])
    counts = np.where(years >= 0, amounts, 0.0)
    years = np.maximum(years, 0.0)
    low, high, is_known = _bracket(counts, years, equity)
    root = np.where(_earned_nothing(counts, years, equity), 0.0, _root(counts, years, equity, low, high))
    is_known &= (equity > 0) & is_later & (root < _LARGEST)
    return np.expm1(np.where(is_known, root, np.nan))


def _earned_nothing(counts: FloatArray, years: FloatArray, equity: FloatArray) -> np.ndarray:
    """Return where the equity is what was paid in but for rounding: no rate is nearer to 0 than 0."""
    no_growth = np.zeros(len(equity))
    all_amounts = _surplus(np.abs(counts), years, -np.abs(equity), no_growth)
    return np.abs(_surplus(counts, years, equity, no_growth)) <= _ROUNDING * all_amounts


def _surplus(counts: FloatArray, years: FloatArray, equity: FloatArray, growth: FloatArray) -> FloatArray:
    """Return what the flows would have become, less the equity; flows added one by one, in their order."""
    total = -equity * np.ones_like(growth)
    with np.errstate(over="ignore", invalid="ignore"):
        for flow in range(counts.shape[1]):
            total = total + counts[:, flow] * np.exp(np.clip(growth * years[:, flow], -700.0, 700.0))
    return total


def _bracket(counts: FloatArray, years: FloatArray, equity: FloatArray) -> tuple[FloatArray, FloatArray, np.ndarray]:
    """Return the interval of the grid around the root nearest to no growth, and where there is one."""
    values = _surplus(counts, years, equity, np.broadcast_to(_GRID[:, None], (len(_GRID), len(equity))))
    changes = np.sign(values[1:]) * np.sign(values[:-1]) <= 0
    middle = np.abs(_GRID[1:] + _GRID[:-1])
    distance = np.where(changes, middle[:, None], np.inf)
    place = distance.argmin(axis=0)
    return _GRID[place], _GRID[place + 1], np.asarray(changes.any(axis=0))


def _root(counts: FloatArray, years: FloatArray, equity: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return the root in each interval: bisection until the interval has no number in it.

    Intervals that are done stay as they are, so a session's root does not depend on the sessions beside it.
    """
    rises = _surplus(counts, years, equity, high) >= 0
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        is_open = (middle > low) & (middle < high)
        if not is_open.any():
            break
        is_above = (_surplus(counts, years, equity, middle) >= 0) == rises
        high = np.where(is_open & is_above, middle, high)
        low = np.where(is_open & ~is_above, middle, low)
    return (low + high) / 2.0
