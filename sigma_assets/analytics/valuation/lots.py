"""Lots as arrays: sorted, checked once, and sliced per portfolio without touching a DataFrame again."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.analytics.valuation.price_rows import PriceRows
from sigma_assets.base.conventions import OPTION_MULTIPLIER
from sigma_assets.base.errors import HoldingsError
from sigma_assets.base.frames import FloatArray, SessionArray

NEVER = np.datetime64("9999-12-31", "D")
"""Exit date of a lot without one."""

_Text = npt.NDArray[np.object_]
_Flags = npt.NDArray[np.bool_]
_Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Lots:
    """Lots in canonical order (portfolio, lot_id); every array has shape (n_lots,).

    Attributes
    ----------
    entry_date, exit_date : datetime64[D]; `NEVER` while open. An option that is settled at its expiration has the
        session of that settlement, and `is_settled`.
    exit_price : NaN while open, and where `is_settled`.
    multiplier : 100 for options, else 1.
    price_row : row in PriceRows of the lot's own quotes; the blank one for private lots.
    action_row : row whose splits change the lot: its own, an option's underlying, the blank one for private lots.
    """

    lot_id: _Text
    symbol: _Text
    investment_class: _Text
    quantity: FloatArray
    entry_price: FloatArray
    entry_date: SessionArray
    exit_price: FloatArray
    exit_date: SessionArray
    is_settled: _Flags
    is_public: _Flags
    is_option: _Flags
    is_call: _Flags
    underlying_symbol: _Text
    strike_price: FloatArray
    expiration_date: SessionArray
    multiplier: FloatArray
    price_row: _Rows
    action_row: _Rows

    def __len__(self) -> int:
        return len(self.lot_id)

    @property
    def cost(self) -> FloatArray:
        """Entered quantity x multiplier x entry price, USD; negative for shorts."""
        return self.quantity * self.multiplier * self.entry_price

    def take(self, chosen: slice | _Rows | _Flags) -> "Lots":
        """Return some of the lots."""
        return Lots(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})


def lot_arrays(lots: pd.DataFrame, prices: PriceRows) -> Lots:
    """Return lots as arrays, in the order of the frame.

    Raises
    ------
    HoldingsError
        A lot has an exit date without an exit price, or an option lacks a term of its contract.
    """
    _check(lots)
    symbol = lots["symbol"].to_numpy(dtype=object)
    investment_class = lots["investment_class"].to_numpy(dtype=object)
    is_option = investment_class == "OPTIONS"
    is_private = investment_class == "PRIVATE"
    underlying_symbol = lots["underlying_symbol"].to_numpy(dtype=object, copy=True)
    underlying_symbol[~is_option] = None
    entry_date, expiration_date = _days(lots, "entry_date"), _days(lots, "expiration_date")
    exit_date = _days(lots, "exit_date")
    exit_date = np.where(np.isnat(exit_date), NEVER, exit_date)
    settlement = _settlement(prices.sessions, entry_date, np.where(is_option, expiration_date, NEVER))
    is_settled = settlement < exit_date
    own_row = prices.rows(symbol)
    return Lots(
        lot_id=lots["lot_id"].to_numpy(dtype=object),
        symbol=symbol,
        investment_class=investment_class,
        quantity=lots["quantity"].to_numpy(dtype=float),
        entry_price=lots["entry_price"].to_numpy(dtype=float),
        entry_date=entry_date,
        exit_price=np.where(is_settled, np.nan, lots["exit_price"].to_numpy(dtype=float)),
        exit_date=np.where(is_settled, settlement, exit_date),
        is_settled=is_settled,
        is_public=~is_option & ~is_private,
        is_option=is_option,
        is_call=lots["option_type"].to_numpy(dtype=object) == "CALL",
        underlying_symbol=underlying_symbol,
        strike_price=lots["strike_price"].to_numpy(dtype=float),
        expiration_date=expiration_date,
        multiplier=np.where(is_option, float(OPTION_MULTIPLIER), 1.0),
        price_row=np.where(is_private, prices.blank, own_row),
        action_row=np.where(is_option, prices.rows(underlying_symbol), np.where(is_private, prices.blank, own_row)),
    )


def _days(lots: pd.DataFrame, column: str) -> SessionArray:
    return lots[column].to_numpy().astype("datetime64[D]")


def _settlement(sessions: SessionArray, entry_date: SessionArray, expiration_date: SessionArray) -> SessionArray:
    """Return the first session on or after expiration (and entry); `NEVER` if these sessions do not reach it."""
    row = np.searchsorted(sessions, np.maximum(expiration_date, entry_date))
    return np.append(sessions, NEVER)[row]


def _check(lots: pd.DataFrame) -> None:
    _refuse(lots, lots["exit_date"].notna() & lots["exit_price"].isna(), "exit_price of a lot with an exit_date")
    is_option = lots["investment_class"] == "OPTIONS"
    for column in ("underlying_symbol", "strike_price", "expiration_date", "option_type"):
        _refuse(lots, is_option & lots[column].isna(), f"{column} of an option")


def _refuse(lots: pd.DataFrame, is_wrong: pd.Series, what: str) -> None:
    if is_wrong.any():
        names = ", ".join(f"{row.symbol} ({row.lot_id})" for row in lots[is_wrong].head(5).itertuples())
        raise HoldingsError(
            f"lots: {what} is missing for {int(is_wrong.sum())} lots: {names}. Import these holdings again with it"
        )
