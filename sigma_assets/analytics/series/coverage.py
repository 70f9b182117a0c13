"""What a portfolio needs per session, and whether it is there (SPEC 1: coverage assets)."""

from collections.abc import Collection
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.base.formulas import Formula, Formulas
from sigma_assets.base.frames import BoolArray, SessionArray, cash_equivalents

_SPANS_AT_ONCE = 4_096
"""Symbols of portfolios at one time: bounds memory, whatever the number of portfolios."""


def needed_symbols(portfolios: pd.DataFrame, lots: pd.DataFrame) -> pd.DataFrame:
    """Return the symbols whose prices, betas and returns each portfolio lives on, with the days on which it needs them.

    Option contracts are not among them (an unquoted contract is modelled), their underlyings are, up to the expiration: its
    close settles the contract. Private lots need none, and cash equivalents neither: their price, return and betas are
    known (SPEC 2).

    Returns
    -------
    DataFrame with `portfolio_id, symbol, first_needed, last_needed` (NaT = still open), one row per span without a day
    between; a portfolio that needs nothing has one row without a symbol.
    """
    is_option = lots["investment_class"].eq("OPTIONS")
    is_cash = cash_equivalents(*(lots[name].to_numpy(dtype=object) for name in ("symbol", "investment_subtype")))
    never = pd.Timestamp.max.floor("D").as_unit("s")
    closed = lots["exit_date"].fillna(never)
    expired = lots["expiration_date"].where(is_option).fillna(never)
    public = lots.assign(
        symbol=lots["underlying_symbol"].where(is_option, lots["symbol"]),
        exit_date=closed.where(closed <= expired, expired + pd.Timedelta(days=1)),
    )[lots["investment_class"].ne("PRIVATE") & ~is_cash]
    spans = _merged(public)
    spans["last_needed"] = spans["last_needed"].where(spans["last_needed"] != never)
    return portfolios[["portfolio_id"]].merge(spans, on="portfolio_id", how="left")


def _merged(lots: pd.DataFrame) -> pd.DataFrame:
    """Return the spans of lots of one symbol that overlap or touch as one; a symbol that is bought again has another one."""
    keys = ["portfolio_id", "symbol"]
    ordered = lots.sort_values([*keys, "entry_date"])
    before = ordered.groupby(keys)["exit_date"].cummax().groupby([ordered[key] for key in keys]).shift()
    span = (~(ordered["entry_date"] <= before)).cumsum().rename("span")
    spans = ordered.groupby([*keys, span], as_index=False).agg(
        first_needed=("entry_date", "min"), last_needed=("exit_date", "max")
    )
    return spans[[*keys, "first_needed", "last_needed"]]


def first_entries(lots: pd.DataFrame) -> dict[str, date]:
    """Return the first entry date of each symbol that lots are valued with: their own, and underlyings of options."""
    public = lots[lots["investment_class"].ne("PRIVATE")]
    own, underlying = (public.groupby(name)["entry_date"].min() for name in ("symbol", "underlying_symbol"))
    return {str(symbol): day.date() for symbol, day in pd.concat([own, underlying]).groupby(level=0).min().items()}


def coverage(
    needed: pd.DataFrame, available: pd.DataFrame, since: pd.Series, sessions: SessionArray, always: Collection[str]
) -> pd.DataFrame:
    """Return how much of what each portfolio needs is there, per session.

    Parameters
    ----------
    needed : DataFrame with `portfolio_id, symbol, first_needed, last_needed`
        Symbols that a portfolio holds, with the days on which a span of lots opens and closes (NaT: open). The spans of one
        symbol do not overlap.
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
    portfolio_ids = np.array(sorted(set(needed["portfolio_id"])), dtype=object)
    symbols = np.array(sorted({*needed["symbol"].dropna(), *always}), dtype=object)
    there = _matrix(available, symbols, sessions)
    first = since.reindex(symbols).to_numpy(dtype="datetime64[D]")
    known = ~np.isnat(first)[:, None] & (first[:, None] <= sessions)
    states = {"needed": np.ones_like(there), "present": there, "stale": ~there & known, "missing": ~there & ~known}
    is_always = np.isin(symbols, list(always))
    totals = {
        name: np.broadcast_to(state[is_always].sum(axis=0), (len(portfolio_ids), len(sessions))).astype(np.int64)
        for name, state in states.items()
    }
    names = np.full((len(portfolio_ids), len(sessions)), None, dtype=object)
    spans = needed.dropna(subset=["symbol"]).sort_values(["portfolio_id", "symbol"])
    for start in range(0, len(spans), _SPANS_AT_ONCE):
        part = spans.iloc[start : start + _SPANS_AT_ONCE]
        portfolio = np.searchsorted(portfolio_ids, part["portfolio_id"].to_numpy(dtype=object))
        symbol = np.searchsorted(symbols, part["symbol"].to_numpy(dtype=object))
        held = _held(part, sessions)
        own = held & ~is_always[symbol][:, None]
        for name, state in states.items():
            np.add.at(totals[name], portfolio, own & state[symbol])
        for span, session in zip(*np.nonzero(held & ~known[symbol]), strict=True):
            row, before = portfolio[span], names[portfolio[span], session]
            names[row, session] = symbols[symbol[span]] if before is None else f"{before}, {symbols[symbol[span]]}"
    return pd.DataFrame(
        {
            "portfolio_id": pd.Series(np.repeat(portfolio_ids, len(sessions)), dtype=object),
            "session": np.tile(sessions.astype("datetime64[s]"), len(portfolio_ids)),
            **{name: total.ravel() for name, total in totals.items()},
            "missing_symbols": pd.Series(names.ravel(), dtype=object),
        }
    )


def _held(spans: pd.DataFrame, sessions: SessionArray) -> BoolArray:
    """Return on which sessions each symbol is held: shape (n_spans, n_sessions)."""
    opened = spans["first_needed"].to_numpy(dtype="datetime64[D]")[:, None]
    closed = spans["last_needed"].to_numpy(dtype="datetime64[D]")[:, None]
    return (opened <= sessions) & (np.isnat(closed) | (closed > sessions))


def _matrix(available: pd.DataFrame, symbols: npt.NDArray, sessions: SessionArray) -> BoolArray:
    """Return on which sessions each symbol is available: shape (n_symbols, n_sessions)."""
    matrix = np.zeros((len(symbols), len(sessions)), dtype=bool)
    rows = pd.Index(symbols).get_indexer(available["symbol"])
    columns = pd.Index(sessions.astype("datetime64[s]")).get_indexer(available["session"])
    inside = (rows >= 0) & (columns >= 0)
    matrix[rows[inside], columns[inside]] = True
    return matrix


_KINDS = {"price_coverage": "a price", "factor_coverage": "factor betas", "metric_coverage": "metrics"}
FORMULAS: Formulas = {
    table: {
        "needed": Formula("{present} + {stale} + {missing}"),
        "present": Formula(f"count of symbols with {what} on this session, of {{needed}}"),
        "stale": Formula(f"count of symbols without {what} on this session but on an earlier one, of {{needed}}"),
        "missing": Formula(f"count of symbols without {what} up to this session, of {{needed}}"),
    }
    for table, what in _KINDS.items()
}
