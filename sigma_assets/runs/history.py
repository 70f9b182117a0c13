"""The history: what Dagster's run storage knows of each run. Nothing is kept beside it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import dagster as dg

from sigma_assets.base.calendar import TradingCalendar
from sigma_assets.runs.covers import RunCover, cover_of, runs
from sigma_assets.runs.endings import RUN_ENDS, TELLING, ended_from_outside
from sigma_assets.storage.roster import Roster


@dataclass(frozen=True)
class AssetRun:
    """One asset of a run: how it ended and how long it took."""

    asset: str
    status: str
    seconds: float | None


@dataclass(frozen=True)
class RunStory:
    """What happened in a run.

    Attributes
    ----------
    assets : per asset, in the order in which they started.
    cells_done, cells_total : sessions x portfolios x assets that are materialised, and that were asked for.
    failures : asset, exception type, message; empty for a run that succeeded.
    """

    cover: RunCover
    assets: tuple[AssetRun, ...]
    cells_done: int
    cells_total: int
    failures: tuple[tuple[str, str, str], ...]

    def record(self) -> dict[str, object]:
        """Return the story as plain values."""
        cover = self.cover
        return {
            "run_id": cover.run_id,
            "source": cover.source,
            "reason": cover.reason,
            "status": cover.status.value.lower(),
            "job": cover.job,
            "portfolio_ids": list(cover.portfolio_ids),
            "first": cover.first,
            "last": cover.last,
            "started_at": _moment(cover.started),
            "ended_at": _moment(cover.ended),
            "seconds": round(cover.ended - cover.started, 2) if cover.ended and cover.started else None,
            "asset_seconds": {asset.asset: asset.seconds for asset in self.assets},
            "cells_done": self.cells_done,
            "cells_total": self.cells_total,
            "failures": [dict(zip(("asset", "type", "message"), failure, strict=True)) for failure in self.failures],
        }


def stories(
    instance: dg.DagsterInstance,
    roster: Roster,
    calendar: TradingCalendar,
    *,
    portfolio_id: str | None = None,
    limit: int = 20,
) -> list[RunStory]:
    """Return the stories of the newest runs, newest first: all, or those that cover a portfolio."""
    covers = runs(instance, roster, limit=None if portfolio_id else limit)
    chosen = [cover for cover in covers if portfolio_id is None or portfolio_id in cover.portfolio_ids]
    return [_story(instance, cover, calendar) for cover in chosen[:limit]]


def story_of(instance: dg.DagsterInstance, roster: Roster, run_id: str, calendar: TradingCalendar) -> RunStory | None:
    """Return the story of one run; None if it is not one of ours (it covers no partitions)."""
    cover = cover_of(instance, roster, run_id)
    return _story(instance, cover, calendar) if cover else None


def _story(instance: dg.DagsterInstance, cover: RunCover, calendar: TradingCalendar) -> RunStory:
    run = instance.get_run_by_id(cover.run_id)
    asked = {key.to_user_string() for key in (run.asset_selection or ())} if run else set()
    assets = tuple(each for each in _assets(instance, cover.run_id) if not asked or each.asset in asked)
    sessions = len(calendar.between(date.fromisoformat(cover.first), date.fromisoformat(cover.last)))
    cells = sessions * max(len(cover.portfolio_ids), 1)
    done = sum(asset.status == "success" for asset in assets)
    failures = _failures(instance, cover)
    if not cover.in_flight:
        assets = tuple(replace(each, status="interrupted") if each.status == "in_progress" else each for each in assets)
        at_work = [asset.asset for asset in assets if asset.status == "interrupted"]
        failures = tuple((asset or ", ".join(at_work), kind, message) for asset, kind, message in failures)
    return RunStory(cover, assets, done * cells, max(len(asked), len(assets)) * cells, failures)


def _assets(instance: dg.DagsterInstance, run_id: str) -> list[AssetRun]:
    """Return what became of a run's steps; from their own events, since Dagster's statistics read every materialisation."""
    begun: dict[str, float] = {}
    assets: dict[str, AssetRun] = {}
    for record in instance.get_records_for_run(run_id, of_type=set(_STATUS)).records:
        entry = record.event_log_entry
        asset, status = entry.step_key or "", _STATUS[entry.get_dagster_event().event_type]
        if status == "in_progress":
            begun[asset] = entry.timestamp
        has_ended = asset in begun and status != "in_progress"
        assets[asset] = AssetRun(asset, status, round(entry.timestamp - begun[asset], 3) if has_ended else None)
    return list(assets.values())


def _failures(instance: dg.DagsterInstance, cover: RunCover) -> tuple[tuple[str, str, str], ...]:
    """Return asset, type and message of what failed: steps if any did, else the run as a whole."""
    if cover.status not in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED):
        return ()
    steps, others = [], []
    for record in instance.get_records_for_run(
        cover.run_id, of_type={dg.DagsterEventType.STEP_FAILURE, *TELLING}
    ).records:
        event = record.event_log_entry.get_dagster_event()
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            error = event.step_failure_data.error
            cause = error.cause if error and error.cause else error
            kind = (cause.cls_name if cause else None) or "unknown"
            steps.append((event.step_key or "", kind, (cause.message if cause else event.message or "").strip()))
        else:
            others.append(event)
    ending = ended_from_outside(others)
    if steps:
        return tuple(
            (asset, kind, ending[1] if ending and kind == INTERRUPTED else message) for asset, kind, message in steps
        )
    if ending:
        return (("", *ending),)
    return tuple(("", cover.status.value.lower(), end.message or "") for end in others if end.event_type in RUN_ENDS)


_STATUS = {
    dg.DagsterEventType.STEP_START: "in_progress",
    dg.DagsterEventType.STEP_RESTARTED: "in_progress",
    dg.DagsterEventType.STEP_SUCCESS: "success",
    dg.DagsterEventType.STEP_FAILURE: "failure",
    dg.DagsterEventType.STEP_SKIPPED: "skipped",
}
INTERRUPTED = "DagsterExecutionInterruptedError"


def _moment(timestamp: float | None) -> datetime | None:
    return datetime.fromtimestamp(timestamp, UTC) if timestamp else None


def headline(failures: Sequence[tuple[str, str, str]]) -> str:
    """Return failures in one line."""
    return "; ".join(
        f"{asset or 'run'}: {kind}: {message.splitlines()[0] if message else ''}" for asset, kind, message in failures
    )
