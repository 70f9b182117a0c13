"""A portfolio of every kind of lot, computed by a real run on simulated prices."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from sigma_assets.assets.tables import Tables
from sigma_assets.definitions import definitions_for
from sigma_assets.settings import Settings
from sigma_assets.storage import schema
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.migrations import upgrade
from sigma_assets_tests.verification.world import FIRST_SESSION, World

FIRST, LAST = date(2024, 3, 11), date(2024, 3, 15)
"""Sessions that are computed; the portfolio is a year older."""
HOLDINGS = b"""\
Symbol,Quantity,Entry Price Per Share,Entry Date,Investment Class,Investment Subtype,Underlying Symbol,Strike Price,\
Expiration Date,Option Type,Exit Date,Exit Price Per Share
AAPL,100,125.5,2023-01-03,,,,,,,,
AAPL,50,182,2024-03-12,,,,,,,,
MSFT,50,240,2023-01-03,,,,,,,,
JPM,-40,135,2023-01-04,,,,,,,,
SPY,60,380.25,2023-01-04,,,,,,,,
VTI,90,191,2023-01-04,,,,,,,,
NVDA,30,80,2024-02-26,,,,,,,2024-03-13,85
NEWCO,30,80,2024-02-26,,,,,,,,
AAPL240621C00190000,3,6.5,2024-02-28,OPTIONS,CALL,AAPL,190,2024-06-21,CALL,,
CASH_USD,5000,1,2023-01-03,,,,,,,,
FUND_ONE,1,25000,2023-01-03,PRIVATE,VENTURE_CAPITAL,,,,,,
"""


def computed_world(folder: Path, database_url: str = "") -> tuple[World, str]:
    """Return an installation with one portfolio, computed up to the last session, and the portfolio's id.

    Parameters
    ----------
    database_url : by default a SQLite file in the folder.
    """
    prices = f"simulated:last={LAST}"
    settings = Settings(home=folder, prices=prices, first_session=FIRST_SESSION, database_url=database_url)
    upgrade(Database(settings.database))
    world = World(settings, Tables(settings), definitions_for(settings), dg.DagsterInstance.ephemeral())
    portfolio_id = world.add(HOLDINGS, "Growth & more", 250_000.0)
    flow = {
        "flow_id": "f1",
        "portfolio_id": portfolio_id,
        "flow_date": date(2024, 3, 13),
        "amount_usd": 10_000.0,
        "kind": "external",
    }
    with world.tables.database.begin() as connection:
        connection.execute(sa.insert(schema.cash_flows), flow)
        classes = [("AAPL", "Technology", 1.0), ("SPY", "Technology", 0.3), ("SPY", "Other", 0.7)]
        rows = [
            {"symbol": symbol, "scheme": "sector", "class": name, "weight": weight, "updated_at": datetime.now(UTC)}
            for symbol, name, weight in classes
        ]
        connection.execute(sa.insert(schema.classifications), rows)
    world.run(FIRST, LAST)
    return world, portfolio_id


def disposed(made: tuple[World, str]) -> Iterator[tuple[World, str]]:
    """Yield an installation, then close it."""
    yield made
    made[0].instance.dispose()
    made[0].tables.database.dispose()
