"""Whether a source's answers for a session are those of a market, or of a few symbols that are ahead (SPEC 5)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa

from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.schema import market_prices, price_gaps

FIRST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True)
class Answers:
    """What a source has answered for one session.

    Attributes
    ----------
    priced : symbols with a price.
    lacking : symbols that it was asked for, that have none, and that had one lately.
    asked_at : when it was last asked for one of these; None where none lacks.
    """

    session: date
    priced: int
    lacking: int
    asked_at: datetime | None

    def is_complete(self, share: float) -> bool:
        """Return whether enough of the symbols priced lately have a price; true of a session that nobody asked for."""
        return self.priced >= share * (self.priced + self.lacking)

    def waits_until(self, due: datetime) -> datetime:
        """Return when to ask again: an hour later, then each time when twice as long has passed since it was due."""
        asked = due if self.asked_at is None else self.asked_at
        return asked + max(asked - due, FIRST_PAUSE)

    def __str__(self) -> str:
        count = self.priced + self.lacking
        return f"{self.session}: {self.priced} of {count} symbols that had prices lately have one"


def answers_for(db: Database, session: date, since: date) -> Answers:
    """Return what is stored of a source's answers for a session.

    Parameters
    ----------
    since : a symbol with a price from this day on, and before the session, was priced lately.
    """
    had = sa.exists().where(
        market_prices.c.symbol == price_gaps.c.symbol,
        market_prices.c.session >= since,
        market_prices.c.session < session,
    )
    lacking = sa.select(sa.func.count(), sa.func.max(price_gaps.c.asked_at)).where(price_gaps.c.session == session, had)
    priced = sa.select(sa.func.count()).select_from(market_prices).where(market_prices.c.session == session)

    def read(connection: sa.Connection) -> Answers:
        count, asked_at = connection.execute(lacking).one()
        if asked_at is not None:
            asked_at = asked_at.replace(tzinfo=UTC) if asked_at.tzinfo is None else asked_at.astimezone(UTC)
        return Answers(session, connection.execute(priced).scalar_one(), count, asked_at)

    return db.in_snapshot(read)


def ask_again_today(db: Database, session: date, today: date) -> None:
    """Let what lacks on a session be asked for again today, whenever its source said that it would make sense."""
    waits = sa.or_(price_gaps.c.next_try.is_(None), price_gaps.c.next_try > today)
    which = sa.and_(price_gaps.c.session == session, waits)
    db.in_transaction(lambda connection: connection.execute(sa.update(price_gaps).where(which).values(next_try=today)))
