"""Small, legible inputs for the tests of storage."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import uuid4

import numpy as np
import pandas as pd
import sqlalchemy as sa

from sigma_assets.storage import schema
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.edits import apply_edit
from sigma_assets.storage.portfolios import LOT_COLUMNS, NewPortfolio, add_portfolio

EVENING = datetime(2026, 1, 8, 21, 45, tzinfo=UTC)


def bars(closes: dict[str, dict[str, float]], **values: float) -> pd.DataFrame:
    """Return daily bars from {symbol: {session: close}}; other prices are absent unless given."""
    rows = [(symbol, session, close) for symbol, days in closes.items() for session, close in days.items()]
    frame = pd.DataFrame(rows, columns=["symbol", "session", "close"])
    frame["session"] = pd.to_datetime(frame["session"]).astype("datetime64[s]")
    absent = dict.fromkeys(("open", "high", "low", "volume"), np.nan)
    return frame.assign(**{**absent, "split_factor": 1.0, "dividend": 0.0, **values})


def lots(*rows: dict[str, object]) -> pd.DataFrame:
    """Return lots for `add_portfolio`: 100 shares of AAPL bought at 150 on 2026-01-02, but for what is given."""
    usual = {
        **dict.fromkeys(LOT_COLUMNS),
        "symbol": "AAPL",
        "quantity": 100.0,
        "entry_price": 150.0,
        "entry_date": date(2026, 1, 2),
        "investment_class": "PUBLIC",
    }
    return pd.DataFrame([{**usual, **row} for row in rows], columns=list(LOT_COLUMNS))


def add(db: Database, name: str, *rows: dict[str, object]) -> str:
    """Add a portfolio of these lots and return its id."""
    return add_portfolio(db, NewPortfolio(name, "taxable", 100_000.0, date(2026, 1, 2)), lots(*rows))


def add_cash_flow(db: Database, portfolio_id: str, day: date, amount_usd: float, kind: str = "external") -> None:
    """Record a cash flow, as `sigma-assets flow` does."""
    flow = {"flow_date": day, "amount_usd": amount_usd, "kind": kind}
    apply_edit(db, portfolio_id, "flow", flows={str(uuid4()): flow})


def edit_lot(db: Database, lot_id: str, **changes: object) -> None:
    """Change columns of a lot, as `sigma-assets close` and `correct` do."""
    with db.read() as connection:
        row = dict(connection.execute(sa.select(schema.lots).filter_by(lot_id=lot_id)).mappings().one())
    portfolio_id = row.pop("portfolio_id")
    del row["lot_id"]
    apply_edit(db, portfolio_id, "edit", lots={lot_id: {**row, **changes}})


def coverage(portfolio_ids: Sequence[str], sessions: Sequence[str], **values: object) -> pd.DataFrame:
    """Return rows of price_coverage, one for each pair."""
    pairs = [(portfolio, pd.Timestamp(session)) for portfolio in portfolio_ids for session in sessions]
    usual = {"needed": 1, "present": 1, "stale": 0, "missing": 0, "missing_symbols": None, "prices_revision": 1}
    frame = pd.DataFrame(pairs, columns=["portfolio_id", "session"])
    return frame.assign(**{**usual, "holdings_revision": 0, **values})


def dump(db: Database, *tables: sa.Table) -> dict[str, list[tuple[object, ...]]]:
    """Return every stored value of some tables."""
    with db.read() as connection:
        return {table.name: sorted(tuple(row) for row in connection.execute(sa.select(table))) for table in tables}
