"""Prices and deltas of option lots: the contract's quote, else a Black-Scholes value, else the last known price."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigma_assets.analytics.valuation.lots import Lots
from sigma_assets.analytics.valuation.options import (
    DAYS_PER_YEAR,
    black_scholes_delta,
    black_scholes_price,
    intrinsic_value,
)
from sigma_assets.analytics.valuation.price_rows import PriceRows
from sigma_assets.base.frames import FloatArray, SessionArray


@dataclass(frozen=True)
class OptionMarks:
    """Prices of option lots; every array has shape (n_lots, n_sessions), USD per share of the underlying.

    Attributes
    ----------
    price, price_session : price used and the session that it comes from; NaT where it is the entry price.
    is_modelled : the price is a Black-Scholes value.
    settlement_price : what the option is settled at, were this session the first one on or after its expiration.
    delta_value : delta x underlying close; NaN where delta is unknown.
    """

    price: FloatArray
    price_session: SessionArray
    is_modelled: npt.NDArray[np.bool_]
    settlement_price: FloatArray
    delta_value: FloatArray


def option_marks(
    lots: Lots,
    prices: PriceRows,
    window: slice,
    *,
    split_factor: FloatArray,
    is_open: npt.NDArray[np.bool_],
    risk_free_rate: float,
) -> OptionMarks:
    """Return the marks of lots that are all options.

    Parameters
    ----------
    window : sessions wanted, as columns of `prices`.
    split_factor : float array of shape (n_lots, n_sessions)
        Product of the underlying's splits since entry: contracts are multiplied by it, the strike is divided by it.
    is_open : bool array of the same shape; nothing is modelled where a lot is not open.
    """
    days = prices.sessions[window]
    quote, quote_session = prices.close[lots.price_row, window], prices.price_session[lots.price_row, window]
    spot, spot_session = prices.close[lots.action_row, window], prices.price_session[lots.action_row, window]
    volatility = prices.volatility[lots.action_row, window]
    strike = lots.strike_price[:, None] / split_factor
    is_known = is_open & np.isfinite(spot) & np.isfinite(volatility)
    lot, _ = np.nonzero(is_known)
    years = (lots.expiration_date[:, None] - days).astype(np.int64)[is_known] / DAYS_PER_YEAR
    terms = (spot[is_known], strike[is_known], years, volatility[is_known])
    is_call = lots.is_call[lot]
    model, delta = np.full(spot.shape, np.nan), np.full(spot.shape, np.nan)
    model[is_known] = black_scholes_price(*terms, is_call=is_call, risk_free_rate=risk_free_rate)
    delta[is_known] = black_scholes_delta(*terms, is_call=is_call, risk_free_rate=risk_free_rate)

    is_entry_price = np.isnan(quote)
    source = np.where(is_entry_price, lots.entry_date[:, None], quote_session)
    last = np.where(is_entry_price, lots.entry_price[:, None], quote)
    last = last / _splits_since(source, days, prices.sessions, prices.split_factor[lots.action_row])
    is_modelled = is_known & (quote_session != days)
    intrinsic = intrinsic_value(spot, strike, is_call=lots.is_call[:, None])
    return OptionMarks(
        price=np.where(is_modelled, model, last),
        price_session=np.where(is_modelled, spot_session, quote_session),
        is_modelled=is_modelled,
        settlement_price=np.where(np.isnan(spot), last, intrinsic),
        delta_value=delta * spot,
    )


def _splits_since(
    source: SessionArray, days: SessionArray, sessions: SessionArray, split_factor: FloatArray
) -> FloatArray:
    """Return the product of splits after the session that a price comes from: an old price is per old contract."""
    since = np.ones(source.shape)
    for lot, column in zip(*np.nonzero(split_factor != 1), strict=True):
        is_since = (source[lot] < sessions[column]) & (sessions[column] <= days)
        since[lot] *= np.where(is_since, split_factor[lot, column], 1.0)
    return since
