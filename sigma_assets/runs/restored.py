"""Sessions that Dagster has as done although our tables end before: the tables come from a backup that is older."""

from collections.abc import Callable, Mapping

import dagster as dg
import numpy as np

from sigma_assets.base.frames import SessionArray
from sigma_assets.runs.newest import newest_events
from sigma_assets.runs.tags import partition_key
from sigma_assets.storage.roster import Roster

SNAPSHOTS = "portfolio_snapshots"
"""Has a row for each of its partitions, whatever is known: by it our tables are compared with Dagster's."""
FIRST_LOOK = 3
"""Sessions behind the tables' end that are asked for first: a backup lacks these, if it lacks any."""


def lost_sessions(
    instance: dg.DagsterInstance,
    roster: Roster,
    later: Mapping[str, SessionArray],
    newest: Callable[[list[str]], Mapping[str, np.datetime64]],
) -> dict[str, SessionArray]:
    """Return which sessions behind the end of our tables are materialised; portfolios without any are absent.

    Costs one query where nothing is lost.

    Parameters
    ----------
    later : portfolio id -> the sessions behind its last snapshot, up to the current one.
    newest : returns the last snapshots once more: a run may have stored some, and told Dagster, since `later` was read.
    """
    found = _materialized(instance, roster, {key: days[:FIRST_LOOK] for key, days in later.items()})
    if not found:
        return {}
    found = _materialized(instance, roster, {key: later[key] for key in found})
    ends = newest(list(found))
    lost = {key: days[days > ends.get(key, np.datetime64(0, "D"))] for key, days in found.items()}
    return {key: days for key, days in lost.items() if len(days)}


def _materialized(
    instance: dg.DagsterInstance, roster: Roster, wanted: Mapping[str, SessionArray]
) -> dict[str, SessionArray]:
    cells = {
        partition_key(day.item(), roster.name_of[key]): (key, day)
        for key, days in wanted.items()
        for day in days
        if key in roster.name_of
    }
    if not cells:
        return {}
    found: dict[str, list[np.datetime64]] = {}
    for key, day in map(cells.__getitem__, newest_events(instance, SNAPSHOTS, cells)):
        found.setdefault(key, []).append(day)
    return {key: np.sort(np.array(days)) for key, days in found.items()}
