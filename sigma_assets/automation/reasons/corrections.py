"""Exactly which partitions a late or corrected price affects, per portfolio and asset (SPEC 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from sigma_assets.base.conventions import (
    PORTFOLIO_SESSION,
    YEAR_LOOKBACK,
    CorrelationModel,
    FactorModel,
    RiskModel,
    VolatilityModel,
)
from sigma_assets.base.frames import BoolArray, PriceHistory, SessionArray

VALUES = ("portfolio_snapshots", "position_values")
POSITION_COLUMNS = ("equity", "gross_exposure", "net_exposure", "long_value", "short_value")
FOLLOWERS = ("position_values", "betas", "factor_exposures", "volatility", "correlations", "risk", "stress_tests")
"""Assets that read the values or weights of positions, and the values themselves."""


EVER = 10**6
"""Reach of what reads a price on every later session: an index since inception, a replay of what happened then."""
OWN_PRICES_ONLY = (*VALUES, "volatility", "correlations", "performance")
"""Assets that read no prices but of what is held, and of the benchmark."""


@dataclass(frozen=True)
class Reach:
    """How many sessions after a price some asset still reads it; 0 = only while it is the last known price.

    Attributes
    ----------
    windows : of a symbol that the portfolio lives on.
    of_factors : of a factor ETF that it does not hold.
    of_rows : of any symbol on a session on which it does not hold it, but has betas or metrics of it: runs keep these of
        all their symbols on all their sessions.
    """

    windows: Mapping[str, int]
    of_factors: Mapping[str, int]
    of_rows: Mapping[str, int]

    @classmethod
    def of(cls, factors: FactorModel, volatility: VolatilityModel, correlation: CorrelationModel) -> "Reach":
        """Return the reach of every portfolio asset."""
        beta, risk = factors.longest_window, RiskModel()
        windows = {
            "portfolio_snapshots": 0,
            "position_values": 0,
            "factor_coverage": beta,
            "metric_coverage": YEAR_LOOKBACK,
            "betas": beta,
            "factor_exposures": beta,
            "volatility": volatility.longest_window,
            "correlations": correlation.window,
            "risk": risk.backtest_window + risk.longest_window,
            "stress_tests": EVER,
            "performance": EVER,
            "price_coverage": EVER,
        }
        without_own = {asset: window for asset, window in windows.items() if asset not in OWN_PRICES_ONLY}
        rows = {"price_coverage": max(beta, YEAR_LOOKBACK), "factor_coverage": beta, "metric_coverage": YEAR_LOOKBACK}
        return cls(windows, {**without_own, "risk": risk.factor_window}, rows)

    def of_symbol(self, *, is_held: bool, is_factor: bool, is_benchmark: bool) -> Mapping[str, int]:
        """Return the assets that read a symbol's prices, and for how long."""
        if is_held:
            return self.windows
        found = dict(self.of_factors) if is_factor else {}
        if is_benchmark:
            found |= {
                asset: self.windows[asset] for asset in ("performance", "price_coverage") if asset in self.windows
            }
        return found


