"""Classes of symbols in the database."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import pandas as pd
import sqlalchemy as sa

from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.schema import classifications, lots, portfolios


def replace_classes(db: Database, rows: Sequence[tuple[str, str, str, float]]) -> int:
    """Replace the classes of each symbol and scheme among the rows, in one transaction; return how many these are.

    Parameters
    ----------
    rows : symbol, scheme, class, weight.
    """
    pairs = sorted({(symbol, scheme) for symbol, scheme, _, _ in rows})
    now = datetime.now(UTC)

    def write(connection: sa.Connection) -> None:
        for symbol, scheme in pairs:
            same = (classifications.c.symbol == symbol) & (classifications.c.scheme == scheme)
            connection.execute(sa.delete(classifications).where(same))
        values = [
            {"symbol": symbol, "scheme": scheme, "class": name, "weight": weight, "updated_at": now}
            for symbol, scheme, name, weight in rows
        ]
        if values:
            connection.execute(sa.insert(classifications), values)

    db.in_transaction(write)
    return len(pairs)


def never_held(db: Database, symbols: Iterable[str]) -> set[str]:
    """Return which of some symbols no active portfolio ever held, itself or as the underlying of an option."""
    query = sa.select(lots.c.symbol, lots.c.underlying_symbol).distinct()
    query = query.join(portfolios, portfolios.c.portfolio_id == lots.c.portfolio_id)
    query = query.where(portfolios.c.deleted_at.is_(None))
    rows = db.in_snapshot(lambda connection: connection.execute(query).all())
    return {*symbols} - {symbol for row in rows for symbol in row}


def stored_classes(db: Database) -> pd.DataFrame:
    """Return all classes: `symbol, scheme, class, weight`, sorted."""
    columns = [classifications.c[name] for name in ("symbol", "scheme", "class", "weight")]
    rows = db.in_snapshot(lambda connection: connection.execute(sa.select(*columns).order_by(*columns[:3])).all())
    types = {"symbol": "str", "scheme": "str", "class": "str", "weight": "float64"}
    return pd.DataFrame(rows, columns=list(types)).astype(types)
