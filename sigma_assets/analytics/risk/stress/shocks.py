"""What a shock is on a session: the move of its factor (SPEC 4.11)."""

import numpy as np

from sigma_assets.analytics.risk.stress.scenarios import Shock
from sigma_assets.analytics.series.moments import variance
from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.base.conventions import FactorModel
from sigma_assets.base.frames import FloatArray, PriceHistory, SessionArray

MOVE_WINDOW, DEVIATION_WINDOW, DEVIATION_MIN = 63, 252, 126
"""Sessions of a factor's move; daily returns in its standard deviation, and how many of them must be known."""
BASIS_POINT = 1e-4


def shock_moves(
    shocks: tuple[Shock, ...], history: PriceHistory, sessions: SessionArray, factors: FactorModel, duration: float
) -> FloatArray:
    """Return the move of each shock's factor: the return of SPY, of TLT, or of one ETF less another's.

    A change of yields moves the bond fund by -duration x change: bonds lose when yields rise. The standard deviation of
    a factor's move over 63 sessions is that of its last 252 daily returns x sqrt(63).

    Parameters
    ----------
    history : prices from `DEVIATION_WINDOW` + 1 sessions before the first of `sessions`, if they exist.
    duration : of the rates ETF, years.

    Returns
    -------
    float array of shape (n_shocks, n_sessions); NaN where the standard deviation is not known.
    """
    moves = np.full((len(shocks), len(sessions)), np.nan)
    for number, shock in enumerate(shocks):
        if shock.unit == "move":
            moves[number] = shock.size
        elif shock.unit == "basis_points":
            moves[number] = -duration * shock.size * BASIS_POINT
        else:
            moves[number] = shock.size * _deviation(shock.factor, history, sessions, factors)
    return moves


def _deviation(factor: str, history: PriceHistory, sessions: SessionArray, factors: FactorModel) -> FloatArray:
    legs = {"market": (factors.market,), "rates": (factors.rates,)}.get(factor) or factors.spreads[factor]
    series, *others = (total_returns(history.of([leg]))[:, 0] for leg in legs)
    for other in others:
        series -= other
    padded = np.pad(series, (DEVIATION_WINDOW - 1, 0), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, DEVIATION_WINDOW)[history.rows(sessions)]
    is_known = np.isfinite(windows).sum(axis=1) >= DEVIATION_MIN
    return np.where(is_known, np.sqrt(variance(windows) * MOVE_WINDOW), np.nan)
