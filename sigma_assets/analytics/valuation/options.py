"""Value and delta of European options, and what option lots are marked at (SPEC 4.9).

Source: Black and Scholes (1973), The Pricing of Options and Corporate Liabilities; in the form of Hull, Options,
Futures and Other Derivatives, chapters 15 (price) and 19 (delta). The underlying pays no dividend yield.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.analytics.series.windows import first_return_rows, trailing_volatility
from sigma_assets.analytics.valuation.lots import Columns
from sigma_assets.base.frames import BoolArray, FloatArray, PriceHistory, SessionArray, last_known_close

DAYS_PER_YEAR = 365
"""Calendar days in the year of an option's life."""
ADJUSTING_SHARE = 0.1
"""A cash distribution above this share of the close before it is no ordinary dividend: strikes are reduced by it."""
LEAST_STRIKE = 0.01
"""What a strike is not reduced below, USD."""


def black_scholes(
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    volatility: npt.ArrayLike,
    *,
    is_call: npt.ArrayLike,
    risk_free_rate: float,
) -> tuple[FloatArray, FloatArray]:
    """Return the Black-Scholes value of options, and its change per USD of the underlying.

    Parameters
    ----------
    spot, strike : USD, > 0; all arguments broadcast against each other.
    years : time to expiration, >= 0.
    volatility : per year, >= 0: 0.2 is 20 %.
    is_call : True for a call, False for a put.
    risk_free_rate : per year, continuously compounded.

    Returns
    -------
    price : float array
        USD per share of the underlying. NaN where an argument is NaN. With zero volatility or zero time the discounted
        intrinsic value, which is the limit of the formula.
    delta : float array
        0 to 1 for calls, -1 to 0 for puts; with zero volatility or zero time 0 or +-1, and +-0.5 just at the money.

    Raises
    ------
    ValueError
        A time or a volatility is negative.

    Examples
    --------
    >>> price, delta = black_scholes(42, 40, 0.5, 0.2, is_call=[True, False], risk_free_rate=0.1)
    >>> price.round(2).tolist(), delta.round(2).tolist()
    ([4.76, 0.81], [0.78, -0.22])
    """
    time, sigma = np.asarray(years, dtype=float), np.asarray(volatility, dtype=float)
    if (time < 0).any() or (sigma < 0).any():
        raise ValueError(
            f"Black-Scholes needs years >= 0 and volatility >= 0; found {np.nanmin(time)} and {np.nanmin(sigma)}."
            " An option past its expiration is worth its intrinsic value"
        )
    spot, deviation = np.asarray(spot, dtype=float), sigma * np.sqrt(time)
    discounted = np.asarray(strike, dtype=float) * np.exp(-risk_free_rate * time)
    sign = np.where(is_call, 1.0, -1.0)
    d1 = _d1(spot, discounted, deviation)
    likely = _normal_cdf(sign * d1)
    price = sign * (spot * likely - discounted * _normal_cdf(sign * (d1 - deviation)))
    # No option is worth less than this; rounding far in or out of the money must not say otherwise.
    return np.maximum(price, intrinsic_value(spot, discounted, is_call=is_call)), sign * likely


def intrinsic_value(spot: npt.ArrayLike, strike: npt.ArrayLike, *, is_call: npt.ArrayLike) -> FloatArray:
    """Return what exercising now is worth, USD per share of the underlying, never below 0; NaN where an input is.

    Examples
    --------
    >>> intrinsic_value([90.0, 110.0], 100.0, is_call=True).tolist()
    [0.0, 10.0]
    """
    sign = np.where(is_call, 1.0, -1.0)
    return np.maximum(sign * (np.asarray(spot, dtype=float) - np.asarray(strike, dtype=float)), 0.0)


class Marks(NamedTuple):
    """Prices of lots; every array has shape (n_lots, n_sessions), USD per share (of the underlying, for options).

    Attributes
    ----------
    price, price_session : price used and the session that it comes from; NaT where it is the entry price.
    is_modelled : the price is a Black-Scholes value.
    delta_value : of options, delta x underlying close; NaN where delta is unknown.
    exit_price : of shape (n_lots,); NaN while open.
    """

    price: FloatArray
    price_session: SessionArray
    is_modelled: BoolArray
    delta_value: FloatArray
    exit_price: FloatArray


def option_volatility(prices: PriceHistory, lots: Columns, *, window: int) -> FloatArray:
    """Return the realised volatility of the underlyings of options among the lots.

    Parameters
    ----------
    lots : as `prepared_lots` returns them.
    window : returns in a volatility.

    Returns
    -------
    float array of the shape of `prices.close`, per year; NaN where it cannot be known, and of other symbols
    """
    volatility = np.full_like(prices.close, np.nan)
    columns = np.unique(lots["action_column"][lots["is_option"]])
    if len(columns):
        volatility[:, columns] = realized_volatility(prices.of(prices.symbols[columns]), window=window)
    return volatility


def realized_volatility(prices: PriceHistory, *, window: int) -> FloatArray:
    """Return the volatility of the last `window` returns, per year, in the shape of `prices.close`; NaN where unknown."""
    every_row = np.arange(len(prices.sessions))
    return trailing_volatility(total_returns(prices), every_row, window, first_return_rows(prices))


