"""Runs and what they cover: sessions, portfolios, assets. Read from Dagster's run storage."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from sigma_assets.instance.health.worker_process import died_here
from sigma_assets.runs.partitions import portfolios_def
from sigma_assets.runs.tags import (
    AGAIN,
    MISSING,
    PARTITION,
    PORTFOLIO,
    RANGE_END,
    RANGE_START,
    REASON,
    ROOT_RUN,
    SOURCE,
    TARGET,
    portfolio_tags,
    spans_of,
)
from sigma_assets.storage.roster import Roster

ABANDONED_AFTER = timedelta(minutes=1)
"""A run that was made and not started for so long never will be: who made it has died."""
PAGE = 200
"""Runs that are read at once where somebody may ask for all."""
UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
    dg.DagsterRunStatus.MANAGED,
)


@dataclass(frozen=True)
class RunCover:
    """A run of ours and what it covers.

    Attributes
    ----------
    storage_id : its place among all runs, in the order in which they were made.
    portfolio_ids : the portfolios that it spans; empty for a run of the universe.
    first, last : first and last session of its range.
    assets : what it was asked for; empty for all assets of its job.
    root_run_id : the first of the runs that it belongs to: Dagster tries a run again whose worker died, as another run.
    reason : why it was planned: missing, holdings changed, prices corrected, ...
    is_written_down : whether its own tags say which portfolios it spans, and not only the ends of a range of partitions.
    is_intact : whether the range of partitions still spans nothing else than these.
    target : last session that was due when it was planned; None where nobody noted it.
    died : what became of its process, where that has ended and Dagster does not know it yet: without a daemon it will not
        know before the next command. Such a run has failed.
    """

    run_id: str
    storage_id: int
    job: str
    source: str
    reason: str
    status: dg.DagsterRunStatus
    created: datetime
    started: float | None
    ended: float | None
    first: str
    last: str
    portfolio_ids: tuple[str, ...] = field(repr=False)
    assets: frozenset[str] = field(default=frozenset(), repr=False)
    is_written_down: bool = field(default=True, repr=False)
    is_intact: bool = field(default=True, repr=False)
    root_run_id: str = ""
    target: str | None = field(default=None, repr=False)
    died: str | None = field(default=None, repr=False)

    @property
    def in_flight(self) -> bool:
        """Whether it has not ended."""
        return self.status in UNFINISHED

    @property
    def is_again(self) -> bool:
        """Whether it covers partitions that were there when it was planned."""
        return self.reason in AGAIN

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
    roster: Roster,
    *,
    in_flight: bool = False,
    created_after: datetime | None = None,
    portfolio_id: str | None = None,
    limit: int | None = None,
    ascending: bool = False,
) -> list[RunCover]:
    """Return our runs, newest first unless `ascending`, with the portfolios that they cover.

    In flight is what has not ended; but not what was made and never started: nobody will.
    """
    chosen = dg.RunsFilter(
        statuses=list(UNFINISHED) if in_flight else None,
        created_after=created_after,
        tags={PORTFOLIO: portfolio_id} if portfolio_id else None,
    )
    found = covers_of(instance, roster, instance.get_run_records(chosen, limit=limit, ascending=ascending))
    return [run for run in found if run.in_flight and not run.is_abandoned] if in_flight else found


def run_pages(instance: dg.DagsterInstance, roster: Roster) -> Iterator[RunCover]:
    """Yield all our runs, newest first; read page by page, as far as somebody asks."""
    cursor = None
    while True:
        records = instance.get_run_records(limit=PAGE, cursor=cursor)
        yield from covers_of(instance, roster, records)
        if len(records) < PAGE:
            return
        cursor = records[-1].dagster_run.run_id


def abandoned_runs(instance: dg.DagsterInstance, roster: Roster) -> list[RunCover]:
    """Return the runs that were made and never started, newest first."""
    chosen = dg.RunsFilter(statuses=[dg.DagsterRunStatus.NOT_STARTED])
    return [run for run in covers_of(instance, roster, instance.get_run_records(chosen)) if run.is_abandoned]


def write_down(instance: dg.DagsterInstance, roster: Roster, cover: RunCover) -> None:
    """Let a run that somebody launched by hand say for ever what it covers, as those that we plan do."""
    tags = portfolio_tags(roster.spans(cover.portfolio_ids))
    if len(cover.portfolio_ids) == 1:
        tags[PORTFOLIO] = cover.portfolio_ids[0]
    instance.add_run_tags(cover.run_id, tags)


def covers_of(instance: dg.DagsterInstance, roster: Roster, records: Sequence[dg.RunRecord]) -> list[RunCover]:
    """Return what runs cover, in their order; those that cover no partitions of ours are left out."""
    if not records:
        return []
    order = instance.get_dynamic_partitions(str(portfolios_def.name))
    positions = {name: position for position, name in enumerate(order)}
    covers = [_cover(record, roster, order, positions) for record in records]
    return [cover for cover in covers if cover is not None]


def _cover(record: dg.RunRecord, roster: Roster, order: Sequence[str], positions: Mapping[str, int]) -> RunCover | None:
    run = record.dagster_run
    start = run.tags.get(RANGE_START) or run.tags.get(PARTITION)
    end = run.tags.get(RANGE_END) or start
    if not start or not end:
        return None
    (first, _, from_name), (last, _, to_name) = start.partition("|"), end.partition("|")
    if not (_is_day(first) and _is_day(last)):  # a run of somebody else's job in the same Dagster
        return None
    spans, is_open = spans_of(run.tags), run.status in UNFINISHED
    died = died_here(run.tags) if is_open else None
    names = _between(order, positions, from_name, to_name) if is_open or not spans else ()
    ranged = tuple(roster.id_of[name] for name in names if name in roster.id_of)
    portfolio_ids = roster.within(spans) if spans else ranged
    is_whole = {from_name, to_name} <= positions.keys() and bool(ranged) and set(ranged) <= set(portfolio_ids)
    return RunCover(
        run_id=run.run_id,
        root_run_id=run.tags.get(ROOT_RUN, run.run_id),
        storage_id=record.storage_id,
        job=run.job_name,
        source=run.tags.get(SOURCE, "admin"),
        reason=run.tags.get(REASON, MISSING),
        status=run.status if died is None else dg.DagsterRunStatus.FAILURE,
        created=record.create_timestamp,
        started=record.start_time,
        ended=record.end_time,
        first=first,
        last=last,
        portfolio_ids=portfolio_ids,
        assets=frozenset(key.to_user_string() for key in run.asset_selection or ()),
        is_written_down=bool(spans) or not from_name,
        is_intact=not from_name or is_whole,
        target=run.tags.get(TARGET),
        died=died,
    )


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _between(order: Sequence[str], positions: Mapping[str, int], start: str, end: str) -> tuple[str, ...]:
    """Return the slice of the dynamic partitions that a range spans; its ends themselves where one is gone."""
    if not start:
        return ()
    if start in positions and end in positions:
        return tuple(order[positions[start] : positions[end] + 1])
    return (start,) if start == end else (start, end)
