"""What the status server reads: a portfolio from our tables, its runs from Dagster. It writes nothing."""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import dagster as dg
import numpy as np
import sqlalchemy as sa

from sigma_assets.automation.reasons.methods import OlderNumbers
from sigma_assets.base.errors import PortfolioNotFoundError
from sigma_assets.base.frames import SessionArray
from sigma_assets.instance.changes import DagsterChanges
from sigma_assets.reports.gaps.holdings import Holdings, holdings_of
from sigma_assets.reports.gaps.kinds import Gap, sessions_lost
from sigma_assets.runs.fold.facts import PortfolioFacts
from sigma_assets.runs.fold.progress import Progress
from sigma_assets.runs.history import History
from sigma_assets.runs.restored import lost_sessions
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.portfolios import newest_snapshots
from sigma_assets.storage.roster import Roster, read_roster
from sigma_assets.storage.schema import portfolio_snapshots, portfolios
from sigma_assets.web.cache import CACHE_SECONDS, ShortCache

AT_WORK = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
"""Runs that take a slot of the queue."""


class Queries:
    """Reads, each of them as the databases are now; what may have changed is remembered no longer than a second."""

    def __init__(
        self, settings: Settings, instance: dg.DagsterInstance, database: Database, cache_seconds: float = CACHE_SECONDS
    ) -> None:
        self.settings = settings
        self.instance = instance
        self.database = database
        self.sessions: SessionArray = settings.calendar.sessions
        self.cache = ShortCache(cache_seconds)
        self._dagster_changes = DagsterChanges(instance)
        self._older_numbers = OlderNumbers(instance, database, settings.history_start)
        self.history = History(instance, self.roster, settings.calendar, self._share, self._rows_end)

    def version(self) -> Hashable:
        """Return a value that is equal to an earlier one only if all that an answer is made of is as it was."""
        return self.tables_version(), self._dagster_changes.version()

    def tables_version(self) -> Hashable:
        """Return the same for what is made of our tables alone."""
        return self.settings.current_session(), self.database.version()

    def close(self) -> None:
        """Close the connections to our tables, and those that watch Dagster's, once the answers under way are made."""
        self.cache.close()
        self.database.dispose()
        self._dagster_changes.close()

    def portfolio(self, portfolio_id: str) -> PortfolioFacts:
        """Return a portfolio, removed ones included.

        Raises
        ------
        PortfolioNotFoundError
            There is none with this id.
        """
        with self.database.read() as connection:
            query = sa.select(portfolios).where(portfolios.c.portfolio_id == portfolio_id)
            row = connection.execute(query).one_or_none()
        if row is None:
            raise PortfolioNotFoundError(f"no portfolio has the id {portfolio_id}")
        return self.facts_of(row)

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

    def holdings(
        self,
        portfolio_ids: Sequence[str],
        uncomputed: Mapping[str, Collection[str]] | None = None,
        lost: Mapping[str, SessionArray] | None = None,
    ) -> dict[str, Holdings]:
        """Return how well the holdings of portfolios are known on their last session.

        Parameters
        ----------
        lost : what `lost` returns, where that is known already.
        """
        return holdings_of(self.database, self.settings, portfolio_ids, uncomputed, self.remarks(portfolio_ids, lost))

    def remarks(
        self, portfolio_ids: Sequence[str], lost: Mapping[str, SessionArray] | None = None
    ) -> dict[str, list[Gap]]:
        """Return what to say of portfolios besides gaps: sessions that are lost, numbers of an older method (of many
        portfolios by their ends alone)."""
        said = dict(self._older_numbers.gaps(self.roster(), portfolio_ids, ends_only=len(portfolio_ids) > 1))
        for key, days in (self.lost(portfolio_ids) if lost is None else lost).items():
            said[key] = [*said.get(key, ()), sessions_lost(days[0].item(), days[-1].item())]
        return said

    def lost(self, portfolio_ids: Sequence[str]) -> dict[str, SessionArray]:
        """Return the sessions that were computed, but that our tables end before; portfolios without any are absent."""
        current = np.datetime64(self.settings.current_session())
        later = {
            key: self.sessions[(self.sessions > np.datetime64(end)) & (self.sessions <= current)]
            for key, end in newest_snapshots(self.database, portfolio_ids).items()
        }
        return lost_sessions(
            self.instance,
            self.roster(),
            later,
            lambda ids: {key: np.datetime64(end) for key, end in newest_snapshots(self.database, ids).items()},
        )

    def progress(self, portfolio: PortfolioFacts, *, for_owner: bool = False) -> Progress:
        """Return where the onboarding of a portfolio stands; for its owner, without words that may be about others."""
        return self.history.progress(portfolio, for_owner=for_owner)

    def _share(self, key: Hashable, read: Callable[[], Any], is_lasting: Callable[[Any], bool]) -> Any:
        """Return a part of an answer."""
        return self.cache.get(key, read, is_lasting=is_lasting)

    def _rows_end(self, portfolio_id: str) -> date | None:
        """Return the last session that our tables have of a portfolio; None where they have none of anybody yet."""
        end = newest_snapshots(self.database, [portfolio_id]).get(portfolio_id)
        if end is not None:
            return end
        with self.database.read() as connection:
            anything = connection.execute(sa.select(portfolio_snapshots.c.session).limit(1)).first()
        return None if anything is None else date.min

    def uncomputed(self, progress: Progress) -> list[str]:
        """Return the assets that are not there yet: what they lack is no gap of the data."""
        return [asset for asset, status in progress.phases.items() if status != "completed"]

    def waiting(self, progress: Progress) -> str | None:
        """Return what the newest run waits for; None if it does not, or another one is at work."""
        run = progress.run
        if run is None or run.state not in ("queued", "starting"):
            return None
        if run.state == "starting":
            return "Its worker is starting"
        slots = self.instance.get_concurrency_config().run_queue_config
        most = slots.max_concurrent_runs if slots else None
        at_work = self.instance.get_runs_count(dg.RunsFilter(statuses=AT_WORK))
        if most is not None and 0 <= most <= at_work:
            return f"Waiting for a free worker: {at_work} of {most} are at work"
        return "In Dagster's queue, which is looked at every second"

    def roster(self) -> Roster:
        """Return which portfolio is which partition."""
        return self.cache.get(("roster",), partial(read_roster, self.database))

    def session(self, position: int) -> date:
        """Return the session at a position in the calendar."""
        return self.sessions[position].item()


def _aware(moment: datetime) -> datetime:
    """Return a moment of our tables with its zone: SQLite gives them back without."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
