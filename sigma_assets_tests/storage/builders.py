"""Small, legible inputs for the tests of storage."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt
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


def random_rows(table: sa.Table, portfolios: int = 3, sessions: int = 5, seed: int = 0) -> pd.DataFrame:
    """Return rows of a computed table in no order: awkward text, floats of any bits, nulls wherever the table has them.

    A portfolio's session has one row or several; a column that may
    be null is unknown throughout one session, which makes its arrays null.
    """
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2026-01-02", periods=sessions).astype("datetime64[s]")
    keys = [
        (f"portfolio {owner}", day, number)
        for owner in range(portfolios)
        for day in days
        for number in range(int(rng.choice([1, 2, 30])))
    ]
    rows = pd.DataFrame(keys, columns=["portfolio_id", "session", "number"])
    odd = ['a,"b"', "\\N", "NULL", "", "{}", "é\n\t\\", "BRK.B", "日本", "'", " x "]
    values = {name: rows[name] for name in ("portfolio_id", "session")}
    for column in list(table.columns)[2:]:
        if column.name == "lot_id":
            values[column.name] = pd.Series([str(UUID(int=number << 100)) for number in rows["number"]], dtype=object)
        elif isinstance(column.type, sa.Text):
            texts = [f"{odd[number % len(odd)]}{number // len(odd) or ''}" for number in rows["number"]]
            values[column.name] = pd.Series(texts, dtype=object)
        elif isinstance(column.type, sa.Date):
            values[column.name] = pd.Series(rng.choice(days, len(rows)))
        elif isinstance(column.type, sa.Double):
            values[column.name] = pd.Series(_any_floats(rng, len(rows)))
        else:
            values[column.name] = pd.Series(rng.integers(0, 2**53, len(rows))).astype(float)
        if column.nullable:
            unknown = rng.random(len(rows)) < 0.3
            unknown |= (rows["session"] == rng.choice(days)).to_numpy()
            values[column.name] = values[column.name].mask(unknown)
    return pd.DataFrame(values).sample(frac=1, random_state=seed, ignore_index=True)


def _any_floats(rng: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    """Return finite floats of any sign, size and bits, among them the least, the greatest and -0."""
    bits = rng.integers(-(2**63), 2**63, count, dtype=np.int64).view(np.float64)
    floats = np.where(np.isfinite(bits), bits, rng.random(count))
    floats[: count // 4] = rng.choice([5e-324, -0.0, 0.0, 1.7976931348623157e308, 1 / 3, 0.1 + 0.2], count // 4)
    return floats
