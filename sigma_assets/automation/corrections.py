"""Which partitions a late or corrected price touches: exactly those, per portfolio and asset (SPEC 5)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sigma_assets.conventions import YEAR_LOOKBACK, CorrelationModel, FactorModel, VolatilityModel
from sigma_assets.frames import PriceHistory, SessionArray

VALUES = ("portfolio_snapshots", "position_values")


@dataclass(frozen=True)
class Reach:
    """How many sessions after a price some asset still reads it; 0 = only while it is the last known price."""

    windows: Mapping[str, int]

    @classmethod
    def of(cls, factors: FactorModel, volatility: VolatilityModel, correlation: CorrelationModel) -> "Reach":
        """Return the reach of every portfolio asset."""
        beta = factors.longest_window
        windows = {
            "portfolio_snapshots": 0,
            "position_values": 0,
            "factor_coverage": beta,
            "metric_coverage": YEAR_LOOKBACK,
            "betas": beta,
            "factor_exposures": beta,
            "volatility": volatility.longest_window,
            "correlations": correlation.window,
        }
        return cls(windows | {"price_coverage": max(windows.values())})


def touched_sessions(
    changed: pd.DataFrame,
    history: PriceHistory,
    computed: pd.DataFrame,
    *,
    held: set[str],
    factor_etfs: set[str],
    reach: Reach,
) -> dict[str, SessionArray]:
    """Return, per asset, the sessions of one portfolio that changed prices touch.

    A price is carried until the symbol's next one, and the return at that next one starts from it; a windowed asset
    reads both for as long as its window.

    Parameters
    ----------
    changed : DataFrame with `symbol, session, revision`
        Prices written by recent loads.
    history : the prices of these symbols as they are now, to find each price's successor.
    computed : DataFrame with `session, prices_revision`
        What the portfolio has, and the newest load that it has seen; a session that has seen a change is not touched.
    held : symbols that the portfolio lives on.
    factor_etfs : symbols that every portfolio's betas read.

    Returns
    -------
    asset -> datetime64[D] array, ascending; only assets that are touched.
    """
    sessions = computed["session"].to_numpy(dtype="datetime64[D]")
    seen = computed["prices_revision"].to_numpy(dtype=np.int64)
    position = np.searchsorted(history.sessions, sessions)
    touched = {asset: np.zeros(len(sessions), dtype=bool) for asset in reach.windows}
    for row in changed[changed["symbol"].isin(held | factor_etfs)].itertuples():
        start, carried = _span(history, row.symbol, row.session)
        stale = (seen < row.revision) & (position >= start)
        for asset, window in reach.windows.items():
            if row.symbol in held or asset not in (*VALUES, "volatility", "correlations"):
                touched[asset] |= stale & (position <= max(carried, carried + window - 1))
    return {asset: sessions[mask] for asset, mask in touched.items() if mask.any()}


def _span(history: PriceHistory, symbol: str, session: pd.Timestamp) -> tuple[int, int]:
    """Return the position of a price and of the symbol's next one (the end of the history if there is none)."""
    start = int(np.searchsorted(history.sessions, np.datetime64(session, "D")))
    later = np.flatnonzero(np.isfinite(history.close[start + 1 :, history.column(symbol)]))
    return start, start + 1 + int(later[0]) if len(later) else len(history.sessions) - 1


def to_date_differs(computed: pd.DataFrame, stored: pd.DataFrame) -> SessionArray:
    """Return the sessions whose figures to date (drawdown, time-weighted return) are no longer what is stored.

    Parameters
    ----------
    computed, stored : snapshots of one portfolio with `session, max_drawdown, time_weighted_return`.
    """
    both = stored.merge(computed, on="session", suffixes=("", "_now"))
    differs = np.zeros(len(both), dtype=bool)
    for column in ("max_drawdown", "time_weighted_return"):
        now, then = both[f"{column}_now"].to_numpy(dtype=float), both[column].to_numpy(dtype=float)
        differs |= ~np.isclose(now, then, rtol=0.0, atol=1e-12, equal_nan=True)
    return both["session"].to_numpy(dtype="datetime64[D]")[differs]
