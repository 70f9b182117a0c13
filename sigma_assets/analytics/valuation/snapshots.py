"""Equity, P&L, exposure and concentration of one portfolio, from its ledger (SPEC 4.3)."""

import numpy as np
import numpy.typing as npt

from sigma_assets.analytics.valuation.ledger import Ledger, sum_over_lots
from sigma_assets.analytics.valuation.lots import Columns
from sigma_assets.base.formulas import Formula, Formulas
from sigma_assets.base.frames import BoolArray, FloatArray


def snapshot_columns(ledger: Ledger) -> Columns:
    """Return the columns of portfolio_snapshots at the sessions wanted."""
    wanted = ledger.wanted
    equity = ledger.equity[wanted]
    daily_pnl = np.diff(ledger.pnl, prepend=0.0)
    dividend_income = sum_over_lots(ledger.dividends[:, wanted])
    is_cash = ledger.lots["is_cash"]
    exposure = _exposure(ledger.value[~is_cash][:, wanted], equity)
    cash_equivalents = sum_over_lots(ledger.value[is_cash][:, wanted])
    cumulative_flow = np.cumsum(ledger.flows)
    return {
        "portfolio_id": np.full(len(wanted), ledger.portfolio_id, dtype=object),
        "session": ledger.sessions[wanted],
        "equity": equity,
        "daily_pnl": daily_pnl[wanted],
        "daily_return": daily_returns(ledger)[wanted],
        "cumulative_pnl": ledger.pnl[wanted],
        "realized_pnl": _realized(ledger),
        "dividend_income": dividend_income,
        "price_pnl": daily_pnl[wanted] - dividend_income,
        "cash": equity - exposure["net_exposure"] - cash_equivalents,
        "cash_equivalents": cash_equivalents,
        **exposure,
        **_counts(ledger),
        **_concentration(ledger),
        "capital_flow": ledger.flows[wanted],
        "cumulative_capital_flow": cumulative_flow[wanted],
        **_performance(ledger),
    }


def daily_returns(ledger: Ledger) -> FloatArray:
    """Return the daily return of every session of a ledger; NaN where the equity before is not positive."""
    previous = np.concatenate([[ledger.initial_equity], ledger.equity[:-1]])
    return np.diff(ledger.pnl, prepend=0.0) / np.where(previous > 0, previous, np.nan)


def ends_index(ledger: Ledger, daily: FloatArray) -> BoolArray:
    """Return on which sessions an index of the daily returns ends: equity is not positive, or the session lost it all."""
    return ~(ledger.equity > 0) | np.isnan(daily) | (daily <= -1.0)


def _performance(ledger: Ledger) -> dict[str, FloatArray]:
    """Return the compounded return and the deepest fall of its index, which stands at 1 before the first session."""
    daily = daily_returns(ledger)
    is_over = np.logical_or.accumulate(ends_index(ledger, daily))
    index = np.cumprod(np.where(is_over, 0.0, 1.0 + daily))
    peak = np.maximum.accumulate(np.maximum(index, 1.0))
    return {
        "max_drawdown": np.minimum.accumulate(index / peak - 1.0)[ledger.wanted],
        "time_weighted_return": np.where(is_over, np.nan, index - 1.0)[ledger.wanted],
    }


def _realized(ledger: Ledger) -> FloatArray:
    """Return the P&L of lots whose exit lies in (previous session, d]."""
    is_closed = ledger.is_closed
    closes_now = is_closed & ~np.pad(is_closed, ((0, 0), (1, 0)))[:, :-1]
    return sum_over_lots(np.where(closes_now, ledger.realized, 0.0)[:, ledger.wanted])


def _exposure(value: FloatArray, equity: FloatArray) -> dict[str, FloatArray]:
    long_value = sum_over_lots(np.maximum(value, 0.0))
    short_value = sum_over_lots(np.minimum(value, 0.0))
    gross_exposure = long_value - short_value
    return {
        "long_value": long_value,
        "short_value": short_value,
        "gross_exposure": gross_exposure,
        "net_exposure": long_value + short_value,
        "leverage": gross_exposure / np.where(equity > 0, equity, np.nan),
    }


def _counts(ledger: Ledger) -> dict[str, npt.NDArray[np.int64]]:
    wanted, lots = ledger.wanted, ledger.lots
    is_open = ledger.is_open[:, wanted] & ~lots["is_cash"][:, None]
    price_session = ledger.price_session[:, wanted]
    is_priced = is_open & (lots["is_public"] | lots["is_option"])[:, None]
    quantity = lots["quantity"][:, None]
    is_known = ~np.isnat(price_session)
    flags = {
        "positions": is_open,
        "long_positions": is_open & (quantity > 0),
        "short_positions": is_open & (quantity < 0),
        "lots_unpriced": is_priced & ~(is_known & (price_session >= ledger.stale_before[wanted])),
        "lots_stale": is_priced & ~(is_known & (price_session == ledger.sessions[wanted])),
    }
    return {name: flag.sum(axis=0) for name, flag in flags.items()}


