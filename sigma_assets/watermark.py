"""The watermark: which partitions are materialised and which runs are under way. Read from Dagster, never kept beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import dagster as dg
import numpy as np
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from sigma_assets.frames import SessionArray
from sigma_assets.partitions import RANGE_END, RANGE_START, portfolios_def

PARTITION = "dagster/partition"
SOURCE = "sigma/source"
PORTFOLIO = "sigma/portfolio_id"
PORTFOLIO_JOB = "portfolios"
SYMBOL_JOB = "symbols"


class Materialized:
    """Index of materialised partitions, brought up to date from the event log at each look.

    The log only grows, so each look reads what came after the last one. Should an asset have been wiped, it starts anew.

    Parameters
    ----------
    calendar : datetime64[D] array, all sessions; positions in it stand for sessions.
    """

    def __init__(self, calendar: SessionArray) -> None:
        self.calendar = calendar
        self._cursor: dict[str, int] = {}
        self._there: dict[str, dict[str, np.ndarray]] = {}

    def look(self, instance: dg.DagsterInstance, assets: Sequence[str]) -> "Materialized":
        """Read what has been materialised since the last look; return self."""
        records = instance.get_asset_records([dg.AssetKey(asset) for asset in assets])
        newest = {
            record.asset_entry.asset_key.to_user_string(): record.asset_entry.last_materialization_storage_id
            for record in records
        }
        for asset in assets:
            if (newest.get(asset) or 0) < self._cursor.get(asset, 0):
                self._cursor.pop(asset), self._there.pop(asset)
            if (newest.get(asset) or 0) > self._cursor.get(asset, 0):
                self._read(instance, asset)
        return self

    def missing(self, asset: str, portfolio_id: str | None, sessions: SessionArray) -> SessionArray:
        """Return the sessions that are not materialised for an asset (and a portfolio)."""
        there = self._there.get(asset, {}).get(portfolio_id or "")
        return sessions if there is None else sessions[~there[np.searchsorted(self.calendar, sessions)]]

    def materialized(self, asset: str, portfolio_id: str | None = None) -> SessionArray:
        """Return the sessions that are materialised for an asset (and a portfolio), ascending."""
        there = self._there.get(asset, {}).get(portfolio_id or "")
        return self.calendar[:0] if there is None else self.calendar[there]

    def _read(self, instance: dg.DagsterInstance, asset: str) -> None:
        latest = instance.event_log_storage.get_latest_storage_id_by_partition(
            dg.AssetKey(asset), dg.DagsterEventType.ASSET_MATERIALIZATION, after_cursor=self._cursor.get(asset)
        )
        portfolios = self._there.setdefault(asset, {})
        by_portfolio: dict[str, list[str]] = {}
        for key in latest:
            day, _, portfolio_id = key.partition("|")
            by_portfolio.setdefault(portfolio_id, []).append(day)
        for portfolio_id, days in by_portfolio.items():
            there = portfolios.setdefault(portfolio_id, np.zeros(len(self.calendar), dtype=bool))
            materialized = np.array(days, dtype="datetime64[D]")
            there[np.searchsorted(self.calendar, materialized[np.isin(materialized, self.calendar)])] = True
        self._cursor[asset] = max(latest.values(), default=self._cursor.get(asset, 0))


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


def runs(
    instance: dg.DagsterInstance,
    *,
    in_flight: bool = False,
    created_after: datetime | None = None,
    portfolio_id: str | None = None,
    limit: int | None = None,
) -> list[RunCover]:
    """Return our runs, newest first, with the portfolios that they cover."""
    chosen = dg.RunsFilter(
        statuses=NOT_FINISHED_STATUSES if in_flight else None,
        created_after=created_after,
        tags={PORTFOLIO: portfolio_id} if portfolio_id else None,
    )
    return _covers(instance, instance.get_run_records(chosen, limit=limit))


def cover_of(instance: dg.DagsterInstance, run_id: str) -> RunCover | None:
    """Return what one run covers; None if it is unknown or covers no partitions."""
    found = _covers(instance, instance.get_run_records(dg.RunsFilter(run_ids=[run_id])))
    return found[0] if found else None


def _covers(instance: dg.DagsterInstance, records: Sequence[dg.RunRecord]) -> list[RunCover]:
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
