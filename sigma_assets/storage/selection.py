"""Which portfolios a statement is about: the given ones, all of which must exist, or the active ones."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from sigma_assets.base.errors import PortfolioNotFoundError
from sigma_assets.storage import schema
from sigma_assets.storage.frames import bulk


def require_active(connection: sa.Connection, portfolio_id: str) -> date:
    """Make sure that an active portfolio has this id, and that it stays so until the commit; return its inception.

    Raises
    ------
    PortfolioNotFoundError
        No active portfolio has this id.
    """
    table = schema.portfolios
    query = (
        sa.select(table.c.deleted_at, table.c.inception).where(table.c.portfolio_id == portfolio_id).with_for_update()
    )
    row = connection.execute(query).one_or_none()
    if row is None or row.deleted_at is not None:
        state = "no portfolio has this id" if row is None else f"it was removed at {row.deleted_at:%Y-%m-%d %H:%M} UTC"
        raise PortfolioNotFoundError(
            f"portfolio {portfolio_id}: {state}; `sigma-assets portfolios` lists the active ones"
        )
    inception: date = row.inception
    return inception


def selected(connection: sa.Connection, ids: Sequence[str] | None) -> tuple[str, Mapping[str, Any]]:
    """Return the SQL condition for the given portfolios, or for the active ones, and its parameters.

    Raises
    ------
    PortfolioNotFoundError
        An id is unknown.
    """
    if ids is None:
        return "portfolio_id IN (SELECT portfolio_id FROM portfolios WHERE deleted_at IS NULL)", {}
    parameters = {"ids": bulk.as_list_parameter(connection, ids)}
    condition = bulk.among(connection, "portfolio_id", "ids")
    query = f"SELECT portfolio_id FROM portfolios WHERE {condition}"
    known = set(bulk.fetch(connection, query, parameters, {"portfolio_id": sa.Text()})["portfolio_id"])
    unknown = [portfolio_id for portfolio_id in ids if portfolio_id not in known]
    if unknown:
        raise PortfolioNotFoundError(
            f"no portfolio has the id {', '.join(unknown[:5])}{' ...' if len(unknown) > 5 else ''};"
            " `sigma-assets portfolios` lists the active ones"
        )
    return condition, parameters
