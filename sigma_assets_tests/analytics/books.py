"""Small books and price histories, written down so that a reader can check them by hand."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from sigma_assets.analytics.valuation.values import valuation
from sigma_assets.base.conventions import OptionModel
from sigma_assets.base.frames import PriceHistory

LOT_DEFAULTS = {
    "portfolio_id": "P1",
    "exit_date": None,
    "exit_price": None,
    "investment_class": "PUBLIC",
    "investment_subtype": None,
    "underlying_symbol": None,
    "strike_price": None,
    "expiration_date": None,
    "option_type": None,
    "multiplier": np.nan,
}
_LOT_COLUMNS = ("lot_id", "symbol", "quantity", "entry_price", "entry_date", *LOT_DEFAULTS)


class Book(NamedTuple):
    """The three tables that a valuation reads."""

    portfolios: pd.DataFrame
    lots: pd.DataFrame
    flows: pd.DataFrame

    def __add__(self, other: "Book") -> "Book":
        return Book(*(pd.concat(pair, ignore_index=True) for pair in zip(self, other, strict=True)))


def position_values(*inputs: object, options: OptionModel) -> pd.DataFrame:
    """Return the value of each open lot."""
    return valuation(*inputs, options=options, tables=["position_values"])["position_values"]


def portfolio_snapshots(*inputs: object, options: OptionModel) -> pd.DataFrame:
    """Return equity, P&L, exposure and concentration of each portfolio."""
    return valuation(*inputs, options=options, tables=["portfolio_snapshots"])["portfolio_snapshots"]


def weekdays(first: str, count: int) -> np.ndarray:
    """Return so many weekdays from the first on; 2025-01-06 is a Monday."""
    return np.busday_offset(first, np.arange(count), roll="forward")


def lot(lot_id: str, symbol: str, quantity: float, entry_price: float, entry_date: str, **terms: object) -> dict:
    """Return a lot; public and open unless the terms say otherwise."""
    entry = {"lot_id": lot_id, "symbol": symbol, "quantity": quantity, "entry_price": entry_price}
    return {**LOT_DEFAULTS, **entry, "entry_date": entry_date, **terms}


def option(lot_id: str, quantity: float, entry_price: float, entry_date: str, **terms: object) -> dict:
    """Return a lot of calls on UND with strike 100, unless the terms say otherwise."""
    contract = {"investment_class": "OPTIONS", "underlying_symbol": "UND", "strike_price": 100.0, "option_type": "CALL"}
    return lot(lot_id, "UND-CALL", quantity, entry_price, entry_date, **{**contract, **terms})


def book(
    lots: Sequence[Mapping],
    flows: Sequence[tuple[str, float]] = (),
    *,
    equity: float = 10_000.0,
    inception: str = "2025-01-06",
    portfolio_id: str = "P1",
) -> Book:
    """Return a book of one portfolio; flows are (day, USD)."""
    portfolio = {"portfolio_id": [portfolio_id], "initial_equity_usd": [equity], "inception": [inception]}
    lot_rows = pd.DataFrame([{**row, "portfolio_id": portfolio_id} for row in lots], columns=list(_LOT_COLUMNS))
    flow_rows = pd.DataFrame(
        {
            "flow_id": [f"F{number}" for number in range(len(flows))],
            "portfolio_id": portfolio_id,
            "flow_date": [day for day, _ in flows],
            "amount_usd": np.array([amount for _, amount in flows], dtype=float),
            "kind": "external",
        }
    )
    numbers = dict.fromkeys(["quantity", "entry_price", "exit_price", "strike_price"], "float64")
    return Book(
        _with_dates(pd.DataFrame(portfolio), "inception"),
        _with_dates(lot_rows.astype(numbers), "entry_date", "exit_date", "expiration_date"),
        _with_dates(flow_rows, "flow_date"),
    )


def price_history(
    sessions: np.ndarray,
    closes: Mapping[str, Sequence[float]],
    *,
    splits: Mapping[tuple[str, str], float] | None = None,
    dividends: Mapping[tuple[str, str], float] | None = None,
) -> PriceHistory:
    """Return the closes of each symbol, with splits and dividends given per (symbol, day)."""
    symbols = np.array(sorted(closes), dtype=object)
    close = np.column_stack([np.asarray(closes[symbol], dtype=float) for symbol in symbols])
    split_factor, dividend = np.ones(close.shape), np.zeros(close.shape)
    for matrix, events in ((split_factor, splits or {}), (dividend, dividends or {})):
        for (symbol, day), amount in events.items():
            matrix[list(sessions).index(np.datetime64(day)), list(symbols).index(symbol)] = amount
    return PriceHistory(
        sessions=sessions,
        symbols=symbols,
        close=close,
        split_factor=split_factor,
        dividend=dividend,
        volume=np.full(close.shape, np.nan),
        prior_close=np.full(len(symbols), np.nan),
        prior_session=np.full(len(symbols), "NaT", dtype="datetime64[D]"),
    )


def snapshots(holdings: Book, history: PriceHistory, sessions: np.ndarray | None = None) -> pd.DataFrame:
    """Return portfolio_snapshots at all sessions, or those given, with OptionModel's defaults."""
    wanted = history.sessions if sessions is None else sessions
    return portfolio_snapshots(*holdings, history, wanted, options=OptionModel())


def positions(holdings: Book, history: PriceHistory, sessions: np.ndarray | None = None) -> pd.DataFrame:
    """Return position_values at all sessions, or those given, with OptionModel's defaults."""
    wanted = history.sessions if sessions is None else sessions
    return position_values(*holdings, history, wanted, options=OptionModel())


def assert_same_bits(left: pd.DataFrame, right: pd.DataFrame) -> None:
    """Check that two frames have the same rows, every float bit for bit."""
    left, right = left.reset_index(drop=True), right.reset_index(drop=True)
    pd.testing.assert_frame_equal(left, right, check_exact=True)
    for name in left.select_dtypes("float64"):
        of_left, of_right = left[name].to_numpy(), right[name].to_numpy()
        known = ~np.isnan(of_left)
        assert (of_left.view(np.int64) == of_right.view(np.int64))[known].all(), name


def _with_dates(rows: pd.DataFrame, *columns: str) -> pd.DataFrame:
    return rows.assign(**{column: pd.to_datetime(rows[column]).astype("datetime64[s]") for column in columns})
