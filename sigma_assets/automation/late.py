"""Late prices: a fund that is priced in the evening or the next day is asked for again, less and less often."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.jobs import SYMBOL_ASSETS, names
from sigma_assets.automation.planner import Needs
from sigma_assets.base.calendar import NEW_YORK, today
from sigma_assets.base.frames import SessionArray
from sigma_assets.prices.gaps import late_prices

FIRST_PAUSE = pd.Timedelta(hours=1)


def sessions_to_ask_again(late: pd.DataFrame, tables: Tables, now: datetime) -> SessionArray:
    """Return the sessions of late prices that are worth asking for again now.

    A price is asked for an hour after its session's cutoff, and then each time when twice as long has passed since as
    had when it was last asked for: a handful of requests in the first day, one a month later, and none for what is old.

    Parameters
    ----------
    late : DataFrame with `session, asked_at`.
    """
    cutoff = pd.Timedelta(hours=tables.settings.cutoff.hour, minutes=tables.settings.cutoff.minute)
    due = (late["session"] + cutoff).dt.tz_localize(NEW_YORK).dt.tz_convert(UTC)
    waited = (late["asked_at"] - due).clip(lower=FIRST_PAUSE / 2)
    ready = late["session"][pd.Timestamp(now) >= due + 2 * waited]
    return np.unique(ready.to_numpy(dtype="datetime64[D]"))


def late_sessions(tables: Tables, target: np.datetime64, now: datetime) -> Needs:
    """Return the sessions, per asset of the universe, that are run again to ask for late prices."""
    late = late_prices(tables.database, today(now))
    sessions = sessions_to_ask_again(late, tables, now) if len(late) else np.array([], dtype="datetime64[D]")
    sessions = sessions[sessions <= target]
    return {(None, asset): sessions for asset in names(SYMBOL_ASSETS)} if len(sessions) else {}
