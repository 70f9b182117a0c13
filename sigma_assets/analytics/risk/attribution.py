"""Where a portfolio's risk comes from, and how bad a day can be (SPEC 4.10)."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from sigma_assets.analytics.risk.backtest import backtest, chi_squared_p, christoffersen_ratio, kupiec_ratio, zone
from sigma_assets.analytics.risk.held_book import HeldBook, ReturnWindows, exceptions, held_book
from sigma_assets.analytics.risk.held_rows import HeldRows, held_returns, held_rows
from sigma_assets.analytics.risk.joint_regression import JointFit, factor_design, joint_fit
from sigma_assets.analytics.risk.tails import PER_MILLE, expected_shortfall, normal_value_at_risk, tail, value_at_risk
from sigma_assets.analytics.series.moments import deviation, mean
from sigma_assets.analytics.series.windows import MIN_SHARE_OF_WINDOW, RowArray, rows_of, together
from sigma_assets.analytics.valuation.ledger import Ledger
from sigma_assets.base.conventions import RISK_FACTORS, SESSIONS_PER_YEAR, SPREAD_FACTORS, FactorModel, RiskModel
from sigma_assets.base.frames import FloatArray, PriceHistory

NO_MOVEMENT = 1e-10
"""A volatility below this, per year, is the rounding of prices that do not move: nothing is a share of it."""
_ENOUGH = 4_000
"""Symbols held, over all sessions wanted, from which on computing more at once saves no more time, but takes memory."""
TAILS = ("var_95", "var_99", "es_95", "es_975", "es_99", "var_99_normal")
PORTFOLIO_NUMBERS = (
    "realized_63d", *TAILS, *(f"{name}_usd" for name in TAILS), "observations", "coverage", "exceptions",
    "backtest_sessions", "kupiec_p", "christoffersen_p", "specific_share", "systematic_share", "factor_observations",
)  # fmt: skip
POSITION_NUMBERS = ("weight", "volatility_contribution", "share", "es_contribution")
FACTOR_NUMBERS = ("beta", "std_error", "variance_share")

_Numbers = dict[str, FloatArray]
_Columns = dict[str, np.ndarray]


def risk(
    ledgers: Iterable[Ledger], history: PriceHistory, model: RiskModel, factors: FactorModel
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the risk of portfolios, by position and by factor.

    All of it is on the returns that the weights of the session would have earned (`held_returns`); a session's numbers
    are a closed form of lots, flows and prices up to it. The backtest judges each session's return by the value at risk
    of the session before, at that session's own weights.

    Parameters
    ----------
    ledgers : portfolios at the sessions wanted.
    history : prices from `model.longest_window` + 1 sessions before the first session that the backtest reaches, if they
        exist, to the last session wanted.

    Returns
    -------
    by_portfolio, by_position, by_factor : DataFrames with the columns of their tables, sorted by key
        A row where `realized_63d` or `var_95` is known. Contributions of positions add up to `realized_63d` and `es_95`:
        a symbol counts on the sessions on which it has a return, and has no number without any. `variance_share` adds up
        to 1 - `specific_share`.

    Raises
    ------
    KeyError
        A session wanted is not in `history`.
    """
    windows = ReturnWindows.of(history, model.longest_window)
    of_factors = _factor_windows(windows, factors, model)
    books = (held_book(ledger, model.backtest_window) for ledger in ledgers if len(ledger.wanted))
    blocks = [
        _of_books(some, windows, of_factors, model)
        for some in together(books, lambda book: int(book.is_held[book.wanted].sum()), _ENOUGH)
    ]
    return (
        _frame([block[0] for block in blocks], (), (*PORTFOLIO_NUMBERS, "zone")),
        _frame([block[1] for block in blocks], ("symbol",), POSITION_NUMBERS),
        _frame([block[2] for block in blocks], ("factor",), FACTOR_NUMBERS),
    )


