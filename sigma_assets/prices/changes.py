"""Which prices changed since when, and which portfolios may have been computed from the old ones."""

from collections.abc import Collection, Sequence
from datetime import date

import pandas as pd
import sqlalchemy as sa

from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames import bulk
from sigma_assets.storage.schema import market_prices, portfolios, price_coverage, price_looks

_BEHIND = """
    WITH looks AS (SELECT portfolio_id, revision FROM price_looks WHERE first_session <= :first),
    looked AS (SELECT p.portfolio_id, coalesce(k.revision, 0) AS revision
        FROM portfolios p LEFT JOIN looks k ON k.portfolio_id = p.portfolio_id
        WHERE p.deleted_at IS NULL AND coalesce(k.revision, 0) < (SELECT max(revision) FROM price_loads){chosen}),
    loads AS (SELECT revision, min(session) AS session FROM market_prices
        WHERE revision > :since AND revision > (SELECT min(revision) FROM looked) GROUP BY revision),
    computed AS (SELECT v.session,
            min(CASE WHEN v.prices_revision > p.revision THEN v.prices_revision ELSE p.revision END) AS revision
        FROM price_coverage v JOIN looked p ON p.portfolio_id = v.portfolio_id
        WHERE v.session >= (SELECT min(session) FROM loads) AND v.session >= :first GROUP BY v.session),
    seen AS (SELECT session, min(revision) OVER (ORDER BY session DESC) AS revision FROM computed),
    news AS (SELECT l.revision, (SELECT min(s.session) FROM seen s WHERE s.revision >= l.revision) AS until
        FROM loads l WHERE l.revision > (SELECT min(s.revision) FROM seen s)),
    changed AS (SELECT m.symbol, min(m.session) AS session, max(m.revision) AS revision
        FROM market_prices m JOIN news n ON n.revision = m.revision
        WHERE n.until IS NULL OR m.session < n.until GROUP BY m.symbol),
    everyones AS (SELECT min(session) AS session, max(revision) AS revision FROM changed WHERE {everyones}),
    mine AS (SELECT h.* FROM lots h JOIN looked p ON p.portfolio_id = h.portfolio_id),
    held AS (SELECT portfolio_id, symbol FROM mine WHERE investment_class <> 'PRIVATE'
        UNION ALL SELECT portfolio_id, underlying_symbol FROM mine WHERE underlying_symbol IS NOT NULL),
    touched AS (SELECT h.portfolio_id, c.session, c.revision FROM held h JOIN changed c ON c.symbol = h.symbol
        UNION ALL SELECT p.portfolio_id, e.session, e.revision FROM looked p CROSS JOIN everyones e
        WHERE e.revision IS NOT NULL),
    reach AS (SELECT t.portfolio_id, min(t.session) AS session, max(t.revision) AS revision
        FROM touched t JOIN looked p ON p.portfolio_id = t.portfolio_id
        WHERE t.revision > p.revision GROUP BY t.portfolio_id)
    SELECT portfolio_id FROM reach r WHERE EXISTS (SELECT 1 FROM price_coverage v
        WHERE v.portfolio_id = r.portfolio_id AND v.session >= r.session AND v.session >= :first
        AND v.prices_revision < r.revision)
    ORDER BY {order}"""
"""Lot by lot: asking of each portfolio and each changed symbol whether it is held took 4 million questions."""


def changed_prices(
    db: Database, since: int, symbols: Sequence[str] | None = None, first: date = date.min, last: date = date.max
) -> pd.DataFrame:
    """Return `symbol, session, revision` of prices written by loads after `since`, sorted by session and symbol.

    Parameters
    ----------
    symbols, first, last : only these symbols (None = all) and the sessions from `first` to `last`.
    """
    columns = [market_prices.c.symbol, market_prices.c.session, market_prices.c.revision]

    def read(connection: sa.Connection) -> pd.DataFrame:
        chosen = "" if symbols is None else f" AND {bulk.among(connection, 'symbol', 'symbols')}"
        query = (
            "SELECT symbol, session, revision FROM market_prices WHERE revision > :since"
            f" AND session BETWEEN :first AND :last{chosen}"
            f" ORDER BY {bulk.ordered(connection, market_prices, ('session', 'symbol'))}"
        )
        parameters = {
            "since": since,
            "first": first.isoformat(),
            "last": last.isoformat(),
            "symbols": bulk.as_list_parameter(connection, symbols or ()),
        }
        return bulk.fetch_frame(connection, query, parameters, columns)

    return db.in_snapshot(read)


def inputs_written(db: Database) -> tuple[int, ...]:
    """Return what is another one as soon as anybody has loaded prices, changed lots or flows, or removed a portfolio.

    Loads become visible in the order of their numbers (`write_prices`), changes of holdings need not: so these are counted.
    """
    query = (
        "SELECT (SELECT coalesce(max(revision), 0) FROM price_loads), (SELECT count(*) FROM holdings_changes),"
        " (SELECT coalesce(max(change_id), 0) FROM holdings_changes), (SELECT count(deleted_at) FROM portfolios)"
    )
    return db.in_snapshot(lambda connection: tuple(connection.exec_driver_sql(query).one()))


