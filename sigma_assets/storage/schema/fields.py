"""What columns are made of: one function per kind, so that types, units and ranges look the same everywhere."""

from typing import Any

import sqlalchemy as sa

SCHEMA = "sigma"
"""Schema of our tables on PostgreSQL; on SQLite they have a file of their own."""

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

packed = sa.MetaData()
"""Tables that are read and written as any other, but stored packed: see `PACKED`."""

arrays = sa.MetaData(naming_convention=metadata.naming_convention)
"""Tables of PostgreSQL alone, in place of some of `metadata`: see `ARRAYS`."""


def text_column(
    name: str, comment: str, *references: sa.ForeignKey, key: bool = False, null: bool = False, **options: Any
) -> sa.Column:
    nullable = null and not key
    return sa.Column(name, sa.Text, *references, primary_key=key, nullable=nullable, comment=comment, **options)


def serial_column(name: str, comment: str) -> sa.Column:
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column(name, kind, primary_key=True, autoincrement=True, comment=comment)


def session_column(
    comment: str = "NYSE session", *, name: str = "session", key: bool = True, null: bool = False
) -> sa.Column:
    return sa.Column(name, sa.Date, primary_key=key, nullable=null, comment=comment)


def number_column(
    name: str, comment: str, *, null: bool = False, low: float | None = None, high: float | None = None
) -> sa.Column:
    info = {bound: value for bound, value in (("min", low), ("max", high)) if value is not None}
    return sa.Column(name, sa.Double, nullable=null, comment=comment, info=info)


def share_column(name: str, comment: str) -> sa.Column:
    return number_column(name, comment, null=True, low=0, high=1.000001)


def count_column(name: str, comment: str, *, null: bool = False) -> sa.Column:
    return sa.Column(name, sa.BigInteger, nullable=null, comment=comment, info={"min": 0})


def flag_column(name: str, comment: str) -> sa.Column:
    return sa.Column(name, sa.Boolean, nullable=False, comment=comment)


def moment_column(name: str, comment: str, *, null: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=null, comment=f"{comment}, UTC")


def portfolio_column() -> sa.Column:
    return text_column("portfolio_id", "portfolio (uuid)", key=True)


def portfolio_table(name: str, *columns: sa.Column, comment: str, within: sa.MetaData = metadata) -> sa.Table:
    """Return a table with one row, or several, for each portfolio and session."""
    return sa.Table(name, within, portfolio_column(), session_column(), *columns, comment=comment)