def size_by_symbol(ledger: Ledger) -> FloatArray:
    """Return |market value| of each symbol, its lots netted, cash equivalents left out; shape (n_symbols, n_wanted)."""
    is_cash = ledger.lots["is_cash"]
    value = ledger.value[~is_cash][:, ledger.wanted]
    symbols, symbol_of_lot = np.unique(ledger.lots["symbol"][~is_cash].astype(str), return_inverse=True)
    size = np.zeros((len(symbols), value.shape[1]))
    for symbol, row in zip(symbol_of_lot, value, strict=True):
        size[symbol] += row
    return np.abs(size)


def _concentration(ledger: Ledger) -> dict[str, FloatArray]:
    """Return how unevenly |market value|, netted by symbol, is spread; NaN where nothing is held."""
    size = size_by_symbol(ledger)
    total = sum_over_lots(size)
    share = size / np.where(total > 0, total, np.nan)
    squares = sum_over_lots(share * share)
    squares = np.where(total > 0, squares, np.nan)
    largest = np.sort(share, axis=0)[::-1]
    return {
        "hhi": 10_000.0 * squares,
        "effective_positions": 1.0 / squares,
        "top_3_weight": np.where(total > 0, sum_over_lots(largest[:3]), np.nan),
        "top_10_weight": np.where(total > 0, sum_over_lots(largest[:10]), np.nan),
    }


_NO_EQUITY = "equity is not > 0: {equity}"
_NOTHING = "nothing is held but cash, or the lots of each symbol net to 0: gross_exposure {gross_exposure}"
_BY_SYMBOL = "|market value| by symbol, its lots netted"

FORMULAS: Formulas = {
    "portfolio_snapshots": {
        "equity": Formula("{portfolio.initial_equity_usd} + {cumulative_pnl} + {cumulative_capital_flow}"),
        "daily_pnl": Formula("{equity} - {before.equity} - {capital_flow}"),
        "daily_return": Formula("{daily_pnl} / {before.equity}", "equity before is not > 0: {before.equity}"),
        "cumulative_pnl": Formula(
            "{ledger.unrealized} + {ledger.realized} + {ledger.dividends} + {ledger.fees_interest_taxes}",
            source="open lots (quantity x multiplier x price - cost), closed lots (exit - cost), dividends to date",
        ),
        "realized_pnl": Formula("{ledger.realized} - {ledger.realized_before}"),
        "dividend_income": Formula("{ledger.dividends} - {ledger.dividends_before}"),
        "price_pnl": Formula("{daily_pnl} - {dividend_income}"),
        "cash": Formula("{equity} - {net_exposure} - {cash_equivalents}"),
        "cash_equivalents": Formula("market value of {ledger.cash_lots} open lots of cash and money-market funds"),
        "long_value": Formula("sum of the positive market values of {positions} open lots without cash equivalents"),
        "short_value": Formula("sum of the negative market values of {positions} open lots without cash equivalents"),
        "gross_exposure": Formula("{long_value} - {short_value}"),
        "net_exposure": Formula("{long_value} + {short_value}"),
        "leverage": Formula("{gross_exposure} / {equity}", _NO_EQUITY),
        "positions": Formula("{long_positions} + {short_positions}"),
        "long_positions": Formula("count of open lots with quantity > 0, cash equivalents left out"),
        "short_positions": Formula("count of open lots with quantity < 0, cash equivalents left out"),
        "lots_unpriced": Formula("count of open lots whose price is more than 5 sessions old or was never seen"),
        "lots_stale": Formula("count of open lots whose price is older than this session"),
        "hhi": Formula(
            "10000 x {ledger.by_symbol_squared} / ({ledger.by_symbol} x {ledger.by_symbol})",
            _NOTHING,
            f"sum of squares / squared sum of {_BY_SYMBOL}; Hirschman 1964",
        ),
        "effective_positions": Formula("10000 / {hhi}", _NOTHING),
        "top_3_weight": Formula("{ledger.largest_3} / {ledger.by_symbol}", _NOTHING, f"3 largest / all {_BY_SYMBOL}"),
        "top_10_weight": Formula(
            "{ledger.largest_10} / {ledger.by_symbol}", _NOTHING, f"10 largest / all {_BY_SYMBOL}"
        ),
        "capital_flow": Formula("sum of the contributions and withdrawals since the session before"),
        "cumulative_capital_flow": Formula("{before.cumulative_capital_flow} + {capital_flow}"),
        "max_drawdown": Formula(
            "least of index / highest index before it - 1, index = product of (1 + daily_return) over the sessions after"
            " {since.inception}, 1 before"
        ),
        "time_weighted_return": Formula(
            "(1 + {before.time_weighted_return}) x (1 + {daily_return}) - 1",
            "equity was not > 0 on some session, or a session lost all of it: the index has ended",
        ),
    }
}
