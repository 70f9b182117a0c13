"""Lots as their valuation reads them: checked, options settled at their expiration, with the columns of their prices."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.base.errors import HoldingsError
from sigma_assets.base.frames import PriceHistory, SessionArray, cash_equivalents, multipliers

Columns = dict[str, npt.NDArray[Any]]
"""Columns of a table, by name: arrays of one length."""

NEVER = np.datetime64("9999-12-31", "D")
"""Exit date of a lot without one."""

NO_PRICES = ""
"""Symbol without prices or corporate actions: that of private lots."""

_TEXT = ("lot_id", "symbol", "investment_class", "investment_subtype", "underlying_symbol", "option_type")
_NUMBERS = ("quantity", "entry_price", "exit_price", "strike_price", "multiplier")
_DATES = ("entry_date", "exit_date", "expiration_date")


def price_symbols(lots: pd.DataFrame) -> set[str]:
    """Return the symbols whose prices value these lots: their own, underlyings of options, and `NO_PRICES`."""
    own = lots.loc[lots["investment_class"] != "PRIVATE", "symbol"]
    return {*own, *lots.loc[lots["investment_class"] == "OPTIONS", "underlying_symbol"].dropna(), NO_PRICES}


def prepared_lots(lots: pd.DataFrame, prices: PriceHistory) -> Columns:
    """Return the columns that the valuation of these lots needs, in the order of the frame.

    Parameters
    ----------
    prices : PriceHistory
        Of all `price_symbols` of these lots.

    Returns
    -------
    Columns of shape (n_lots,): those of the table lots with text as object and dates as datetime64[D]. Entry and exit are
        the sessions on which they take effect, the next ones after days without trading; `exit_date` is `NEVER` while
        open; `multiplier` is the usual one where the lot says none. Besides: `is_public`, `is_option`, `is_call`;
        `is_cash`: a cash equivalent; `is_settled`: an option that ends at its expiration, whose `exit_date` is the
        session of that settlement and whose `exit_price` is NaN;
        `cost`: entered quantity x multiplier x entry price, USD, negative for shorts; `risk_symbol`: its own or its
        underlying; `price_column`, `action_column`: columns of `prices` with its quotes, and with the splits that
        change it.

    Raises
    ------
    HoldingsError
        A lot has an exit date without an exit price, or an option lacks a term of its contract.
    """
    _check(lots)
    columns = {name: lots[name].to_numpy(dtype=object) for name in _TEXT}
    columns |= {name: lots[name].to_numpy(dtype=float) for name in _NUMBERS}
    columns |= {name: days_of(lots, name) for name in _DATES}
    is_option, is_private = columns["investment_class"] == "OPTIONS", columns["investment_class"] == "PRIVATE"
    entry_date = _effective(prices.sessions, columns["entry_date"])
    exit_date = _effective(prices.sessions, np.where(np.isnat(columns["exit_date"]), NEVER, columns["exit_date"]))
    expiration_date = np.where(is_option, columns["expiration_date"], NEVER)
    settlement = _settlement(prices.sessions, entry_date, expiration_date)
    is_settled = settlement < exit_date
    multiplier = multipliers(columns["investment_class"], columns["investment_subtype"], columns["multiplier"])
    own = np.where(is_private, NO_PRICES, columns["symbol"])
    return columns | {
        "entry_date": entry_date,
        "is_cash": cash_equivalents(columns["symbol"], columns["investment_subtype"]),
        "exit_date": np.where(is_settled, settlement, exit_date),
        "exit_price": np.where(is_settled, np.nan, columns["exit_price"]),
        "is_public": ~is_option & ~is_private,
        "is_option": is_option,
        "is_call": columns["option_type"] == "CALL",
        "is_settled": is_settled,
        "multiplier": multiplier,
        "cost": columns["quantity"] * multiplier * columns["entry_price"],
        "risk_symbol": np.where(is_option, columns["underlying_symbol"], columns["symbol"]),
        "price_column": np.searchsorted(prices.symbols, own),
        "action_column": np.searchsorted(prices.symbols, np.where(is_option, columns["underlying_symbol"], own)),
    }


def with_carried_actions(lots: pd.DataFrame, carried: pd.DataFrame, sessions: SessionArray) -> pd.DataFrame:
    """Return lots whose entries and exits between a split or dividend without a close and that next close take effect there.

    The row of that close has the action, and a lot gets what comes after its entry and up to its exit. So one that is
    entered on the day of the action, at a price after it, does not get it, and one that is sold on that day does.

    Parameters
    ----------
    lots : DataFrame with the columns of the table lots. Options go by their underlying, if they live until the close.
    carried : DataFrame with `symbol, session, carrier`: day of the action, and the next close.
    sessions : all sessions, ascending.
    """
    names = lots["underlying_symbol"].where(lots["investment_class"] == "OPTIONS", lots["symbol"])
    names = names.where(lots["investment_class"] != "PRIVATE")
    is_concerned = names.isin(carried["symbol"])
    if not is_concerned.any():
        return lots
    moved = lots.copy()
    for action in carried[carried["symbol"].isin(names[is_concerned])].itertuples():
        before = sessions[np.searchsorted(sessions, np.datetime64(action.session, "D")) - 1]
        holds = is_concerned & (names == action.symbol) & ~(lots["expiration_date"] < action.carrier)
        for day in ("entry_date", "exit_date"):
            is_between = holds & (lots[day] > pd.Timestamp(before)) & (lots[day] < action.carrier)
            moved[day] = moved[day].mask(is_between, action.carrier)
    return moved


def some(columns: Columns, chosen: slice | npt.NDArray[np.intp]) -> Columns:
    """Return some rows of columns."""
    return {name: values[chosen] for name, values in columns.items()}


def days_of(rows: pd.DataFrame, column: str) -> SessionArray:
    """Return a column of dates as days."""
    return rows[column].to_numpy().astype("datetime64[D]")


def _effective(sessions: SessionArray, days: SessionArray) -> SessionArray:
    """Return the first session on or after each day; the day itself where it lies outside of these sessions."""
    row = np.searchsorted(sessions, days)
    is_inside = (row < len(sessions)) & (days >= np.append(sessions, NEVER)[0])
    return np.where(is_inside, np.append(sessions, NEVER)[row], days)


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
