"""The ledger of a portfolio: its lots, flows and equity on every session since inception (SPEC 4.3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.analytics.valuation.lots import Columns, days_of, prepared_lots, price_symbols, some
from sigma_assets.analytics.valuation.options import Marks, option_marks, option_volatility
from sigma_assets.base.calendar import FIRST_DAY
from sigma_assets.base.conventions import STALE_SESSIONS_LIMIT, OptionModel
from sigma_assets.base.frames import BoolArray, FloatArray, PriceHistory, SessionArray


@dataclass(frozen=True)
class Ledger:
    """A portfolio from its first session to the last session wanted; money in USD.

    Attributes
    ----------
    lots : columns of `prepared_lots`, arrays of shape (n_lots,), sorted by lot_id.
    sessions : datetime64[D] array of shape (n_sessions,), from the first session on or after inception.
    stale_before : datetime64[D] array of shape (n_sessions,); an older price counts in lots_unpriced.
    wanted : rows of `sessions` that were asked for, ascending.
    flows, pnl, equity : float arrays of shape (n_sessions,)
        Contributions and withdrawals of each session; P&L since inception, fees, interest and taxes included; equity.
    is_open, is_closed : bool arrays of shape (n_lots, n_sessions), as all below
        entry_date <= d < exit_date, exit_date <= d. Neither before entry.
    quantity : as held, after splits; keeps its last value after the exit.
    price, price_session, is_modelled : as in position_values.
    value : market value; 0 where not open.
    dividends : going ex on the session, shorts pay; on the first session, all up to it.
    realized : P&L of lots closed by now, price only; 0 where not closed.
    risk_value : market value, delta-equivalent for options; NaN where unknown, for private lots and cash equivalents, and
        where not open.
    """

    portfolio_id: str
    initial_equity: float
    lots: Columns
    sessions: SessionArray
    stale_before: SessionArray
    wanted: npt.NDArray[np.intp]
    flows: FloatArray
    pnl: FloatArray
    equity: FloatArray
    is_open: BoolArray
    is_closed: BoolArray
    quantity: FloatArray
    price: FloatArray
    price_session: SessionArray
    is_modelled: BoolArray
    value: FloatArray
    dividends: FloatArray
    realized: FloatArray
    risk_value: FloatArray


def ledgers(
    portfolios: pd.DataFrame,
    lots: pd.DataFrame,
    flows: pd.DataFrame,
    history: PriceHistory,
    sessions: SessionArray,
    *,
    options: OptionModel,
) -> Iterator[Ledger]:
    """Yield the ledger of each portfolio, sorted by portfolio_id; of one that begins later, without any session.

    Arguments and errors are those of `position_values`. The path always starts at inception, whatever sessions are
    wanted, so a ledger of one session holds the very numbers of a ledger of all. Of no portfolios there is one ledger
    of nothing, from which a table without rows has its columns.
    """
    wanted = history.rows(np.unique(np.asarray(sessions, dtype="datetime64[D]")))
    portfolios = portfolios.sort_values("portfolio_id")
    book = _of_portfolios(lots, portfolios, ["portfolio_id", "lot_id"])
    cash = _of_portfolios(flows, portfolios, ["portfolio_id", "flow_date", "flow_id"])
    prices = history.of(price_symbols(book))
    held = prepared_lots(book, prices)
    if len(wanted):
        _check_history(history, held, days_of(portfolios, "inception"), options.volatility_window)
    volatility = option_volatility(prices, held, window=options.volatility_window)
    end = int(wanted[-1]) + 1 if len(wanted) else 0
    lot_bounds, flow_bounds = _bounds(book, portfolios), _bounds(cash, portfolios)
    flow_columns = _flow_columns(cash)
    names = ["portfolio_id", "inception", "initial_equity_usd"]
    rows = portfolios[names].itertuples(index=False) if len(portfolios) else [("", FIRST_DAY, 0.0)]
    for number, (portfolio_id, inception, initial_equity) in enumerate(rows):
        first = min(int(np.searchsorted(prices.sessions, np.datetime64(inception, "D"))), end)
        own_flows = some(flow_columns, slice(flow_bounds[number], flow_bounds[number + 1]))
        yield _ledger(
            portfolio_id,
            initial_equity,
            some(held, slice(lot_bounds[number], lot_bounds[number + 1])),
            *_flows_by_session(own_flows, prices.sessions[first:end], np.datetime64(inception, "D")),
            prices,
            volatility,
            sessions=slice(first, end),
            wanted=wanted[wanted >= first] - first,
            risk_free_rate=options.risk_free_rate,
        )


def sum_over_lots(values: FloatArray) -> FloatArray:
    """Return the sum over the first axis, lot after lot: a lot that adds exact zeros changes no bit of it."""
    total = np.zeros(values.shape[1:])
    for row in values:
        total += row
    return total


def _ledger(
    portfolio_id: str,
    initial_equity: float,
    lots: Columns,
    flows: FloatArray,
    income: FloatArray,
    prices: PriceHistory,
    volatility: FloatArray,
    *,
    sessions: slice,
    wanted: npt.NDArray[np.intp],
    risk_free_rate: float,
) -> Ledger:
    """Return the ledger of one portfolio: its sessions are some rows of `prices`, the wanted ones some of these."""
    rows = np.arange(sessions.start, sessions.stop)
    pnl, paths = _paths(lots, prices, volatility, sessions, risk_free_rate)
    pnl = pnl + np.cumsum(income) if income.any() else pnl
    return Ledger(
        portfolio_id=portfolio_id,
        initial_equity=initial_equity,
        lots=lots,
        sessions=prices.sessions[rows],
        stale_before=prices.sessions[np.maximum(rows - STALE_SESSIONS_LIMIT, 0)],
        wanted=wanted,
        flows=flows,
        pnl=pnl,
        equity=initial_equity + pnl + np.cumsum(flows),
        **paths,
    )


def _paths(
    lots: Columns, prices: PriceHistory, volatility: FloatArray, sessions: slice, risk_free_rate: float
) -> tuple[FloatArray, dict[str, Any]]:
    """Return the P&L of all lots since inception, and what a ledger says of each lot on each session.

    Splits and dividends count from the entry on, also where that is before the first of the sessions.
    """
    entry, exit_ = lots["entry_date"][:, None], lots["exit_date"][:, None]
    begin = min([sessions.start, *np.searchsorted(prices.sessions, entry[:, 0])])
    window, first = slice(begin, sessions.stop), sessions.start - begin
    days = prices.sessions[window]
    is_open = (days >= entry) & (days < exit_)
    is_closed = (days >= entry) & (days >= exit_)
    is_held = (days > entry) & (days <= exit_)
    splits = np.where(is_held, prices.split_factor.T[lots["action_column"], window], 1.0)
    split_factor = np.multiply.accumulate(splits, axis=1)
    quantity = lots["quantity"][:, None] * split_factor
    is_public = lots["is_public"][:, None]
    per_price, cost = quantity * lots["multiplier"][:, None], lots["cost"][:, None]
    dividends = np.where(is_held & is_public, per_price * prices.dividend.T[lots["price_column"], window], 0.0)

    marks = _marks(lots, prices, volatility, window, split_factor, is_open, risk_free_rate)
    value = np.where(is_open, per_price * marks.price, 0.0)
    realized = np.where(is_closed, per_price * marks.exit_price[:, None] - cost, 0.0)
    income = np.cumsum(dividends, axis=1)
    pnl = np.where(is_open, value - cost, realized) + income
    dividends[:, first : first + 1] = income[:, first : first + 1]
    risk_value = np.where(is_public, value, per_price * marks.delta_value)
    risk_value = np.where(lots["is_cash"][:, None], np.nan, risk_value)
    paths = {
        "is_open": is_open,
        "is_closed": is_closed,
        "quantity": quantity,
        "price": marks.price,
        "price_session": marks.price_session,
        "is_modelled": marks.is_modelled,
        "value": value,
        "dividends": dividends,
        "realized": realized,
        "risk_value": np.where(is_open, risk_value, np.nan),
    }
    return sum_over_lots(pnl[:, first:]), {name: path[:, first:] for name, path in paths.items()}


def _marks(
    lots: Columns,
    prices: PriceHistory,
    volatility: FloatArray,
    window: slice,
    split_factor: FloatArray,
    is_open: BoolArray,
    risk_free_rate: float,
) -> Marks:
    """Return the price of each lot on each session, and its exit price, the settlement of options included."""
    last_close, last_session = prices.last_known
    close = last_close.T[lots["price_column"], window]
    unquoted = np.where(lots["is_cash"], 1.0, lots["entry_price"])
    marks = Marks(
        price=np.where(np.isnan(close), unquoted[:, None], close),
        price_session=last_session.T[lots["price_column"], window],
        is_modelled=np.zeros(close.shape, dtype=bool),
        delta_value=np.full(close.shape, np.nan),
        exit_price=lots["exit_price"].copy(),
    )
    chosen = np.flatnonzero(lots["is_option"])
    if len(chosen):
        contracts = some(lots, chosen)
        of_options = option_marks(
            contracts, prices, volatility, window, split_factor[chosen], is_open[chosen], risk_free_rate=risk_free_rate
        )
        for all_lots, options in zip(marks, of_options, strict=True):
            all_lots[chosen] = options
    return marks


def _flow_columns(flows: pd.DataFrame) -> Columns:
    return {
        "flow_date": days_of(flows, "flow_date"),
        "amount_usd": flows["amount_usd"].to_numpy(dtype=float),
        "is_external": (flows["kind"] == "external").to_numpy(),
    }


def _flows_by_session(
    flows: Columns, sessions: SessionArray, inception: np.datetime64
) -> tuple[FloatArray, FloatArray]:
    """Return contributions and withdrawals, and fees, interest and taxes, dated in (previous session, d].

    Those on or before inception are part of the initial equity.
    """
    dates, amounts, is_external = flows["flow_date"], flows["amount_usd"], flows["is_external"]
    row = np.searchsorted(sessions, dates)
    counts = (dates > inception) & (row < len(sessions))
    external, income = np.zeros(len(sessions)), np.zeros(len(sessions))
    np.add.at(external, row[counts & is_external], amounts[counts & is_external])
    np.add.at(income, row[counts & ~is_external], amounts[counts & ~is_external])
    return external, income


def _of_portfolios(rows: pd.DataFrame, portfolios: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    return rows[rows["portfolio_id"].isin(portfolios["portfolio_id"])].sort_values(order)


def _bounds(rows: pd.DataFrame, portfolios: pd.DataFrame) -> npt.NDArray[np.intp]:
    """Return where each portfolio's rows begin, and the end: shape (n_portfolios + 1,), of no portfolios (2,)."""
    number = pd.Index(portfolios["portfolio_id"]).get_indexer(rows["portfolio_id"])
    return np.searchsorted(number, np.arange(max(len(portfolios), 1) + 1))


def _check_history(history: PriceHistory, lots: Columns, inceptions: SessionArray, window: int) -> None:
    """Refuse a history that would silently leave out splits, dividends, or returns of a volatility window."""
    start = history.sessions[0]
    earliest = max(min([*inceptions, *lots["entry_date"]], default=start), np.datetime64(FIRST_DAY))
    if start > earliest:
        raise ValueError(
            f"price history starts {start}, but the earliest entry or inception is {earliest}: splits and dividends in"
            " between would be lost. Read prices from that day on"
        )
    known_before = set(history.symbols[np.isfinite(history.prior_close)])
    for lot in np.flatnonzero(lots["is_option"]):
        sessions_before = int(np.searchsorted(history.sessions, lots["entry_date"][lot]))
        underlying = lots["risk_symbol"][lot]
        if underlying in known_before and sessions_before < window - 1:
            raise ValueError(
                f"price history starts {start}, {sessions_before} sessions before the entry of {lots['symbol'][lot]};"
                f" the volatility of {underlying} needs {window - 1}. Read prices from earlier on"
            )
