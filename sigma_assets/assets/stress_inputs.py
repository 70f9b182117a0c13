"""Inputs of stress tests besides positions: betas, the size of each shock per session, and the returns in each replay."""

import logging

import numpy as np
import pandas as pd

from sigma_assets.analytics.risk.stress.replays import Windows, replay_windows, window_returns
from sigma_assets.analytics.risk.stress.scenarios import Replay, Scenarios
from sigma_assets.analytics.risk.stress.shocks import DEVIATION_WINDOW, shock_moves
from sigma_assets.analytics.risk.stress.tables import Moves
from sigma_assets.assets.tables import Tables
from sigma_assets.base.conventions import STALE_SESSIONS_LIMIT
from sigma_assets.base.frames import FloatArray, PriceHistory
from sigma_assets.runs.partitions import Scope

logger = logging.getLogger(__name__)


def moves_of(tables: Tables, scope: Scope, scenarios: Scenarios, history: PriceHistory) -> Moves:
    """Return what the scenarios are on the sessions of a scope.

    Parameters
    ----------
    history : prices of the factor ETFs over the sessions and `DEVIATION_WINDOW` + 1 before.
    """
    factors, symbols = tables.settings.factor_model, tables.symbols(scope)
    windows = _windows(tables, scope, scenarios.replays, factors.market)
    own = np.full((len(windows.first), len(symbols)), np.nan)
    for number in range(len(own)):
        own[number] = _own_returns(tables, symbols, windows, number)
    return Moves(
        sessions=scope.sessions,
        shocks=shock_moves(scenarios.shocks, history, scope.sessions, factors, tables.settings.rates_duration),
        windows=windows,
        own=own,
        market=own[:, symbols.index(factors.market)],
        symbols=np.array(symbols, dtype=object),
    )


def shock_history(tables: Tables, scope: Scope, underlyings: set[str]) -> PriceHistory:
    """Return the prices that shocks and options need."""
    symbols = {*tables.settings.factor_model.etfs, *underlyings}
    return tables.prices(sorted(symbols), tables.window(scope, DEVIATION_WINDOW + 1))


def prices_since_entry(tables: Tables, scope: Scope, lots: pd.DataFrame) -> PriceHistory:
    """Return the prices of the underlyings of options from the first entry on: what adjusts their strikes."""
    options = lots[lots["underlying_symbol"].notna() & (lots["entry_date"] <= pd.Timestamp(scope.last))]
    first = min([options["entry_date"].min().date()] if len(options) else [], default=scope.first)
    days = tables.calendar.between(tables.calendar.on_or_before(first), scope.last)
    return tables.prices(sorted(set(options["underlying_symbol"])), days)


def _windows(tables: Tables, scope: Scope, replays: tuple[Replay, ...], market: str) -> Windows:
    """Return the windows that the market has prices of, and say once which it has not."""
    first = tables.first_sessions([market], scope.last, prices_needed=1)
    start = first.iloc[0].date() if len(first) else scope.first
    history = tables.prices([market], tables.calendar.between(start, scope.last))
    windows = replay_windows(replays, history, scope.sessions)
    absent = [
        f"{replay.name} ({replay.first} to {replay.last})"
        for replay, places in zip(replays, windows.of_session, strict=True)
        if (places < 0).all() and replay.last is not None and replay.last <= scope.last
    ]
    if absent:
        logger.warning("no prices of %s, and so no row, for the replays %s", market, ", ".join(absent))
    return windows


def _own_returns(tables: Tables, symbols: list[str], windows: Windows, number: int) -> FloatArray:
    first, last = windows.first[number], windows.last[number]
    sessions = tables.calendar.between(first.item(), last.item())
    return window_returns(tables.prices(symbols, tables.window(Scope(sessions), STALE_SESSIONS_LIMIT)), first)
