"""Options under stress: revalued at the shocked underlying, so that convexity shows (SPEC 4.11)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.analytics.valuation.options import (
    DAYS_PER_YEAR,
    LEAST_STRIKE,
    black_scholes,
    realized_volatility,
    strike_reductions,
)
from sigma_assets.base.conventions import OPTION_MULTIPLIER, OPTION_TERMS, OptionModel
from sigma_assets.base.frames import BoolArray, FloatArray, PriceHistory


@dataclass(frozen=True)
class Contracts:
    """Terms of the option lots among positions whose underlying has a price and a volatility.

    Attributes
    ----------
    rows : int array of shape (n_contracts,); their rows among the positions.
    per_price : signed shares of the underlying; the others as `black_scholes` takes them.
    """

    rows: npt.NDArray[np.intp]
    per_price: FloatArray
    spot: FloatArray
    strike: FloatArray
    years: FloatArray
    volatility: FloatArray
    is_call: BoolArray
    risk_free_rate: float

    def pnl(self, moves: FloatArray) -> FloatArray:
        """Return the change of Black-Scholes values when underlyings move, volatility and time unchanged.

        Parameters
        ----------
        moves : float array of shape (n_contracts, n_scenarios), returns of the underlyings; NaN is unknown. An underlying
            cannot fall below 0.
        """
        if not len(self.rows):  # their values would import scipy
            return np.zeros(moves.shape)
        spot = np.maximum(self.spot[:, None] * (1.0 + moves), 0.0)
        return self.per_price[:, None] * (self._value(spot) - self._value(self.spot[:, None]))

    def _value(self, spot: FloatArray) -> FloatArray:
        value, _ = black_scholes(
            spot,
            self.strike[:, None],
            self.years[:, None],
            self.volatility[:, None],
            is_call=self.is_call[:, None],
            risk_free_rate=self.risk_free_rate,
        )
        return value


def contracts(
    positions: pd.DataFrame,
    lots: pd.DataFrame,
    history: PriceHistory,
    since_entry: PriceHistory,
    model: OptionModel,
) -> Contracts:
    """Return the option lots among positions, at the terms of their sessions: strikes are divided by later splits and
    reduced by later distributions, as in `option_marks`.

    Parameters
    ----------
    positions : rows of position_values, index 0, 1, 2, ...
    lots : rows of the table lots, those of the positions among them.
    history : prices of the underlyings from `model.volatility_window` + 1 sessions before the first position.
    since_entry : prices of the underlyings from the first entry of an option lot to the last position.
    """
    held = positions[(positions["investment_class"] == "OPTIONS") & positions["risk_symbol"].notna()]
    terms = held[["session", "lot_id", "quantity"]].merge(
        lots[["lot_id", "quantity", "entry_date", "multiplier", *OPTION_TERMS]],
        on="lot_id",
        how="left",
        validate="many_to_one",
        suffixes=("", "_entered"),
    )
    underlying = terms["underlying_symbol"].to_numpy(dtype=object)
    underlyings = history.of(underlying)
    days = terms["session"].to_numpy().astype("datetime64[D]")
    place = history.rows(days), np.searchsorted(underlyings.symbols, underlying)
    quantity, entered = terms["quantity"].to_numpy(dtype=float), terms["quantity_entered"].to_numpy(dtype=float)
    own = terms["multiplier"].to_numpy(dtype=float)
    multiplier = np.where(np.isnan(own), float(OPTION_MULTIPLIER), own)
    expiration = terms["expiration_date"].to_numpy().astype("datetime64[D]")
    spot = underlyings.last_known[0][place]
    volatility = realized_volatility(underlyings, window=model.volatility_window)[place]
    known = np.isfinite(spot) & np.isfinite(volatility)
    return Contracts(
        rows=held.index.to_numpy(dtype=np.intp)[known],
        per_price=(quantity * multiplier)[known],
        spot=spot[known],
        strike=_strikes(terms, terms["strike_price"].to_numpy(dtype=float) * entered / quantity, since_entry)[known],
        years=((expiration - days).astype(np.int64) / DAYS_PER_YEAR)[known],
        volatility=volatility[known],
        is_call=(terms["option_type"].to_numpy(dtype=object) == "CALL")[known],
        risk_free_rate=model.risk_free_rate,
    )


def _strikes(terms: pd.DataFrame, divided: FloatArray, since_entry: PriceHistory) -> FloatArray:
    """Return strikes, divided by splits already, reduced by the distributions between entry and each row's session."""
    if terms.empty:
        return divided
    prices = since_entry.of(terms["underlying_symbol"].to_numpy(dtype=object))
    lots = terms.drop_duplicates("lot_id")
    columns = np.searchsorted(prices.symbols, lots["underlying_symbol"].to_numpy(dtype=object))
    entered = lots["entry_date"].to_numpy().astype("datetime64[D]")
    days, place = np.unique(terms["session"].to_numpy().astype("datetime64[D]"), return_inverse=True)
    reduced = strike_reductions(prices, columns, entered, days)
    lot = pd.Index(lots["lot_id"]).get_indexer(terms["lot_id"])
    return np.maximum(divided - reduced[lot, place], LEAST_STRIKE)
