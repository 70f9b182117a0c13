"""Value of lots and portfolios (SPEC 4.3, 4.4, 4.9): closed forms of lots, flows and prices, never a roll-forward.

Where the specification leaves room:

* An entry, exit or flow dated on a day without trading takes effect at the next session. On the first session daily
  numbers take in everything before it, so that over time they add up to the totals: daily P&L is equity less initial
  equity (less flows dated after inception), realized P&L and dividends are those of all lots entered before.
* A dividend is per share after a split of the same session, and in the unit of the price, as in the total return: the coupon
  of a bond in per cent of par.
* An option is settled at the first session on or after expiration, at its intrinsic value from the underlying's last
  close on or before expiration, unless its owner recorded an exit dated on or before that session. If its underlying
  never had a price, it is settled at its own last price.
* Splits of the underlying multiply contracts and divide the strike; an older quote or the entry price is divided too.
* Concentration nets a symbol's lots: its size is |sum of its market values|.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from sigma_assets.analytics.valuation.ledger import Ledger, ledgers
from sigma_assets.analytics.valuation.lots import Columns, some
from sigma_assets.analytics.valuation.snapshots import snapshot_columns
from sigma_assets.base.conventions import OptionModel
from sigma_assets.base.formulas import Formula, Formulas
from sigma_assets.base.frames import BoolArray, PriceHistory, SessionArray

Watched = Callable[[Iterable[Ledger]], Iterator[Ledger]]
"""Passes ledgers on, and may say so."""


def valuation(
    portfolios: pd.DataFrame,
    lots: pd.DataFrame,
    flows: pd.DataFrame,
    history: PriceHistory,
    sessions: SessionArray,
    *,
    options: OptionModel,
    tables: Collection[str],
    watched: Watched = iter,
) -> dict[str, pd.DataFrame]:
    """Return `position_values`, the value of each open lot, `portfolio_snapshots`, equity, P&L, exposure and concentration
    of each portfolio, or both from one pass over the ledgers.

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
    tables : which of the two.
    watched : yields the ledgers that it is given, one after the other or their sessions in parts.

    Returns
    -------
    position_values : DataFrame with the columns of the table, sorted by portfolio_id, session, lot_id
        Only sessions from the first one on or after inception. NaN, NaT for null: `weight` and `risk_weight` where
        equity is not > 0; `price_session` where the entry price is used; `risk_symbol` and `risk_value` of private lots
        and of options whose delta is unknown; of cash equivalents `risk_symbol` alone, their `risk_value` is known: 0.
        `daily_pnl` includes dividends and, for a lot entered since the previous
        session, starts from its cost; so with the P&L of lots closed on the session it adds up to the portfolio's.
    portfolio_snapshots : DataFrame with the columns of the table, sorted by portfolio_id, session
        One row for each session from the first one on or after inception, without positions too. NaN for null:
        `daily_return` where the previous equity is not > 0, and from then on `time_weighted_return` and `max_drawdown`,
        whose index is unknown; `leverage` where equity is not > 0; concentration where nothing is held.

    Raises
    ------
    HoldingsError
        A lot has an exit date without an exit price, or an option lacks a term of its contract.
    ValueError
        The price history starts too late for these lots.
    KeyError
        A session is not in the price history.
    """
    blocks: dict[str, list[Columns]] = {table: [] for table in tables}
    for ledger in watched(ledgers(portfolios, lots, flows, history, sessions, options=options)):
        for table, columns in blocks.items():
            columns.append(snapshot_columns(ledger) if table == "portfolio_snapshots" else _position_columns(ledger))
    return {table: _frame(columns) for table, columns in blocks.items()}


def is_cash_equivalent(positions: pd.DataFrame) -> BoolArray:
    """Return which rows of position_values are cash equivalents: no risk symbol, and a known risk value of 0."""
    return (positions["risk_symbol"].isna() & positions["risk_value"].eq(0)).to_numpy(dtype=bool)


def _position_columns(ledger: Ledger) -> Columns:
    wanted, lot = np.nonzero(ledger.is_open[:, ledger.wanted].T)
    column = ledger.wanted[wanted]
    lots = some(ledger.lots, lot)
    day, price_session, value = ledger.sessions[column], ledger.price_session[lot, column], ledger.value[lot, column]
    was_open = (column > 0) & ledger.is_open[lot, column - 1]
    before = np.where(was_open, ledger.value[lot, column - 1], lots["cost"])
    equity = np.where(ledger.equity > 0, ledger.equity, np.nan)[column]
    risk_value, risk_symbol = ledger.risk_value[lot, column], lots["risk_symbol"]
    risk_symbol[np.isnan(risk_value)] = None
    risk_value = np.where(lots["is_cash"], 0.0, risk_value)
    return {
        "portfolio_id": np.full(len(lot), ledger.portfolio_id, dtype=object),
        "session": day,
        "lot_id": lots["lot_id"],
        "symbol": lots["symbol"],
        "investment_class": lots["investment_class"],
        "quantity": ledger.quantity[lot, column],
        "price": ledger.price[lot, column],
        "price_session": price_session,
        "is_stale": (lots["is_public"] | lots["is_option"]) & ~lots["is_cash"] & (price_session != day),
        "is_modelled": ledger.is_modelled[lot, column],
        "market_value": value,
        "cost_basis": lots["cost"],
        "unrealized_pnl": value - lots["cost"],
        "daily_pnl": value - before + ledger.dividends[lot, column],
        "weight": value / equity,
        "risk_symbol": risk_symbol,
        "risk_value": risk_value,
        "risk_weight": risk_value / equity,
    }


def _frame(blocks: Sequence[Columns]) -> pd.DataFrame:
    """Return one frame of all blocks; its columns and their types are the same whether or not there are rows."""
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    return pd.DataFrame(
        {name: pd.Series(values, dtype="str" if values.dtype == object else None) for name, values in columns.items()}
    )


_NO_EQUITY = "equity is not > 0: {snapshot.equity}"

FORMULAS: Formulas = {
    "position_values": {
        "quantity": Formula("{lot.quantity} x {ledger.splits}", adds_up=True),
        "price": Formula(
            "close of the symbol on {price_session}; of a private lot, or without a close yet, the entry price"
        ),
        "market_value": Formula("{quantity} x {ledger.multiplier} x {price}", adds_up=True),
        "cost_basis": Formula("{lot.quantity} x {ledger.multiplier} x {lot.entry_price}", adds_up=True),
        "unrealized_pnl": Formula("{market_value} - {cost_basis}", adds_up=True),
        "daily_pnl": Formula("{market_value} - {before.market_value} + {ledger.dividend}", adds_up=True),
        "weight": Formula("{market_value} / {snapshot.equity}", _NO_EQUITY, adds_up=True),
        "risk_value": Formula(
            "market value {market_value}; of an option delta x multiplier x quantity x close of the underlying",
            "a private lot, or an option whose delta is unknown: its underlying has no price or no volatility",
            "Black and Scholes 1973",
            adds_up=True,
        ),
        "risk_weight": Formula(
            "{risk_value} / {snapshot.equity}",
            "no risk_value, or equity is not > 0: {snapshot.equity}",
            adds_up=True,
        ),
    }
}
