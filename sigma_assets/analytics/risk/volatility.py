"""Realised and expected volatility of symbols and of portfolios (SPEC 4.7)."""

import numpy as np
import pandas as pd

from sigma_assets.analytics.risk.held import HeldSymbols, held_symbols
from sigma_assets.analytics.risk.volatility_measures import COLUMNS, NUMBERS, measures, trend
from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.analytics.series.windows import RowArray, first_return_rows
from sigma_assets.base.conventions import VolatilityModel
from sigma_assets.base.formulas import Formula, Formulas
from sigma_assets.base.frames import FloatArray, PriceHistory

_ROUNDING = 1e-12
_CELLS = 2**14
"""Symbol-sessions at once: large enough to hide Python's pace, small enough for the cache."""
_PORTFOLIO_SESSIONS = 512
"""Portfolio-sessions at once; each carries a series of its own."""


def volatility(
    position_values: pd.DataFrame, history: PriceHistory, model: VolatilityModel
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the volatility of portfolios at the weights of the session, and of the symbols that they hold.

    Parameters
    ----------
    position_values : DataFrame with the columns of the table; lots without `risk_symbol` (private) are left out, and
        where equity is not positive (`risk_weight` null) the portfolio has no row.
    history : prices from `model.longest_window` + 1 sessions before the first session, if they exist. A symbol that it
        lacks counts as one without returns.

    Returns
    -------
    by_portfolio, by_symbol : DataFrames with the columns of their tables, sorted by key
        One row where at least `realized_21d` is known. `trend_ratio` and `trend` are null where `realized_63d` is 0.
        A portfolio whose weights net to 0 in every symbol has no row: there is nothing to cover.

    Raises
    ------
    KeyError
        A session of `position_values` is not in `history`.
    """
    held = held_symbols(position_values, symbol="risk_symbol", value="risk_weight")
    returns, first_rows = total_returns(history), first_return_rows(history)
    column_of_symbol = {symbol: column for column, symbol in enumerate(history.symbols)}
    column = np.array([column_of_symbol.get(symbol, -1) for symbol in held.symbol], dtype=np.intp)
    rows = history.rows(held.session)
    return (
        _portfolio_volatility(held, rows, column, returns, first_rows, model),
        _symbol_volatility(held, rows, column, returns, first_rows, model),
    )


def _symbol_volatility(
    held: HeldSymbols,
    rows: RowArray,
    column: RowArray,
    returns: FloatArray,
    first_rows: RowArray,
    model: VolatilityModel,
) -> pd.DataFrame:
    """Measure each symbol once per session, and give the numbers to all its holders."""
    days, day = np.unique(rows, return_inverse=True)
    columns = np.unique(column[column >= 0])
    # All that the first session's windows can reach; what lies before is cut off for speed.
    start = max(0, int(days[0]) - model.longest_window) if len(days) else 0
    numbers = np.full((len(NUMBERS), len(days), len(columns) + 1), np.nan)
    width = max(1, _CELLS // max(1, len(days)))
    for first in range(0, len(columns), width):
        block = columns[first : first + width]
        part = np.take(returns[start:], block, axis=1)
        numbers[:, :, first : first + len(block)] = measures(
            part, days - start, np.maximum(first_rows[block] - start, 0), model
        )
    place = np.where(column >= 0, np.searchsorted(columns, column), len(columns))
    of_held = numbers[:, day[held.item], place]
    keys = {
        "portfolio_id": held.portfolio_id[held.item],
        "session": held.session[held.item],
        "symbol": held.symbol,
    }
    return _as_rows(keys, of_held, model)


def _portfolio_volatility(
    held: HeldSymbols,
    rows: RowArray,
    column: RowArray,
    returns: FloatArray,
    first_rows: RowArray,
    model: VolatilityModel,
) -> pd.DataFrame:
    n_items, length = len(rows), model.longest_window
    first_of_symbols = np.append(first_rows, len(returns) + 1)
    # The last column belongs to symbols without prices; the first rows to sessions before the history.
    padded = np.pad(returns, ((length, 0), (0, 1)), constant_values=np.nan)
    known = np.isfinite(padded)
    padded[~known] = 0.0
    numbers = np.full((len(NUMBERS), n_items), np.nan)
    coverage = np.full(n_items, np.nan)
    last = np.array([length - 1])
    spans = list(held.spans())
    for first in range(0, n_items, _PORTFOLIO_SESSIONS):
        block = spans[first : first + _PORTFOLIO_SESSIONS]
        series = np.full((length, len(block)), np.nan)
        first_of_block = np.zeros(len(block), dtype=np.intp)
        for place, (item, span) in enumerate(block):
            window = slice(rows[item] + 1, rows[item] + 1 + length)
            weights = held.value[span]
            series[:, place], daily_coverage = _portfolio_returns(padded, known, window, column[span], weights, model)
            coverage[item] = daily_coverage[-model.long_window :].mean()
            covered_from = _first_covered_row(first_of_symbols[column[span]], weights, model)
            first_of_block[place] = max(covered_from - (rows[item] + 1 - length), 0)
        chunk = slice(first, first + len(block))
        numbers[:, chunk] = measures(series, last, first_of_block, model)[:, 0]
    keys = {"portfolio_id": held.portfolio_id, "session": held.session}
    return _as_rows(keys, numbers, model).assign(coverage=coverage[np.isfinite(numbers[0])])


def _first_covered_row(first_rows: RowArray, weights: FloatArray, model: VolatilityModel) -> int:
    """Return the first row on which symbols of enough weight can have a return, the last symbol's where a weight is unknown.

    As of a symbol, history starts there, whatever gap follows: not at the first return inside the slice that is read.
    """
    order = np.argsort(first_rows, kind="stable")
    size = np.cumsum(np.abs(weights)[order])
    enough = np.flatnonzero(size >= (model.min_coverage - _ROUNDING) * size[-1])
    return int(first_rows[order[enough[0] if len(enough) else -1]])


def _portfolio_returns(
    returns: FloatArray,
    known: np.ndarray,
    window: slice,
    columns: RowArray,
    weights: FloatArray,
    model: VolatilityModel,
) -> tuple[FloatArray, FloatArray]:
    """Return what these weights would have earned on each session of the window, and the share of them with a return.

    A symbol without a return earns nothing on that session, its weight is not spread over the others. NaN where the
    share is below `model.min_coverage`, or a weight is unknown.
    """
    size = np.abs(weights)
    earned = (np.take(returns[window], columns, axis=1) * weights).sum(axis=1)
    present = np.take(known[window], columns, axis=1)
    total = np.where(np.ones_like(present), size, 0.0).sum(axis=1)
    coverage = np.where(present, size, 0.0).sum(axis=1) / np.where(total > 0, total, np.nan)
    return np.where(coverage >= model.min_coverage - _ROUNDING, earned, np.nan), coverage


def _as_rows(keys: dict[str, np.ndarray], numbers: FloatArray, model: VolatilityModel) -> pd.DataFrame:
    """Return one row per key with a known `realized_21d`."""
    is_known = np.isfinite(numbers[0])
    numbers_of_rows = dict(zip(NUMBERS, numbers[:, is_known], strict=True))
    rows: dict[str, object] = {
        name: values[is_known].astype("datetime64[s]") if name == "session" else pd.array(values[is_known], dtype="str")
        for name, values in keys.items()
    }
    rows |= numbers_of_rows
    rows["trend"] = trend(numbers_of_rows["trend_ratio"], model)
    return pd.DataFrame(rows)[[*keys, *COLUMNS]]


_SHORT = "fewer returns known than the window needs, or too short a history"
_MEASURES = {
    "realized_21d": Formula("standard deviation of the total returns of {last.21} x sqrt(252)", _SHORT),
    "realized_63d": Formula("standard deviation of the total returns of {last.63} x sqrt(252)", _SHORT),
    "expected_21d": Formula(
        "sqrt(mean of two variance forecasts): HAR-RV with non-negative coefficients on {observations} targets, and the mean"
        " of the mean squared return x 252 of {last.21}, of {last.63} and, where known, of {last.252}",
        "fewer than 60 targets that are fully known, no mean of the last 63 sessions, or fewer than 4 returns in the last 5",
        "Corsi 2009; Lawson and Hanson 1974; Bates and Granger 1969",
    ),
    "r_squared": Formula(
        "1 - residual / total sum of squares of the HAR-RV regression on {observations} targets",
        "no regression: see expected_21d",
    ),
    "observations": Formula(
        "count of targets in the HAR-RV regression: mean squared returns of 21 sessions in a row that end by this session,"
        " of the last 252 those that are fully known",
        "no regression: see expected_21d",
    ),
    "trend_ratio": Formula("{realized_21d} / {realized_63d}", "realized_63d is unknown or 0: {realized_63d}"),
    "percentile": Formula(
        "share of the values of realized_21d on {last.252} that are <= {realized_21d}",
        "fewer than 126 values are known",
    ),
}
FORMULAS: Formulas = {
    "volatility_by_symbol": _MEASURES,
    "volatility_by_portfolio": _MEASURES
    | {
        name: Formula(
            f"standard deviation of the returns of {{last.{n}}} at this session's weights x sqrt(252)", _SHORT
        )
        for name, n in {"realized_21d": 21, "realized_63d": 63}.items()
    }
    | {"coverage": Formula("mean over {last.63} of |weight| with a return / |weight|")},
}
