"""Changes of holdings after the import, and which sessions they touch."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from sigma_assets.base.calendar import entry_day_problem, today
from sigma_assets.base.errors import HoldingsError
from sigma_assets.storage import schema
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames import bulk
from sigma_assets.storage.selection import selected

LOT_COLUMNS = tuple(column.name for column in schema.lots.columns if column.name not in ("lot_id", "portfolio_id"))
"""Columns of a lot that a person enters."""

MOST = 1e15
"""Quantities, prices and multipliers are less than this, as in a file: a double holds 15 digits."""

# a step per day with changes: from that day to the next step, this number of changes is in effect
_STEPS = """
    WITH days AS (
        SELECT portfolio_id, effective_from, count(*) AS changes FROM holdings_changes
        GROUP BY portfolio_id, effective_from
        UNION ALL
        SELECT portfolio_id, {beginning}, 0 FROM portfolios
    ), steps AS (
        SELECT portfolio_id, effective_from,
            sum(changes) OVER (PARTITION BY portfolio_id ORDER BY effective_from) AS revision,
            lead(effective_from, 1, {end}) OVER (PARTITION BY portfolio_id ORDER BY effective_from) AS until
        FROM days
    )"""


def check_lot(lot_id: str, lot: Mapping[str, Any]) -> None:
    """Make sure that the columns of a lot fit each other.

    Raises
    ------
    HoldingsError
        The exit lies before the entry or lacks its price or date, or a number makes no sense.
    """
    if problem := entry_day_problem(lot["entry_date"], today()):
        code, expected, message = problem
        raise HoldingsError(
            f"lot {lot_id} ({lot['symbol']}): entry date {lot['entry_date']} is {message}; expected {expected} [{code}]"
        )
    if (lot["exit_date"] is None) != (lot["exit_price"] is None):
        raise HoldingsError(f"lot {lot_id} ({lot['symbol']}): exit date and exit price go together; found only one")
    if lot["exit_date"] is not None and lot["exit_date"] < lot["entry_date"]:
        raise HoldingsError(f"lot {lot_id} ({lot['symbol']}): exit {lot['exit_date']} before entry {lot['entry_date']}")
    if lot["exit_date"] is not None and lot["exit_date"] > today():
        raise HoldingsError(
            f"lot {lot_id} ({lot['symbol']}): exit {lot['exit_date']} is in the future; expected {today()} or earlier"
        )
    if lot.get("multiplier") == 0:
        raise HoldingsError(f"lot {lot_id} ({lot['symbol']}): multiplier 0; expected a number above 0")
    for name in ("quantity", "entry_price", "exit_price", "strike_price", "multiplier"):
        value = lot.get(name)
        if value is not None and (not abs(value) < MOST or (value < 0 and name != "quantity")):
            expected = f"a number of less than {MOST:,.0f}" + ("" if name == "quantity" else ", and not below 0")
            raise HoldingsError(f"lot {lot_id} ({lot['symbol']}): {name} {value}; expected {expected}")
    if not lot["quantity"]:
        raise HoldingsError(f"lot {lot_id} ({lot['symbol']}): quantity {lot['quantity']}; expected other than 0")


def holdings_revisions(db: Database, ids: Sequence[str], sessions: Iterable[date | np.datetime64]) -> pd.DataFrame:
    """Return how many changes of lots and flows are in effect by each session, per portfolio.

    Returns
    -------
    DataFrame `portfolio_id, session, holdings_revision`, one row for each pair, in the order given, sessions ascending.

    Raises
    ------
    PortfolioNotFoundError
        An id is unknown.
    """
    days = np.unique(np.array(list(sessions), dtype="datetime64[D]")).astype("datetime64[s]")

    def read(connection: sa.Connection) -> dict[str, np.ndarray]:
        condition, parameters = selected(connection, ids)
        query = f"SELECT portfolio_id, effective_from FROM holdings_changes WHERE {condition} ORDER BY effective_from"
        return bulk.fetch(connection, query, parameters, {"portfolio_id": sa.Text(), "effective_from": sa.Date()})

    journal = db.in_snapshot(read)
    changes = pd.Series(journal["effective_from"]).groupby(journal["portfolio_id"])
    by_portfolio = {str(portfolio): np.asarray(group) for portfolio, group in changes}
    none = np.empty(0, dtype="datetime64[s]")
    counts = [by_portfolio.get(portfolio, none).searchsorted(days, side="right") for portfolio in ids]
    return pd.DataFrame(
        {
            "portfolio_id": pd.Series(np.repeat(np.array(ids, dtype=object), len(days)), dtype=object),
            "session": np.tile(days, len(ids)),
            "holdings_revision": np.concatenate([*counts, np.empty(0, dtype=np.int64)]).astype(np.int64),
        }
    )


def changed_holdings(db: Database, ids: Sequence[str] | None = None, *, since: date = date.min) -> pd.DataFrame:
    """Return the portfolios whose lots or flows changed since rows were computed from them.

    Parameters
    ----------
    since : only sessions from this day on.

    Returns
    -------
    DataFrame `portfolio_id, first_session`: the earliest session of `price_coverage` whose `holdings_revision` is no
    longer true. A portfolio that is up to date, or was never computed, has no row.

    Raises
    ------
    PortfolioNotFoundError
        An id is unknown.
    """

    def read(connection: sa.Connection) -> pd.DataFrame:
        condition, parameters = selected(connection, ids)
        sqlite = connection.dialect.name == "sqlite"
        beginning, end = (f"'{day}'" if sqlite else f"DATE '{day}'" for day in ("0001-01-01", "9999-12-31"))
        order = bulk.ordered(connection, schema.price_coverage, ("portfolio_id",))
        # CROSS JOIN makes SQLite look up coverage by step: by its key, not by going through every step for every row
        query = (
            f"{_STEPS.format(beginning=beginning, end=end)}"
            " SELECT portfolio_id, session FROM"
            " (SELECT c.portfolio_id, min(c.session) AS session FROM steps s CROSS JOIN price_coverage c"
            " WHERE c.portfolio_id = s.portfolio_id AND c.session >= s.effective_from"
            " AND c.session >= :since"
            f" AND c.session < s.until AND c.holdings_revision <> s.revision AND s.{condition}"
            f" GROUP BY c.portfolio_id) AS changed ORDER BY {order}"
        )
        columns = [schema.price_coverage.c.portfolio_id, schema.price_coverage.c.session]
        return bulk.fetch_frame(connection, query, {**parameters, "since": since.isoformat()}, columns)

    return db.in_snapshot(read).rename(columns={"session": "first_session"})
