"""What the status server reads: a portfolio from our tables, its runs from Dagster. It writes nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import dagster as dg
import numpy as np
import sqlalchemy as sa

from sigma_assets.base.frames import SessionArray
from sigma_assets.runs.covers import RunCover, runs
from sigma_assets.runs.events import read_events
from sigma_assets.runs.facts import PortfolioFacts, RunFacts, RunState, Totals
from sigma_assets.runs.phases import BY_ASSET
from sigma_assets.runs.progress import Progress, onboarding_progress
from sigma_assets.settings import Settings
from sigma_assets.storage.database import Database
from sigma_assets.storage.roster import Roster, read_roster
from sigma_assets.storage.schema import lots, portfolios, price_coverage
from sigma_assets.web.cache import CACHE_SECONDS, ShortCache

CLOCK_DIFFERENCE = timedelta(minutes=5)
"""By how much the clocks of the hosts that store portfolios and runs may differ."""

NEW = timedelta(hours=2)

Status = dg.DagsterRunStatus
STATES: dict[Status, RunState] = {
    Status.SUCCESS: "succeeded",
    Status.FAILURE: "failed",
    Status.CANCELED: "canceled",
    Status.STARTED: "running",
    Status.CANCELING: "running",
}


class Queries:
    """Reads, each of them as the databases are now; nothing is remembered longer than a second."""

    def __init__(
        self, settings: Settings, instance: dg.DagsterInstance, database: Database, cache_seconds: float = CACHE_SECONDS
    ) -> None:
        self.settings = settings
        self.instance = instance
        self.database = database
        self.sessions: SessionArray = settings.calendar.sessions
        self.cache = ShortCache(cache_seconds)

    def portfolio(self, portfolio_id: str) -> PortfolioFacts | None:
        """Return a portfolio, removed ones included; None if there is none with this id."""
        with self.database.read() as connection:
            query = sa.select(portfolios).where(portfolios.c.portfolio_id == portfolio_id)
            row = connection.execute(query).one_or_none()
        return None if row is None else self.facts_of(row)

    def facts_of(self, row: sa.Row) -> PortfolioFacts:
        """Return the facts in a row of the table of portfolios."""
        due_from = max(row.inception, self.settings.history_start)
        return PortfolioFacts(
            portfolio_id=row.portfolio_id,
            name=row.name,
            created=_aware(row.created_at).timestamp(),
            first=int(np.searchsorted(self.sessions, np.datetime64(due_from))),
            removed=row.deleted_at is not None,
        )

    def totals(self, portfolio_id: str) -> Totals:
        """Return what a finished onboarding covers."""
        needed = sa.select(sa.func.max(price_coverage.c.needed)).where(price_coverage.c.portfolio_id == portfolio_id)
        held = sa.select(sa.func.count()).select_from(lots).where(lots.c.portfolio_id == portfolio_id)
        with self.database.read() as connection:
            return Totals(connection.execute(needed).scalar_one(), connection.execute(held).scalar_one())

    def progress(self, portfolio: PortfolioFacts, *, detailed: bool = False) -> Progress:
        """Return where the onboarding of a portfolio stands; `detailed` reads what debug needs.

        Every run since its creation may cover it. Portfolios that are new, most likely several, share one look at them.
        For an older one that would be a long look: its own runs (found by their tag) come first, and where they
        complete it, no other can matter.
        """
        since = datetime.fromtimestamp(portfolio.created, UTC) - CLOCK_DIFFERENCE
        if datetime.now(UTC) - since > NEW:
            own = reversed(runs(self.instance, self.roster(), portfolio_id=portfolio.portfolio_id))
            progress = onboarding_progress(portfolio.first, list(self._facts(own, detailed)))
            if progress.status == "completed":
                return progress
        hour = since.replace(minute=0, second=0, microsecond=0)  # who came within the same hour shares one look
        looked = self.cache.get(("runs", hour), partial(runs, self.instance, self.roster(), created_after=hour))
        covers = [cover for cover in reversed(looked) if self._covers(cover, portfolio.portfolio_id, since)]
        return onboarding_progress(portfolio.first, list(self._facts(covers, detailed)))

    def roster(self) -> Roster:
        """Return which portfolio is which partition."""
        return self.cache.get(("roster",), partial(read_roster, self.database))

    def _facts(self, covers: Iterable[RunCover], detailed: bool) -> Iterator[RunFacts]:
        for cover in covers:
            facts = self._of_cover(cover)
            if cover.started is None:
                yield facts
                continue
            # an ended run must not be judged by events that were read while it was on: hence its state in the key
            key = ("events", cover.run_id, facts.state, detailed)
            read = partial(read_events, self.instance, cover.run_id, outputs=detailed)
            events, error = self.cache.get(key, read)
            yield replace(facts, events=events, error=error)

    def _of_cover(self, cover: RunCover) -> RunFacts:
        first, last = np.datetime64(cover.first), np.datetime64(cover.last)
        return RunFacts(
            run_id=cover.run_id,
            source=cover.source,
            state=STATES.get(cover.status, "queued"),
            created=cover.created.timestamp(),
            started=cover.started,
            ended=cover.ended,
            first=int(np.searchsorted(self.sessions, first)),
            stop=int(np.searchsorted(self.sessions, last, side="right")),
            assets=(cover.assets or frozenset(BY_ASSET)) & BY_ASSET.keys(),
        )

    def _covers(self, cover: RunCover, portfolio_id: str, since: datetime) -> bool:
        if cover.created < since:
            return False
        return portfolio_id in cover.portfolio_ids

    def run_url(self, run_id: str) -> str:
        """Return the address of a run in Dagster."""
        return f"{self.settings.dagster_link}/runs/{run_id}"

    def session(self, position: int) -> date:
        """Return the session at a position in the calendar."""
        return self.sessions[position].item()


def _aware(moment: datetime) -> datetime:
    """Return a moment of our tables with its zone: SQLite gives them back without."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
