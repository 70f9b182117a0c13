"""One joint regression of a portfolio's returns on factors, per session: betas and shares of variance (SPEC 4.10)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigma_assets.analytics.factors.least_squares import FLAT, _inverse
from sigma_assets.base.frames import BoolArray, FloatArray


@dataclass(frozen=True)
class FactorDesign:
    """The factor side, shared by all portfolios that have a return wherever the factors have one.

    Attributes
    ----------
    valid : bool array of shape (n_rows, window); sessions that count.
    scores : float array of shape (n_factors, n_rows, window); standardised, 0 where not valid or not used.
    deviation : float array of shape (n_factors, n_rows); root of the sum of squares, NaN where not used.
    inverse : float array of shape (n_factors, n_factors, n_rows); of the scores' products.
    observations : int array of shape (n_rows,)
    """

    valid: BoolArray
    scores: FloatArray
    deviation: FloatArray
    inverse: FloatArray
    observations: npt.NDArray[np.int64]


@dataclass(frozen=True)
class JointFit:
    """NaN = not known; `beta`, `std_error`, `variance_share` of shape (n_factors, n_rows), the others (n_rows,).

    `variance_share` = beta x covariance of factor and target / variance of the target: the shares add up to R^2.
    """

    beta: FloatArray
    std_error: FloatArray
    variance_share: FloatArray
    r_squared: FloatArray
    observations: npt.NDArray[np.int64]


def factor_design(factors: FloatArray, known: BoolArray, *, min_observations: int) -> FactorDesign:
    """Prepare regressions with an intercept on factors.

    Parameters
    ----------
    factors : float array of shape (n_factors, n_rows, window); NaN is a missing return.
    known : bool array of shape (n_rows, window); sessions on which the targets have returns.
    min_observations : rows with fewer sessions on which all factors and the targets have returns give NaN. A factor with
        fewer returns than that, or that never moves, is not used: the others are fitted without it.
    """
    there = np.isfinite(factors) & known
    is_used = there.sum(axis=2) >= min_observations
    is_used &= _spread(np.where(there, factors, np.nan), there) > FLAT
    valid = known & (there | ~is_used[:, :, None]).all(axis=0) & is_used.any(axis=0)[:, None]
    observations = valid.sum(axis=1)
    counted = np.where(observations >= min_observations, observations, np.nan)
    centred = np.where(valid & is_used[:, :, None], factors, 0.0)
    centred = np.where(valid, centred - (centred.sum(axis=2) / counted)[:, :, None], 0.0)
    squares = np.sqrt((centred * centred).sum(axis=2))
    is_used &= squares > FLAT * np.sqrt(counted)
    deviation = np.where(is_used, squares, np.nan)
    scores = np.where(is_used[:, :, None], centred / np.where(is_used, squares, 1.0)[:, :, None], 0.0)
    n_factors = len(factors)
    gram = np.zeros((n_factors, n_factors, len(observations)))
    for i in range(n_factors):
        for j in range(i + 1):
            gram[i, j] = gram[j, i] = (scores[i] * scores[j]).sum(axis=1)
        gram[i, i] = np.where(is_used[i], gram[i, i], 1.0)  # a factor that is not used stands alone
    return FactorDesign(valid, scores, deviation, _inverse(gram), observations)


def joint_fit(design: FactorDesign, targets: FloatArray) -> JointFit:
    """Regress each row of targets, shape (n_rows, window), on the factors of a design by ordinary least squares."""
    n_factors = len(design.scores)
    counted = np.where(np.isfinite(design.deviation).any(axis=0), design.observations, np.nan)
    centred = np.where(design.valid, targets, 0.0)
    centred = np.where(design.valid, centred - (centred.sum(axis=1) / counted)[:, None], 0.0)
    squares = (centred * centred).sum(axis=1)
    products = np.stack([(design.scores[k] * centred).sum(axis=1) for k in range(n_factors)])
    loading = np.zeros_like(products)
    for k in range(n_factors):
        loading += design.inverse[:, k] * products[k]
    residual = centred.copy()
    for k in range(n_factors):
        residual -= loading[k][:, None] * design.scores[k]
    left = (residual * residual).sum(axis=1)
    n_used = np.isfinite(design.deviation).sum(axis=0)
    freedom = counted - 1.0 - n_used
    moved = np.where(squares > counted * FLAT**2, squares, np.nan)
    variance = left / np.where(freedom > 0, freedom, np.nan)
    diagonal = np.arange(n_factors)
    is_used = np.isfinite(design.deviation)
    return JointFit(
        beta=loading / design.deviation,
        std_error=np.sqrt(np.maximum(design.inverse[diagonal, diagonal], 0.0) * variance) / design.deviation,
        variance_share=np.where(is_used, loading * products / moved, np.nan),
        r_squared=np.clip(1.0 - left / moved, 0.0, 1.0),
        observations=design.observations,
    )


def _spread(values: FloatArray, there: BoolArray) -> FloatArray:
    """Return the population standard deviation over the last axis; 0 where nothing is there."""
    count = np.maximum(there.sum(axis=2), 1)
    filled = np.where(there, values, 0.0)
    centred = np.where(there, filled - (filled.sum(axis=2) / count)[:, :, None], 0.0)
    return np.sqrt((centred * centred).sum(axis=2) / count)
