"""Value of lots and portfolios (SPEC 4.3, 4.4, 4.9): closed forms of lots, flows and prices, never a roll-forward.

Where the specification leaves room:

* An entry, exit or flow dated on a day without trading takes effect at the next session. On the first session daily
  numbers take in everything before it, so that over time they add up to the totals: daily P&L is equity less initial
  equity (less flows dated after inception), realized P&L and dividends are those of all lots entered before.
* A dividend is per share after a split of the same session, as in the total return.
* An option is settled at its intrinsic value at the first session on or after expiration, unless its owner recorded an
  exit dated on or before that session. If its underlying never had a price, it is settled at its own last price.
* Splits of the underlying multiply contracts and divide the strike; an older quote or the entry price is divided too.
* Concentration nets a symbol's lots: its size is |sum of its market values|.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.analytics.valuation.ledger import Ledger, ledgers
from sigma_assets.analytics.valuation.snapshots import snapshot_columns
from sigma_assets.base.conventions import OptionModel
from sigma_assets.base.frames import PriceHistory, SessionArray

POSITION_COLUMNS = (
    "portfolio_id", "session", "lot_id", "symbol", "investment_class", "quantity", "price", "price_session", "is_stale",
    "is_modelled", "market_value", "cost_basis", "unrealized_pnl", "daily_pnl", "weight", "risk_symbol", "risk_value",
    "risk_weight",
)  # fmt: skip
SNAPSHOT_COLUMNS = (
    "portfolio_id", "session", "equity", "daily_pnl", "daily_return", "cumulative_pnl", "realized_pnl",
    "dividend_income", "price_pnl", "cash", "long_value", "short_value", "gross_exposure", "net_exposure", "leverage",
    "positions", "long_positions", "short_positions", "lots_unpriced", "lots_stale", "hhi", "effective_positions",
    "top_3_weight", "top_10_weight", "capital_flow", "cumulative_capital_flow", "max_drawdown", "time_weighted_return",
)  # fmt: skip
_TEXT = {"portfolio_id", "lot_id", "symbol", "investment_class", "risk_symbol"}
_DATES = {"session", "price_session"}
_FLAGS = {"is_stale", "is_modelled"}
_COUNTS = {"positions", "long_positions", "short_positions", "lots_unpriced", "lots_stale"}

_Columns = dict[str, npt.NDArray[np.generic]]


def position_values(
    portfolios: pd.DataFrame,
    lots: pd.DataFrame,
    flows: pd.DataFrame,
    history: PriceHistory,
    sessions: SessionArray,
    *,
    options: OptionModel,
) -> pd.DataFrame:
    """Return the value of each open lot.

    Parameters
    ----------
    portfolios, lots, flows : DataFrames with the columns of the tables portfolios, lots and cash_flows
        Dates as datetime64; rows of lots and flows of other portfolios are left aside; the order of rows is of no
        consequence.
    history : PriceHistory
        From 64 sessions before the earliest entry or inception to the last of `sessions`, of all symbols and
        underlyings. Symbols without any price may be missing. A split comes in a row with a close.
    sessions : datetime64[D] array
        Sessions wanted, any subset of the history's. Numbers do not depend on which are asked for together.

    Returns
    -------
    DataFrame with `POSITION_COLUMNS`, sorted by portfolio_id, session, lot_id
        Only sessions from the first one on or after inception. NaN, NaT for null: `weight` and `risk_weight` where
        equity is not > 0; `price_session` where the entry price is used; `risk_symbol` and `risk_value` of private lots
        and of options whose delta is unknown. `daily_pnl` includes dividends and, for a lot entered since the previous
        session, starts from its cost; so with the P&L of lots closed on the session it adds up to the portfolio's.

    Raises
    ------
    HoldingsError
        A lot has an exit date without an exit price, or an option lacks a term of its contract.
    ValueError
        The price history starts too late for these lots.
    KeyError
        A session is not in the price history.
    """
    books = ledgers(portfolios, lots, flows, history, sessions, options=options)
    return _frame([_position_columns(ledger) for ledger in books], POSITION_COLUMNS)


def portfolio_snapshots(
    portfolios: pd.DataFrame,
    lots: pd.DataFrame,
    flows: pd.DataFrame,
    history: PriceHistory,
    sessions: SessionArray,
    *,
    options: OptionModel,
) -> pd.DataFrame:
    """Return equity, P&L, exposure and concentration of each portfolio; arguments and errors of `position_values`.

    Returns
    -------
    DataFrame with `SNAPSHOT_COLUMNS`, sorted by portfolio_id, session
        One row for each session from the first one on or after inception, without positions too. NaN for null:
        `daily_return` where the previous equity is not > 0, and from then on `time_weighted_return` and `max_drawdown`,
        whose index is unknown; `leverage` where equity is not > 0; concentration where nothing is held.
    """
    blocks: list[_Columns] = []
    for ledger in ledgers(portfolios, lots, flows, history, sessions, options=options):
        days = ledger.sessions[ledger.wanted]
        key = {"portfolio_id": np.full(len(days), ledger.portfolio_id, dtype=object), "session": days}
        blocks.append({**key, **snapshot_columns(ledger)})
    return _frame(blocks, SNAPSHOT_COLUMNS)


def _position_columns(ledger: Ledger) -> _Columns:
    lots, paths = ledger.lots, ledger.paths
    wanted, lot = np.nonzero(paths.is_open[:, ledger.wanted].T)
    column = ledger.wanted[wanted]
    day, price_session, value = ledger.sessions[column], paths.price_session[lot, column], paths.value[lot, column]
    was_open = (column > 0) & paths.is_open[lot, column - 1]
    before = np.where(was_open, paths.value[lot, column - 1], lots.cost[lot])
    equity = np.where(ledger.equity > 0, ledger.equity, np.nan)[column]
    risk_value = paths.risk_value[lot, column]
    risk_symbol = np.where(lots.is_option, lots.underlying_symbol, lots.symbol)[lot]
    risk_symbol[np.isnan(risk_value)] = None
    return {
        "portfolio_id": np.full(len(lot), ledger.portfolio_id, dtype=object),
        "session": day,
        "lot_id": lots.lot_id[lot],
        "symbol": lots.symbol[lot],
        "investment_class": lots.investment_class[lot],
        "quantity": paths.quantity[lot, column],
        "price": paths.price[lot, column],
        "price_session": price_session,
        "is_stale": (lots.is_public | lots.is_option)[lot] & (price_session != day),
        "is_modelled": paths.is_modelled[lot, column],
        "market_value": value,
        "cost_basis": lots.cost[lot],
        "unrealized_pnl": value - lots.cost[lot],
        "daily_pnl": value - before + paths.dividends[lot, column],
        "weight": value / equity,
        "risk_symbol": risk_symbol,
        "risk_value": risk_value,
        "risk_weight": risk_value / equity,
    }


def _frame(blocks: Sequence[_Columns], columns: Sequence[str]) -> pd.DataFrame:
    """Return one frame of all blocks, with the same column types whether or not there are rows."""
    return pd.DataFrame(
        {name: pd.Series(_concatenate([block[name] for block in blocks]), dtype=_dtype(name)) for name in columns}
    )


def _concatenate(parts: Sequence[npt.NDArray[np.generic]]) -> npt.NDArray[np.generic]:
    return np.concatenate(parts) if parts else np.array([], dtype=object)


def _dtype(name: str) -> str:
    if name in _TEXT:
        return "str"
    if name in _DATES:
        return "datetime64[s]"
    return "bool" if name in _FLAGS else "int64" if name in _COUNTS else "float64"
