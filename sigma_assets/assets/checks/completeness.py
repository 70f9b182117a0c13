"""Completeness checks: each function returns one line per absent or doubtful row; they are warnings, not errors."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from sigma_assets.analytics.series.suspicion import suspicious_moves as large_moves
from sigma_assets.analytics.valuation.values import is_cash_equivalent
from sigma_assets.assets.tables import Tables
from sigma_assets.base.conventions import PORTFOLIO_SESSION, STYLE_FACTORS
from sigma_assets.runs.partitions import Scope

Findings = Iterable[str]
"""Lines. One about a portfolio begins with its id and `:` or ` on `, which says whom it concerns."""


def prices_complete(tables: Tables, scope: Scope) -> Findings:
    there = tables.rows("market_prices", scope, tables.symbols(scope), columns=["session", "symbol"])
    counts = there.groupby("symbol").size().reindex(tables.symbols(scope), fill_value=0)
    for symbol, count in counts[counts < len(scope.sessions)].items():
        yield f"{symbol}: {count} of {len(scope.sessions)} sessions from {scope.first} to {scope.last} have a price"


def suspicious_moves(tables: Tables, scope: Scope) -> Findings:
    history = tables.prices(tables.symbols(scope), tables.window(scope, 1))
    moves = large_moves(history, tables.settings.suspicious_move)
    for row in moves[moves["session"] >= pd.Timestamp(scope.first)].itertuples():
        yield f"{row.symbol} on {row.session:%Y-%m-%d}: {row.previous_close} -> {row.close} ({row.move:+.0%})"


def rows_for_priced(table: str) -> Callable[[Tables, Scope], Findings]:
    def find(tables: Tables, scope: Scope) -> Findings:
        symbols = tables.symbols(scope)
        priced = tables.rows("market_prices", scope, symbols, columns=["session", "symbol"])
        there = tables.rows(table, scope, symbols, columns=["session", "symbol"])
        both = priced.merge(there.assign(there=True), on=["session", "symbol"], how="left")
        for symbol, absent in both[both["there"].isna()].groupby("symbol"):
            yield f"{symbol}: no row on {len(absent)} priced sessions, first {absent['session'].min():%Y-%m-%d}"

    return find


def style_etfs_move(tables: Tables, scope: Scope) -> Findings:
    model = tables.settings.factor_model
    columns = ["session", "style_observations", *(f"{factor}_beta" for factor in STYLE_FACTORS)]
    rows = tables.rows("symbol_factors", scope, tables.symbols(scope), columns=columns)
    fitted = rows[rows["style_observations"].notna()].groupby("session").count()
    for factor in STYLE_FACTORS:
        still = fitted.index[fitted[f"{factor}_beta"] == 0]
        if len(still):
            etf = model.styles[factor]
            yield f"{etf} did not move: no symbol has a {factor} beta on {len(still)} sessions, last {still[-1]:%Y-%m-%d}"


def coverage_complete(table: str) -> Callable[[Tables, Scope], Findings]:
    def find(tables: Tables, scope: Scope) -> Findings:
        rows = tables.rows(table, scope)
        named = rows[rows["missing_symbols"].notna()]
        for (portfolio_id, absent), group in named.groupby(["portfolio_id", "missing_symbols"]):
            yield f"{portfolio_id}: {absent} on {len(group)} sessions, last {group['session'].max():%Y-%m-%d}"

    return find


def portfolio_sessions_complete(table: str) -> Callable[[Tables, Scope], Findings]:
    def find(tables: Tables, scope: Scope) -> Findings:
        portfolios, _, _ = tables.holdings(scope)
        rows = tables.rows(table, scope, columns=PORTFOLIO_SESSION)
        found = rows.groupby("portfolio_id").size()
        for portfolio in portfolios.itertuples():
            expected = int((scope.sessions >= np.datetime64(portfolio.inception.date())).sum())
            if found.get(portfolio.portfolio_id, 0) != expected:
                yield f"{portfolio.portfolio_id}: {found.get(portfolio.portfolio_id, 0)} rows, expected {expected}"

    return find


def lots_priced(tables: Tables, scope: Scope) -> Findings:
    rows = tables.rows("portfolio_snapshots", scope, columns=["portfolio_id", "session", "lots_unpriced"])
    for portfolio_id, group in rows[rows["lots_unpriced"] > 0].groupby("portfolio_id"):
        most = group["lots_unpriced"].max()
        yield f"{portfolio_id}: up to {most} lots without a recent price on {len(group)} sessions"


def positions_complete(tables: Tables, scope: Scope) -> Findings:
    """The rows of position_values are counted against the open lots of the snapshots, which leave cash equivalents out."""
    snapshots = tables.rows("portfolio_snapshots", scope, columns=["portfolio_id", "session", "positions"])
    columns = ["portfolio_id", "session", "risk_symbol", "risk_value"]
    positions = tables.rows("position_values", scope, columns=columns)
    counts = positions.loc[~is_cash_equivalent(positions), PORTFOLIO_SESSION].value_counts()
    found = counts.reindex(pd.MultiIndex.from_frame(snapshots[PORTFOLIO_SESSION]), fill_value=0).to_numpy()
    for portfolio_id, short in snapshots[snapshots["positions"] != found].groupby("portfolio_id"):
        yield f"{portfolio_id}: open lots without a row on {len(short)} sessions, last {short['session'].max():%Y-%m-%d}"


def every_holding(
    table: str, words: str, *, by: str = "lot_id", held: Callable[[pd.DataFrame], pd.DataFrame] | None = None
) -> Callable[[Tables, Scope], Findings]:
    """Every position has a row of a table.

    Parameters
    ----------
    by : what the table has rows of, `lot_id` or `symbol`.
    held : from positions those that must have one; by default those with a risk symbol, which then stands for them.
    """

    def find(tables: Tables, scope: Scope) -> Findings:
        key = [*PORTFOLIO_SESSION, by]
        columns = [*PORTFOLIO_SESSION, "lot_id", "symbol", "risk_symbol", "risk_value", "investment_class"]
        positions = (held or _with_risk_symbol)(tables.rows("position_values", scope, columns=columns))
        wanted = positions[list(dict.fromkeys([*key, "symbol"]))].drop_duplicates()
        both = wanted.merge(tables.rows(table, scope, columns=key).assign(there=True), on=key, how="left")
        for (portfolio_id, symbol), group in both[both["there"].isna()].groupby(["portfolio_id", "symbol"]):
            days = group["session"]
            yield f"{portfolio_id}: {symbol} {words} on {days.nunique()} sessions, last {days.max():%Y-%m-%d}"

    return find


def _with_risk_symbol(positions: pd.DataFrame) -> pd.DataFrame:
    return positions.assign(symbol=positions["risk_symbol"]).dropna(subset=["symbol"])


def that_can_move(positions: pd.DataFrame) -> pd.DataFrame:
    """Return the positions that a stress test moves: private lots stay at their price, and cash has no beta that lacks."""
    return positions[(positions["investment_class"] != "PRIVATE") & ~is_cash_equivalent(positions)]


def portfolio_has(table: str, column: str, words: str) -> Callable[[Tables, Scope], Findings]:
    """Every portfolio-session with a risk symbol has a number in a table by portfolio."""

    def find(tables: Tables, scope: Scope) -> Findings:
        positions = tables.rows("position_values", scope, columns=[*PORTFOLIO_SESSION, "risk_symbol"]).dropna()
        both = (
            positions[PORTFOLIO_SESSION]
            .drop_duplicates()
            .merge(tables.rows(table, scope), on=PORTFOLIO_SESSION, how="left")
        )
        for portfolio_id, group in both[both[column].isna()].groupby("portfolio_id"):
            yield f"{portfolio_id}: {words} on {len(group)} sessions, last {group['session'].max():%Y-%m-%d}"

    return find


def correlations_complete(tables: Tables, scope: Scope) -> Findings:
    columns = [*PORTFOLIO_SESSION, "symbol", "investment_class", "risk_symbol", "risk_value"]
    positions = tables.rows("position_values", scope, columns=columns)
    public = positions[(positions["investment_class"] == "PUBLIC") & ~is_cash_equivalent(positions)]
    symbols = public.groupby(PORTFOLIO_SESSION)["symbol"].nunique()
    several = symbols[symbols >= 2].rename("held").reset_index()
    both = several.merge(tables.rows("correlations_by_portfolio", scope), on=PORTFOLIO_SESSION, how="left")
    for portfolio_id, group in both[~(both["symbols_included"] >= 2)].groupby("portfolio_id"):
        yield (
            f"{portfolio_id}: no correlations of {group['held'].iloc[-1]} public symbols on {len(group)} sessions, last"
            f" {group['session'].max():%Y-%m-%d}: they are too small or have too short a history"
        )