def volatility_contributions(
    weight: FloatArray, returns: FloatArray, row: RowArray, portfolio: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return how much each symbol held adds to the realised volatility of its portfolio.

    `w_i cov(r_i, r_p) / sd(r_p) x sqrt(252)`: Euler's theorem on a function that is homogeneous in the weights (Litterman
    1996, Hot Spots and Hedges).

    Parameters
    ----------
    weight : float array of shape (n_held,)
    returns : float array of shape (n_held, window); 0 where a symbol has no return and so earned nothing.
    row : int array of shape (n_held,); the row of `portfolio` that holds each symbol.
    portfolio : float array of shape (n_rows, window); the weighted sum, NaN on sessions that do not count.

    Returns
    -------
    contribution : float array of shape (n_held,), per year; 0 where the portfolio did not move.
    volatility : float array of shape (n_rows,), per year; NaN with fewer than two returns.
    """
    known = np.isfinite(portfolio)
    count = known.sum(axis=1)
    filled = np.where(known, portfolio, 0.0)
    deviation = np.where(known, filled - (filled.sum(axis=1) / np.maximum(count, 1))[:, None], 0.0)
    freedom = np.where(count > 1, count - 1.0, np.nan)
    spread = np.sqrt((deviation * deviation).sum(axis=1) / freedom)
    volatility = spread * np.sqrt(SESSIONS_PER_YEAR)
    moved = np.where(volatility <= NO_MOVEMENT, np.inf, spread)
    covariance = (returns * deviation[row]).sum(axis=1)
    return weight * covariance / (freedom * moved)[row] * np.sqrt(SESSIONS_PER_YEAR), volatility


def _of_books(
    books: list[HeldBook], windows: ReturnWindows, factors: FloatArray, model: RiskModel
) -> tuple[_Columns, _Columns, _Columns]:
    """Return the columns of the three tables, of some portfolios."""
    held = held_rows(books, windows)
    returns, coverage = held_returns(held, min_coverage=model.min_coverage)
    of_var, recent = returns[:, -model.var_window :], returns[:, -model.volatility_window :]
    numbers = _tail_numbers(of_var, model)
    numbers |= {f"{name}_usd": numbers[name] * held.equity for name in TAILS}
    numbers |= _backtest_numbers(books, windows, model)
    contribution, volatility = volatility_contributions(
        held.weight, held.filled[:, -model.volatility_window :], held.row, recent
    )
    is_long_enough = np.isfinite(returns[:, : -model.volatility_window + 1]).any(axis=1)
    is_long_enough &= np.isfinite(recent).sum(axis=1) >= MIN_SHARE_OF_WINDOW * model.volatility_window
    numbers["realized_63d"] = np.where(is_long_enough, volatility, np.nan)
    numbers["coverage"] = coverage[:, -model.volatility_window :].mean(axis=1)
    joint, market_alone = _factor_fits(returns[:, -model.factor_window :], factors[:, held.place], model)
    # Without the market nearly everything would be called specific.
    is_fitted = np.isfinite(joint.r_squared) & np.isfinite(market_alone.r_squared)
    numbers |= {
        "specific_share": np.where(is_fitted, 1.0 - joint.r_squared, np.nan),
        "systematic_share": market_alone.r_squared,
        "factor_observations": np.where(is_fitted, joint.observations, np.nan),
    }
    is_row = np.isfinite(numbers["realized_63d"]) | np.isfinite(numbers["var_95"])
    keys = {"portfolio_id": held.portfolio_id, "session": held.session}
    zones = zone(numbers["exceptions"].astype(np.int64), numbers["backtest_sessions"].astype(np.int64))
    by_portfolio = _block({**keys, **numbers, "zone": zones}, np.flatnonzero(is_row))

    has_part = is_long_enough[held.row] & held.known[:, -model.volatility_window :].any(axis=1)
    of_positions = {
        "weight": held.weight,
        "volatility_contribution": np.where(has_part, contribution, np.nan),
        "share": np.where(
            has_part, contribution / np.where(volatility > NO_MOVEMENT, volatility, np.nan)[held.row], np.nan
        ),
        "es_contribution": _shortfall_contributions(held, of_var, numbers),
    }
    has_number = np.isfinite(of_positions["volatility_contribution"]) | np.isfinite(of_positions["es_contribution"])
    has_number &= held.known[:, -model.var_window :].any(axis=1)
    of_symbols = {name: values[held.row] for name, values in keys.items()} | {"symbol": held.symbol}
    by_position = _block({**of_symbols, **of_positions}, np.flatnonzero(has_number))

    is_factor = np.isfinite(joint.beta) & is_row & is_fitted
    row, factor = np.nonzero(is_factor.T)
    of_factors = {"beta": joint.beta, "std_error": joint.std_error, "variance_share": joint.variance_share}
    by_factor = {
        **_block(keys, row),
        "factor": np.array(RISK_FACTORS, dtype=object)[factor],
        **{name: values[factor, row] for name, values in of_factors.items()},
    }
    return by_portfolio, by_position, by_factor


def _shortfall_contributions(held: HeldRows, returns: FloatArray, numbers: _Numbers) -> FloatArray:
    """Return minus weight x the mean return of each symbol on the days of its portfolio's tail."""
    in_tail = tail(returns, numbers["var_95"])
    shortfall = np.where(in_tail[held.row], held.filled[:, -returns.shape[1] :], 0.0).sum(axis=1)
    per_day = np.maximum(in_tail.sum(axis=1), 1)[held.row]
    return np.where(np.isfinite(numbers["es_95"])[held.row], 0.0 - held.weight * shortfall / per_day, np.nan)


