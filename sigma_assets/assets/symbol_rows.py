"""The rows of symbol_factors and symbol_metrics: written by the universe-wide assets for every symbol, and by the
coverage assets for a portfolio's own symbols. By one function, so that both write the same bits."""

from collections.abc import Callable, Sequence
from time import monotonic

import numpy as np
import pandas as pd

from sigma_assets.assets import calculations
from sigma_assets.assets.tables import Tables
from sigma_assets.base.conventions import YEAR_LOOKBACK
from sigma_assets.base.frames import SessionArray
from sigma_assets.runs.partitions import Scope

CELLS = 4_096
"""Symbol-sessions that are computed between two reports of progress, at least: a tenth of a second."""
BATCHES = 10
"""Batches at most: each reads the factor ETFs' prices again."""
COMPUTED = {"symbol_factors": calculations.symbol_factors, "symbol_metrics": calculations.symbol_metrics}
OnSymbols = Callable[[int, str | None], None]
"""Called with how many more symbols are computed, and a line about them."""


def write_symbol_rows(
    tables: Tables, table: str, symbols: Sequence[str], scope: Scope, on_symbols: OnSymbols
) -> dict[str, int]:
    """Compute the rows of some symbols in a scope, batch by batch; replace all in one transaction; return how many."""
    revision = tables.prices_revision()
    frames = []
    width = max(CELLS // len(scope.sessions), -(-len(symbols) // BATCHES), 1)
    for start in range(0, len(symbols), width):
        batch, begun = list(symbols[start : start + width]), monotonic()
        rows = COMPUTED[table](tables, scope, batch)
        frames.append(rows[rows["symbol"].isin(batch)])
        on_symbols(len(batch), f"{_span(batch)}: {len(scope.sessions)} sessions in {monotonic() - begun:.1f} s")
    ordered = pd.concat(frames, ignore_index=True).sort_values(["session", "symbol"], ignore_index=True)
    return tables.replace(table, [ordered.assign(prices_revision=revision)], scope, symbols)


def due_symbols(tables: Tables, table: str, symbols: Sequence[str], scope: Scope) -> list[str]:
    """Return the symbols that lack a row in a scope, or have one older than a price that it depends on."""
    rows = tables.rows(table, scope, symbols)
    lookback = tables.settings.factor_model.longest_window if table == "symbol_factors" else YEAR_LOOKBACK
    sessions = tables.window(scope, lookback)
    rows_of = pd.Index(sessions.astype("datetime64[s]")).get_indexer(rows["session"])
    columns_of = pd.Index(symbols).get_indexer(rows["symbol"])
    computed = np.full((len(sessions), len(symbols)), -1, dtype=np.int64)
    computed[rows_of, columns_of] = rows["prices_revision"]
    newest = _newest_prices(tables, symbols, sessions, since=int(rows["prices_revision"].min()) if len(rows) else -1)
    due = (computed < newest)[-len(scope.sessions) :] | (computed[-len(scope.sessions) :] < 0)
    return [symbol for symbol, is_due in zip(symbols, np.atleast_1d(due.any(axis=0)), strict=True) if is_due]


def _newest_prices(tables: Tables, symbols: Sequence[str], sessions: SessionArray, since: int) -> np.ndarray:
    """Return the newest load (if after `since`, else -1) among a symbol's and the factor ETFs' prices up to a session."""
    changed = tables.changed_prices(symbols, sessions, since)
    newest = np.full((len(sessions), len(symbols)), -1, dtype=np.int64)
    rows = pd.Index(sessions.astype("datetime64[s]")).get_indexer(changed["session"])
    newest[rows, pd.Index(symbols).get_indexer(changed["symbol"])] = changed["revision"]
    newest = np.maximum.accumulate(newest, axis=0)
    etfs = newest[:, np.isin(symbols, tables.settings.factor_model.etfs)].max(axis=1, initial=-1)
    return np.maximum(newest, etfs[:, None])


def _span(batch: Sequence[str]) -> str:
    return batch[0] if len(batch) == 1 else f"{batch[0]} to {batch[-1]}, {len(batch)} symbols"
