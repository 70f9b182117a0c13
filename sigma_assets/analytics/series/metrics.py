"""Returns over calendar periods and realised volatility of each symbol (SPEC 4.2)."""

import numpy as np
import pandas as pd

from sigma_assets.analytics.series.periods import reference_days
from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.analytics.series.windows import RowArray, first_return_rows, trailing_volatility
from sigma_assets.base.conventions import YEAR_LOOKBACK
from sigma_assets.base.formulas import Formula, Formulas
from sigma_assets.base.frames import FloatArray, PriceHistory, SessionArray, last_known_close

PERIODS = ("mtd", "ytd", "1m", "3m", "1y")
VOLATILITY_WINDOWS = {"volatility_21d": 21, "volatility_63d": 63}


def symbol_metrics(history: PriceHistory, sessions: SessionArray) -> pd.DataFrame:
    """Return period returns and realised volatility of every symbol with a close on the session.

    A period return is the total return, dividends reinvested at the close of their ex-session, from the last close on
    or before the reference date to the session's close: the previous session, the end of the previous month or year,
    the same calendar day 1, 3 or 12 months earlier (the last day of the month where it is shorter).

    Parameters
    ----------
    history : prices from `YEAR_LOOKBACK` before the first of `sessions`, if they exist.
    sessions : sessions to compute, each in `history`; session d reads rows up to d only.

    Returns
    -------
    DataFrame sorted by session and symbol
        Columns of the table but `prices_revision`; `session` datetime64[s], `symbol` str, the others float64. NaN where
        no price is known on or before the reference date, or a volatility window starts before the first return.

    Raises
    ------
    KeyError
        One of `sessions` is not in `history`.
    ValueError
        `history` starts too late: a symbol has earlier prices, but the one at a reference date is not among them.
    """
    days = np.unique(np.asarray(sessions, dtype="datetime64[D]"))
    rows = history.rows(days)
    _check_reach(history, days)
    returns = total_returns(history)
    measures = {"close": history.close[rows], "return_1d": returns[rows]}
    measures |= _period_returns(history, days, rows)
    first_rows = first_return_rows(history)
    for name, window in VOLATILITY_WINDOWS.items():
        measures[name] = trailing_volatility(returns, rows, window, first_rows)
    measures["volume"] = history.volume[rows]
    day, column = np.nonzero(np.isfinite(measures["close"]))
    keys = {
        "session": days.astype("datetime64[s]")[day],
        "symbol": pd.array(history.symbols, dtype="str").take(column),
    }
    return pd.DataFrame(keys | {name: matrix[day, column] for name, matrix in measures.items()})


def _period_returns(history: PriceHistory, days: SessionArray, rows: RowArray) -> dict[str, FloatArray]:
    """Return `close_d / close_ref x product of split (1 + dividend / close) over (ref, d] - 1` for each period.

    This equals the compounded daily total returns; the product starts anew at each session and runs backwards, so that
    earlier prices cannot change its last bit, and is shared by the periods.
    """
    reference_row = {
        f"return_{period}": np.searchsorted(history.sessions, reference_days(days, period), side="right") - 1
        for period in PERIODS
    }
    # Row 0 is the last close before the history: the reference where the date lies before its first session.
    known = np.vstack([history.prior_close[None, :], last_known_close(history)[0]])
    has_close = np.isfinite(history.close)
    growth = np.where(has_close, history.split_factor * (1.0 + history.dividend / history.close), 1.0)
    growth = np.pad(growth, ((1, 0), (0, 0)), constant_values=1.0)
    period_returns = {name: np.full((len(rows), known.shape[1]), np.nan) for name in reference_row}
    held_growth = np.ones((len(rows), known.shape[1]))
    reach = max((int((rows - reference).max()) for reference in reference_row.values() if len(rows)), default=0)
    for lag in range(reach + 1):
        for name, reference in reference_row.items():
            due = np.flatnonzero(rows - reference == lag)
            start = known[reference[due] + 1]
            period_returns[name][due] = history.close[rows[due]] / start * held_growth[due] - 1.0
        held_growth *= growth.take(np.maximum(rows - lag + 1, 0), axis=0)
    return period_returns


def _check_reach(history: PriceHistory, days: SessionArray) -> None:
    """Refuse a history that starts after a reference date without the close that was the last one then."""
    if len(days) == 0:
        return
    for period in PERIODS:
        reference = reference_days(days[:1], period)[0]
        is_too_late = (reference < history.sessions[0]) & (history.prior_session > reference)
        if is_too_late.any():
            column = int(is_too_late.argmax())
            raise ValueError(
                f"symbol_metrics: return_{period} of {history.symbols[column]} on {days[0]} needs its last close on or"
                f" before {reference}; found none, and the history starts on {history.sessions[0]}, after earlier prices."
                f" Read the prices from {YEAR_LOOKBACK} sessions before {days[0]} on"
            )


_NO_REFERENCE = "no close on or before the reference day"

FORMULAS: Formulas = {
    "symbol_metrics": {
        "close": Formula("{price.close}"),
        **{
            f"return_{period}": Formula(
                f"product of (1 + total return) over the sessions after {{since.{period}}} - 1, splits and dividends in it",
                _NO_REFERENCE,
            )
            for period in ("1d", *PERIODS)
        },
        "volatility_21d": Formula(
            "standard deviation of the total returns of {last.21} x sqrt(252)", "too few returns in the window"
        ),
        "volatility_63d": Formula(
            "standard deviation of the total returns of {last.63} x sqrt(252)", "too few returns in the window"
        ),
        "volume": Formula("{price.volume}", "the source has no volume"),
    }
}
