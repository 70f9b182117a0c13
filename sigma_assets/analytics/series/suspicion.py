"""Price moves that no known corporate action explains: stored, but worth a person's look."""

import numpy as np
import pandas as pd

from sigma_assets.base.frames import PriceHistory, last_known_close


def suspicious_moves(history: PriceHistory, threshold: float) -> pd.DataFrame:
    """Return the closes that moved beyond a threshold on a session without a split or dividend of that size.

    The move is the total simple return: a split or dividend that is known explains its part of the price change. A
    fall counts as far as the rise that undoes it: with a threshold of 0.5, a price that falls by more than a third
    is as suspicious as one that rises by more than a half, so that an error and its correction are both found.

    Parameters
    ----------
    history : as-traded prices. A gap is spanned; the first close of a symbol has no move.
    threshold : fraction > 0; 0.5 flags rises beyond 50 %.

    Returns
    -------
    DataFrame with columns symbol, session (datetime64[s]), previous_close, close (USD, as traded) and move (fraction,
    total return); one row per flagged close, by symbol and session; empty where nothing is suspicious.

    Raises
    ------
    ValueError
        The threshold is not above 0.
    """
    if not threshold > 0:
        raise ValueError(f"threshold must be above 0, found {threshold}; for example 0.5 for 50 %")
    previous = last_known_close(history, before=True)[0]
    growth = history.split_factor * (history.close + history.dividend) / previous
    with np.errstate(invalid="ignore"):
        flagged = (growth > 1.0 + threshold) | (growth < 1.0 / (1.0 + threshold))
    columns, rows = np.nonzero(flagged.T)
    moves = {
        "symbol": history.symbols[columns],
        "session": history.sessions[rows].astype("datetime64[s]"),
        "previous_close": previous[rows, columns],
        "close": history.close[rows, columns],
        "move": growth[rows, columns] - 1.0,
    }
    return pd.DataFrame(moves).astype({"symbol": "str"})
