"""Rows computed again once for all of their columns: of explanations that follow each other while nothing is written."""

from collections.abc import Callable

import pandas as pd

from sigma_assets.base.frames import SessionArray
from sigma_assets.reports.explain.recomputed import RecordingTables, recomputed
from sigma_assets.runs.partitions import Scope

Recompute = Callable[[RecordingTables, str, Scope, str | None], pd.DataFrame]


def recomputed_once() -> Recompute:
    """Return a `recomputed` that computes once by table, scope and symbol, and each time notes what was read for it."""
    computed: dict[tuple[object, ...], tuple[pd.DataFrame, set[str], SessionArray | None]] = {}

    def replayed(tables: RecordingTables, table: str, scope: Scope, symbol: str | None) -> pd.DataFrame:
        key = (table, scope.sessions.tobytes(), scope.portfolio_ids, symbol)
        if key not in computed:
            watched = RecordingTables(tables.settings, tables.database)
            rows = recomputed(watched, table, scope, symbol)
            computed[key] = rows, watched.tables_read, watched.price_sessions
        rows, tables_read, tables.price_sessions = computed[key]
        tables.tables_read |= tables_read
        return rows.copy()

    return replayed
