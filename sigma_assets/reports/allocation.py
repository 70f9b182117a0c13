"""Allocation in a report: by kind of holding, and by the classes that `sigma-assets classify` has read (SPEC 4.13)."""

from collections.abc import Sequence
from datetime import date

import pandas as pd
import sqlalchemy as sa

from sigma_assets.analytics.valuation.allocation import allocation
from sigma_assets.base.conventions import KIND_SCHEME
from sigma_assets.reports.numbers import plain_rows
from sigma_assets.reports.portfolio import Row
from sigma_assets.storage.schema import classifications

OF_LOTS = {KIND_SCHEME: "investment_class"}
COLUMNS = (
    "scheme", "class", "long_value", "short_value", "net_exposure", "gross_exposure", "cash_equivalents", "share_of_gross",
)  # fmt: skip


def allocation_of(
    connection: sa.Connection, portfolio_id: str, session: date | None, positions: Sequence[Row]
) -> tuple[Row, ...]:
    """Return the exposure of positions by scheme and class; largest class of each scheme first.

    Parameters
    ----------
    positions : rows of `position_values` of one portfolio and session.
    """
    if not positions:
        return ()
    rows = pd.DataFrame([row | {"portfolio_id": portfolio_id, "session": session} for row in positions])
    found = allocation(rows, classes_of(connection, rows), OF_LOTS)
    found["is_scheme"] = found["scheme"] != KIND_SCHEME
    ordered = found.sort_values(["is_scheme", "scheme", "gross_exposure"], ascending=[True, True, False], kind="stable")
    return tuple(plain_rows(ordered[list(COLUMNS)]))


def classes_of(connection: sa.Connection, positions: pd.DataFrame) -> pd.DataFrame:
    """Return `symbol, scheme, class, weight` of what is held, as far as `sigma-assets classify` has read it."""
    symbols = {*positions["symbol"], *positions["risk_symbol"].dropna()}
    columns = [classifications.c[name] for name in ("symbol", "scheme", "class", "weight")]
    query = sa.select(*columns).where(classifications.c.symbol.in_(sorted(symbols))).order_by(*columns[:3])
    known = connection.execute(query).all()
    return pd.DataFrame(known, columns=["symbol", "scheme", "class", "weight"])
