"""Prices as traded, written by revision."""

from datetime import date, datetime

import pandas as pd
import sqlalchemy as sa

from sigma_assets.base.errors import StorageError
from sigma_assets.providers.base import BAR_COLUMNS
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames import bulk
from sigma_assets.storage.frames.columns import checked_columns
from sigma_assets.storage.frames.rows import lock_key
from sigma_assets.storage.schema import market_prices, price_loads

_VALUES = BAR_COLUMNS[2:]
_BAR = ("session", "symbol", *_VALUES)
_MANY_ROWS = 50_000
"""After this many new rows PostgreSQL analyzes the table at once: without fresh statistics, small loads read all of it."""


def write_prices(db: Database, rows: pd.DataFrame, source: str, loaded_at: datetime) -> int | None:
    """Store daily bars: new rows, and rows whose prices differ from what is stored.

    A row that is stored with the same prices is left as it is, source and load time too. What is served is a gap no
    more, and its symbol is active again; so call this before `remember_unserved` of the same batch.

    Parameters
    ----------
    rows : DataFrame with `BAR_COLUMNS` of the price protocol, at most one row per (symbol, session); open, high, low
        and volume may be NaN.
    loaded_at : an aware moment.

    Returns
    -------
    the revision of this load; it is greater than that of every load committed before. None if nothing changed: the
    same work twice leaves the same database.

    Raises
    ------
    StorageError
        A row cannot be a price: not finite, not > 0, twice the same key. Nothing is written.
    """
    columns = checked_columns(market_prices, rows, _BAR)
    for name in ("close", "split_factor"):
        bad = columns[name].values <= 0
        if bad.any():
            row = rows.iloc[int(bad.argmax())]
            raise StorageError(
                f"market_prices.{name}: found {row[name]} for {row['symbol']} on {row['session']} from {source};"
                " expected > 0"
            )

    def write(connection: sa.Connection) -> int | None:
        incoming = bulk.stage(connection, market_prices, columns)
        if connection.dialect.name == "postgresql":  # from here to the commit alone: revisions grow in commit order
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key("price_loads")})
        _heal_served(connection, incoming, source, loaded_at)
        return _merge(connection, incoming, source, loaded_at)

    return db.in_transaction(write)


def splits_of(db: Database, symbol: str) -> pd.Series:
    """Return the splits of a symbol that are stored: factor by session (dates), ascending."""
    table = market_prices
    query = (
        sa.select(table.c.session, table.c.split_factor)
        .where(table.c.symbol == symbol, table.c.split_factor != 1)
        .order_by(table.c.session)
    )
    rows = db.in_snapshot(lambda connection: list(connection.execute(query)))
    return pd.Series([row.split_factor for row in rows], index=[row.session for row in rows], dtype=float)


def last_priced(db: Database, symbol: str) -> date | None:
    """Return the last session with a stored price of a symbol, and so the last one whose split is known; None without."""
    query = sa.select(sa.func.max(market_prices.c.session)).where(market_prices.c.symbol == symbol)
    return db.in_snapshot(lambda connection: connection.execute(query).scalar_one())


def latest_revision(db: Database) -> int:
    """Return the revision of the newest price load; 0 before the first one."""
    newest = sa.select(sa.func.coalesce(sa.func.max(price_loads.c.revision), 0))
    return db.in_snapshot(lambda connection: connection.execute(newest).scalar_one())


def _heal_served(connection: sa.Connection, incoming: str, source: str, loaded_at: datetime) -> None:
    served = (
        f"EXISTS (SELECT 1 FROM {incoming} i WHERE i.symbol = price_gaps.symbol AND i.session = price_gaps.session)"
    )
    connection.execute(sa.text(f"DELETE FROM price_gaps WHERE {served}"))
    heal = sa.text(
        "UPDATE symbols SET status = 'active', detail = NULL, next_try = NULL, source = :source,"
        f" updated_at = :loaded_at WHERE status <> 'active' AND symbol IN (SELECT symbol FROM {incoming})"
    ).bindparams(sa.bindparam("loaded_at", type_=sa.DateTime(timezone=True)))
    connection.execute(heal, {"source": source, "loaded_at": bulk.utc(loaded_at)})


def _merge(connection: sa.Connection, incoming: str, source: str, loaded_at: datetime) -> int | None:
    same = "IS" if connection.dialect.name == "sqlite" else "IS NOT DISTINCT FROM"
    equal = " AND ".join(f'p."{name}" {same} {incoming}."{name}"' for name in _VALUES)
    stored = f"p.session = {incoming}.session AND p.symbol = {incoming}.symbol AND {equal}"
    connection.exec_driver_sql(f"DELETE FROM {incoming} WHERE EXISTS (SELECT 1 FROM market_prices p WHERE {stored})")
    changed = connection.exec_driver_sql(f"SELECT count(*) FROM {incoming}").scalar_one()
    if not changed:
        return None
    load = {"source": source, "loaded_at": bulk.utc(loaded_at), "rows": changed}
    revision = connection.execute(sa.insert(price_loads).values(load).returning(price_loads.c.revision)).scalar_one()
    written = (*_VALUES, "source", "loaded_at", "revision")
    updates = ", ".join(f'"{name}" = excluded."{name}"' for name in written)
    upsert = (
        f"INSERT INTO market_prices ({bulk.quoted(_BAR)}, source, loaded_at, revision)"
        f" SELECT {bulk.quoted(_BAR, 'i')}, l.source, l.loaded_at, l.revision"
        f" FROM price_loads l CROSS JOIN {incoming} i WHERE l.revision = :revision ORDER BY i.session, i.symbol"
        f" ON CONFLICT (session, symbol) DO UPDATE SET {updates}"
    )
    connection.execute(sa.text(upsert), {"revision": revision})
    if changed >= _MANY_ROWS and connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ANALYZE market_prices")
    return int(revision)