def strike_reductions(
    prices: PriceHistory, columns: npt.NDArray[np.intp], entered: SessionArray, days: SessionArray
) -> FloatArray:
    """Return how much strikes have been reduced since entry by large cash distributions, USD per share of then.

    Contracts are adjusted for non-ordinary distributions by their whole amount (OCC, interpretive guidance on adjustment
    for cash dividends and distributions); ordinary dividends change nothing. Later splits divide what was reduced.

    Parameters
    ----------
    prices : of the underlyings, from the first entry on.
    columns, entered : of shape (n_contracts,): each underlying's column in `prices`, and the day of entry.
    days : of shape (n_sessions,), sessions of `prices`, ascending.

    Returns
    -------
    float array of shape (n_contracts, n_sessions), >= 0
    """
    reduced = np.zeros((len(columns), len(days)))
    before, _ = last_known_close(prices, before=True)
    with np.errstate(invalid="ignore"):  # no close before: nothing to compare with
        large = prices.dividend > ADJUSTING_SHARE * before / prices.split_factor
    growth = np.cumprod(prices.split_factor, axis=0)
    now = np.searchsorted(prices.sessions, days)
    for row, column in zip(*np.nonzero(large), strict=True):
        ex_day = prices.sessions[row]
        holders = np.flatnonzero((columns == column) & (entered < ex_day))
        per_share = prices.dividend[row, column] * growth[row, column] / growth[now, column]
        reduced[holders] += np.where(days >= ex_day, per_share, 0.0)
    return reduced


def option_marks(
    lots: Columns,
    prices: PriceHistory,
    volatility: FloatArray,
    window: slice,
    split_factor: FloatArray,
    is_open: BoolArray,
    *,
    risk_free_rate: float,
) -> Marks:
    """Return the marks of options: the contract's quote, else a Black-Scholes value, else the last known price.

    A lot with the symbol of its underlying has no quote: what is quoted under that symbol is never the contract.

    Parameters
    ----------
    lots : as `prepared_lots` returns them, all of them options.
    volatility : of the underlyings; shape of `prices.close`.
    window : sessions wanted, as rows of `prices`.
    split_factor : float array of shape (n_lots, n_sessions)
        Product of the underlying's splits since entry: contracts are multiplied by it, the strike is divided by it, and
        reduced by large distributions since entry.
    is_open : bool array of the same shape; nothing is modelled where a lot is not open.
    """
    days = prices.sessions[window]
    quote, quote_session = (each.T[lots["price_column"], window] for each in prices.last_known)
    is_of_underlying = lots["price_column"] == lots["action_column"]
    quote[is_of_underlying], quote_session[is_of_underlying] = np.nan, np.datetime64("NaT")
    spot, spot_session = (each.T[lots["action_column"], window] for each in prices.last_known)
    sigma = volatility.T[lots["action_column"], window]
    reduced = strike_reductions(prices, lots["action_column"], lots["entry_date"], days)
    divided = lots["strike_price"][:, None] / split_factor
    strike = np.maximum(divided - reduced, LEAST_STRIKE)
    is_known = is_open & np.isfinite(spot) & np.isfinite(sigma)
    lot, _ = np.nonzero(is_known)
    years = (lots["expiration_date"][:, None] - days).astype(np.int64)[is_known] / DAYS_PER_YEAR
    terms = (spot[is_known], strike[is_known], years, sigma[is_known])
    model, delta = np.full(spot.shape, np.nan), np.full(spot.shape, np.nan)
    model[is_known], delta[is_known] = black_scholes(
        *terms, is_call=lots["is_call"][lot], risk_free_rate=risk_free_rate
    )

    is_entry_price = np.isnan(quote)
    source = np.where(is_entry_price, lots["entry_date"][:, None], quote_session)
    last = np.where(is_entry_price, lots["entry_price"][:, None], quote)
    last = last / _splits_since(source, days, prices.sessions, prices.split_factor.T[lots["action_column"]])
    is_modelled = is_known & (quote_session != days)
    exit_price, exit_column = lots["exit_price"].copy(), np.searchsorted(days, lots["exit_date"])
    settled = np.flatnonzero(lots["is_settled"] & (exit_column < len(days)))
    at_exit = exit_column[settled]
    last_day = np.maximum(lots["expiration_date"], lots["entry_date"])[settled]
    expired = np.searchsorted(days, last_day, side="right") - 1
    later_splits = split_factor[settled, at_exit] / split_factor[settled, expired]
    spot_then = np.asarray(spot[settled, expired], dtype=float) / later_splits
    strike_then = np.maximum(divided[settled, at_exit] - reduced[settled, expired] / later_splits, LEAST_STRIKE)
    intrinsic = intrinsic_value(spot_then, strike_then, is_call=lots["is_call"][settled])
    exit_price[settled] = np.where(np.isnan(spot_then), last[settled, at_exit], intrinsic)
    return Marks(
        price=np.where(is_modelled, model, last),
        price_session=np.where(is_modelled, spot_session, quote_session),
        is_modelled=is_modelled,
        delta_value=delta * spot,
        exit_price=exit_price,
    )


def _d1(spot: FloatArray, discounted: FloatArray, deviation: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # infinite: sure to be exercised, or not
        d1 = np.log(spot / discounted) / deviation + 0.5 * deviation
    return np.where((deviation == 0) & (spot == discounted), 0.0, d1)  # 0 / 0: the limit at the money


def _normal_cdf(x: FloatArray) -> FloatArray:
    from scipy.special import ndtr  # slow to import, and only books with options need it

    return ndtr(x)


def _splits_since(
    source: SessionArray, days: SessionArray, sessions: SessionArray, split_factor: FloatArray
) -> FloatArray:
    """Return the product of splits after the session that a price comes from: an old price is per old contract."""
    since = np.ones(source.shape)
    for lot, column in zip(*np.nonzero(split_factor != 1), strict=True):
        is_since = (source[lot] < sessions[column]) & (sessions[column] <= days)
        since[lot] *= np.where(is_since, split_factor[lot, column], 1.0)
    return since
