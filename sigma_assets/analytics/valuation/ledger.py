"""The ledger of a portfolio: its lots, flows and equity on every session since inception (SPEC 4.3)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.analytics.valuation.lot_paths import LotPaths, lot_paths
from sigma_assets.analytics.valuation.lots import Lots, lot_arrays
from sigma_assets.analytics.valuation.price_rows import PriceRows, price_rows
from sigma_assets.base.calendar import FIRST_DAY
from sigma_assets.base.conventions import STALE_SESSIONS_LIMIT, OptionModel
from sigma_assets.base.frames import FloatArray, PriceHistory, SessionArray


@dataclass(frozen=True)
class Ledger:
    """A portfolio from its first session to the last session wanted.

    Attributes
    ----------
    sessions : datetime64[D] array of shape (n_sessions,), from the first session on or after inception.
    stale_before : datetime64[D] array of shape (n_sessions,); an older price counts in lots_unpriced.
    wanted : rows of `sessions` that were asked for, ascending.
    flows, pnl, equity : float arrays of shape (n_sessions,), USD
        Flows of each session; P&L since inception; equity.
    """

    portfolio_id: str
    initial_equity: float
    lots: Lots
    sessions: SessionArray
    stale_before: SessionArray
    wanted: npt.NDArray[np.intp]
    paths: LotPaths
    flows: FloatArray
    pnl: FloatArray
    equity: FloatArray


def ledgers(
    portfolios: pd.DataFrame,
    lots: pd.DataFrame,
    flows: pd.DataFrame,
    history: PriceHistory,
    sessions: SessionArray,
    *,
    options: OptionModel,
) -> Iterator[Ledger]:
    """Yield the ledger of each portfolio, sorted by portfolio_id, that has begun by the last session wanted.

    Arguments and errors are those of `position_values`. The path always starts at inception, whatever sessions are
    wanted, so a ledger of one session holds the very numbers of a ledger of all.
    """
    wanted = np.unique(np.asarray(sessions, dtype="datetime64[D]"))
    if not len(wanted) or portfolios.empty:
        return
    wanted_rows = history.rows(wanted)
    portfolios = portfolios.sort_values("portfolio_id")
    book = _of_portfolios(lots, portfolios, ["portfolio_id", "lot_id"])
    options_held = book[book["investment_class"] == "OPTIONS"]
    public = book.loc[book["investment_class"] != "PRIVATE", "symbol"]
    prices = price_rows(history, public, options_held["underlying_symbol"].dropna(), window=options.volatility_window)
    held = lot_arrays(book, prices)
    inceptions = portfolios["inception"].to_numpy().astype("datetime64[D]")
    _check_history(history, held, inceptions, options.volatility_window)
    cash = _of_portfolios(flows, portfolios, ["portfolio_id", "flow_date", "flow_id"])
    flow_dates = cash["flow_date"].to_numpy().astype("datetime64[D]")
    amounts = cash["amount_usd"].to_numpy(dtype=float)
    lot_bounds, flow_bounds = _bounds(book, portfolios), _bounds(cash, portfolios)
    initial = portfolios["initial_equity_usd"].to_numpy(dtype=float)
    for number, portfolio_id in enumerate(portfolios["portfolio_id"].to_numpy(dtype=object)):
        own_flows = slice(flow_bounds[number], flow_bounds[number + 1])
        first = int(np.searchsorted(prices.sessions, inceptions[number]))
        if first > wanted_rows[-1]:
            continue
        yield _ledger(
            portfolio_id,
            initial[number],
            held.take(slice(lot_bounds[number], lot_bounds[number + 1])),
            prices,
            wanted_rows,
            first=first,
            flows=_flows_by_session(
                flow_dates[own_flows],
                amounts[own_flows],
                prices.sessions[first : wanted_rows[-1] + 1],
                inceptions[number],
            ),
            options=options,
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
    lots: Lots,
    prices: PriceRows,
    wanted_rows: npt.NDArray[np.intp],
    *,
    first: int,
    flows: FloatArray,
    options: OptionModel,
) -> Ledger:
    last = int(wanted_rows[-1])
    begin = min([first, *np.searchsorted(prices.sessions, lots.entry_date)])
    paths = lot_paths(lots, prices, slice(begin, last + 1), first - begin, options=options)
    pnl = sum_over_lots(paths.pnl)
    rows = np.arange(first, last + 1)
    return Ledger(
        portfolio_id=portfolio_id,
        initial_equity=initial_equity,
        lots=lots,
        sessions=prices.sessions[rows],
        stale_before=prices.sessions[np.maximum(rows - STALE_SESSIONS_LIMIT, 0)],
        wanted=wanted_rows[wanted_rows >= first] - first,
        paths=paths,
        flows=flows,
        pnl=pnl,
        equity=initial_equity + pnl + np.cumsum(flows),
    )


def _flows_by_session(
    flow_dates: SessionArray, amounts: FloatArray, sessions: SessionArray, inception: np.datetime64
) -> FloatArray:
    """Return the flows dated in (previous session, d]; those on or before inception are part of the initial equity."""
    row = np.searchsorted(sessions, flow_dates)
    counts = (flow_dates > inception) & (row < len(sessions))
    by_session = np.zeros(len(sessions))
    np.add.at(by_session, row[counts], amounts[counts])
    return by_session


def _of_portfolios(rows: pd.DataFrame, portfolios: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    return rows[rows["portfolio_id"].isin(portfolios["portfolio_id"])].sort_values(order)


def _bounds(rows: pd.DataFrame, portfolios: pd.DataFrame) -> npt.NDArray[np.intp]:
    """Return where each portfolio's rows begin, and the end: shape (n_portfolios + 1,)."""
    number = pd.Index(portfolios["portfolio_id"]).get_indexer(rows["portfolio_id"])
    return np.searchsorted(number, np.arange(len(portfolios) + 1))


def _check_history(history: PriceHistory, lots: Lots, inceptions: SessionArray, window: int) -> None:
    """Refuse a history that would silently leave out splits, dividends, or returns of a volatility window."""
    start = history.sessions[0]
    earliest = max(min([*inceptions, *lots.entry_date]), np.datetime64(FIRST_DAY))
    if start > earliest:
        raise ValueError(
            f"price history starts {start}, but the earliest entry or inception is {earliest}: splits and dividends in"
            " between would be lost. Read prices from that day on"
        )
    known_before = set(history.symbols[np.isfinite(history.prior_close)])
    for lot in np.flatnonzero(lots.is_option):
        sessions_before = int(np.searchsorted(history.sessions, lots.entry_date[lot]))
        if lots.underlying_symbol[lot] in known_before and sessions_before < window - 1:
            raise ValueError(
                f"price history starts {start}, {sessions_before} sessions before the entry of {lots.symbol[lot]};"
                f" the volatility of {lots.underlying_symbol[lot]} needs {window - 1}. Read prices from earlier on"
            )