def portfolios_to_look_at(db: Database, revision: int, first: date) -> list[str]:
    """Return the active portfolios that have not been looked at for corrected prices up to a load, sorted.

    Parameters
    ----------
    first : the first session that matters; who was looked at from a later one on only is to be looked at again.
    """
    looked = sa.and_(price_looks.c.revision >= revision, price_looks.c.first_session <= first)
    query = (
        sa.select(portfolios.c.portfolio_id)
        .select_from(portfolios.outerjoin(price_looks, price_looks.c.portfolio_id == portfolios.c.portfolio_id))
        .where(portfolios.c.deleted_at.is_(None), sa.func.coalesce(looked, sa.false()).is_(sa.false()))
    )
    return sorted(db.in_snapshot(lambda connection: connection.execute(query).scalars().all()))


def looked_at(db: Database, key: str, first: date) -> int:
    """Return the load up to which a portfolio, or the universe, was looked at for corrected prices; 0 = never, or not from
    `first` on."""
    chosen = sa.and_(price_looks.c.portfolio_id == key, price_looks.c.first_session <= first)
    query = sa.select(price_looks.c.revision).where(chosen)
    return db.in_snapshot(lambda connection: connection.execute(query).scalar_one_or_none()) or 0


def oldest_revision(db: Database, table: sa.Table) -> int:
    """Return the oldest load that any row of a table has seen, 0 without rows."""
    query = sa.select(sa.func.min(table.c.prices_revision))
    return db.in_snapshot(lambda connection: connection.execute(query).scalar_one()) or 0


def note_price_looks(db: Database, portfolio_ids: Collection[str], revision: int, first: date, last: date) -> None:
    """Note that the loads up to a revision leave what is stored of these portfolios as it is.

    Parameters
    ----------
    portfolio_ids : no run was at work on them: it may have read prices before a load, and write what it made of them now.
    revision : the newest load before their rows were compared.
    first, last : the sessions that were compared. What is stored after the last one (the price source once had more) has not
        been: of a portfolio with such rows nothing is noted.
    """

    def write(connection: sa.Connection) -> None:
        query = (
            f"INSERT INTO {price_looks.name} (portfolio_id, revision, first_session)"
            " SELECT value, CAST(:revision AS bigint), CAST(:first AS "
            f"{'text' if connection.dialect.name == 'sqlite' else 'date'}) FROM {bulk.unnested(connection, 'keys')}"
            f" WHERE NOT EXISTS (SELECT 1 FROM {price_coverage.name} v WHERE v.portfolio_id = value AND v.session > :last)"
            " ON CONFLICT (portfolio_id) DO UPDATE SET revision = excluded.revision, first_session = excluded.first_session"
            f" WHERE excluded.revision > {price_looks.name}.revision OR (excluded.revision = {price_looks.name}.revision"
            f" AND excluded.first_session < {price_looks.name}.first_session)"
        )
        keys = bulk.as_list_parameter(connection, sorted(portfolio_ids))
        days = {"first": first.isoformat(), "last": last.isoformat()}
        connection.execute(sa.text(query), {"keys": keys, "revision": revision, **days})

    if portfolio_ids:
        db.in_transaction(write)


def portfolios_behind_prices(
    db: Database,
    everyones: Sequence[str],
    first: date,
    portfolio_ids: Sequence[str] | None = None,
    since: int = 0,
) -> list[str]:
    """Return the active portfolios that may have been computed from prices older than those stored, sorted.

    A portfolio that is not among them is up to date; one that is may be: only the sessions tell, and what they told is
    noted (`note_price_looks`). Of each load only the prices count that somebody computed a session without: not those of
    a night, which came before all that reads them.

    Parameters
    ----------
    everyones : symbols that every portfolio depends on, held or not.
    first : the first session that matters; numbers before it stay as they are.
    portfolio_ids : look at these alone; None = at all.
    since : only loads after this one count.
    """

    def read(connection: sa.Connection) -> pd.DataFrame:
        order = bulk.ordered(connection, price_coverage, ("portfolio_id",))
        chosen = "" if portfolio_ids is None else f" AND {bulk.among(connection, 'p.portfolio_id', 'chosen')}"
        everyone = bulk.among(connection, "symbol", "everyones")
        query = _BEHIND.format(chosen=chosen, everyones=everyone, order=order)
        parameters = {
            "since": since,
            "first": first.isoformat(),
            "everyones": bulk.as_list_parameter(connection, everyones),
            "chosen": bulk.as_list_parameter(connection, portfolio_ids or ()),
        }
        return bulk.fetch_frame(connection, query, parameters, [price_coverage.c.portfolio_id])

    return list(db.in_snapshot(read)["portfolio_id"])


def first_sessions(db: Database, table: sa.Table, symbols: Sequence[str], last: date) -> pd.Series:
    """Return, per symbol, the first session up to `last` with a row in a table; symbols without any are absent."""

    def read(connection: sa.Connection) -> pd.DataFrame:
        query = (
            f"SELECT symbol, min(session) AS session FROM {table.name} WHERE session <= :last"
            f" AND {bulk.among(connection, 'symbol', 'symbols')} GROUP BY symbol"
        )
        parameters = {"last": last.isoformat(), "symbols": bulk.as_list_parameter(connection, symbols)}
        return bulk.fetch_frame(connection, query, parameters, [table.c.symbol, table.c.session])

    return db.in_snapshot(read).set_index("symbol")["session"]
