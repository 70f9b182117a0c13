"""The three tables of correlations: summary, upper triangle and clusters of each portfolio-session's matrix."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.analytics.risk.correlation.matrix import CorrelationMatrix, IntArray, clusters, upper_triangle
from sigma_assets.analytics.risk.held import HeldSymbols
from sigma_assets.base.conventions import CorrelationModel
from sigma_assets.base.frames import FloatArray


@dataclass(frozen=True)
class HeldMatrix:
    """The correlation matrix of one portfolio-session.

    Attributes
    ----------
    item : portfolio-session, place in `HeldSymbols.session`.
    places : int array of shape (n,); places of its symbols in `HeldSymbols.symbol`, ascending.
    pairs : float array of shape (n (n - 1) / 2,); upper triangle, row by row.
    effective_bets : 1 / (w' C w), w = |value| / sum of |values|; NaN where w' C w = 0: a complete hedge.
    concentration : share of gross in clusters.
    clusters : number from 1, name, members, size, mean correlation and share of gross; largest cluster first.
    """

    item: int
    places: IntArray
    matrix: CorrelationMatrix
    pairs: FloatArray
    effective_bets: float
    concentration: float
    clusters: list[tuple[int, str, str, int, float, float]]

    @classmethod
    def of(
        cls,
        held: HeldSymbols,
        item: int,
        places: IntArray,
        matrix: CorrelationMatrix,
        gross: float,
        model: CorrelationModel,
    ) -> "HeldMatrix":
        """Return the matrix with what follows from it and from the values held."""
        value = np.abs(held.value[places])
        first, second = upper_triangle(len(places))
        pairs = matrix.correlation[first, second]
        weight = value / value.sum()
        variance = float((weight * weight).sum() + 2.0 * (weight[first] * weight[second] * pairs).sum())
        is_hedged = variance <= len(places) * np.finfo(float).eps
        rows = []
        for number, members in enumerate(clusters(matrix.correlation, value, model.cluster_threshold), start=1):
            names = held.symbol[places[members]]
            inner = matrix.correlation[np.ix_(members, members)][upper_triangle(len(members))]
            share = float(value[members].sum() / gross)
            rows.append((number, f"{names[0]} lookalikes", ",".join(names), len(names), float(inner.mean()), share))
        effective_bets = np.nan if is_hedged else 1.0 / variance
        concentration = sum((row[-1] for row in rows), 0.0)
        return cls(item, places, matrix, pairs, effective_bets, concentration, rows)


def by_portfolio(held: HeldSymbols, matrices: Sequence[HeldMatrix]) -> pd.DataFrame:
    """Return one row per portfolio-session; numbers are NaN where there is no matrix."""
    n_items = len(held.session)
    items = [matrix.item for matrix in matrices]
    included = _placed(n_items, items, [len(matrix.places) for matrix in matrices], 0)
    return pd.DataFrame(
        {
            **_keys(held, np.arange(n_items)),
            "mean_correlation": _placed(n_items, items, [_mean(matrix.pairs) for matrix in matrices], np.nan),
            "mean_abs_correlation": _placed(
                n_items, items, [_mean(np.abs(matrix.pairs)) for matrix in matrices], np.nan
            ),
            "effective_bets": _placed(n_items, items, [matrix.effective_bets for matrix in matrices], np.nan),
            "condition_number": _placed(n_items, items, [each.matrix.condition_number for each in matrices], np.nan),
            "symbols_included": included,
            "symbols_excluded": np.bincount(held.item, minlength=n_items) - included,
            "concentration": _placed(n_items, items, [matrix.concentration for matrix in matrices], np.nan),
            "is_repaired": _placed(n_items, items, [each.matrix.is_repaired for each in matrices], False),
        }
    )


def by_pair(held: HeldSymbols, matrices: Sequence[HeldMatrix]) -> pd.DataFrame:
    """Return one row per pair of symbols of each matrix."""
    triangles = [upper_triangle(len(matrix.places)) for matrix in matrices]
    item = np.repeat([matrix.item for matrix in matrices], [len(first) for first, _ in triangles]).astype(np.intp)
    names, code = np.unique(held.symbol.astype(str), return_inverse=True)
    symbols = pd.array(names, dtype="str")
    first, second = (
        np.concatenate([matrix.places[side[axis]] for matrix, side in zip(matrices, triangles, strict=True)] or [_NONE])
        for axis in (0, 1)
    )
    observations = [each.matrix.observations[side] for each, side in zip(matrices, triangles, strict=True)]
    return pd.DataFrame(
        {
            **_keys(held, item),
            "symbol": symbols.take(code[first]),
            "other_symbol": symbols.take(code[second]),
            "correlation": np.concatenate([matrix.pairs for matrix in matrices] or [np.empty(0)]),
            "observations": np.concatenate(observations or [_NONE]),
        }
    )


def by_cluster(held: HeldSymbols, matrices: Sequence[HeldMatrix]) -> pd.DataFrame:
    """Return one row per cluster of each matrix, largest first."""
    item = np.repeat([matrix.item for matrix in matrices], [len(matrix.clusters) for matrix in matrices])
    rows = [cluster for matrix in matrices for cluster in matrix.clusters]
    return pd.DataFrame(
        {
            **_keys(held, item.astype(np.intp)),
            "cluster": np.array([row[0] for row in rows], dtype=np.int64),
            "name": pd.array([row[1] for row in rows], dtype="str"),
            "members": pd.array([row[2] for row in rows], dtype="str"),
            "size": np.array([row[3] for row in rows], dtype=np.int64),
            "mean_correlation": np.array([row[4] for row in rows], dtype=float),
            "share_of_gross": np.array([row[5] for row in rows], dtype=float),
        }
    )


_NONE = np.empty(0, dtype=np.intp)


def _keys(held: HeldSymbols, item: IntArray) -> dict[str, object]:
    portfolios, code = np.unique(held.portfolio_id.astype(str), return_inverse=True)
    return {
        "portfolio_id": pd.array(portfolios, dtype="str").take(code[item]),
        "session": held.session.astype("datetime64[s]")[item],
    }


def _mean(pairs: FloatArray) -> float:
    """Return the mean over pairs; NaN of one symbol alone, which has none."""
    return float(pairs.mean()) if len(pairs) else np.nan


def _placed(n_items: int, items: Sequence[int], values: Sequence[float], otherwise: float) -> npt.NDArray:
    """Return an array with the values at their items, and `otherwise` where there is no matrix."""
    placed = np.full(n_items, otherwise)
    placed[items] = values
    return placed
