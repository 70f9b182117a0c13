"""At full size (1,193 symbols x 1,260 sessions) the reads of the pipeline go through indexes, on both databases."""

from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa

from sigma_assets.base.calendar import nyse_calendar
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames import bulk
from sigma_assets.storage.schema import market_prices

SYMBOLS, SESSIONS = 1_193, 1_260
MONTH = "session BETWEEN '2025-06-02' AND '2025-06-30'"
YEAR = "session BETWEEN '2024-07-01' AND '2025-06-30'"
FEW = ", ".join(f"'S{number:04d}'" for number in range(0, 270, 10))


def test_at_full_size_every_read_of_prices_goes_through_an_index(database: Database) -> None:
    """Windows of one symbol, of a portfolio's 27, of everybody; splits and dividends; what the last loads changed."""
    _fill(database)
    prices = "FROM market_prices WHERE"
    reads = {
        f"SELECT close {prices} symbol = 'S0007' AND {MONTH}": "ix_market_prices_symbol_session",
        f"SELECT close {prices} symbol IN ({FEW}) AND {YEAR}": "ix_market_prices_symbol_session",
        f"SELECT close {prices} {MONTH}": "pk_market_prices",
        f"SELECT 1 {prices} symbol = 'S0007' AND {MONTH} AND (split_factor <> 1 OR dividend <> 0)": "market_prices_actions",
        f"SELECT symbol, session {prices} revision > 1": "ix_market_prices_revision",
        f"SELECT max(session) {prices} symbol = 'S0007' AND session < '2025-06-02'": "ix_market_prices_symbol_session",
    }

    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM market_prices").scalar_one() == SYMBOLS * SESSIONS
    for query, index in reads.items():
        plan = _plan(database, query).replace("sqlite_autoindex_market_prices_1", "pk_market_prices")
        assert index in plan, f"{query}\n{plan}"


def _fill(database: Database) -> None:
    """Store a price of every symbol for every session, on the 15th of a month with a dividend, in one statement."""
    sessions = [str(day) for day in nyse_calendar().between(date(2020, 6, 1), date(2026, 1, 30))][-SESSIONS:]
    symbols = [f"S{number:04d}" for number in range(SYMBOLS)]
    secondary = sorted(market_prices.indexes, key=lambda index: str(index.name))
    with database.begin() as connection:
        for index in secondary:  # made again below, at once: a third of the time
            index.drop(connection)
        as_date = "d.value" if connection.dialect.name == "sqlite" else "d.value::date"
        connection.execute(
            sa.text(
                "INSERT INTO market_prices (session, symbol, close, split_factor, dividend, source, loaded_at, revision)"
                f" SELECT {as_date}, s.value, 100, 1, CASE WHEN d.value LIKE '%-15' THEN 0.5 ELSE 0 END, 'test',"
                f" '2026-01-30 21:45:00.000000', 1 FROM {_list(connection, 'sessions', 'd')}"
                f" CROSS JOIN {_list(connection, 'symbols', 's')}"
            ),
            {name: bulk.as_list_parameter(connection, values) for name, values in _both(sessions, symbols)},
        )
        for index in secondary:
            index.create(connection)
        connection.exec_driver_sql("ANALYZE market_prices")


def _plan(database: Database, query: str) -> str:
    with database.read() as connection:
        explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
        return "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {query}"))


def _both(sessions: Sequence[str], symbols: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    return [("sessions", sessions), ("symbols", symbols)]


def _list(connection: sa.Connection, parameter: str, alias: str) -> str:
    return bulk.unnested(connection, parameter).replace("AS s", f"AS {alias}")