def _tail_numbers(returns: FloatArray, model: RiskModel) -> _Numbers:
    var = {level: value_at_risk(returns, level, min_observations=model.var_min) for level in PER_MILLE}
    count = np.isfinite(returns).sum(axis=1)
    enough = count >= model.var_min
    return {
        "var_95": var["95"],
        "var_99": var["99"],
        "es_95": expected_shortfall(returns, tail(returns, var["95"])),
        "es_975": expected_shortfall(returns, tail(returns, var["975"])),
        "es_99": expected_shortfall(returns, tail(returns, var["99"])),
        "var_99_normal": np.where(enough, normal_value_at_risk(mean(returns), deviation(returns), 0.99), np.nan),
        "observations": np.where(enough, count, np.nan),
    }


def _backtest_numbers(books: list[HeldBook], windows: ReturnWindows, model: RiskModel) -> _Numbers:
    longest = max(len(book.sessions) for book in books)
    is_judged, is_exception = np.zeros((2, len(books), longest), dtype=bool)
    for number, book in enumerate(books):  # those of fewer sessions end where the others do
        of_book = slice(longest - len(book.sessions), None)
        is_judged[number, of_book], is_exception[number, of_book] = exceptions(book, windows, model)
    judged = backtest(is_judged, is_exception, model.backtest_window)
    book_of = np.repeat(np.arange(len(books)), [len(book.wanted) for book in books])
    place = np.concatenate([book.wanted + longest - len(book.sessions) for book in books])
    sessions, lost_more = judged.sessions[book_of, place], judged.exceptions[book_of, place]
    return {
        "exceptions": lost_more.astype(float),
        "backtest_sessions": sessions.astype(float),
        "kupiec_p": chi_squared_p(kupiec_ratio(sessions, lost_more, 0.01)),
        "christoffersen_p": chi_squared_p(christoffersen_ratio(judged.transitions[..., book_of, place])),
    }


def _factor_windows(windows: ReturnWindows, factors: FactorModel, model: RiskModel) -> FloatArray:
    """Return the returns of the market, rates and the four spreads over the windows of a history, NaN where unknown: of
    shape (n_factors, n_sessions, length)."""

    def of_symbol(symbol: str) -> FloatArray:
        place = windows.places(np.array([symbol], dtype=object))[0]
        own = (place, slice(None), slice(-model.factor_window, None))
        return np.where(windows.known[own], windows.filled[own], np.nan)

    spreads = [of_symbol(leg) - of_symbol(other) for leg, other in (factors.spreads[name] for name in SPREAD_FACTORS)]
    return np.stack([of_symbol(factors.market), of_symbol(factors.rates), *spreads])


def _factor_fits(returns: FloatArray, factors: FloatArray, model: RiskModel) -> tuple[JointFit, JointFit]:
    """Return the joint regression and the one on the market alone, of the sessions on which the portfolio has returns."""
    known = np.isfinite(returns)
    filled = np.where(known, returns, 0.0)
    joint, alone = (factor_design(some, known, min_observations=model.factor_min) for some in (factors, factors[:1]))
    return joint_fit(joint, filled), joint_fit(alone, filled)


def _block(columns: _Columns, chosen: RowArray) -> _Columns:
    return {name: values[chosen] for name, values in columns.items()}


def _frame(blocks: list[_Columns], names: tuple[str, ...], numbers: tuple[str, ...]) -> pd.DataFrame:
    columns = ("portfolio_id", "session", *names, *numbers)
    parts = {column: [block[column] for block in blocks] for column in columns}
    return rows_of(parts, columns, texts=("portfolio_id", *names, "zone"))
