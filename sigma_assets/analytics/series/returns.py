"""From as-traded prices to total simple returns and last known closes (SPEC 3)."""

import numpy as np

from sigma_assets.base.frames import FloatArray, PriceHistory, SessionArray


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


def last_known_close(history: PriceHistory, *, before: bool = False) -> tuple[FloatArray, SessionArray]:
    """Return the last close on or before each session, and the session that it comes from.

    Parameters
    ----------
    before : look strictly before each session instead of on or before it.

    Returns
    -------
    close : float array of shape (n_sessions, n_symbols); NaN before the first close.
    price_session : datetime64[D] array of the same shape; NaT before the first close.
    """
    n_sessions, n_symbols = history.close.shape
    close = np.vstack([history.prior_close[None, :], history.close])
    session = np.vstack(
        [history.prior_session[None, :], np.broadcast_to(history.sessions[:, None], (n_sessions, n_symbols))]
    )
    source_row = np.where(np.isfinite(close), np.arange(n_sessions + 1)[:, None], 0)
    source_row = np.maximum.accumulate(source_row, axis=0)
    source_row = source_row[:-1] if before else source_row[1:]
    columns = np.arange(n_symbols)[None, :]
    return close[source_row, columns], session[source_row, columns]
