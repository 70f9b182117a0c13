"""What each lot of a portfolio is worth and has earned, session by session (SPEC 4.3, 4.4)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigma_assets.analytics.valuation.lots import Lots
from sigma_assets.analytics.valuation.option_marks import option_marks
from sigma_assets.analytics.valuation.price_rows import PriceRows
from sigma_assets.base.conventions import OptionModel
from sigma_assets.base.frames import FloatArray, SessionArray

_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LotPaths:
    """Lots over consecutive sessions; every array has shape (n_lots, n_sessions), money in USD.

    Attributes
    ----------
    is_open, is_closed : entry_date <= d < exit_date, exit_date <= d. Neither before entry.
    quantity : as held, after splits; keeps its last value after the exit.
    price, price_session, is_modelled : as in position_values.
    value : market value; 0 where not open.
    dividends : going ex on the session, shorts pay; on the first session, all up to it.
    realized : P&L of lots closed by now, price only; 0 where not closed.
    pnl : P&L since entry, dividends included; 0 before entry.
    risk_value : market value, delta-equivalent for options; NaN where unknown, for private lots, and where not open.
    """

    is_open: _Flags
    is_closed: _Flags
    quantity: FloatArray
    price: FloatArray
    price_session: SessionArray
    is_modelled: _Flags
    value: FloatArray
    dividends: FloatArray
    realized: FloatArray
    pnl: FloatArray
    risk_value: FloatArray


def lot_paths(lots: Lots, prices: PriceRows, window: slice, first: int, *, options: OptionModel) -> LotPaths:
    """Return the paths of a portfolio's lots.

    Parameters
    ----------
    window : columns of `prices`, from the earliest entry or the first session, whichever is earlier.
    first : column of the portfolio's first session within the window; earlier ones only feed splits and dividends.
    """
    days = prices.sessions[window]
    entry, exit_ = lots.entry_date[:, None], lots.exit_date[:, None]
    is_open = (days >= entry) & (days < exit_)
    is_closed = (days >= entry) & (days >= exit_)
    is_held = (days > entry) & (days <= exit_)
    splits = np.where(is_held, prices.split_factor[lots.action_row, window], 1.0)
    split_factor = np.multiply.accumulate(splits, axis=1)
    quantity = lots.quantity[:, None] * split_factor
    pays = is_held & lots.is_public[:, None]
    dividends = np.where(pays, quantity * prices.dividend[lots.price_row, window], 0.0)

    marks = _marks(lots, prices, window, split_factor=split_factor, is_open=is_open, options=options)
    per_price = quantity * lots.multiplier[:, None]
    value = np.where(is_open, per_price * marks.price, 0.0)
    realized = np.where(is_closed, per_price * marks.exit_price[:, None] - lots.cost[:, None], 0.0)
    income = np.cumsum(dividends, axis=1)
    pnl = np.where(is_open, value - lots.cost[:, None], realized) + income
    dividends[:, first] = income[:, first]
    risk_value = np.where(lots.is_public[:, None], value, per_price * marks.delta_value)
    paths = LotPaths(
        is_open=is_open,
        is_closed=is_closed,
        quantity=quantity,
        price=marks.price,
        price_session=marks.price_session,
        is_modelled=marks.is_modelled,
        value=value,
        dividends=dividends,
        realized=realized,
        pnl=pnl,
        risk_value=np.where(is_open, risk_value, np.nan),
    )
    return LotPaths(**{name: array[:, first:] for name, array in vars(paths).items()})


class _Marks(NamedTuple):
    price: FloatArray
    price_session: SessionArray
    is_modelled: _Flags
    delta_value: FloatArray
    exit_price: FloatArray  # shape (n_lots,); the others (n_lots, n_sessions)


def _marks(
    lots: Lots, prices: PriceRows, window: slice, *, split_factor: FloatArray, is_open: _Flags, options: OptionModel
) -> _Marks:
    """Return the price of each lot on each session, and its exit price, the settlement of options included."""
    close = prices.close[lots.price_row, window]
    marks = _Marks(
        price=np.where(np.isnan(close), lots.entry_price[:, None], close),
        price_session=prices.price_session[lots.price_row, window],
        is_modelled=np.zeros(close.shape, dtype=bool),
        delta_value=np.full(close.shape, np.nan),
        exit_price=lots.exit_price.copy(),
    )
    chosen = np.flatnonzero(lots.is_option)
    if len(chosen):
        contracts = lots.take(chosen)
        of_options = option_marks(
            contracts,
            prices,
            window,
            split_factor=split_factor[chosen],
            is_open=is_open[chosen],
            risk_free_rate=options.risk_free_rate,
        )
        marks.price[chosen], marks.price_session[chosen] = of_options.price, of_options.price_session
        marks.is_modelled[chosen], marks.delta_value[chosen] = of_options.is_modelled, of_options.delta_value
        days = prices.sessions[window]
        settled = np.flatnonzero(contracts.is_settled & (contracts.exit_date <= days[-1]))
        column = np.searchsorted(days, contracts.exit_date[settled])
        marks.exit_price[chosen[settled]] = of_options.settlement_price[settled, column]
    return marks
