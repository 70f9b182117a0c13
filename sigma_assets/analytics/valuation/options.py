"""Value and delta of a European option (SPEC 4.9).

Source: Black and Scholes (1973), The Pricing of Options and Corporate Liabilities; in the form of Hull, Options,
Futures and Other Derivatives, chapters 15 (price) and 19 (delta). The underlying pays no dividend yield.
"""

import numpy as np
import numpy.typing as npt

from sigma_assets.base.frames import FloatArray

DAYS_PER_YEAR = 365
"""Calendar days in the year of an option's life."""


def black_scholes_price(
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    volatility: npt.ArrayLike,
    *,
    is_call: npt.ArrayLike,
    risk_free_rate: float,
) -> FloatArray:
    """Return the Black-Scholes value of options.

    Parameters
    ----------
    spot, strike : USD, > 0; all arguments broadcast against each other.
    years : time to expiration, >= 0.
    volatility : per year, >= 0: 0.2 is 20 %.
    is_call : True for a call, False for a put.
    risk_free_rate : per year, continuously compounded.

    Returns
    -------
    float array
        USD per share of the underlying. NaN where an argument is NaN. With zero volatility or zero time the discounted
        intrinsic value, which is the limit of the formula.

    Raises
    ------
    ValueError
        A time or a volatility is negative.

    Examples
    --------
    >>> black_scholes_price(42, 40, 0.5, 0.2, is_call=[True, False], risk_free_rate=0.1).round(2).tolist()
    [4.76, 0.81]
    """
    spot, discounted, deviation = _discounted(spot, strike, years, volatility, risk_free_rate)
    sign = np.where(is_call, 1.0, -1.0)
    d1 = _d1(spot, discounted, deviation)
    price = sign * (spot * _normal_cdf(sign * d1) - discounted * _normal_cdf(sign * (d1 - deviation)))
    # No option is worth less than this; rounding far in or out of the money must not say otherwise.
    return np.maximum(price, intrinsic_value(spot, discounted, is_call=is_call))


def black_scholes_delta(
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    volatility: npt.ArrayLike,
    *,
    is_call: npt.ArrayLike,
    risk_free_rate: float,
) -> FloatArray:
    """Return the change of an option's Black-Scholes value per USD of the underlying; arguments as for the price.

    Returns
    -------
    float array
        0 to 1 for calls, -1 to 0 for puts; with zero volatility or zero time 0 or +-1, and +-0.5 just at the money.
    """
    spot, discounted, deviation = _discounted(spot, strike, years, volatility, risk_free_rate)
    sign = np.where(is_call, 1.0, -1.0)
    return sign * _normal_cdf(sign * _d1(spot, discounted, deviation))


def intrinsic_value(spot: npt.ArrayLike, strike: npt.ArrayLike, *, is_call: npt.ArrayLike) -> FloatArray:
    """Return what exercising now is worth, USD per share of the underlying, never below 0; NaN where an input is.

    Examples
    --------
    >>> intrinsic_value([90.0, 110.0], 100.0, is_call=True).tolist()
    [0.0, 10.0]
    """
    sign = np.where(is_call, 1.0, -1.0)
    return np.maximum(sign * (np.asarray(spot, dtype=float) - np.asarray(strike, dtype=float)), 0.0)


def _discounted(
    spot: npt.ArrayLike, strike: npt.ArrayLike, years: npt.ArrayLike, volatility: npt.ArrayLike, risk_free_rate: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return spot, present value of the strike, and the standard deviation of the log price at expiration."""
    time = np.asarray(years, dtype=float)
    sigma = np.asarray(volatility, dtype=float)
    if (time < 0).any() or (sigma < 0).any():
        raise ValueError(
            f"Black-Scholes needs years >= 0 and volatility >= 0; found {np.nanmin(time)} and {np.nanmin(sigma)}."
            " An option past its expiration is worth its intrinsic value"
        )
    discounted = np.asarray(strike, dtype=float) * np.exp(-risk_free_rate * time)
    return np.asarray(spot, dtype=float), discounted, sigma * np.sqrt(time)


def _d1(spot: FloatArray, discounted: FloatArray, deviation: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # infinite: sure to be exercised, or not
        d1 = np.log(spot / discounted) / deviation + 0.5 * deviation
    return np.where((deviation == 0) & (spot == discounted), 0.0, d1)  # 0 / 0: the limit at the money


def _normal_cdf(x: FloatArray) -> FloatArray:
    from scipy.special import ndtr  # slow to import, and only books with options need it

    return ndtr(x)
