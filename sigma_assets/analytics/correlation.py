"""Correlations between the larger public holdings of a portfolio, and clusters of holdings that move together (SPEC 4.8)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse.csgraph import connected_components

from sigma_assets.analytics.returns import total_returns
from sigma_assets.conventions import CorrelationModel
from sigma_assets.frames import FloatArray, PriceHistory

KEY = ["portfolio_id", "session"]
INDEFINITE = -1e-10
"""Below this an eigenvalue is negative by more than rounding: the matrix is repaired."""
SINGULAR = 1e-14
"""A smallest eigenvalue below this share of the largest one is no eigenvalue: no condition number."""

PORTFOLIO_COLUMNS = (
    *KEY, "mean_correlation", "mean_abs_correlation", "effective_bets", "condition_number", "symbols_included",
    "symbols_excluded", "concentration", "is_repaired",
)  # fmt: skip
PAIR_COLUMNS = (*KEY, "symbol", "other_symbol", "correlation", "observations")
CLUSTER_COLUMNS = (*KEY, "cluster", "name", "members", "size", "mean_correlation", "share_of_gross")


@dataclass(frozen=True)
class _Matrix:
    """A portfolio's matrix on one session: symbols in order, their |market value|, and how many returns pairs share."""

    symbols: npt.NDArray[np.object_]
    value: FloatArray
    correlation: FloatArray
    observations: npt.NDArray[np.int64]
    is_repaired: bool


