"""Which sessions of one portfolio are materialised; `watermark` reads this for all portfolios."""

from collections.abc import Mapping
from functools import lru_cache

import dagster as dg
import numpy as np

from sigma_assets.base.frames import BoolArray, SessionArray
from sigma_assets.instance.changes import timeline_of
from sigma_assets.runs.fold.phases import BY_ASSET
from sigma_assets.runs.newest import newest_events
from sigma_assets.runs.tags import partition_key

REMEMBERED = 2_000
"""Portfolios whose sessions are remembered; about 10 kB each."""
_Asked = tuple[int | None, float | None, int, int]
"""Newest materialisation of an asset, when it was wiped, and the sessions [first, stop) that were asked for."""


class Presence:
    """Remembers what is materialised, and asks Dagster only for what was not yet there when it looked last.

    A look costs a query, on PostgreSQL two, and one more for each asset that is incomplete and that anybody has materialised
    since.

    Parameters
    ----------
    sessions : datetime64[D] array, the calendar; positions in it stand for sessions.
    """

    def __init__(self, instance: dg.DagsterInstance, sessions: SessionArray) -> None:
        self._instance = instance
        self._sessions = sessions
        self._seen = lru_cache(REMEMBERED)(lambda name, timeline: dict[str, tuple[_Asked, BoolArray]]())

    def look(self, name: str, first: int, stop: int) -> Mapping[str, BoolArray]:
        """Return, per asset of a phase, which sessions at [first, stop) are materialised of the partition of a name."""
        seen, nothing = self._seen(name, timeline_of(self._instance)), np.zeros(len(self._sessions), dtype=bool)
        for record in self._instance.get_asset_records([dg.AssetKey(asset) for asset in BY_ASSET]):
            entry = record.asset_entry
            asset = entry.asset_key.to_user_string()
            wiped = entry.asset_details.last_wipe_timestamp if entry.asset_details else None
            asked = (entry.last_materialization_storage_id, wiped, first, stop)
            before, there = seen.get(asset, (asked, nothing))
            if before != asked or asset not in seen:
                known = there if before[1] == wiped else nothing
                seen[asset] = asked, self._read(known, asset, name, first, stop) if asked[0] is not None else nothing
        return {asset: seen.get(asset, (None, nothing))[1][first:stop].copy() for asset in BY_ASSET}

    def _read(self, known: BoolArray, asset: str, name: str, first: int, stop: int) -> BoolArray:
        there = known.copy()  # others may be reading it
        absent = first + np.flatnonzero(~there[first:stop])
        if len(absent):
            keys = {partition_key(self._sessions[position].item(), name): position for position in absent}
            there[[keys[key] for key in newest_events(self._instance, asset, keys)]] = True
        return there
