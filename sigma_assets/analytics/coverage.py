"""What a portfolio needs per session, and whether it is there (SPEC 1: coverage assets)."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from sigma_assets.frames import SessionArray


def needed_symbols(portfolios: pd.DataFrame, lots: pd.DataFrame) -> pd.DataFrame:
    """Return the symbols whose prices, betas and returns each portfolio lives on, with the days on which it needs them.

    Option contracts are not among them (an unquoted contract is modelled), their underlyings are; private lots need none.

    Returns
    -------
    DataFrame with `portfolio_id, symbol, first_needed, last_needed` (NaT = still open); a portfolio that needs nothing
    has one row without a symbol.
    """
    is_option = lots["investment_class"].eq("OPTIONS")
    symbol = lots["underlying_symbol"].where(is_option, lots["symbol"])
    public = lots.assign(symbol=symbol)[lots["investment_class"].ne("PRIVATE")]
    never = pd.Timestamp.max.floor("D").as_unit("s")
    spans = (
        public.assign(exit_date=public["exit_date"].fillna(never))
        .groupby(["portfolio_id", "symbol"], as_index=False)
        .agg(first_needed=("entry_date", "min"), last_needed=("exit_date", "max"))
    )
    spans["last_needed"] = spans["last_needed"].where(spans["last_needed"] != never)
    return portfolios[["portfolio_id"]].merge(spans, on="portfolio_id", how="left")


def coverage(
    needed: pd.DataFrame, available: pd.DataFrame, since: pd.Series, sessions: SessionArray, always: Collection[str]
) -> pd.DataFrame:
    """Return how much of what each portfolio needs is there, per session.

    Parameters
    ----------
    needed : DataFrame with `portfolio_id, symbol, first_needed, last_needed`
        Symbols that a portfolio holds, with the days on which the first lot opens and the last one closes (NaT: open).
    available : DataFrame with `symbol, session`
        One row per symbol and session that is there.
    since : Series, symbol -> first session ever available
        Tells stale (there earlier) from missing (never there yet). Symbols never available are absent.
    sessions : datetime64[D] array of shape (n_sessions,)
    always : symbols that every portfolio needs on every session, counted but never named as missing.

    Returns
    -------
    DataFrame with `portfolio_id, session, needed, present, stale, missing, missing_symbols`, one row per portfolio and
    session; a session on which nothing is held still needs `always`.
    """
    portfolio_ids = sorted(set(needed["portfolio_id"]))
    symbols = np.array(sorted({*needed["symbol"].dropna(), *always}), dtype=object)
    there = _matrix(available, symbols, sessions)
    first = since.reindex(symbols).to_numpy(dtype="datetime64[D]")
    known = ~np.isnat(first)[None, :] & (first[None, :] <= sessions[:, None])
    return pd.concat(
        [
            _portfolio_coverage(portfolio_id, group, symbols, there, known, sessions, always)
            for portfolio_id, group in needed.groupby("portfolio_id", sort=True)
        ]
        if portfolio_ids
        else [
            pd.DataFrame(
                columns=["portfolio_id", "session", "needed", "present", "stale", "missing", "missing_symbols"]
            )
        ],
        ignore_index=True,
    )


def _portfolio_coverage(
    portfolio_id: object,
    group: pd.DataFrame,
    symbols: np.ndarray,
    there: np.ndarray,
    known: np.ndarray,
    sessions: SessionArray,
    always: Collection[str],
) -> pd.DataFrame:
    opened = group.set_index("symbol")["first_needed"].reindex(symbols).to_numpy(dtype="datetime64[D]")
    closed = group.set_index("symbol")["last_needed"].reindex(symbols).to_numpy(dtype="datetime64[D]")
    held = ~np.isnat(opened)[None, :] & (opened[None, :] <= sessions[:, None])
    held &= np.isnat(closed)[None, :] | (closed[None, :] > sessions[:, None])
    wanted = held | np.isin(symbols, list(always))[None, :]
    absent = held & ~known
    return pd.DataFrame(
        {
            "portfolio_id": portfolio_id,
            "session": sessions.astype("datetime64[s]"),
            "needed": wanted.sum(axis=1),
            "present": (wanted & there).sum(axis=1),
            "stale": (wanted & ~there & known).sum(axis=1),
            "missing": (wanted & ~there & ~known).sum(axis=1),
            "missing_symbols": [", ".join(symbols[row]) or None for row in absent],
        }
    )


def _matrix(available: pd.DataFrame, symbols: np.ndarray, sessions: SessionArray) -> np.ndarray:
    matrix = np.zeros((len(sessions), len(symbols)), dtype=bool)
    rows = pd.Index(sessions.astype("datetime64[s]")).get_indexer(available["session"])
    columns = pd.Index(symbols).get_indexer(available["symbol"])
    inside = (rows >= 0) & (columns >= 0)
    matrix[rows[inside], columns[inside]] = True
    return matrix
