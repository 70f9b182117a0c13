"""Which symbols matter: held, underlying of something held, or ever priced."""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from sigma_assets.base.conventions import FACTOR_ETFS
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames import bulk
from sigma_assets.storage.schema import lots
from sigma_assets.storage.selection import selected

# stepping from one symbol to the next through the index: counting the rows between them would take seconds
_EVER_PRICED = """
    WITH RECURSIVE priced(symbol) AS (
        SELECT min(symbol) FROM market_prices
        UNION ALL
        SELECT (SELECT min(symbol) FROM market_prices m WHERE m.symbol > priced.symbol)
        FROM priced WHERE priced.symbol IS NOT NULL
    )
    SELECT symbol FROM priced WHERE symbol IS NOT NULL"""


def everyones_symbols(settings: Settings) -> list[str]:
    """Return the symbols that every portfolio depends on: SPEC's seventeen, the factor model's ETFs, and the benchmark."""
    return sorted({*FACTOR_ETFS, *settings.factor_model.etfs, settings.benchmark})


def held_symbols(db: Database, ids: Sequence[str] | None = None) -> pd.DataFrame:
    """Return `portfolio_id, symbol` of everything that the portfolios ever held and that can have a price, sorted.

    Public symbols, option contracts and their underlyings; never private lots.

    Parameters
    ----------
    ids : portfolios; by default the active ones.

    Raises
    ------
    PortfolioNotFoundError
        An id is unknown.
    """

    def read(connection: sa.Connection) -> pd.DataFrame:
        condition, parameters = selected(connection, ids)
        held = f"FROM lots WHERE investment_class <> 'PRIVATE' AND {condition}"
        query = (
            f"SELECT portfolio_id, symbol {held}"
            f" UNION SELECT portfolio_id, underlying_symbol {held} AND underlying_symbol IS NOT NULL"
        )
        order = bulk.ordered(connection, lots, ("portfolio_id", "symbol"))
        query = f"SELECT portfolio_id, symbol FROM ({query}) AS held ORDER BY {order}"
        return bulk.fetch_frame(connection, query, parameters, [lots.c.portfolio_id, lots.c.symbol])

    return db.in_snapshot(read)


def universe(db: Database) -> list[str]:
    """Return every symbol that an active portfolio ever held or that was ever priced, sorted.

    Factor ETFs are only among them once held or priced: which they are is a setting, so the caller adds them.
    """

    def read(connection: sa.Connection) -> set[str]:
        return set(bulk.fetch(connection, _EVER_PRICED, {}, {"symbol": sa.Text()})["symbol"])

    return sorted(db.in_snapshot(read) | set(held_symbols(db)["symbol"]))
