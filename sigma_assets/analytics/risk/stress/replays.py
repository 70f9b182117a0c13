"""What happened before: windows of sessions, and each symbol's own total return over them (SPEC 4.11)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigma_assets.analytics.risk.stress.scenarios import Replay
from sigma_assets.analytics.series.returns import last_known_close, total_returns
from sigma_assets.base.conventions import STALE_SESSIONS_LIMIT
from sigma_assets.base.frames import FloatArray, PriceHistory, SessionArray


@dataclass(frozen=True)
class Windows:
    """The windows that replays mean on some sessions, each window once.

    Attributes
    ----------
    first, last : datetime64[D] arrays of shape (n_windows,); from close to close.
    of_session : int array of shape (n_replays, n_sessions); window of each replay on each session, -1 where the market
        has no prices of it, or it was not over yet.
    """

    first: SessionArray
    last: SessionArray
    of_session: npt.NDArray[np.intp]


def replay_windows(replays: tuple[Replay, ...], market: PriceHistory, sessions: SessionArray) -> Windows:
    """Return the windows of replays on some sessions.

    Parameters
    ----------
    market : all stored prices of the market's ETF, its only symbol, up to the last of `sessions`.
    sessions : datetime64[D] array, ascending. A session sees windows that ended on or before it.
    """
    pairs: list[tuple[np.datetime64, np.datetime64]] = []
    of_session = np.full((len(replays), len(sessions)), -1, dtype=np.intp)
    for number, replay in enumerate(replays):
        if replay.worst_sessions is not None:
            found = _worst(market, replay.worst_sessions, sessions)
        else:
            found = _dated(market, np.datetime64(replay.first), np.datetime64(replay.last), sessions)
        for place, pair in enumerate(found):
            if pair is not None:
                if pair not in pairs:
                    pairs.append(pair)
                of_session[number, place] = pairs.index(pair)
    ends = np.array(pairs, dtype="datetime64[D]").reshape(-1, 2)
    return Windows(ends[:, 0], ends[:, 1], of_session)


def window_returns(history: PriceHistory, first: np.datetime64) -> FloatArray:
    """Return the total return of each symbol from the close of `first` to the last session of a history.

    Parameters
    ----------
    history : from `STALE_SESSIONS_LIMIT` sessions before `first`, if they exist.

    Returns
    -------
    float array of shape (n_symbols,)
        NaN where the last close on or before either end is more than `STALE_SESSIONS_LIMIT` sessions old, or absent.
    """
    start = int(history.rows(np.array([first]))[0])
    _, price_session = last_known_close(history)
    ends = np.array([start, len(history.sessions) - 1])
    source = price_session[ends]
    age = ends[:, None] - np.searchsorted(history.sessions, source)
    is_recent = ~np.isnat(source) & (source >= history.sessions[0]) & (age <= STALE_SESSIONS_LIMIT)
    growth = np.ones(len(history.symbols))
    for row in total_returns(history)[start + 1 :]:
        growth *= np.where(np.isfinite(row), 1.0 + row, 1.0)
    return np.where(is_recent.all(axis=0), growth - 1.0, np.nan)


_Pairs = list[tuple[np.datetime64, np.datetime64] | None]


def _dated(market: PriceHistory, first: np.datetime64, last: np.datetime64, sessions: SessionArray) -> _Pairs:
    """Return the window between two dates, moved to sessions, for the sessions that see it."""
    left = int(np.searchsorted(market.sessions, first, side="right")) - 1
    right = int(np.searchsorted(market.sessions, last, side="right")) - 1
    has_close = np.isfinite(market.close[:, 0])
    if left < 0 or right <= left or last > market.sessions[-1] or not (has_close[left] and has_close[right]):
        return [None] * len(sessions)
    pair = (market.sessions[left], market.sessions[right])
    return [pair if session >= last else None for session in sessions]


def _worst(market: PriceHistory, count: int, sessions: SessionArray) -> _Pairs:
    """Return the stretch of `count` sessions up to each session in which the market lost most; on a tie the earliest.

    From close to close: a price may be missing in between, but not at the ends.
    """
    close = market.close[:, 0]
    if len(close) <= count:
        return [None] * len(sessions)
    returns = total_returns(market)[1:, 0]
    steps = np.lib.stride_tricks.sliding_window_view(np.where(np.isfinite(returns), 1.0 + returns, 1.0), count)
    has_ends = np.isfinite(close[:-count]) & np.isfinite(close[count:])
    stretch = np.where(has_ends, np.prod(steps, axis=1), np.nan)
    worst = np.fmin.accumulate(np.where(np.isfinite(stretch), stretch, np.inf))
    # Where the least so far was first reached; equal but for rounding is equal.
    is_new = np.concatenate([[True], worst[1:] < worst[:-1] * (1.0 - 1e-12)])
    place = np.maximum.accumulate(np.where(is_new, np.arange(len(worst)), 0))
    pairs: _Pairs = []
    for session in sessions:
        end = int(np.searchsorted(market.sessions, session, side="right")) - 1 - count
        if end < 0 or not np.isfinite(worst[end]):
            pairs.append(None)
        else:
            start = int(place[end])
            pairs.append((market.sessions[start], market.sessions[start + count]))
    return pairs
