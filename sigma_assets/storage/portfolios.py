"""Portfolios, their lots and their cash flows: what a person enters. Changes of them are in `holdings`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from uuid import NAMESPACE_OID, uuid4, uuid5

import numpy as np
import pandas as pd
import sqlalchemy as sa

from sigma_assets.base.conventions import FLOW_KINDS
from sigma_assets.base.errors import HoldingsError
from sigma_assets.storage import schema
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames import bulk
from sigma_assets.storage.frames.columns import checked_columns
from sigma_assets.storage.holdings import LOT_COLUMNS, changed_holdings, holdings_revisions
from sigma_assets.storage.roster import add_partition
from sigma_assets.storage.selection import require_active, selected

__all__ = [
    "LOT_COLUMNS", "NewPortfolio", "add_portfolio", "cash_flows", "changed_holdings", "holdings_revisions", "lots",
    "newest_metrics", "newest_snapshots", "portfolios", "remove_portfolio",
]  # fmt: skip


MAX_FLOW_USD = 1e12


@dataclass(frozen=True)
class NewPortfolio:
    """A portfolio to be added (SPEC 2); `initial_equity_usd` in USD, `inception` the first day of its history."""

    name: str
    account_type: str
    initial_equity_usd: float
    inception: date
    currency: str = "USD"


def add_portfolio(
    db: Database,
    portfolio: NewPortfolio,
    lots: pd.DataFrame,
    flows: pd.DataFrame | None = None,
    *,
    adopted_by: str | None = None,
) -> str:
    """Store a portfolio with its lots and cash flows, all or nothing, and return its new id (a uuid).

    Sums over lots are taken in the order of their ids, so ids are given in the order of the lots' content: the same lots
    give the same bits, whatever their order in a file.

    Parameters
    ----------
    lots : DataFrame with `LOT_COLUMNS`; may have no rows.
    adopted_by : who makes it a partition, and so asks for its first run; by default a sensor that finds it.
    flows : DataFrame `flow_date, amount_usd, kind`; none by default.

    Raises
    ------
    HoldingsError
        An active portfolio has this name.
    StorageError
        The lots do not fit the table.
    """
    portfolio_id = str(uuid4())
    lots = lots if "multiplier" in lots else lots.assign(multiplier=np.nan)
    rows = lots.iloc[content_order(lots)].assign(
        portfolio_id=portfolio_id, lot_id=_ascending_ids(portfolio_id, len(lots))
    )
    columns = checked_columns(schema.lots, rows)
    cash = None
    if flows is not None and len(flows):
        ids = _ascending_ids(f"{portfolio_id} flows", len(flows))
        cash = checked_columns(schema.cash_flows, flows.assign(portfolio_id=portfolio_id, flow_id=ids))
    values = {**asdict(portfolio), "portfolio_id": portfolio_id, "created_at": datetime.now(UTC)}
    with db.begin() as connection:
        try:
            connection.execute(sa.insert(schema.portfolios).values(values))
        except sa.exc.IntegrityError as error:
            raise HoldingsError(
                f"a portfolio named {portfolio.name!r} exists; choose another name, or remove that one first"
            ) from error
        bulk.insert(connection, "lots", columns)
        if adopted_by is not None:
            add_partition(connection, portfolio_id, adopted_by)
        if cash is not None:
            bulk.insert(connection, "cash_flows", cash)
    return portfolio_id


def content_order(lots: pd.DataFrame) -> np.ndarray:
    """Return the order of lots by their content: entry date, symbol, then everything else that was entered."""
    first = ("entry_date", "symbol", "quantity", "entry_price")
    names = [*first, *(name for name in LOT_COLUMNS if name not in first)]
    codes = [pd.factorize(lots[name], sort=True, use_na_sentinel=True)[0] for name in names]
    return np.lexsort(codes[::-1]) if len(lots) else np.empty(0, dtype=np.intp)


def _ascending_ids(seed: str, count: int) -> list[str]:
    """Return a number of uuids in ascending order."""
    return sorted(str(uuid5(NAMESPACE_OID, f"{seed} {number}")) for number in range(count))


def portfolios(db: Database, ids: Sequence[str] | None = None, *, include_removed: bool = False) -> pd.DataFrame:
    """Return portfolios in the order of their creation: the given ones, else the active ones or all.

    Raises
    ------
    PortfolioNotFoundError
        An id is unknown.
    """
    condition = "true" if include_removed and ids is None else None
    return _table(db, schema.portfolios, ("created_at", "portfolio_id"), ids, condition)


def lots(db: Database, ids: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the lots of the given portfolios, else of the active ones.

    Returns
    -------
    DataFrame sorted by portfolio_id, entry_date, symbol, lot_id: sums over lots are taken in this order. Dates as
    datetime64[s], NaT where null; text None where null.

    Raises
    ------
    PortfolioNotFoundError
        An id is unknown.
    """
    return _table(db, schema.lots, ("portfolio_id", "entry_date", "symbol", "lot_id"), ids)


