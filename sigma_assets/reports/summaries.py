"""A line per portfolio: equity, the day, the year and how much it moves, on its last session; in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.schema import performance, portfolio_snapshots, risk_by_portfolio, volatility_by_portfolio


@dataclass(frozen=True)
class Summary:
    """A portfolio on the last session of its snapshots; None = not known there.

    Attributes
    ----------
    sessions : how many have a snapshot.
    equity, daily_pnl : USD.
    daily_return, return_ytd : fractions, time-weighted.
    volatility : realised over 63 sessions, per year.
    var_99 : loss of one day that one session in a hundred exceeds, share of equity.
    """

    sessions: int
    session: date
    equity: float
    daily_pnl: float
    daily_return: float | None
    return_ytd: float | None
    volatility: float | None
    var_99: float | None


def summaries(database: Database, portfolio_ids: Sequence[str]) -> dict[str, Summary]:
    """Return the summary of each portfolio that has a session."""
    table = portfolio_snapshots.c
    newest = sa.select(
        table.portfolio_id, sa.func.count().label("sessions"), sa.func.max(table.session).label("session")
    )
    last = newest.where(table.portfolio_id.in_(portfolio_ids)).group_by(table.portfolio_id).subquery()

    def on_last(other: sa.Table) -> sa.ColumnElement[bool]:
        return sa.and_(other.c.portfolio_id == last.c.portfolio_id, other.c.session == last.c.session)

    query = (
        sa.select(
            table.portfolio_id,
            last.c.sessions,
            table.session,
            table.equity,
            table.daily_pnl,
            table.daily_return,
            performance.c.return_ytd,
            volatility_by_portfolio.c.realized_63d,
            risk_by_portfolio.c.var_99,
        )
        .select_from(last)
        .join(portfolio_snapshots, on_last(portfolio_snapshots))
        .outerjoin(performance, on_last(performance))
        .outerjoin(volatility_by_portfolio, on_last(volatility_by_portfolio))
        .outerjoin(risk_by_portfolio, on_last(risk_by_portfolio))
    )
    with database.read() as connection:
        return {row.portfolio_id: Summary(*row[1:]) for row in connection.execute(query)}
