"""Many small regressions at once: least squares and ridge with an intercept, over windows of returns.

Every sum runs over the window in its own order, elementwise over the batch. So a number depends on its own window only:
its last bit is the same in any batch, which neither a matrix product nor a running sum can promise.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sigma_assets.base.frames import BoolArray, FloatArray

FLAT = 1e-12
"""A return is a ratio of prices less 1, so rounding moves it by 1e-16: below this standard deviation it never moved."""


@dataclass(frozen=True)
class Fit:
    """Regressions of n_symbols targets in n_windows windows on n_factors factors; NaN is what cannot be known.

    Attributes
    ----------
    beta, std_error : float arrays of shape (n_factors, n_windows, n_symbols); NaN for a factor that never moved.
    alpha, r_squared : float arrays of shape (n_windows, n_symbols)
        Intercept per session; R^2 is NaN where the target never moved.
    observations : float array of shape (n_windows,)
    """

    beta: FloatArray
    std_error: FloatArray
    alpha: FloatArray
    r_squared: FloatArray
    observations: FloatArray


@dataclass(frozen=True)
class Design:
    """The factor side of the regressions, shared by all targets that have a return wherever the factors have one.

    Attributes
    ----------
    valid : bool array of shape (window, n_windows); sessions that count.
    scores : float array of shape (window, n_factors, n_windows); standardised factor returns, 0 where not valid.
    mean, deviation : float arrays of shape (n_factors, n_windows); deviation is NaN where the factor never moved.
    inverse : float array of shape (n_factors, n_factors, n_windows); (Z'Z + penalty I)^-1.
    spread : float array of shape (n_factors, n_windows); diagonal of inverse Z'Z inverse.
    parameters : float array of shape (n_windows,); trace of the hat matrix, without the intercept.
    observations : float array of shape (n_windows,); NaN where too few.
    """

    valid: BoolArray
    scores: FloatArray
    mean: FloatArray
    deviation: FloatArray
    inverse: FloatArray
    spread: FloatArray
    parameters: FloatArray
    observations: FloatArray


@dataclass(frozen=True)
class Targets:
    """The other side: centred returns, shared by all designs on the same sessions.

    Attributes
    ----------
    valid : bool array of shape (window, n_windows)
    mean : float array of shape (n_windows, n_symbols); NaN where no session is valid.
    centred : float array of shape (window, n_windows, n_symbols); 0 where not valid.
    squares : float array of shape (n_windows, n_symbols); sum of squares of `centred`.
    """

    valid: BoolArray
    mean: FloatArray
    centred: FloatArray
    squares: FloatArray


def factor_design(factors: FloatArray, valid: BoolArray, *, penalty: float, min_observations: int) -> Design:
    """Prepare regressions on standardised factors.

    Parameters
    ----------
    factors : float array of shape (window, n_factors, n_windows)
        Factor returns; any finite number where not valid.
    valid : bool array of shape (window, n_windows)
        Sessions on which all factors and the targets have returns.
    penalty : ridge penalty on standardised factors; 0 is ordinary least squares.
    min_observations : windows with fewer valid sessions give NaN.

    A factor that never moved in a window has no beta there (NaN) and takes no part: the others are fitted as if it were
    not in the model, to the last bit, since its scores are zeros and its row of the matrix is that of the identity.
    """
    weight = valid[:, None, :].astype(float)
    counted = valid.sum(axis=0).astype(float)
    observations = np.where(counted >= max(min_observations, 1), counted, np.nan)
    mean = _inner(weight, factors) / observations
    centred = (factors - mean) * weight
    deviation = np.sqrt(_inner(centred, centred) / observations)
    deviation = np.where(deviation > FLAT, deviation, np.nan)
    is_moving = np.isfinite(deviation)
    scores = np.where(valid[:, None, :] & is_moving, centred / deviation, 0.0)
    gram = _inner(scores[:, :, None, :], scores[:, None, :, :])
    diagonal = np.arange(len(mean))
    penalised = gram.copy()
    penalised[diagonal, diagonal] = np.where(is_moving, penalised[diagonal, diagonal] + penalty, 1.0)
    inverse = _inverse(np.where(is_moving.any(axis=0), penalised, np.nan))
    shrinkage = _inner(inverse[:, :, None, :], gram[:, None, :, :])  # inverse and gram are symmetric
    spread = _inner(shrinkage.swapaxes(0, 1), inverse)
    parameters = _total(shrinkage[diagonal, diagonal])
    return Design(valid, scores, mean, deviation, inverse, spread, parameters, observations)


def centre(targets: FloatArray, valid: BoolArray) -> Targets:
    """Prepare targets for designs on the same valid sessions.

    Parameters
    ----------
    targets : float array of shape (window, n_windows, n_symbols)
        Returns; finite everywhere, and known wherever valid.
    valid : bool array of shape (window, n_windows)
    """
    if valid.all():  # the same numbers, without multiplying by one
        mean = _total(targets) / len(targets)
        centred = targets - mean
    else:
        weight = valid[:, :, None].astype(float)
        counted = valid.sum(axis=0)[:, None]
        mean = _inner(weight, targets) / np.where(counted > 0, counted, np.nan)
        centred = (targets - mean) * weight
    return Targets(valid, mean, centred, _inner(centred, centred))


def fit(design: Design, targets: Targets) -> Fit:
    """Regress each target on the factors of a design.

    Ridge as in scikit-learn's `Ridge` on standardised factors, intercept unpenalised. Standard errors: classical for
    ordinary least squares; for ridge the sampling variance s^2 A Z'Z A with A = (Z'Z + penalty I)^-1 and
    s^2 = RSS / (n - 1 - trace(Z A Z')) (Hastie and Tibshirani 1990, sections 3.5 and 3.8). Both are the same formula.
    """
    scores = design.scores[:, :, :, None]
    loading = _inner(design.inverse[..., None], _inner(scores, targets.centred[:, None])[:, None])
    residual_squares = np.zeros_like(targets.mean)
    for session_scores, session_target in zip(scores, targets.centred, strict=True):
        residual = session_target - _inner(session_scores, loading)
        residual *= residual
        residual_squares += residual
    observations = design.observations[:, None]
    freedom = observations - 1.0 - design.parameters[:, None]
    variance = residual_squares / np.where(freedom > 0, freedom, np.nan)
    beta = loading / design.deviation[..., None]
    moved = np.where(targets.squares > observations * FLAT**2, targets.squares, np.nan)
    return Fit(
        beta=beta,
        std_error=np.sqrt(np.maximum(design.spread[..., None], 0.0) * variance) / design.deviation[..., None],
        alpha=targets.mean - _inner(beta, design.mean[..., None]),
        r_squared=1.0 - residual_squares / moved,
        observations=design.observations,
    )


def _total(items: FloatArray) -> FloatArray:
    """Return the sum over the first axis, added in its order."""
    total = items[0].copy()
    for item in items[1:]:
        total += item
    return total


def _inner(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> FloatArray:
    """Return the sum of left x right over the first axis, added in its order."""
    total = left[0] * right[0]
    term = np.empty_like(total)
    for left_item, right_item in zip(left[1:], right[1:], strict=True):
        np.multiply(left_item, right_item, out=term)
        total += term
    return total


def _inverse(matrices: FloatArray) -> FloatArray:
    """Return the inverses of positive definite matrices of shape (n, n, n_windows); NaN where one is not.

    The sweep operator (Goodnight 1979, The American Statistician 33): no pivoting is needed for such matrices.
    """
    swept = matrices.copy()
    for k in range(len(swept)):
        pivot = np.where(swept[k, k] > FLAT * matrices[k, k], swept[k, k], np.nan)
        row, column = swept[k] / pivot, swept[:, k].copy()
        swept -= column[:, None] * row[None, :]
        swept[k], swept[:, k] = row, -column / pivot
        swept[k, k] = 1.0 / pivot
    return swept
