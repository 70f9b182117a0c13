"""What the status server reads: a portfolio from our tables, its runs from Dagster. It writes nothing."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial

import dagster as dg
import numpy as np
import sqlalchemy as sa

from sigma_assets.base.frames import SessionArray
from sigma_assets.runs.facts import PortfolioFacts
from sigma_assets.runs.history import History
from sigma_assets.runs.progress import Progress
from sigma_assets.settings import Settings
from sigma_assets.storage.database import Database
from sigma_assets.storage.roster import Roster, read_roster
from sigma_assets.storage.schema import lots, portfolios, price_coverage
from sigma_assets.web.cache import CACHE_SECONDS, ShortCache


@dataclass(frozen=True)
class Totals:
    """What a finished onboarding covers: symbols needed at most on a session (None: not known), and lots."""

    symbols: int | None
    positions: int


class Queries:
    """Reads, each of them as the databases are now; nothing that may change is remembered longer than a second."""

    def __init__(
        self, settings: Settings, instance: dg.DagsterInstance, database: Database, cache_seconds: float = CACHE_SECONDS
    ) -> None:
        self.settings = settings
        self.instance = instance
        self.database = database
        self.sessions: SessionArray = settings.calendar.sessions
        self.cache = ShortCache(cache_seconds)
        self.history = History(instance, self.roster, settings.calendar, self.cache.get)

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

    def progress(self, portfolio: PortfolioFacts) -> Progress:
        """Return where the onboarding of a portfolio stands."""
        return self.history.progress(portfolio)

    def roster(self) -> Roster:
        """Return which portfolio is which partition."""
        return self.cache.get(("roster",), partial(read_roster, self.database))

    def run_url(self, run_id: str) -> str:
        """Return the address of a run in Dagster."""
        return f"{self.settings.dagster_link}/runs/{run_id}"

    def session(self, position: int) -> date:
        """Return the session at a position in the calendar."""
        return self.sessions[position].item()


def _aware(moment: datetime) -> datetime:
    """Return a moment of our tables with its zone: SQLite gives them back without."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
