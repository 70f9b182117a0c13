"""The watermark: which partitions are materialised, which runs are in progress. Read from Dagster, not stored elsewhere."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock

import dagster as dg
import numpy as np

from sigma_assets.base.frames import SessionArray
from sigma_assets.runs.covers import covers_of
from sigma_assets.runs.newest import newest_events
from sigma_assets.runs.partitions import portfolios_def
from sigma_assets.runs.tags import AGAIN, REASON
from sigma_assets.storage.roster import Roster

OVERLAP = 10_000
"""Events before the last one seen that are read again: on PostgreSQL a lower number may be committed later."""
OWED_FOR = timedelta(days=30)
"""How far back runs over partitions that were there are looked for. What one of them owes, a process remembers until it is
done."""

UNSUCCESSFUL = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


class Materialized:
    """Index of materialised partitions, brought up to date from the event log at each look.

    The log only grows, so each look reads what came after the last one. Should an asset have been wiped, it starts anew.

    A partition that is to be run again is there and yet owed: from the moment on at which a run over it was made
    until it has been materialised since. So a run that dies half-way leaves nothing stale behind that nobody remembers.

    Parameters
    ----------
    calendar : datetime64[D] array, the sessions of the date dimension; positions in it stand for sessions. What is
        materialised before them, since `SIGMA_FIRST_SESSION` was earlier once, is no partition any more.
    """

    def __init__(self, calendar: SessionArray) -> None:
        self.calendar = calendar
        self._position = {str(day): position for position, day in enumerate(calendar)}
        self._lock = Lock()
        self._cursor: dict[str, int] = {}
        self._wiped: dict[str, float | None] = {}
        self._there: dict[str, dict[str, np.ndarray]] = {}
        self._all_there: dict[str, dict[tuple[str, ...], np.ndarray]] = {}
        self._owing: dict[tuple[str, str], np.ndarray] = {}  # event that the run was made with; 0 where nothing is owed
        self._owed: dict[tuple[str, str], np.ndarray] = {}  # of these, what belongs to partitions that are there
        self._failed: set[str] = set()

    def look(self, instance: dg.DagsterInstance, roster: Roster, assets: Sequence[str]) -> "Materialized":
        """Read what has been materialised since the last look; return self."""
        with self._lock:
            for record in instance.get_asset_records([dg.AssetKey(asset) for asset in assets]):
                entry = record.asset_entry
                asset, newest = entry.asset_key.to_user_string(), entry.last_materialization_storage_id or 0
                wiped = entry.asset_details.last_wipe_timestamp if entry.asset_details else None
                if newest < self._cursor.get(asset, 0) or wiped != self._wiped.get(asset):
                    self._cursor.pop(asset, None), self._there.pop(asset, None)
                    self._all_there.clear()
                    self._wiped[asset] = wiped
                if newest > self._cursor.get(asset, 0):
                    self._read(instance, asset)
            self._note_failed(instance, roster)
        return self

    def missing(self, asset: str, name: str | None, sessions: SessionArray) -> SessionArray:
        """Return the sessions that are not materialised for an asset (and a portfolio's partition), or owed."""
        return dict(self.lacking([asset], name, sessions)).get(asset, sessions[:0])

    def lacking(
        self, assets: Iterable[str], name: str | None, sessions: SessionArray
    ) -> Iterator[tuple[str, SessionArray]]:
        """Yield the assets that lack some of these sessions, with those that they lack or owe."""
        places, chosen = self._places(sessions), tuple(assets)
        if not self._owed and self._has_all(chosen, name or "")[places].all():
            return
        for asset in chosen:
            there = self._there.get(asset, {}).get(name or "")
            owed = self._owed.get((asset, name or "")) if self._owed else None
            is_there = there[places] if there is not None else np.zeros(len(sessions), dtype=bool)
            if owed is not None:
                is_there = is_there & (owed[places] == 0)
            if not is_there.all():
                yield asset, sessions[~is_there]

    def _places(self, sessions: SessionArray) -> slice | np.ndarray:
        """Return where sessions stand in the calendar; of neighbours, as most are, the ends tell."""
        if not len(sessions):
            return slice(0, 0)
        first = int(np.searchsorted(self.calendar, sessions[0]))
        range_of = slice(first, first + len(sessions))
        last = self.calendar[range_of][-1:]
        if len(last) and last[0] == sessions[-1] and self.calendar[first] == sessions[0]:
            return range_of
        return np.searchsorted(self.calendar, sessions)

    def _has_all(self, assets: tuple[str, ...], name: str) -> np.ndarray:
        """Return, for each session of the calendar, whether all these assets are there; kept until one is read anew.

        In a large installation nearly all of it is there at each look: this asks one array instead of one per asset.
        """
        kept = self._all_there.setdefault(name, {})
        if assets not in kept:
            nothing = np.zeros(len(self.calendar), dtype=bool)
            kept[assets] = np.logical_and.reduce([self._there.get(asset, {}).get(name, nothing) for asset in assets])
        return kept[assets]

    def materialized(self, asset: str, name: str | None = None) -> SessionArray:
        """Return the sessions that are materialised for an asset (and a portfolio's partition), ascending."""
        there = self._there.get(asset, {}).get(name or "")
        return self.calendar[:0] if there is None else self.calendar[there]

    def _read(self, instance: dg.DagsterInstance, asset: str) -> None:
        seen = self._cursor.get(asset)
        latest = newest_events(instance, asset, after=None if seen is None else max(seen - OVERLAP, 0))
        partitions = self._there.setdefault(asset, {})
        by_name: dict[str, list[int]] = {}
        for key in latest:
            day, _, name = key.partition("|")
            if day in self._position:
                by_name.setdefault(name, []).append(self._position[day])
        for name, positions in by_name.items():
            partitions.setdefault(name, np.zeros(len(self.calendar), dtype=bool))[positions] = True
            self._all_there.pop(name, None)
        self._take_off(self._owing, asset, latest)
        self._cursor[asset] = max(latest.values(), default=seen or 0)

    def _take_off(self, owing: Mapping[tuple[str, str], np.ndarray], asset: str, latest: Mapping[str, int]) -> None:
        """Clear what is owed where a partition was materialised (key -> event) after the run that owes it was made."""
        for key, event in latest.items() if owing else ():
            day, _, name = key.partition("|")
            owed = owing.get((asset, name))
            if owed is not None and day in self._position and owed[self._position[day]] < event:
                owed[self._position[day]] = 0

    def _note_failed(self, instance: dg.DagsterInstance, roster: Roster) -> None:
        """Note what runs over existing partitions left undone; what removed portfolios owe nobody will do.

        The event log is asked once about each such run, and then each look takes off what it reads: after a bad night there
        are hundreds of them.
        """
        after = datetime.now(UTC) - OWED_FOR
        chosen = dg.RunsFilter(statuses=UNSUCCESSFUL, tags={REASON: list(AGAIN)}, created_after=after)
        covers = covers_of(instance, roster, instance.get_run_records(chosen))
        names = {"": ""} | roster.name_of
        owing = {key: owed.copy() for key, owed in self._owing.items()}  # others may be reading it
        since: dict[str, int] = {}
        for cover in covers:
            if cover.run_id in self._failed:
                continue
            (first_event,) = instance.get_records_for_run(cover.run_id, limit=1).records or (None,)
            made = first_event.storage_id if first_event else 1
            since |= {asset: min(since.get(asset, made), made) for asset in cover.assets}
            first = np.searchsorted(self.calendar, np.datetime64(cover.first, "D"))
            covered = slice(first, np.searchsorted(self.calendar, np.datetime64(cover.last, "D"), side="right"))
            for asset, key in cover.keys:
                owed = owing.setdefault((asset, names[key]), np.zeros(len(self.calendar), dtype=np.int64))
                owed[covered] = np.maximum(owed[covered], made)
        for asset, made in since.items():
            self._take_off(owing, asset, newest_events(instance, asset, after=made))
        self._failed = {cover.run_id for cover in covers}
        self._owing = {key: owed for key, owed in owing.items() if owed.any()}
        active = {"", *instance.get_dynamic_partitions(str(portfolios_def.name))} if self._owing else set()
        self._owed = {key: owed for key, owed in self._owing.items() if key[1] in active}
