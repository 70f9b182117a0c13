"""Correlations between the holdings of each portfolio, and the groups that move together (SPEC 4.8)."""

import numpy as np
import pandas as pd

from sigma_assets.analytics.risk.correlation.matrix import IntArray, correlation_matrix, pairwise_correlation
from sigma_assets.analytics.risk.correlation.tables import HeldMatrix, by_cluster, by_pair, by_portfolio
from sigma_assets.analytics.risk.held import PORTFOLIO_SESSION, HeldSymbols, held_symbols, sums_by
from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.analytics.valuation.values import is_cash_equivalent
from sigma_assets.base.conventions import CorrelationModel
from sigma_assets.base.formulas import Formula, Formulas
from sigma_assets.base.frames import FloatArray, PriceHistory


def correlations(
    position_values: pd.DataFrame, history: PriceHistory, model: CorrelationModel
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the correlation matrix of each portfolio's public holdings, its summary and its clusters.

    A symbol's value is |sum of the signed market values of its PUBLIC lots|; gross is the sum of |market value| over
    all open lots, as in `portfolio_snapshots.gross_exposure`. In the matrix are symbols of at least `model.min_weight`
    of gross and `model.min_value_usd`, with at least `model.min_observations` returns that vary. While a pair has fewer
    returns in common (or one of it does not vary on them), the symbol in the most such pairs is
    removed; on a tie the one with the smallest value, then the alphabetically last.

    Parameters
    ----------
    position_values : DataFrame with the columns of the table.
    history : prices from `model.window` sessions before the first session, if they exist. A symbol that it lacks counts
        as one without returns.

    Returns
    -------
    by_portfolio, by_pair, by_cluster : DataFrames with the columns of their tables, sorted by key
        `by_portfolio` has one row per portfolio-session with a public lot; without a symbol in the matrix its counts only.
        One symbol alone is one bet, but has no pairs. The others have the upper triangles and the clusters of the same
        matrices.

    Raises
    ------
    KeyError
        A session of `position_values` is not in `history`.
    """
    position_values = position_values[~is_cash_equivalent(position_values)]
    public = position_values[position_values["investment_class"] == "PUBLIC"]
    held = held_symbols(public, symbol="symbol", value="market_value")
    gross = _gross(position_values, held)
    column_of_symbol = {symbol: column for column, symbol in enumerate(history.symbols)}
    column = np.array([column_of_symbol.get(symbol, -1) for symbol in held.symbol], dtype=np.intp)
    # Symbols x sessions, so that a window is contiguous; the last row belongs to symbols without prices.
    returns = np.full((len(history.symbols) + 1, model.window + len(history.sessions)), np.nan)
    returns[:-1, model.window :] = total_returns(history).T
    rows = history.rows(held.session)
    matrices = []
    for item, span in held.spans():
        value = np.abs(held.value[span])
        is_large = (value >= model.min_weight * gross[item]) & (value >= model.min_value_usd) & (value > 0)
        large = np.flatnonzero(is_large)
        windows = returns[column[span][large], rows[item] + 1 : rows[item] + 1 + model.window]
        correlation, observations = pairwise_correlation(np.ascontiguousarray(windows))
        kept = _kept(correlation, observations, value[large], model.min_observations)
        if len(kept):
            square = np.ix_(kept, kept)
            matrix = correlation_matrix(correlation[square], observations[square])
            matrices.append(HeldMatrix.of(held, item, span.start + large[kept], matrix, gross[item], model))
    return by_portfolio(held, matrices), by_pair(held, matrices), by_cluster(held, matrices)


def _gross(position_values: pd.DataFrame, held: HeldSymbols) -> FloatArray:
    """Return the sum of |market value| over all lots of each portfolio-session with a public lot."""
    sizes = np.abs(position_values["market_value"].to_numpy(dtype=float))
    keys, gross = sums_by(position_values, PORTFOLIO_SESSION, sizes)
    sessions = keys["session"].to_numpy().astype("datetime64[D]")
    gross_of = dict(zip(zip(keys["portfolio_id"], sessions.tolist(), strict=True), gross, strict=True))
    return np.array([gross_of[key] for key in zip(held.portfolio_id, held.session.tolist(), strict=True)])


def _kept(correlation: FloatArray, observations: IntArray, value: FloatArray, min_observations: int) -> IntArray:
    """Return the symbols between all of which a correlation is known, ascending."""
    is_known = np.isfinite(correlation) & (observations >= min_observations)
    kept = np.flatnonzero(np.diag(is_known))
    while True:
        unknown_pairs = (~is_known[np.ix_(kept, kept)]).sum(axis=1)
        if not unknown_pairs.any():
            return kept
        # Symbols are in alphabetical order: on a tie the last one is removed.
        worst = np.lexsort((-kept, value[kept], -unknown_pairs))[0]
        kept = np.delete(kept, worst)


_ONE = "fewer than two symbols are in the matrix: {symbols_included}"

FORMULAS: Formulas = {
    "correlations_by_pair": {
        "correlation": Formula(
            "Pearson correlation of the {observations} returns that both have in {last.window};"
            " repaired where the matrix was indefinite",
            source="Higham 2002, with clipped eigenvalues and a unit diagonal",
        ),
        "observations": Formula("count of the sessions among {last.window} on which both have a return"),
    },
    "correlations_by_portfolio": {
        "mean_correlation": Formula(
            "mean of correlation over the pairs of {symbols_included} symbols in correlations_by_pair", _ONE
        ),
        "mean_abs_correlation": Formula(
            "mean of |correlation| over the pairs of {symbols_included} symbols in correlations_by_pair", _ONE
        ),
        "effective_bets": Formula(
            "1 / (w'Cw), C = correlations of {symbols_included} symbols, w = their |market value| / sum of |market value|",
            "no symbol is in the matrix",
        ),
        "condition_number": Formula(
            "largest / smallest eigenvalue of the matrix of {symbols_included} symbols",
            "the matrix is singular, or there is none",
        ),
        "symbols_included": Formula(
            "count of public symbols with |market value| >= {model.min_weight} of gross and >= {model.min_value_usd} USD and"
            " {model.min_observations} returns in common in {last.window}"
        ),
        "symbols_excluded": Formula("count of public symbols held - {symbols_included}"),
        "concentration": Formula("{share_of_gross}", "no symbol is in the matrix", over="correlations_by_cluster"),
    },
    "correlations_by_cluster": {
        "size": Formula("count of symbols joined by |correlation| >= {model.cluster_threshold}: {members}"),
        "mean_correlation": Formula("mean of correlation over the pairs of {members} in correlations_by_pair"),
        "share_of_gross": Formula("|market value| of {members} / {snapshot.gross_exposure}"),
    },
}
