"""One correlation matrix: pairwise complete, repaired where that makes it indefinite, and its clusters (SPEC 4.8)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sigma_assets.base.frames import BoolArray, FloatArray

IntArray = npt.NDArray[np.intp]

NO_MOVEMENT = 1e-12
"""Returns whose standard deviation is below this, per session, do not vary but for the rounding of prices."""
INDEFINITE = -1e-10
"""An eigenvalue below this is no rounding error: the matrix is repaired."""
LARGEST_CONDITION_NUMBER = 1e15


@dataclass(frozen=True)
class CorrelationMatrix:
    """Pearson correlations of some symbols.

    Attributes
    ----------
    correlation : float array of shape (n, n); symmetric, unit diagonal, positive semidefinite but for rounding
    observations : int array of shape (n, n); returns that both symbols have
    condition_number : largest / smallest eigenvalue; NaN where the matrix is singular.
    is_repaired : whether pairwise deletion had made it indefinite.
    """

    correlation: FloatArray
    observations: IntArray
    condition_number: float
    is_repaired: bool


def pairwise_correlation(returns: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return Pearson correlations over the sessions that both symbols of a pair have, and how many these are.

    Parameters
    ----------
    returns : float array of shape (n_symbols, n_sessions); NaN is a missing return.

    Returns
    -------
    correlation : float array of shape (n_symbols, n_symbols)
        Symmetric. NaN where one of a pair does not vary on the sessions in common; on the diagonal 1, or NaN for a
        symbol that does not vary.
    observations : int array of the same shape.
    """
    known: BoolArray = np.isfinite(returns)
    filled = np.where(known, returns, 0.0)
    count = known.sum(axis=1)
    centred = np.where(known, filled - (filled.sum(axis=1) / np.maximum(count, 1))[:, None], 0.0)
    squares = (centred * centred).sum(axis=1)
    first, second = upper_triangle(len(returns))
    products = (centred[first] * centred[second]).sum(axis=1)
    squares_first, squares_second = squares[first], squares[second]
    common = np.full(len(first), returns.shape[1])
    is_complete = count == returns.shape[1]
    gappy = np.flatnonzero(~(is_complete[first] & is_complete[second]))
    if len(gappy):
        both = known[first[gappy]] & known[second[gappy]]
        common[gappy] = both.sum(axis=1)
        x = _centred(filled[first[gappy]], both)
        y = _centred(filled[second[gappy]], both)
        products[gappy] = (x * y).sum(axis=1)
        squares_first[gappy] = (x * x).sum(axis=1)
        squares_second[gappy] = (y * y).sum(axis=1)
    varies = (squares_first > NO_MOVEMENT**2 * common) & (squares_second > NO_MOVEMENT**2 * common)
    scale = np.sqrt(np.where(varies, squares_first, 1.0)) * np.sqrt(np.where(varies, squares_second, 1.0))
    pairs = np.where(varies, np.clip(products / scale, -1.0, 1.0), np.nan)
    own = np.where(squares > NO_MOVEMENT**2 * count, 1.0, np.nan)
    return _symmetric(pairs, own), _symmetric(common, count)


def correlation_matrix(correlation: FloatArray, observations: IntArray) -> CorrelationMatrix:
    """Return the matrix with its condition number, repaired if it is indefinite.

    The repair clips negative eigenvalues at 0 and rescales to a unit diagonal (Rebonato and Jaeckel 1999, spectral
    decomposition). A repaired matrix is singular, and so has no condition number.
    """
    values = np.linalg.eigvalsh(correlation)
    if values[0] < INDEFINITE:
        return CorrelationMatrix(_repaired(correlation), observations, np.nan, True)
    rounding = max(len(values) * np.finfo(float).eps, 1.0 / LARGEST_CONDITION_NUMBER)
    is_singular = values[0] <= values[-1] * rounding
    condition_number = np.nan if is_singular else float(values[-1] / values[0])
    return CorrelationMatrix(correlation, observations, condition_number, False)


def clusters(correlation: FloatArray, values: FloatArray, threshold: float) -> list[IntArray]:
    """Return the connected components of size >= 2 of the graph |correlation| >= threshold.

    Parameters
    ----------
    values : float array of shape (n_symbols,), USD, >= 0.

    Returns
    -------
    list of int arrays : largest total value first; members largest first; ties in the order of the symbols.
    """
    linked = np.abs(correlation) >= threshold
    if linked.sum() == len(linked):  # the diagonal only
        return []
    label = _components(linked)
    groups = [np.flatnonzero(label == number) for number in np.flatnonzero(np.bincount(label) > 1)]
    groups.sort(key=lambda members: (-float(values[members].sum()), int(members[0])))
    return [members[np.argsort(-values[members], kind="stable")] for members in groups]


@lru_cache(maxsize=512)
def upper_triangle(n_symbols: int) -> tuple[IntArray, IntArray]:
    """Return rows and columns of the pairs above the diagonal, row by row."""
    first, second = np.triu_indices(n_symbols, k=1)
    first.flags.writeable = second.flags.writeable = False
    return first, second


def _components(linked: BoolArray) -> IntArray:
    """Return for each symbol the first symbol that a path of links leads to: equal within a connected component.

    Every round each symbol takes the least label among its neighbours, and then that one's own; a few rounds will do for
    any graph of this size (scipy's function is no faster here and costs a run worker 0.3 s to import).
    """
    label = np.arange(len(linked))
    while True:
        least = np.where(linked, label, len(linked)).min(axis=1, initial=len(linked))
        least = np.minimum(label, least)
        least = least[least]
        if np.array_equal(least, label):
            return label
        label = least


def _centred(filled: FloatArray, present: BoolArray) -> FloatArray:
    mean = np.where(present, filled, 0.0).sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    return np.where(present, filled - mean[:, None], 0.0)


def _symmetric(pairs: npt.NDArray, diagonal: npt.NDArray) -> npt.NDArray:
    matrix = np.diag(diagonal)
    first, second = upper_triangle(len(diagonal))
    matrix[first, second] = matrix[second, first] = pairs
    return matrix


def _repaired(correlation: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(correlation)
    clipped = (vectors * np.maximum(values, 0.0)) @ vectors.T
    scale = np.sqrt(np.diag(clipped))
    rescaled = clipped / (scale[:, None] * scale)
    symmetric = np.clip((rescaled + rescaled.T) / 2.0, -1.0, 1.0)
    np.fill_diagonal(symmetric, 1.0)
    return symmetric
