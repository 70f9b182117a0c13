"""Non-negative least squares of a few regressors for many targets at once, by trying every active set."""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from sigma_assets.base.frames import BoolArray, FloatArray

SINGULAR = 1e-10
"""Squared sine of the angle between a regressor and the others below which it is one of them, but for rounding."""


class NonnegativeFit(NamedTuple):
    """Coefficients (n_regressors, ...) and the sum of squares of the targets that they explain (...)."""

    coefficients: FloatArray
    explained: FloatArray


def nonnegative_least_squares(products: FloatArray, with_target: FloatArray) -> NonnegativeFit:
    """Minimise ||y - X b|| over b >= 0, given the sums of products of the regressors with each other and with y.

    The minimiser is the ordinary least squares solution on the regressors with a positive coefficient (Lawson and
    Hanson 1974, chapter 23), and it can be chosen so that these are linearly independent. So it is the best of the
    solutions on all independent subsets whose coefficients are not negative: 15 subsets for four regressors, and every
    step of them is one operation on whole arrays. Of equally good subsets the smallest and first is taken.

    Parameters
    ----------
    products : float array of shape (n_regressors, n_regressors, ...); X'X, symmetric.
    with_target : float array of shape (n_regressors, ...); X'y.

    Returns
    -------
    NonnegativeFit
        All coefficients are 0 where no regressor helps, or all are zeros. NaN in, NaN or 0 out.
    """
    n_regressors = len(products)
    norm = np.sqrt(np.stack([products[i, i] for i in range(n_regressors)]))
    scale = np.where(norm > 0, norm, 1.0)
    gram = products / (scale[:, None] * scale[None, :])
    target = with_target / scale
    best = np.zeros_like(target)
    explained = np.zeros(target.shape[1:])
    for size in range(1, n_regressors + 1):
        for subset in combinations(range(n_regressors), size):
            solution, gain, is_allowed = _solved(gram, target, subset)
            is_better = is_allowed & (gain > explained * (1.0 + 1e-14))
            explained = np.where(is_better, gain, explained)
            for regressor in range(n_regressors):
                place = subset.index(regressor) if regressor in subset else None
                value = 0.0 if place is None else solution[place]
                best[regressor] = np.where(is_better, value, best[regressor])
    return NonnegativeFit(best / scale, explained)


def _solved(
    gram: FloatArray, target: FloatArray, subset: tuple[int, ...]
) -> tuple[list[FloatArray], FloatArray, BoolArray]:
    """Return the least squares solution on a subset, its explained sum of squares, and where it is one to choose.

    Cholesky's factor and both substitutions, written out element by element: BLAS would add in another order for
    another number of targets.
    """
    size = len(subset)
    shape = target.shape[1:]
    factor: dict[tuple[int, int], FloatArray] = {}
    forward: list[FloatArray] = []
    is_allowed = np.ones(shape, dtype=bool)
    for i in range(size):
        for j in range(i + 1):
            value = gram[subset[i], subset[j]].copy()
            for k in range(j):
                value -= factor[i, k] * factor[j, k]
            if i == j:
                is_allowed &= value > SINGULAR
                factor[i, i] = np.sqrt(np.where(value > SINGULAR, value, 1.0))
            else:
                factor[i, j] = value / factor[j, j]
        value = target[subset[i]].copy()
        for k in range(i):
            value -= factor[i, k] * forward[k]
        forward.append(value / factor[i, i])
    solution = [np.zeros(shape)] * size
    for i in reversed(range(size)):
        value = forward[i].copy()
        for k in range(i + 1, size):
            value -= factor[k, i] * solution[k]
        solution[i] = value / factor[i, i]
        is_allowed &= solution[i] >= 0
    gain = np.zeros(shape)
    for value in forward:
        gain += value * value
    return solution, gain, is_allowed
