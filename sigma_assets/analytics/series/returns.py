"""From as-traded prices to total simple returns (SPEC 3)."""

from sigma_assets.base.frames import FloatArray, PriceHistory, last_known_close


def total_returns(history: PriceHistory) -> FloatArray:
    """Return total simple returns, splits and dividends included.

    Returns
    -------
    float array of shape (n_sessions, n_symbols)
        `split_t (close_t + dividend_t) / close_{t-1} - 1`, where t-1 is the last session with a close: the return after
        a gap spans it. NaN where the session has no close or no close came before.
    """
    previous = last_known_close(history, before=True)[0]
    return history.split_factor * (history.close + history.dividend) / previous - 1.0
