"""The correlations that a report can show: those of the largest holdings, clusters side by side."""

from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa

from sigma_assets.reports.portfolio import Correlations, Holding, Row
from sigma_assets.storage.schema import correlations_by_pair

MOST_SYMBOLS = 24
"""A matrix of more cannot be read on a page."""
CANDIDATES = 3 * MOST_SYMBOLS
"""Largest holdings among which these are looked for: some may be too small or too young for the matrix."""


def heat_map_of(
    connection: sa.Connection,
    portfolio_id: str,
    session: date | None,
    holdings: Sequence[Holding],
    clusters: Sequence[Row],
    correlations: Row,
) -> Correlations | None:
    """Return the matrix of the largest holdings, clusters first; None where nothing is stored.

    Parameters
    ----------
    holdings : largest first.
    clusters, correlations : rows of the portfolio's tables on the session.
    """
    largest = [each.symbol for each in holdings[:CANDIDATES]]
    table = correlations_by_pair.c
    query = sa.select(table.symbol, table.other_symbol, table.correlation).where(
        table.portfolio_id == portfolio_id,
        table.session == session,
        table.symbol.in_(largest),
        table.other_symbol.in_(largest),
    )
    pairs = {(row.symbol, row.other_symbol): row.correlation for row in connection.execute(query)}
    if not pairs:
        return None
    there = {symbol for pair in pairs for symbol in pair}
    cluster_of = {
        symbol.strip(): number for number, row in enumerate(clusters) for symbol in str(row["members"]).split(",")
    }
    shown = [symbol for symbol in largest if symbol in there][:MOST_SYMBOLS]
    shown.sort(key=lambda symbol: cluster_of.get(symbol, len(clusters)))  # stable: largest first in each cluster

    def between(first: str, second: str) -> float | None:
        return 1.0 if first == second else pairs.get((min(first, second), max(first, second)))

    matrix = tuple(tuple(between(row, column) for column in shown) for row in shown)
    included = correlations.get("symbols_included")
    return Correlations(tuple(shown), matrix, included if isinstance(included, int) else len(there))
