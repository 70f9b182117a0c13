"""A small table for Dagster's UI: what an asset stored for the last session of a run."""

from datetime import date
from numbers import Real
from typing import Any

import pandas as pd

from sigma_assets.assets.tables import Tables
from sigma_assets.runs.partitions import Scope
from sigma_assets.storage.schema import FAMILIES

ROWS, COLUMNS = 12, 7
"""Most rows and columns shown: a glance, not an export."""
_HIDDEN = ("session", "portfolio_id", "lot_id", "prices_revision", "holdings_revision", "loaded_at", "revision")


def latest_table(asset: str, tables: Tables, scope: Scope, names: dict[str, str]) -> str:
    """Return the first rows of an asset's first table on the last session in scope, as a Markdown table.

    A single row is turned: a column per line. Empty if nothing is stored for that session.

    Parameters
    ----------
    names : portfolio id -> name, of the portfolios in scope.
    """
    head = FAMILIES[asset][0]
    is_of_portfolios = "portfolio_id" in head.c
    rows = tables.rows(head.name, scope, None if is_of_portfolios else tables.symbols(scope))
    rows = rows[rows["session"] == pd.Timestamp(scope.last)]
    if rows.empty:
        return ""
    shown = rows.drop(columns=[name for name in _HIDDEN if name in rows])
    if is_of_portfolios:
        shown.insert(0, "portfolio", rows["portfolio_id"].map(names))
    if len(shown) == 1:
        pairs = [(name, value) for name, value in shown.iloc[0].items() if pd.notna(value)]
        return _markdown(scope.last, ["column", "value"], pairs)
    columns = list(shown.columns[:COLUMNS])
    table = _markdown(scope.last, columns, shown[columns].head(ROWS).itertuples(index=False))
    return f"{table}\n\nand {len(shown) - ROWS:,} more rows" if len(shown) > ROWS else table


def _markdown(session: date, columns: list[str], rows: Any) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows]
    return "\n".join([f"{session}", "", *lines])


def _cell(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Real) and not isinstance(value, int):
        number = float(value)
        return "" if pd.isna(number) else f"{number:,.2f}" if abs(number) >= 100 else f"{number:.4g}"
    return "" if value is None or value is pd.NaT else str(value).replace("|", "\\|")
