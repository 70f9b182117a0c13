"""A portfolio of every kind of lot, computed by a real run on simulated prices."""

import atexit
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa

from sigma_assets.assets.tables import Tables
from sigma_assets.definitions import definitions_for
from sigma_assets.settings import Settings
from sigma_assets.storage import schema
from sigma_assets_tests.templates import fresh_instance, migrated_sqlite, template_folder
from sigma_assets_tests.verification.world import FILE, FIRST_SESSION, World

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


def computed_world(folder: Path) -> tuple[World, str]:
    """Return an installation with one portfolio, computed up to the last session, and the portfolio's id.

    It is computed once in a process. The database, a SQLite file in the folder, is the caller's own; what Dagster knows of
    the runs is shared by all callers, so that none of them may run anything.
    """
    computed, portfolio_id = _computed_once()
    computed.copy_database(folder / FILE)
    settings = replace(computed.settings, home=folder)
    return replace(
        computed, settings=settings, tables=Tables(settings), definitions=definitions_for(settings)
    ), portfolio_id


@lru_cache(maxsize=1)
def _computed_once() -> tuple[World, str]:
    folder = template_folder() / "computed"
    folder.mkdir()
    shutil.copy(migrated_sqlite(), folder / FILE)
    computed, portfolio_id = compute_world(folder)
    computed.tables.database.dispose()
    atexit.register(computed.instance.dispose)
    return computed, portfolio_id


def compute_world(folder: Path, database_url: str = "") -> tuple[World, str]:
    """Compute that installation in a migrated database.

    Parameters
    ----------
    database_url : by default a SQLite file in the folder.
    """
    prices = f"simulated:last={LAST}"
    settings = Settings(home=folder, prices=prices, first_session=FIRST_SESSION, database_url=database_url)
    world = World(settings, Tables(settings), definitions_for(settings), fresh_instance(folder))
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
    """Yield an installation, then close its database."""
    yield made
    made[0].tables.database.dispose()