def cash_flows(db: Database, ids: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the cash flows of the given portfolios, else of the active ones, by portfolio_id, flow_date, flow_id."""
    return _table(db, schema.cash_flows, ("portfolio_id", "flow_date", "flow_id"), ids)


def newest_snapshots(db: Database, ids: Sequence[str] | None = None) -> dict[str, date]:
    """Return the last session that there is a snapshot of, of the given portfolios, else of the active ones.

    Portfolios without a snapshot are absent.
    """
    chosen, snapshots = schema.portfolios, schema.portfolio_snapshots
    newest = sa.select(sa.func.max(snapshots.c.session)).where(snapshots.c.portfolio_id == chosen.c.portfolio_id)
    condition = chosen.c.deleted_at.is_(None) if ids is None else chosen.c.portfolio_id.in_(ids)
    query = sa.select(chosen.c.portfolio_id, newest.scalar_subquery()).where(condition)
    rows = db.in_snapshot(lambda connection: connection.execute(query).all())
    return {portfolio_id: session for portfolio_id, session in rows if session is not None}


def lot_counts(db: Database, ids: Sequence[str] | None = None, *, more_than: int) -> dict[str, int]:
    """Return how many lots each portfolio, of those given or of all, has that has more than so many."""
    count = sa.func.count().label("number")
    query = (
        sa.select(schema.lots.c.portfolio_id, count)
        .group_by(schema.lots.c.portfolio_id)
        .having(sa.func.count() > more_than)
    )
    if ids is not None:
        query = query.where(schema.lots.c.portfolio_id.in_(ids))
    rows = db.in_snapshot(lambda connection: connection.execute(query).all())
    return {row.portfolio_id: row.number for row in rows}


def newest_metrics(db: Database) -> date:
    """Return the last session that any symbol has metrics of; the earliest date where there are none."""
    query = sa.select(sa.func.max(schema.symbol_metrics.c.session))
    return db.in_snapshot(lambda connection: connection.execute(query).scalar_one()) or date.min


def remove_portfolio(db: Database, portfolio_id: str) -> None:
    """Mark a portfolio as removed; its history stays readable and its name is free again.

    Raises
    ------
    PortfolioNotFoundError
        No active portfolio has this id.
    """
    with db.begin() as connection:
        require_active(connection, portfolio_id)
        table = schema.portfolios
        removal = sa.update(table).where(table.c.portfolio_id == portfolio_id).values(deleted_at=datetime.now(UTC))
        connection.execute(removal)


def check_flow(day: date, amount_usd: float, kind: str) -> None:
    """Make sure that a cash flow can be one.

    Raises
    ------
    HoldingsError
        The amount is zero, not finite or too large, or the kind unknown.
    """
    if not np.isfinite(amount_usd) or amount_usd == 0 or abs(amount_usd) > MAX_FLOW_USD:
        raise HoldingsError(
            f"cash flow of {amount_usd} on {day}; expected an amount in USD, + in and - out, at most {MAX_FLOW_USD:,.0f}"
        )
    if kind not in FLOW_KINDS:
        raise HoldingsError(f"cash flow of kind {kind!r} on {day}; expected one of {', '.join(FLOW_KINDS)}")


def _table(
    db: Database, table: sa.Table, order: tuple[str, ...], ids: Sequence[str] | None, condition: str | None = None
) -> pd.DataFrame:
    def read(connection: sa.Connection) -> pd.DataFrame:
        chosen, parameters = selected(connection, ids)
        query = (
            f"SELECT {bulk.quoted(table.columns.keys())} FROM {table.name}"
            f" WHERE {condition or chosen} ORDER BY {bulk.ordered(connection, table, order)}"
        )
        return bulk.fetch_frame(connection, query, parameters, list(table.columns))

    return db.in_snapshot(read)
