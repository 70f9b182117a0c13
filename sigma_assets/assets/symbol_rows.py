"""The rows of symbol_factors and symbol_metrics: written by the universe-wide assets for every symbol, and by the
coverage assets for a portfolio's own symbols. One function each, so that both write the same bits."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sigma_assets.analytics.factors import regression
from sigma_assets.analytics.series import metrics
from sigma_assets.assets.tables import Tables
from sigma_assets.base.conventions import YEAR_LOOKBACK
from sigma_assets.base.frames import SessionArray
from sigma_assets.runs.partitions import Scope


def write_symbol_factors(tables: Tables, symbols: Sequence[str], scope: Scope) -> dict[str, int]:
    """Compute and replace the factor betas of some symbols in a scope; return the rows written."""
    model = tables.settings.factor_model
    revision = tables.prices_revision()
    history = tables.prices(sorted({*symbols, *model.etfs}), tables.window(scope, model.longest_window))
    betas = regression.symbol_factors(history, scope.sessions, model)
    return _replace(tables, "symbol_factors", betas, symbols, scope, revision)


def write_symbol_metrics(tables: Tables, symbols: Sequence[str], scope: Scope) -> dict[str, int]:
    """Compute and replace the metrics of some symbols in a scope; return the rows written."""
    revision = tables.prices_revision()
    history = tables.prices(symbols, tables.window(scope, YEAR_LOOKBACK))
    return _replace(tables, "symbol_metrics", metrics.symbol_metrics(history, scope.sessions), symbols, scope, revision)


def due_symbols(tables: Tables, table: str, symbols: Sequence[str], scope: Scope, lookback: int) -> list[str]:
    """Return the symbols that lack a row in a scope, or have one older than a price that it depends on."""
    rows = tables.rows(table, scope, symbols)
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


def _replace(
    tables: Tables, asset: str, rows: pd.DataFrame, symbols: Sequence[str], scope: Scope, revision: int
) -> dict[str, int]:
    mine = rows[rows["symbol"].isin(list(symbols))].assign(prices_revision=revision)
    return tables.replace(asset, [mine], scope, symbols)
