"""The watermark: which partitions are materialised and which runs are under way. Read from Dagster, never kept beside it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock

import dagster as dg
import numpy as np
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from sigma_assets.base.frames import SessionArray
from sigma_assets.runs.partitions import portfolios_def
from sigma_assets.runs.tags import AGAIN, PORTFOLIO, RANGE_END, RANGE_START, SOURCE

PARTITION = "dagster/partition"
OVERLAP = 10_000
"""Events before the last one seen that are read again: on PostgreSQL a lower number may be committed later."""
OWED_FOR = timedelta(days=30)
"""How far back a run over partitions that were there counts as unfinished business."""
ABANDONED_AFTER = timedelta(minutes=1)
"""A run that was made and not started for so long never will be: who made it has died."""

MATERIALIZATION = dg.DagsterEventType.ASSET_MATERIALIZATION
UNSUCCESSFUL = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


class Materialized:
    """Index of materialised partitions, brought up to date from the event log at each look.

    The log only grows, so each look reads what came after the last one. Should an asset have been wiped, it starts anew.

    A partition that is to be run again is there and yet owed: from the moment on at which a run tagged `AGAIN` was made
    until it has been materialised since. So a run that dies half-way leaves nothing stale behind that nobody remembers.

    Parameters
    ----------
    calendar : datetime64[D] array, all sessions; positions in it stand for sessions.
    """

    def __init__(self, calendar: SessionArray) -> None:
        self.calendar = calendar
        self._position = {str(day): position for position, day in enumerate(calendar)}
        self._lock = Lock()
        self._cursor: dict[str, int] = {}
        self._wiped: dict[str, float | None] = {}
        self._there: dict[str, dict[str, np.ndarray]] = {}
        self._owed: dict[tuple[str, str], np.ndarray] = {}
        self._settled: set[str] = set()
        self._made: dict[str, int] = {}
        self._followed: dict[tuple[str, str], tuple[int, np.ndarray]] = {}

    def look(self, instance: dg.DagsterInstance, assets: Sequence[str]) -> "Materialized":
        """Read what has been materialised since the last look; return self."""
        with self._lock:
            for record in instance.get_asset_records([dg.AssetKey(asset) for asset in assets]):
                entry = record.asset_entry
                asset, newest = entry.asset_key.to_user_string(), entry.last_materialization_storage_id or 0
                wiped = entry.asset_details.last_wipe_timestamp if entry.asset_details else None
                if newest < self._cursor.get(asset, 0) or wiped != self._wiped.get(asset):
                    self._cursor.pop(asset, None), self._there.pop(asset, None)
                    self._wiped[asset] = wiped
                if newest > self._cursor.get(asset, 0):
                    self._read(instance, asset)
            self._owed = self._read_owed(instance)
        return self

    def missing(self, asset: str, portfolio_id: str | None, sessions: SessionArray) -> SessionArray:
        """Return the sessions that are not materialised for an asset (and a portfolio), or owed."""
        there = self._there.get(asset, {}).get(portfolio_id or "")
        if there is None:
            return sessions
        absent = ~there[np.searchsorted(self.calendar, sessions)]
        owed = self._owed.get((asset, portfolio_id or ""))
        return sessions[absent if owed is None else absent | np.isin(sessions, owed)]

    def materialized(self, asset: str, portfolio_id: str | None = None) -> SessionArray:
        """Return the sessions that are materialised for an asset (and a portfolio), ascending."""
        there = self._there.get(asset, {}).get(portfolio_id or "")
        return self.calendar[:0] if there is None else self.calendar[there]

    def _read(self, instance: dg.DagsterInstance, asset: str) -> None:
        seen = self._cursor.get(asset)
        latest = instance.event_log_storage.get_latest_storage_id_by_partition(
            dg.AssetKey(asset), MATERIALIZATION, after_cursor=None if seen is None else max(seen - OVERLAP, 0)
        )
        portfolios = self._there.setdefault(asset, {})
        by_portfolio: dict[str, list[int]] = {}
        for key in latest:
            day, _, portfolio_id = key.partition("|")
            if day in self._position:
                by_portfolio.setdefault(portfolio_id, []).append(self._position[day])
        for portfolio_id, positions in by_portfolio.items():
            portfolios.setdefault(portfolio_id, np.zeros(len(self.calendar), dtype=bool))[positions] = True
        self._note(asset, latest)
        self._cursor[asset] = max(latest.values(), default=seen or 0)

    def _read_owed(self, instance: dg.DagsterInstance) -> dict[tuple[str, str], np.ndarray]:
        """Return what runs over existing partitions left undone; nothing of removed portfolios, which nobody will do."""
        chosen = dg.RunsFilter(statuses=UNSUCCESSFUL, tags={AGAIN: "true"}, created_after=datetime.now(UTC) - OWED_FOR)
        covers = [run for run in _covers(instance, instance.get_run_records(chosen)) if run.run_id not in self._settled]
        active = set(instance.get_dynamic_partitions(str(portfolios_def.name))) if covers else set()
        covers = [run for run in covers if not run.portfolio_ids or not active.isdisjoint(run.portfolio_ids)]
        self._follow(instance, covers)
        owed: dict[tuple[str, str], np.ndarray] = {}
        for cover in covers:
            undone = dict(self._undone(cover))
            if not undone:
                self._settled.add(cover.run_id)
            for key, sessions in undone.items():
                owed[key] = np.union1d(owed[key], sessions) if key in owed else sessions
        return owed

    def _follow(self, instance: dg.DagsterInstance, covers: Sequence["RunCover"]) -> None:
        """Know the newest materialisation, since these runs were made, of whatever they were to do.

        Asked of the event log once, and kept by what each look reads: after a bad night there are hundreds of such runs.
        """
        since: dict[str, int] = {}
        wanted: dict[tuple[str, str], int] = {}
        for cover in covers:
            if cover.run_id not in self._made:
                (made,) = instance.get_records_for_run(cover.run_id, limit=1).records or (None,)
                self._made[cover.run_id] = made.storage_id if made else 0
            for key in cover.keys:
                wanted[key] = min(wanted.get(key, self._made[cover.run_id]), self._made[cover.run_id])
        for key, made_at in wanted.items():
            if made_at < self._followed.get(key, (made_at + 1, None))[0]:
                self._followed[key] = (made_at, np.zeros(len(self.calendar), dtype=np.int64))
                since[key[0]] = min(since.get(key[0], made_at), made_at)
        self._followed = {key: kept for key, kept in self._followed.items() if key in wanted}
        for asset, made_at in since.items():
            latest = instance.event_log_storage.get_latest_storage_id_by_partition(
                dg.AssetKey(asset), MATERIALIZATION, after_cursor=made_at or None
            )
            self._note(asset, latest)

    def _note(self, asset: str, latest: Mapping[str, int]) -> None:
        """Note materialisations (partition key -> storage id) of what is followed."""
        for key, storage_id in latest.items() if any(asset == followed for followed, _ in self._followed) else ():
            day, _, portfolio_id = key.partition("|")
            _, newest = self._followed.get((asset, portfolio_id), (0, None))
            if newest is not None and day in self._position:
                newest[self._position[day]] = max(newest[self._position[day]], storage_id)

    def _undone(self, cover: "RunCover") -> Iterator[tuple[tuple[str, str], np.ndarray]]:
        """Yield (asset, portfolio) and the sessions of a run that were not materialised since the run was made."""
        first = np.searchsorted(self.calendar, np.datetime64(cover.first, "D"))
        covered = slice(first, np.searchsorted(self.calendar, np.datetime64(cover.last, "D"), side="right"))
        for key in cover.keys:
            undone = self.calendar[covered][self._followed[key][1][covered] <= self._made[cover.run_id]]
            if len(undone):
                yield key, undone


@dataclass(frozen=True)
class RunCover:
    """A run of ours and what it covers.

    Attributes
    ----------
    portfolio_ids : the portfolios that its partition range spans; empty for a run of the universe.
    first, last : first and last session of its range.
    assets : what it was asked for; empty for all assets of its job.
    is_exact : whether `portfolio_ids` is what it spans; not so once a portfolio at an end of its range was removed.
    """

    run_id: str
    job: str
    source: str
    status: dg.DagsterRunStatus
    created: datetime
    started: float | None
    ended: float | None
    first: str
    last: str
    portfolio_ids: tuple[str, ...] = field(repr=False)
    assets: frozenset[str] = field(default=frozenset(), repr=False)
    is_exact: bool = field(default=True, repr=False)

    @property
    def in_flight(self) -> bool:
        """Whether it has not ended."""
        return self.status in NOT_FINISHED_STATUSES

    @property
    def keys(self) -> list[tuple[str, str]]:
        """What it was asked for, asset by asset and portfolio by portfolio ("" for the universe)."""
        return [(asset, key) for asset in sorted(self.assets) for key in self.portfolio_ids or ("",)]

    @property
    def is_abandoned(self) -> bool:
        """Whether it was made a while ago and never started."""
        is_old = datetime.now(UTC) - self.created > ABANDONED_AFTER
        return self.status is dg.DagsterRunStatus.NOT_STARTED and is_old


def runs(
    instance: dg.DagsterInstance,
    *,
    in_flight: bool = False,
    created_after: datetime | None = None,
    portfolio_id: str | None = None,
    limit: int | None = None,
) -> list[RunCover]:
    """Return our runs, newest first, with the portfolios that they cover.

    In flight is what has not ended; but not what was made and never started: nobody will.
    """
    chosen = dg.RunsFilter(
        statuses=NOT_FINISHED_STATUSES if in_flight else None,
        created_after=created_after,
        tags={PORTFOLIO: portfolio_id} if portfolio_id else None,
    )
    found = _covers(instance, instance.get_run_records(chosen, limit=limit))
    return [run for run in found if not run.is_abandoned] if in_flight else found


def abandoned_runs(instance: dg.DagsterInstance) -> list[RunCover]:
    """Return the runs that were made and never started, newest first."""
    chosen = dg.RunsFilter(statuses=[dg.DagsterRunStatus.NOT_STARTED])
    return [run for run in _covers(instance, instance.get_run_records(chosen)) if run.is_abandoned]


def cover_of(instance: dg.DagsterInstance, run_id: str) -> RunCover | None:
    """Return what one run covers; None if it is unknown or covers no partitions."""
    found = _covers(instance, instance.get_run_records(dg.RunsFilter(run_ids=[run_id])))
    return found[0] if found else None


def _covers(instance: dg.DagsterInstance, records: Sequence[dg.RunRecord]) -> list[RunCover]:
    if not records:
        return []
    order = instance.get_dynamic_partitions(str(portfolios_def.name))
    positions = {key: position for position, key in enumerate(order)}
    covers = [_cover(record, order, positions) for record in records]
    return [cover for cover in covers if cover is not None]


def _cover(record: dg.RunRecord, order: Sequence[str], positions: Mapping[str, int]) -> RunCover | None:
    run = record.dagster_run
    start = run.tags.get(RANGE_START) or run.tags.get(PARTITION)
    end = run.tags.get(RANGE_END) or start
    if not start or not end:
        return None
    (first, _, from_portfolio), (last, _, to_portfolio) = start.partition("|"), end.partition("|")
    return RunCover(
        run_id=run.run_id,
        job=run.job_name,
        source=run.tags.get(SOURCE, "admin"),
        status=run.status,
        created=record.create_timestamp,
        started=record.start_time,
        ended=record.end_time,
        first=first,
        last=last,
        portfolio_ids=_between(order, positions, from_portfolio, to_portfolio),
        assets=frozenset(key.to_user_string() for key in run.asset_selection or ()),
        is_exact=from_portfolio == to_portfolio or (from_portfolio in positions and to_portfolio in positions),
    )


def _between(order: Sequence[str], positions: Mapping[str, int], start: str, end: str) -> tuple[str, ...]:
    """Return the slice of the dynamic partitions that a range spans; its ends themselves where a key is gone."""
    if not start:
        return ()
    if start in positions and end in positions:
        return tuple(order[positions[start] : positions[end] + 1])
    return (start,) if start == end else (start, end)
