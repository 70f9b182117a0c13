"""The history of runs, read from Dagster's run storage and event log. Nothing is stored elsewhere.

`sigma-assets runs` and `status`, the status server and alerts all read it here.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from itertools import islice
from typing import Any

import dagster as dg
import numpy as np

from sigma_assets.base.calendar import TradingCalendar
from sigma_assets.runs.covers import RunCover, covers_of, run_pages, runs
from sigma_assets.runs.fold.events import WORKER_DIED, read_events
from sigma_assets.runs.fold.facts import IN_FLIGHT, Attempt, PortfolioFacts, RunEvents, RunFacts, RunState, attempts
from sigma_assets.runs.fold.phases import BY_ASSET, PHASES
from sigma_assets.runs.fold.progress import Progress, onboarding_progress
from sigma_assets.runs.presence import Presence
from sigma_assets.runs.restored import SNAPSHOTS
from sigma_assets.storage.roster import Roster

RUNS_KEPT = 256
"""Finished runs whose events are remembered, by run and end state; some ten kB each."""
RUNS_READ = 20
"""Most runs whose events are read for one portfolio: those that completed it are the oldest ones, those that tell why it is
incomplete the newest."""
RUNS_LOOKED_AT = 200
"""Run records in which those of a portfolio are looked for: the oldest since its creation, and the newest."""
CLOCK_DIFFERENCE = timedelta(minutes=5)
"""By how much the clocks of the hosts that store portfolios and runs may differ."""

Status = dg.DagsterRunStatus
STATES: dict[Status, RunState] = {
    Status.SUCCESS: "succeeded",
    Status.FAILURE: "failed",
    Status.CANCELED: "canceled",
    Status.STARTED: "running",
    Status.CANCELING: "running",
    Status.NOT_STARTED: "starting",
    Status.STARTING: "starting",
}
Share = Callable[[tuple[object, ...], Callable[[], Any], Callable[[Any], bool]], Any]
"""Reads something under a key, or hands out what was read a moment ago; longer if that lasts and nothing is written."""


def _always(_: Any) -> bool:
    return True


def _have_ended(covers: Iterable[RunCover]) -> bool:
    """Return whether none of these runs is under way: of such a one nobody writes down that its process has died."""
    return not any(cover.in_flight for cover in covers)


@dataclass(frozen=True)
class RunStory:
    """What happened in a run.

    Attributes
    ----------
    assets : per asset that it began, in the order in which they began.
    cells_done, cells_total : sessions x portfolios x assets that are materialised, and that were asked for.
    failures : asset, exception type, message; empty for a run that succeeded.
    """

    cover: RunCover
    assets: tuple[Attempt, ...]
    cells_done: int
    cells_total: int
    failures: tuple[tuple[str, str, str], ...]

    def record(self) -> dict[str, object]:
        """Return the story as plain values."""
        cover = self.cover
        return {
            "run_id": cover.run_id,
            "source": cover.source,
            "status": cover.status.value.lower(),
            "job": cover.job,
            "portfolio_ids": list(cover.portfolio_ids),
            "first": cover.first,
            "last": cover.last,
            "started_at": _moment(cover.started),
            "ended_at": _moment(cover.ended),
            "seconds": round(cover.ended - cover.started, 2) if cover.ended and cover.started else None,
            "asset_seconds": {one.asset: _rounded(one.seconds) for one in self.assets},
            "cells_done": self.cells_done,
            "cells_total": self.cells_total,
            "failures": [dict(zip(("asset", "type", "message"), failure, strict=True)) for failure in self.failures],
        }


class History:
    """Runs of one instance, read when somebody asks; the events of a finished run are read once.

    Parameters
    ----------
    roster : returns which portfolio is which partition, as it is now.
    share : shares a read between readers who come at once; by default each reads for itself.
    rows_end : returns the last session that our tables have of a portfolio. What is materialised of later ones is lost:
        the tables come from an older backup. Where it returns None, and by default, Dagster is believed.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        roster: Callable[[], Roster],
        calendar: TradingCalendar,
        share: Share = lambda _, read, __: read(),
        rows_end: Callable[[str], date | None] = lambda _: None,
    ) -> None:
        self.instance = instance
        self._roster = roster
        self._calendar = calendar
        self._share = share
        self._rows_end = rows_end
        self._presence = Presence(instance, calendar.sessions)
        self._read_once = lru_cache(RUNS_KEPT)(self._read)

    def stories(self, *, portfolio_id: str | None = None, limit: int = 20) -> list[RunStory]:
        """Return the stories of the newest runs, newest first: all, or those that cover a portfolio."""
        roster = self._roster()
        covers = run_pages(self.instance, roster) if portfolio_id else iter(runs(self.instance, roster, limit=limit))
        chosen = (cover for cover in covers if portfolio_id is None or portfolio_id in cover.portfolio_ids)
        return [self.story(cover) for cover in islice(chosen, limit)]

    def story(self, cover: RunCover) -> RunStory:
        """Return the story of one run."""
        facts = self.facts(cover)
        of_assets = attempts(facts)
        begun = tuple(one for one in of_assets if one.started is not None)
        done = sum(one.cells for one in of_assets)
        return RunStory(cover, begun, done, len(facts.assets) * facts.cells, _failures(cover, facts, of_assets))

    def progress(self, portfolio: PortfolioFacts, *, for_owner: bool = False) -> Progress:
        """Return where the onboarding of a portfolio stands.

        What is there is asked of Dagster's materialised partitions; runs tell phases, times and errors. Costs the same
        for a portfolio with one run and with hundreds: of a complete one the runs are read, oldest first, until they
        explain all that is there, of an incomplete one the newest; at most `RUNS_READ`.

        Parameters
        ----------
        for_owner : without words of runs that may be about other portfolios.
        """
        covers = self._of_portfolio(portfolio)
        if not covers:
            return onboarding_progress(portfolio.first, (), {})
        facts = [self._outline(cover) for cover in covers]
        stop = max(run.target or run.stop for run in facts)
        name = self._roster().name_of[portfolio.portfolio_id]
        there = self._presence.look(name, portfolio.first, max(stop, portfolio.first))
        end = self._rows_end(portfolio.portfolio_id)  # after the look: rows are stored before Dagster hears of them
        if end is not None:
            days = self._calendar.sessions[portfolio.first : max(stop, portfolio.first)]
            lost = there[SNAPSHOTS] & (days > np.datetime64(end))
            there = {asset: is_there & ~lost for asset, is_there in there.items()}
        due = max((facts[0].target or facts[0].stop) - portfolio.first, 0)
        is_complete = all(there[phase.asset][:due].all() for phase in PHASES)
        newest = max(RUNS_READ - 1, 1)
        chosen = covers[:RUNS_READ] if is_complete else [covers[0], *covers[1:][-newest:]]
        runs = (self.facts(cover) for cover in chosen)
        return onboarding_progress(portfolio.first, (run.for_owner() if for_owner else run for run in runs), there)

    def facts(self, cover: RunCover) -> RunFacts:
        """Return a run with its events."""
        facts = self._outline(cover)
        if cover.started is None and facts.in_flight:
            return facts
        read = self._events(cover, facts)
        assets = facts.assets or frozenset(event.asset for event in read.events)
        return replace(facts, assets=assets, **vars(read))

    def _events(self, cover: RunCover, facts: RunFacts) -> RunEvents:
        if cover.died:
            return replace(self._read(cover.run_id, facts.state), error_kind=WORKER_DIED, error=cover.died)
        return (self._read if facts.in_flight else self._read_once)(cover.run_id, facts.state)

    def _read(self, run_id: str, state: RunState) -> RunEvents:
        """Read the events of a run in a state: an ended one must not be judged by what was read while it was on."""
        read = partial(read_events, self.instance, run_id, has_ended=state not in IN_FLIGHT)
        found: RunEvents = self._share(("events", run_id, state), read, _always)
        return found

    def _outline(self, cover: RunCover) -> RunFacts:
        first, stop = self._position(cover.first), self._position(cover.last, after=True)
        return RunFacts(
            run_id=cover.run_id,
            source=cover.source,
            state=STATES.get(cover.status, "queued"),
            created=cover.created.timestamp(),
            started=cover.started,
            ended=cover.ended,
            first=first,
            stop=stop,
            target=None if cover.target is None else self._position(cover.target, after=True),
            is_again=cover.is_again,
            assets=cover.assets or (frozenset(BY_ASSET) if cover.portfolio_ids else frozenset()),
            cells=(stop - first) * max(len(cover.portfolio_ids), 1),
        )

    def _position(self, session: str, *, after: bool = False) -> int:
        return int(np.searchsorted(self._calendar.sessions, np.datetime64(session), "right" if after else "left"))

    def _of_portfolio(self, portfolio: PortfolioFacts) -> list[RunCover]:
        """Return runs that cover a portfolio, oldest first: the first of its life, and the newest.

        Runs of many portfolios carry no portfolio's tag, so they are looked for among all; who came within the same hour
        shares that look. The clock may have been set back since: where there is none, those before count, too.
        """
        since = datetime.fromtimestamp(portfolio.created, UTC) - CLOCK_DIFFERENCE
        hour = since.replace(minute=0, second=0, microsecond=0)
        roster = self._roster()
        oldest: list[RunCover] = self._share(
            ("runs", hour),
            partial(runs, self.instance, roster, created_after=hour, limit=RUNS_LOOKED_AT, ascending=True),
            _have_ended,
        )
        found = {cover.run_id: cover for cover in oldest if portfolio.portfolio_id in cover.portfolio_ids}
        if len(oldest) >= RUNS_LOOKED_AT or not found:
            newest = partial(runs, self.instance, roster, limit=RUNS_LOOKED_AT)
            covers = self._share(("runs", "newest"), newest, _have_ended)
            found |= {cover.run_id: cover for cover in covers}
            for ascending in (True, False):
                own = runs(
                    self.instance, roster, portfolio_id=portfolio.portfolio_id, limit=RUNS_READ, ascending=ascending
                )
                found |= {cover.run_id: cover for cover in own}
        mine = [cover for cover in found.values() if portfolio.portfolio_id in cover.portfolio_ids]
        return sorted(mine, key=lambda cover: cover.storage_id)


