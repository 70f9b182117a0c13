"""When to request missing prices again: less and less often, or at once if the price source has changed."""

from collections.abc import Collection
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.inputs import PlanInputs
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, SYMBOL_ASSETS, names
from sigma_assets.automation.planner import Needs
from sigma_assets.base.calendar import NEW_YORK, today
from sigma_assets.base.frames import SessionArray
from sigma_assets.prices.gaps import late_prices
from sigma_assets.prices.source import PriceSource

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


def sessions_to_load_again(
    tables: Tables, price_source: PriceSource, target: date, now: datetime, *, patient: bool
) -> SessionArray:
    """Return the sessions, up to the target, whose prices are asked for again although they were loaded.

    The target session, whose run looks back over all that a run reads, once the source has changed: another setting, or a
    file that somebody wrote. Of sources that cannot tell, the sessions of late prices, on the days on which they said
    that asking makes sense.

    Parameters
    ----------
    patient : ask for late prices less and less often; else as soon as their day has come.
    """
    if not price_source.is_asked():
        return np.array([target], dtype="datetime64[D]")
    late = late_prices(tables.database, today(now))
    if price_source.knows_changes or not len(late):
        return np.array([], dtype="datetime64[D]")
    if patient:
        sessions = sessions_to_ask_again(late, tables, now)
    else:
        sessions = np.unique(late["session"].to_numpy(dtype="datetime64[D]"))
    return sessions[sessions <= np.datetime64(target)]


def late_sessions(
    tables: Tables,
    price_source: PriceSource,
    inputs: PlanInputs,
    now: datetime,
    *,
    portfolio_ids: Collection[str] | None = None,
    patient: bool = True,
) -> Needs:
    """Return the sessions, per asset, that are run again to ask for their prices once more.

    Parameters
    ----------
    portfolio_ids : for these portfolios only; None = for the universe.
    patient : as in `sessions_to_load_again`.
    """
    sessions = sessions_to_load_again(tables, price_source, inputs.target, now, patient=patient)
    if portfolio_ids is None:
        return {(None, asset): sessions for asset in names(SYMBOL_ASSETS)} if len(sessions) else {}
    return {
        (key, asset): days  # every asset: a run that loads prices also runs what reads them
        for key in portfolio_ids
        for asset in names(PORTFOLIO_ASSETS)
        if len(days := np.intersect1d(sessions, inputs.sessions[key]))
    }
