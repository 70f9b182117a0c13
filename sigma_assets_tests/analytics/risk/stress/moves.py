"""What scenarios are on the sessions of a history, without a database."""

from dataclasses import replace

import numpy as np

from sigma_assets.analytics.risk.stress.replays import replay_windows, window_returns
from sigma_assets.analytics.risk.stress.scenarios import Scenarios
from sigma_assets.analytics.risk.stress.shocks import shock_moves
from sigma_assets.analytics.risk.stress.tables import Moves
from sigma_assets.base.conventions import FactorModel
from sigma_assets.base.frames import PriceHistory, SessionArray

DURATION = 16.5


def moves_in(history: PriceHistory, sessions: SessionArray, scenarios: Scenarios) -> Moves:
    """Return the moves of scenarios on some sessions of a history."""
    windows = replay_windows(scenarios.replays, history.of(["SPY"]), sessions)
    own = [
        window_returns(part(history, first, last), first)
        for first, last in zip(windows.first, windows.last, strict=True)
    ]
    matrix = np.array(own).reshape(len(own), len(history.symbols))
    return Moves(
        sessions=sessions,
        shocks=shock_moves(scenarios.shocks, history, sessions, FactorModel(), DURATION),
        windows=windows,
        own=matrix,
        market=matrix[:, history.column("SPY")],
        symbols=history.symbols,
    )


def part(history: PriceHistory, first: np.datetime64, last: np.datetime64) -> PriceHistory:
    """Return the history of a window, and of the five sessions before it."""
    low = max(0, int(np.searchsorted(history.sessions, first)) - 5)
    rows = slice(low, int(np.searchsorted(history.sessions, last)) + 1)
    names = ("sessions", "close", "split_factor", "dividend", "volume")
    return replace(history, **{name: getattr(history, name)[rows] for name in names})
