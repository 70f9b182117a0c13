"""Which sessions of one portfolio are materialised; `watermark` reads this for all portfolios."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

import dagster as dg
import numpy as np

from sigma_assets.base.frames import BoolArray, SessionArray
from sigma_assets.instance.changes import timeline_of
from sigma_assets.runs.fold.phases import BY_ASSET
from sigma_assets.runs.newest import newest_events
from sigma_assets.runs.tags import partition_key

REMEMBERED = 2_000
"""Portfolios whose sessions are remembered; about 10 kB each."""


@dataclass
class _Seen:
    there: dict[str, BoolArray] = field(default_factory=dict)
    asked: dict[str, tuple[int | None, float | None, int, int]] = field(default_factory=dict)


class Presence:
    """Remembers what is materialised, and asks Dagster only for what was not yet there when it looked last.

    A look costs two queries, and one more for each asset that is incomplete and that anybody has materialised since.

    Parameters
    ----------
    sessions : datetime64[D] array, the calendar; positions in it stand for sessions.
    """

    def __init__(self, instance: dg.DagsterInstance, sessions: SessionArray) -> None:
        self._instance = instance
        self._sessions = sessions
        self._lock = Lock()
        self._seen: OrderedDict[tuple[str, str], _Seen] = OrderedDict()

    def look(self, name: str, first: int, stop: int) -> Mapping[str, BoolArray]:
        """Return, per asset of a phase, which sessions at [first, stop) are materialised of the partition of a name."""
        key = name, timeline_of(self._instance)
        with self._lock:
            seen = self._seen.setdefault(key, _Seen())
            self._seen.move_to_end(key)
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        for record in self._instance.get_asset_records([dg.AssetKey(asset) for asset in BY_ASSET]):
            entry = record.asset_entry
            asset = entry.asset_key.to_user_string()
            wiped = entry.asset_details.last_wipe_timestamp if entry.asset_details else None
            asked = (entry.last_materialization_storage_id, wiped, first, stop)
            if wiped != seen.asked.get(asset, asked)[1]:
                seen.there.pop(asset, None)
            if entry.last_materialization_storage_id is not None and asked != seen.asked.get(asset):
                self._read(seen, asset, name, first, stop)
                seen.asked[asset] = asked
        nothing = np.zeros(len(self._sessions), dtype=bool)
        return {asset: seen.there.get(asset, nothing)[first:stop].copy() for asset in BY_ASSET}

    def _read(self, seen: _Seen, asset: str, name: str, first: int, stop: int) -> None:
        there = seen.there.get(asset, np.zeros(len(self._sessions), dtype=bool)).copy()  # others may be reading it
        absent = first + np.flatnonzero(~there[first:stop])
        if len(absent):
            keys = {partition_key(self._sessions[position].item(), name): position for position in absent}
            there[[keys[key] for key in newest_events(self._instance, asset, keys)]] = True
        seen.there[asset] = there