def stories(
    instance: dg.DagsterInstance,
    roster: Roster,
    calendar: TradingCalendar,
    *,
    portfolio_id: str | None = None,
    limit: int = 20,
) -> list[RunStory]:
    """Return the stories of the newest runs, newest first: all, or those that cover a portfolio."""
    return History(instance, lambda: roster, calendar).stories(portfolio_id=portfolio_id, limit=limit)


def story_of(instance: dg.DagsterInstance, roster: Roster, run_id: str, calendar: TradingCalendar) -> RunStory | None:
    """Return the story of one run; None if it is not one of ours (it covers no partitions)."""
    covers = covers_of(instance, roster, instance.get_run_records(dg.RunsFilter(run_ids=[run_id])))
    return History(instance, lambda: roster, calendar).story(covers[0]) if covers else None


def headline(failures: Sequence[tuple[str, str, str]]) -> str:
    """Return failures in one line."""
    return "; ".join(
        f"{asset or 'run'}: {kind}: {message.splitlines()[0] if message else ''}" for asset, kind, message in failures
    )


def _failures(cover: RunCover, run: RunFacts, of_assets: Iterable[Attempt]) -> tuple[tuple[str, str, str], ...]:
    """Return asset, type and message of what failed: steps if any did, else the run as a whole."""
    if run.state not in ("failed", "canceled"):
        return ()
    failed = [one for one in of_assets if one.status == "failed"]
    steps = [one for one in failed if not one.was_cut_off]
    if steps:
        return tuple((one.asset, one.error_type, one.error.removeprefix(f"{one.error_type}: ")) for one in steps)
    at_work = ", ".join(one.asset for one in failed)
    return ((at_work, run.error_kind or cover.status.value.lower(), run.error.removeprefix(f"{run.error_kind}: ")),)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _moment(timestamp: float | None) -> datetime | None:
    return datetime.fromtimestamp(timestamp, UTC) if timestamp else None
