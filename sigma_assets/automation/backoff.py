"""What failed is tried again after a pause that doubles with each failure in a row, read from the run history."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import dagster as dg

from sigma_assets.automation.planner import backoff_seconds
from sigma_assets.runs.watermark import RunCover

HISTORY = timedelta(days=2)
"""How far back failures count."""


def held_back(history: Iterable[RunCover], now: datetime) -> set[str]:
    """Return the portfolios whose pause after failures in a row is not over.

    Parameters
    ----------
    history : runs, newest first; those in flight do not count.
    """
    failures: dict[str, int] = {}
    latest: dict[str, float] = {}
    settled: set[str] = set()
    for run in history:
        if run.in_flight:
            continue
        open_ones = [key for key in run.portfolio_ids if key not in settled]
        if run.status is dg.DagsterRunStatus.SUCCESS:
            settled.update(open_ones)
            continue
        for key in open_ones:
            failures[key] = failures.get(key, 0) + 1
            latest.setdefault(key, _ended(run))
    return {key for key, count in failures.items() if now.timestamp() < latest[key] + backoff_seconds(count)}


def may_try_again(history: Iterable[RunCover], now: datetime) -> bool:
    """Return whether the pause after the latest failures in a row (newest run first) is over."""
    failures, latest = 0, 0.0
    for run in history:
        if run.in_flight:
            continue
        if run.status is dg.DagsterRunStatus.SUCCESS:
            break
        failures, latest = failures + 1, latest or _ended(run)
    return now.timestamp() >= latest + backoff_seconds(failures)


def _ended(run: RunCover) -> float:
    return run.ended or run.created.timestamp()
