"""Which prices are missing and worth asking for; what a source could not serve is remembered."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

import numpy as np
import pandas as pd
import sqlalchemy as sa

from sigma_assets.prices.universe import held_symbols
from sigma_assets.providers.actions import CARRIED, CARRIER
from sigma_assets.providers.base import FINAL_REASONS, Unserved
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames import bulk
from sigma_assets.storage.frames.columns import checked_columns
from sigma_assets.storage.schema import price_gaps
from sigma_assets.storage.schema import symbols as symbols_table

_STATUS_OF = {"unknown_symbol": "unknown", "delisted": "delisted"}
"""Reasons that speak of a symbol as a whole."""
_FINAL = ", ".join(f"'{reason}'" for reason in FINAL_REASONS)
_WAITS = f"(next_try > :today OR (next_try IS NULL AND reason IN ({_FINAL})))"
"""A gap that is not worth asking for today."""


def missing_prices(
    db: Database, symbols: Iterable[str], sessions: Iterable[date], today: date
) -> dict[str, list[date]]:
    """Return, per symbol, the sessions without a price that a source should be asked for today, ascending.

    Left out: gaps and unknown symbols that a source could not serve, until their `next_try`; for ever where the source
    named the day of a listing or its end (`next_try` null), and all after the end. A session whose split or dividend
    may stand in the row of a later one comes with that one.
    """
    names = np.array(sorted(set(symbols)), dtype=object)
    days = np.unique(np.array(list(sessions), dtype="datetime64[D]"))
    if not len(names) or not len(days):
        return {}

    def read(connection: sa.Connection) -> dict[str, list[date]]:
        parameters = {
            "symbols": bulk.as_list_parameter(connection, names),
            "days": bulk.as_list_parameter(connection, days.astype(str)),
            "first": str(days[0]),
            "last": str(days[-1]),
            "today": today.isoformat(),
        }
        open_names = np.setdiff1d(names, _not_asked_for(connection, parameters, len(days)))
        known = np.zeros((len(open_names), len(days)), dtype=bool)
        parameters["symbols"] = bulk.as_list_parameter(connection, open_names)
        for table, condition in (("market_prices", ""), ("price_gaps", f"AND {_WAITS}")):
            _mark(connection, known, open_names, days, table, condition, parameters)
        _mark_after_the_end(connection, known, open_names, days, parameters)
        listed = days.tolist()
        wanted = {
            name: [listed[position] for position in np.flatnonzero(~row)]
            for name, row in zip(open_names, known, strict=True)
            if not row.all()
        }
        return _with_carriers(connection, wanted)

    return db.in_snapshot(read)


def open_gaps(db: Database, symbols: Iterable[str], before: date, today: date) -> dict[str, list[date]]:
    """Return, per symbol, the gaps before a day that a source should be asked for again today, ascending."""
    names = sorted(set(symbols))

    def read(connection: sa.Connection) -> dict[str, list[date]]:
        query = (
            f"SELECT symbol, session FROM price_gaps WHERE session < :before AND NOT {_WAITS}"
            f" AND {bulk.among(connection, 'symbol', 'symbols')}"
            f" ORDER BY {bulk.ordered(connection, price_gaps, ('symbol', 'session'))}"
        )
        parameters = {
            "symbols": bulk.as_list_parameter(connection, names),
            "before": before.isoformat(),
            "today": today.isoformat(),
        }
        rows = bulk.fetch_frame(connection, query, parameters, [price_gaps.c.symbol, price_gaps.c.session])
        wanted = {symbol: [day.date() for day in days] for symbol, days in rows.groupby("symbol")["session"]}
        return _with_carriers(connection, wanted)

    return db.in_snapshot(read)


def carried_actions(db: Database, symbols: Iterable[str]) -> pd.DataFrame:
    """Return the sessions on which symbols had a split or a dividend and no close, as far as a source said so.

    Returns
    -------
    DataFrame `symbol, session, carrier`, by symbol and session: the row of `carrier`, the next close, has the action.
    """
    columns = [price_gaps.c.symbol, price_gaps.c.session, price_gaps.c.detail]

    def read(connection: sa.Connection) -> pd.DataFrame:
        query = (
            "SELECT symbol, session, detail FROM price_gaps WHERE reason = 'no_bar' AND detail LIKE :note"
            f" AND {bulk.among(connection, 'symbol', 'symbols')}"
            f" ORDER BY {bulk.ordered(connection, price_gaps, ('symbol', 'session'))}"
        )
        parameters = {"note": f"%{CARRIED}%", "symbols": bulk.as_list_parameter(connection, sorted(set(symbols)))}
        return bulk.fetch_frame(connection, query, parameters, columns)

    found = db.in_snapshot(read)
    carrier = pd.to_datetime(found.pop("detail").str.extract(CARRIER, expand=False))
    return found.assign(carrier=carrier.astype("datetime64[s]")).dropna(subset=["carrier"])


def late_prices(db: Database, today: date) -> pd.DataFrame:
    """Return the prices of symbols held by active portfolios that a source said were late, and that it may have by now.

    Returns
    -------
    DataFrame `symbol, session, asked_at`, by session and symbol; moments in UTC.
    """
    columns = [price_gaps.c.symbol, price_gaps.c.session, price_gaps.c.asked_at]

    def read(connection: sa.Connection) -> pd.DataFrame:
        query = (
            "SELECT symbol, session, asked_at FROM price_gaps WHERE reason = 'late' AND next_try <= :today"
            f" ORDER BY {bulk.ordered(connection, price_gaps, ('session', 'symbol'))}"
        )
        return bulk.fetch_frame(connection, query, {"today": today.isoformat()}, columns)

    late = db.in_snapshot(read)
    if late.empty:  # the usual: no need to go through all lots
        return late
    return late[late["symbol"].isin(held_symbols(db)["symbol"])].reset_index(drop=True)


def remember_unserved(db: Database, entries: Iterable[Unserved], source: str, asked_at: datetime) -> None:
    """Remember what a source could not serve; an unknown or delisted symbol is remembered as a whole, too.

    A (symbol, session) that has a price by now is not a gap. Asked twice, the later answer stands.
    """
    listed = list(entries)
    gaps = [
        (entry.symbol, session, entry.reason, entry.detail, source, asked_at, entry.next_try)
        for entry in listed
        for session in entry.sessions
    ]
    remarks = {
        entry.symbol: (entry.symbol, _STATUS_OF[entry.reason], entry.detail, None, source, entry.next_try, asked_at)
        for entry in listed
        if entry.reason in _STATUS_OF
    }

    def write(connection: sa.Connection) -> None:
        _upsert(connection, price_gaps, gaps, _without_price)
        _upsert(connection, symbols_table, list(remarks.values()), keep=("renamed_to",))

    db.in_transaction(write)


def remember_renamed(db: Database, renamed: Mapping[str, str], source: str, at: datetime) -> None:
    """Remember the new symbols of those that a source says were renamed; what else is known of them stays."""
    rows = [(old, "active", None, new, source, None, at) for old, new in renamed.items()]

    def write(connection: sa.Connection) -> None:
        _upsert(connection, symbols_table, rows, keep=("status", "detail", "next_try"))

    db.in_transaction(write)


def renamed_symbols(db: Database) -> set[str]:
    """Return every symbol that a source called an old or a new name of an instrument with several."""
    query = sa.select(symbols_table.c.symbol, symbols_table.c.renamed_to).where(symbols_table.c.renamed_to.is_not(None))
    with db.read() as connection:
        return {name for pair in connection.execute(query) for name in pair}


_without_price = (
    "NOT EXISTS (SELECT 1 FROM market_prices p WHERE p.symbol = incoming.symbol AND p.session = incoming.session)"
)


def _mark_after_the_end(
    connection: sa.Connection, known: np.ndarray, names: np.ndarray, days: np.ndarray, parameters: Mapping[str, object]
) -> None:
    """Set in `known` the days from the end of a delisted symbol on, also those that nobody asked for."""
    query = (
        "SELECT g.symbol, min(g.session) AS session FROM symbols s JOIN price_gaps g ON g.symbol = s.symbol"
        " WHERE s.status = 'delisted' AND (s.next_try IS NULL OR s.next_try > :today) AND g.reason = 'delisted'"
        f" AND {bulk.among(connection, 's.symbol', 'symbols')} GROUP BY g.symbol"
    )
    ends = bulk.fetch(connection, query, parameters, {"symbol": sa.Text(), "session": sa.Date()})
    for symbol, end in zip(ends["symbol"], ends["session"].astype("datetime64[D]"), strict=True):
        known[names == symbol, np.searchsorted(days, end) :] = True


def _with_carriers(connection: sa.Connection, wanted: Mapping[str, Sequence[date]]) -> dict[str, list[date]]:
    """Return the wanted sessions, and with each that lies just before a stored split or dividend the rest up to it.

    A source that had no price on the session of a split or a dividend has put it into the next row. If it has one by
    now, that row must be asked for again, too: else the action would count twice.
    """
    following = "(SELECT min(q.session) FROM market_prices q WHERE q.symbol = g.symbol AND q.session > g.session)"
    query = (
        "SELECT m.symbol, m.session, n.session AS gap FROM market_prices m JOIN"
        f" (SELECT g.symbol, g.session, {following} AS carrier FROM price_gaps g WHERE g.reason = 'no_bar'"
        f" AND {bulk.among(connection, 'g.symbol', 'symbols')}) n ON m.symbol = n.symbol AND m.session = n.carrier"
        " WHERE m.split_factor <> 1 OR m.dividend <> 0"
    )
    parameters = {"symbols": bulk.as_list_parameter(connection, wanted)}
    found = pd.DataFrame(
        bulk.fetch(connection, query, parameters, {"symbol": sa.Text(), "session": sa.Date(), "gap": sa.Date()})
    )
    complete = {symbol: list(days) for symbol, days in wanted.items()}
    for (symbol, carrier), rows in found.groupby(["symbol", "session"]):
        gaps = {day.date() for day in rows["gap"]}
        if gaps.intersection(complete[symbol]):
            complete[symbol] = sorted({*complete[symbol], *gaps, carrier.date()})
    return complete


def _not_asked_for(connection: sa.Connection, parameters: Mapping[str, object], count: int) -> np.ndarray:
    """Return the symbols that are unknown, and those with a price on every day: most of them, most days, and counting is
    cheap."""
    day = "session" if connection.dialect.name == "sqlite" else "CAST(session AS text)"
    of_symbols = bulk.among(connection, "symbol", "symbols")
    query = (
        f"SELECT symbol FROM symbols WHERE status = 'unknown' AND next_try > :today AND {of_symbols}"
        f" UNION SELECT symbol FROM market_prices WHERE {of_symbols}"
        f" AND session BETWEEN :first AND :last AND {bulk.among(connection, day, 'days')}"
        f" GROUP BY symbol HAVING count(*) = {count}"
    )
    return bulk.fetch(connection, query, parameters, {"symbol": sa.Text()})["symbol"]


def _mark(
    connection: sa.Connection,
    known: np.ndarray,
    names: np.ndarray,
    days: np.ndarray,
    table: str,
    condition: str,
    parameters: Mapping[str, object],
) -> None:
    """Set in `known`, of shape (n_symbols, n_days), what a table has."""
    query = (
        f"SELECT symbol, session FROM {table} WHERE {bulk.among(connection, 'symbol', 'symbols')}"
        f" AND session BETWEEN :first AND :last {condition}"
    )
    found = bulk.fetch(connection, query, parameters, {"symbol": sa.Text(), "session": sa.Date()})
    codes, distinct = pd.factorize(found["symbol"])
    rows = pd.Index(names, dtype=object).get_indexer(pd.Index(distinct, dtype=object))[codes]
    columns = pd.Index(days).get_indexer(found["session"])
    known[rows[columns >= 0], columns[columns >= 0]] = True


def _upsert(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[tuple[object, ...]],
    condition: str = "true",
    keep: Sequence[str] = (),
) -> None:
    """Insert or update rows, given in the order of the table's columns; those in `keep` are only set on insert."""
    if not rows:
        return
    names = list(table.columns.keys())
    frame = pd.DataFrame(rows, columns=names, dtype=object)
    key = list(table.primary_key.columns.keys())
    frame = frame.drop_duplicates(key, keep="last").sort_values(key)
    for name in names:
        if isinstance(table.c[name].type, sa.DateTime):
            frame[name] = pd.to_datetime(frame[name], utc=True)
    staged = bulk.stage(connection, table, checked_columns(table, frame))
    updates = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name not in (*key, *keep))
    connection.execute(
        sa.text(
            f"INSERT INTO {table.name} ({bulk.quoted(names)}) SELECT {bulk.quoted(names)} FROM {staged} AS incoming"
            f" WHERE {condition} ORDER BY {bulk.quoted(key)} ON CONFLICT ({bulk.quoted(key)}) DO UPDATE SET {updates}"
        )
    )
