"""The correlations that a report can show: those of the largest holdings, clusters side by side."""

from collections.abc import Sequence
from datetime import date

from sigma_assets.reports.portfolio import Correlations, Holding, Row
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames.rows import Rows, read_rows
from sigma_assets.storage.schema import correlations_by_pair

MOST_SYMBOLS = 24
"""A matrix of more cannot be read on a page."""
CANDIDATES = 3 * MOST_SYMBOLS
"""Largest holdings among which these are looked for: some may be too small or too young for the matrix."""


def heat_map_of(
    database: Database,
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
    if session is None:
        return None
    largest = [each.symbol for each in holdings[:CANDIDATES]]
    rows = read_rows(database, correlations_by_pair, Rows(session, session, [portfolio_id]))
    rows = rows[rows["symbol"].isin(largest) & rows["other_symbol"].isin(largest)]
    pairs = {(row.symbol, row.other_symbol): float(row.correlation) for row in rows.itertuples()}
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
