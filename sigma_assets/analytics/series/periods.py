"""The day that a calendar period is counted from."""

import numpy as np

from sigma_assets.base.frames import SessionArray

_MONTHS = {"1m": 1, "3m": 3, "1y": 12}


def reference_days(days: SessionArray, period: str) -> SessionArray:
    """Return the day that a period up to each day is counted from; it need not be a session.

    Parameters
    ----------
    period : `1d` counts from the day before, `mtd`, `qtd` and `ytd` from the last day of the month, quarter or year
        before, `1m`, `3m` and `1y` from the same day 1, 3 or 12 months earlier, or the last one of a shorter month.

    Examples
    --------
    >>> reference_days(np.array(["2024-05-31"], dtype="datetime64[D]"), "3m")
    array(['2024-02-29'], dtype='datetime64[D]')
    """
    if period == "1d":
        return days - 1
    months = days.astype("datetime64[M]")
    if period in _MONTHS:
        earlier = months - _MONTHS[period]
        same_day = earlier.astype("datetime64[D]") + (days - months.astype("datetime64[D]"))
        return np.minimum(same_day, (earlier + 1).astype("datetime64[D]") - 1)
    begins = {"mtd": months, "qtd": months - months.astype(np.int64) % 3, "ytd": days.astype("datetime64[Y]")}
    return begins[period].astype("datetime64[D]") - 1