def touched_sessions(
    changed: pd.DataFrame,
    history: PriceHistory,
    computed: pd.DataFrame,
    *,
    held: Mapping[str, date],
    factor_etfs: set[str],
    reach: Reach,
    benchmark: str | None = None,
    rows: Mapping[str, SessionArray] | None = None,
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
    held : symbols that the portfolio lives on, each with the day of its first entry: on earlier sessions only the
        symbol's own betas and metrics read its prices, if there are any.
    factor_etfs : symbols that every portfolio's betas read.
    benchmark : symbol that its performance is measured against.
    rows : symbol -> the sessions on which there are betas or metrics of it.

    Returns
    -------
    asset -> datetime64[D] array, ascending; only assets that are touched.
    """
    sessions = computed["session"].to_numpy(dtype="datetime64[D]")
    seen = computed["prices_revision"].to_numpy(dtype=np.int64)
    position = np.searchsorted(history.sessions, sessions)
    touched = {asset: np.zeros(len(sessions), dtype=bool) for asset in reach.windows}
    rows = rows or {}
    kept = {*held, *factor_etfs, *rows, benchmark}
    for row in changed[changed["symbol"].isin(kept)].itertuples():
        start, carried = span(history, row.symbol, row.session)
        stale = (seen < row.revision) & (position >= start)
        is_held = sessions >= np.datetime64(held.get(row.symbol, date.max), "D")
        roles = {"is_factor": row.symbol in factor_etfs, "is_benchmark": row.symbol == benchmark}
        for reading in (True, False):
            at_risk = stale & (is_held == reading)
            for asset, window in reach.of_symbol(is_held=reading, **roles).items():
                touched[asset] |= at_risk & (position <= max(carried, carried + window - 1))
        has_row = stale & ~is_held & np.isin(sessions, rows.get(row.symbol, sessions[:0]))
        for asset, window in reach.of_rows.items():
            touched[asset] |= has_row & (position <= carried + window - 1)
    return {asset: sessions[mask] for asset, mask in touched.items() if mask.any()}


def sessions_behind(computed: pd.DataFrame, changed: pd.DataFrame) -> SessionArray:
    """Return the sessions that were computed before one of these prices came, of their own day or of an earlier one.

    A split or a dividend counts on every later session. A run over some of them does not bring the others up to date.

    Parameters
    ----------
    computed : DataFrame with `session, prices_revision`.
    changed : DataFrame with `session, revision`: prices of what a portfolio holds.
    """
    sessions = computed["session"].to_numpy(dtype="datetime64[D]")
    ordered = changed.sort_values("session")
    newest = np.maximum.accumulate(np.concatenate([[-1], ordered["revision"].to_numpy(dtype=np.int64)]))
    earlier = np.searchsorted(ordered["session"].to_numpy(dtype="datetime64[D]"), sessions, side="right")
    return np.sort(sessions[computed["prices_revision"].to_numpy(dtype=np.int64) < newest[earlier]])


def span(history: PriceHistory, symbol: str, session: pd.Timestamp) -> tuple[int, int]:
    """Return the position of a price and of the symbol's next one (the end of the history if there is none)."""
    start = int(np.searchsorted(history.sessions, np.datetime64(session, "D")))
    later = np.flatnonzero(np.isfinite(history.close[start + 1 :, history.column(symbol)]))
    return start, start + 1 + int(later[0]) if len(later) else len(history.sessions) - 1


def differing_sessions(computed: pd.DataFrame, stored: pd.DataFrame) -> tuple[SessionArray, SessionArray]:
    """Return the sessions whose snapshot is no longer what is stored, and those of them whose positions moved too.

    A corrected price, split or dividend can reach every later session: equity after a split or a dividend, drawdown and
    time-weighted return after anything. What is computed twice from the same prices is the same to the last bit, so any
    difference counts.

    Parameters
    ----------
    computed, stored : snapshots of one portfolio, with the columns of the table.

    Returns
    -------
    two datetime64[D] arrays, ascending. Positions moved where equity or an exposure did: values, weights, and what is
    weighted with them depend on it.
    """
    sessions, changed = _changed(computed, stored, PORTFOLIO_SESSION)
    anything = np.logical_or.reduce(list(changed.values()), axis=0) if changed else np.zeros(len(sessions), dtype=bool)
    moved = np.logical_or.reduce([changed[name] for name in POSITION_COLUMNS], axis=0)
    return sessions[anything], sessions[moved]


def differing_positions(computed: pd.DataFrame, stored: pd.DataFrame) -> SessionArray:
    """Return the sessions with a position that is no longer what is stored.

    No snapshot shows it where an option has a quote: the price of its underlying moves the option's delta alone.

    Parameters
    ----------
    computed, stored : position values of one portfolio, with the columns of the table.
    """
    sessions, changed = _changed(computed, stored, [*PORTFOLIO_SESSION, "lot_id"])
    return np.unique(sessions[np.logical_or.reduce(list(changed.values()), axis=0)])


def _changed(
    computed: pd.DataFrame, stored: pd.DataFrame, keys: Sequence[str]
) -> tuple[SessionArray, dict[str, BoolArray]]:
    """Return the session of each row that is in both, and per column of numbers where it differs."""
    both = stored.merge(computed, on=list(keys), suffixes=("", "_now"))
    columns = [name for name in stored if f"{name}_now" in both and pd.api.types.is_numeric_dtype(stored[name])]
    return both["session"].to_numpy(dtype="datetime64[D]"), {
        name: _differs(both[name], both[f"{name}_now"]) for name in columns
    }


def _differs(stored: pd.Series, computed: pd.Series) -> BoolArray:
    then, now = stored.to_numpy(dtype=float, na_value=np.nan), computed.to_numpy(dtype=float, na_value=np.nan)
    return (then != now) & ~(np.isnan(then) & np.isnan(now))