def correlations(
    position_values: pd.DataFrame, history: PriceHistory, model: CorrelationModel
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return summary, pairs and clusters of each portfolio's correlation matrix, per session.

    Parameters
    ----------
    position_values : rows of position_values. Public symbols enter with |market value| (lots of a symbol netted) of at
        least `model.min_weight` of gross (the sum over all open lots) and `model.min_value_usd`.
    history : prices of these symbols for `model.window` sessions before the first session, if they exist.

    Returns
    -------
    by_portfolio, by_pair, by_cluster : DataFrames with the columns of the correlations tables
        A portfolio with public holdings has a summary; its numbers are NaN where fewer than two symbols enter. A
        symbol without `model.min_observations` returns in common with the others, or without any variance, is excluded.
    """
    returns = total_returns(history)
    column = {symbol: position for position, symbol in enumerate(history.symbols)}
    summaries: list[dict[str, Any]] = []
    pairs: list[pd.DataFrame] = []
    clusters: list[dict[str, Any]] = []
    for (portfolio_id, session), lots in position_values.groupby(KEY, sort=True):
        public = lots[lots["investment_class"].eq("PUBLIC")]
        if not len(public):
            continue
        key = {"portfolio_id": portfolio_id, "session": session}
        gross = float(lots["market_value"].abs().sum())
        value = public.groupby("symbol", sort=True)["market_value"].sum().abs()
        large = value[(value >= model.min_weight * gross) & (value >= model.min_value_usd)]
        row = int(history.rows(np.array([session], dtype="datetime64[D]"))[0])
        known = large[[symbol in column for symbol in large.index]]
        window = returns[max(row + 1 - model.window, 0) : row + 1, [column[symbol] for symbol in known.index]]
        matrix = _matrix(known, window, model.min_observations)
        found = _clusters(matrix, gross, model.cluster_threshold)
        summaries.append(key | _summary(matrix, len(value)) | {"concentration": _concentration(matrix, found)})
        pairs.append(_pairs(matrix).assign(**key))
        clusters += [key | cluster for cluster in found]
    return (
        _frame(summaries, PORTFOLIO_COLUMNS),
        pd.concat(pairs, ignore_index=True)[list(PAIR_COLUMNS)] if pairs else _frame([], PAIR_COLUMNS),
        _frame(clusters, CLUSTER_COLUMNS),
    )


def pairwise_correlation(returns: FloatArray) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Return the Pearson correlation of each pair of columns over the rows that both have, and how many these are.

    Returns
    -------
    correlation : float array of shape (n, n), symmetric, unit diagonal; NaN where a pair has no variance in common rows.
    observations : int array of shape (n, n).
    """
    present = np.isfinite(returns)
    there = present.astype(float)
    count = there.T @ there
    level = np.where(present, returns, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1.0)
    x = np.where(present, returns - level, 0.0)
    total, square = x.T @ there, (x * x).T @ there
    safe = np.maximum(count, 1.0)
    covariance = x.T @ x - total * total.T / safe
    variance = square - total * total / safe
    varies = variance > 1e-12 * square
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.where(varies & varies.T, covariance / np.sqrt(variance * variance.T), np.nan)
    correlation = np.clip((correlation + correlation.T) / 2.0, -1.0, 1.0)
    np.fill_diagonal(correlation, np.where(np.isfinite(np.diagonal(correlation)), 1.0, np.nan))
    return correlation, count.astype(np.int64)


def repaired(correlation: FloatArray) -> tuple[FloatArray, bool]:
    """Return the matrix, made positive semi-definite if it is not, and whether it was.

    Negative eigenvalues are clipped to zero and the result is rescaled to a unit diagonal (Rousseeuw & Molenberghs
    1993, Transformation of non positive semidefinite correlation matrices).
    """
    values, vectors = np.linalg.eigh(correlation)
    if values[0] >= INDEFINITE:
        return correlation, False
    clipped = (vectors * np.maximum(values, 0.0)) @ vectors.T
    scale = np.sqrt(np.diagonal(clipped))
    rescaled = np.clip(clipped / scale[:, None] / scale[None, :], -1.0, 1.0)
    rescaled = (rescaled + rescaled.T) / 2.0
    np.fill_diagonal(rescaled, 1.0)
    return rescaled, True


def _matrix(value: pd.Series, window: FloatArray, min_observations: int) -> _Matrix:
    """Return the matrix of the symbols that can enter: pairs with too little in common lose their smaller holding."""
    symbols, size = value.index.to_numpy(dtype=object), value.to_numpy(dtype=float)
    keep = np.isfinite(window).sum(axis=0) >= min_observations
    while True:
        correlation, count = pairwise_correlation(np.ascontiguousarray(window[:, keep]))
        poor = (count < min_observations) | ~np.isfinite(correlation)
        if not poor.any():
            break
        worst = poor.sum(axis=1)
        kept = np.flatnonzero(keep)
        keep[kept[np.lexsort((size[kept], -worst))[0]]] = False
    if keep.sum() >= 2:
        correlation, is_repaired = repaired(correlation)
    else:
        is_repaired = False
    return _Matrix(symbols[keep], size[keep], correlation, count, is_repaired)


def _summary(matrix: _Matrix, public_symbols: int) -> dict[str, Any]:
    included = len(matrix.symbols)
    numbers = dict.fromkeys(("mean_correlation", "mean_abs_correlation", "effective_bets", "condition_number"), np.nan)
    if included >= 2:
        upper = matrix.correlation[np.triu_indices(included, 1)]
        weight = matrix.value / matrix.value.sum()
        concentration = float(weight @ matrix.correlation @ weight)
        eigenvalues = np.linalg.eigvalsh(matrix.correlation)
        numbers = {
            "mean_correlation": float(upper.mean()),
            "mean_abs_correlation": float(np.abs(upper).mean()),
            "effective_bets": 1.0 / concentration if concentration > SINGULAR else np.nan,
            "condition_number": _condition(eigenvalues),
        }
    counts = {"symbols_included": included, "symbols_excluded": public_symbols - included}
    return numbers | counts | {"is_repaired": matrix.is_repaired}


def _condition(eigenvalues: FloatArray) -> float:
    smallest, largest = float(eigenvalues[0]), float(eigenvalues[-1])
    return largest / smallest if smallest > SINGULAR * largest else np.nan


def _pairs(matrix: _Matrix) -> pd.DataFrame:
    first, second = np.triu_indices(len(matrix.symbols), 1)
    return pd.DataFrame(
        {
            "symbol": matrix.symbols[first],
            "other_symbol": matrix.symbols[second],
            "correlation": matrix.correlation[first, second],
            "observations": matrix.observations[first, second],
        }
    )


def _clusters(matrix: _Matrix, gross: float, threshold: float) -> list[dict[str, Any]]:
    """Return the connected components of two or more symbols with |correlation| >= threshold, largest value first."""
    if len(matrix.symbols) < 2:
        return []
    linked = np.abs(matrix.correlation) >= threshold
    count, label = connected_components(linked, directed=False)
    groups = [np.flatnonzero(label == number) for number in range(count)]
    groups = [group[np.argsort(-matrix.value[group], kind="stable")] for group in groups if len(group) >= 2]
    groups.sort(key=lambda group: (-matrix.value[group].sum(), matrix.symbols[group[0]]))
    return [
        {
            "cluster": number,
            "name": f"{matrix.symbols[group[0]]} lookalikes",
            "members": ", ".join(matrix.symbols[group]),
            "size": len(group),
            "mean_correlation": float(matrix.correlation[np.ix_(group, group)][np.triu_indices(len(group), 1)].mean()),
            "share_of_gross": float(matrix.value[group].sum() / gross),
        }
        for number, group in enumerate(groups, start=1)
    ]


def _concentration(matrix: _Matrix, clusters: list[dict[str, Any]]) -> float:
    if len(matrix.symbols) < 2:
        return np.nan
    return float(sum(cluster["share_of_gross"] for cluster in clusters))


def _frame(records: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    table = pd.DataFrame(records, columns=list(columns))
    return table.astype({"session": "datetime64[s]"})
