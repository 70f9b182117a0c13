"""What is remembered of the price source itself: whether gaps speak of what it has now, and how fast it may be called."""

from datetime import date, datetime, timedelta

import sqlalchemy as sa

from sigma_assets.base.calendar import TradingCalendar
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames import bulk
from sigma_assets.storage.frames.rows import lock_key
from sigma_assets.storage.schema import market_prices, price_gaps, price_sources, provider_calls
from sigma_assets.storage.schema import symbols as symbols_table

_CURRENT = "current"
WINDOW_SECONDS = 60.0
MOST_AHEAD_SECONDS = 3600.0
"""Calls are reserved when they are due: as many minutes ahead as processes wait for each call of a minute. Beyond this, a
host reserved one whose clock is ahead of ours: all others would wait until its time comes."""


def reopen_gaps(db: Database, fingerprint: str, today: date, now: datetime) -> bool:
    """Let everything that was remembered as missing be asked for again, if the source has changed; return whether it had.

    The first source of a database is not a change of one.

    Parameters
    ----------
    fingerprint : of the source as it is now; the same as at the last call leaves everything as it is.
    """

    def write(connection: sa.Connection) -> bool:
        before = _stored(connection)
        if before == fingerprint:
            return False
        is_new = connection.execute(sa.select(market_prices.c.symbol).limit(1)).first() is None
        for table, which in ((price_gaps, sa.true()), (symbols_table, symbols_table.c.status != "active")):
            waits = sa.or_(table.c.next_try.is_(None), table.c.next_try > today)
            connection.execute(sa.update(table).where(which, waits).values(next_try=today))
        connection.execute(sa.delete(price_sources))
        row = {"name": _CURRENT, "fingerprint": fingerprint, "changed_at": bulk.utc(now), "is_asked": is_new}
        connection.execute(sa.insert(price_sources), row)
        return before is not None

    with db.read() as connection:
        if _stored(connection) == fingerprint:
            return False
    return db.in_transaction(write)


def is_asked(db: Database, fingerprint: str) -> bool:
    """Return whether the whole universe has been asked for since the source became what it is; true before any load."""
    with db.read() as connection:
        if connection.execute(sa.select(market_prices.c.symbol).limit(1)).first() is None:
            return True
        query = sa.select(price_sources.c.fingerprint, price_sources.c.is_asked)
        row = connection.execute(query).one_or_none()
    return row is not None and row.fingerprint == fingerprint and bool(row.is_asked)


def mark_asked(db: Database, fingerprint: str) -> None:
    """Note that the whole universe has been asked for since the source became what it is."""
    mine = sa.and_(price_sources.c.fingerprint == fingerprint, sa.not_(price_sources.c.is_asked))
    db.in_transaction(lambda connection: connection.execute(sa.update(price_sources).where(mine).values(is_asked=True)))


def reserve_call(db: Database, source: str, calls_per_minute: int, now: float) -> float:
    """Reserve the next call to a source for this process; return the moment at which it may start, seconds since 1970.

    At most `calls_per_minute` calls of all processes on this database start in any 60 seconds, as long as their clocks
    agree to within an hour. A process that dies before its call has wasted one. What a clock further ahead has reserved
    counts as past.
    """

    def write(connection: sa.Connection) -> float:
        if connection.dialect.name == "postgresql":
            key = lock_key(f"provider_calls {source}")
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
        slots = provider_calls.c.slot
        mine = sa.and_(provider_calls.c.source == source, slots < calls_per_minute)
        query = sa.select(slots, provider_calls.c.starts_at).where(mine).order_by(provider_calls.c.starts_at)
        taken = connection.execute(query).all()
        free = sorted(set(range(calls_per_minute)).difference(row.slot for row in taken))
        if free:
            new = {"source": source, "slot": free[0], "starts_at": now}
            connection.execute(sa.insert(provider_calls), new)
            return now
        last, slot = min((0.0 if at > now + MOST_AHEAD_SECONDS else at, slot) for slot, at in taken)
        start = max(now, last + WINDOW_SECONDS)
        this = sa.and_(provider_calls.c.source == source, slots == slot)
        connection.execute(sa.update(provider_calls).where(this).values(starts_at=start))
        return start

    return db.in_transaction(write)


def price_age(db: Database, calendar: TradingCalendar, current_session: date) -> str:
    """Return how old the newest stored price is, as of a session: say it wherever "up to date" is said."""
    newest = sa.select(sa.func.max(market_prices.c.session))
    session = db.in_snapshot(lambda connection: connection.execute(newest).scalar_one())
    if session is None:
        return "no prices yet"
    behind = len(calendar.between(session + timedelta(days=1), current_session))
    age = {0: "up to date", 1: "1 session old"}.get(behind, f"{behind:,} sessions old")
    return f"newest price {session}, {age}"


def _stored(connection: sa.Connection) -> str | None:
    return connection.execute(sa.select(price_sources.c.fingerprint)).scalar_one_or_none()
