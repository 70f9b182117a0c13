"""What nobody needs any more: runs that others have superseded, and what was computed for portfolios removed long ago.

Everything else is kept: the numbers of active portfolios, and the newest materialisation of each partition, which is the
watermark.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
import sqlalchemy as sa

from sigma_assets.runs.covers import RunCover, run_pages
from sigma_assets.runs.newest import materialized_in, newest_events
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.portfolios import portfolios
from sigma_assets.storage.roster import Roster
from sigma_assets.storage.schema import FAMILIES, PACKED, price_looks, stored_table

Track = Callable[[Sequence[RunCover], str], Iterable[RunCover]]
"""Yields runs, and shows how many are done, with what is done to them: a run takes 20 to 40 ms."""


def _unseen(runs: Sequence[RunCover], what: str) -> Iterable[RunCover]:
    return runs


@dataclass(frozen=True)
class Prunable:
    """What can be deleted.

    Attributes
    ----------
    runs : ended, with no event that is the newest of its partition; or of removed portfolios alone. Not the one with the
        newest event of all.
    rows : portfolio id -> computed rows of a portfolio that was removed.
    names : of these portfolios.
    """

    runs: list[RunCover]
    rows: dict[str, int]
    names: dict[str, str]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to delete."""
        return not self.runs and not self.rows


def prunable(
    instance: dg.DagsterInstance, database: Database, roster: Roster, before: datetime, track: Track = _unseen
) -> Prunable:
    """Find what ended, or was removed, before a moment and can be deleted. Writes nothing."""
    every = portfolios(database, include_removed=True)
    removed = every[every["deleted_at"].notna() & (every["deleted_at"] < before)]
    gone = set(removed["portfolio_id"])
    old = [run for run in run_pages(instance, roster) if not run.in_flight and _ended(run) < before.timestamp()]
    end = instance.event_log_storage.get_maximum_record_id()
    found = [
        run
        for run in track(old, "looking at old runs")
        if not _made_newest_event(instance, run.run_id, end)
        and (
            (run.portfolio_ids and gone.issuperset(run.portfolio_ids)) or not _is_newest_somewhere(instance, run.run_id)
        )
    ]
    counts = {portfolio_id: _rows(database, portfolio_id) for portfolio_id in removed["portfolio_id"]}
    names = dict(zip(removed["portfolio_id"], removed["name"], strict=True))
    return Prunable(found, {key: count for key, count in counts.items() if count}, names)


def prune(instance: dg.DagsterInstance, database: Database, found: Prunable, track: Track = _unseen) -> None:
    """Delete what was found: first the rows, a portfolio per transaction, then the runs with their events and logs.

    Each run is deleted after its events and logs: once it is gone, nothing would find them.
    """
    for portfolio_id in found.rows:
        with database.begin() as connection:
            for table in _tables():
                stored = stored_table(table, database.dialect)
                connection.execute(sa.delete(stored).where(stored.c.portfolio_id == portfolio_id))
            connection.execute(sa.delete(price_looks).where(price_looks.c.portfolio_id == portfolio_id))
    for run in track(found.runs, "deleting runs"):
        instance.event_log_storage.delete_events(run.run_id)
        with suppress(FileNotFoundError):  # another prune may be deleting them
            instance.compute_log_manager.delete_logs(prefix=[run.run_id])
        instance.delete_run(run.run_id)


def _ended(run: RunCover) -> float:
    return run.ended or run.created.timestamp()


def _made_newest_event(instance: dg.DagsterInstance, run_id: str, end: int | None) -> bool:
    """Return whether a run's last event is the newest of the whole log, whose number `end` is.

    SQLite numbers the next event as the newest one that is left: were that one deleted, whoever remembers how far it has
    looked (alerts, retries, sensors) would take new events for old ones.
    """
    records = instance.get_records_for_run(run_id, limit=1, ascending=False).records
    return bool(records) and records[0].storage_id == end


def _is_newest_somewhere(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Return whether a run made the newest materialisation of any partition."""
    for asset, made in materialized_in(instance, run_id):
        newest = newest_events(instance, asset, made)
        if any(made[key] >= storage_id for key, storage_id in newest.items()):
            return True
    return False


def _tables() -> list[sa.Table]:
    """Return the tables with computed rows of portfolios."""
    stored = [PACKED.get(table, table) for tables in FAMILIES.values() for table in tables]
    return [table for table in stored if "portfolio_id" in table.c]


def _rows(database: Database, portfolio_id: str) -> int:
    with database.read() as connection:
        counts = [
            connection.execute(
                sa.select(sa.func.count()).select_from(table).where(table.c.portfolio_id == portfolio_id)
            ).scalar_one()
            for table in _tables()
        ]
    return sum(counts)
