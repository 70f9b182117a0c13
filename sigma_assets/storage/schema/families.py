"""Which tables belong to which asset, and which tables of the database hold their rows."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from sigma_assets.base.conventions import PORTFOLIO_SESSION
from sigma_assets.storage.schema import inputs, market, portfolios, risk  # noqa: F401 (so that `metadata` has their tables)
from sigma_assets.storage.schema.fields import arrays, metadata, packed

TABLES: dict[str, sa.Table] = {**metadata.tables, **packed.tables}
"""Every table by its name."""

_NAMES = {
    "market_prices": ["market_prices"],
    "symbol_factors": ["symbol_factors"],
    "symbol_metrics": ["symbol_metrics"],
    "price_coverage": ["price_coverage"],
    "factor_coverage": ["factor_coverage"],
    "metric_coverage": ["metric_coverage"],
    "portfolio_snapshots": ["portfolio_snapshots"],
    "position_values": ["position_values"],
    "betas": ["betas_by_portfolio", "betas_by_position"],
    "factor_exposures": ["factor_exposures_by_portfolio", "factor_exposures_by_position"],
    "volatility": ["volatility_by_portfolio", "volatility_by_symbol"],
    "correlations": ["correlations_by_portfolio", "correlations_by_pair", "correlations_by_cluster"],
    "risk": ["risk_by_portfolio", "risk_by_position", "risk_by_factor"],
    "stress_tests": ["stress_tests_by_portfolio", "stress_tests_by_position"],
    "performance": ["performance"],
}
FAMILIES = {asset: tuple(TABLES[name] for name in names) for asset, names in _NAMES.items()}
"""Tables of each asset; the first one is what `export ASSET` prints unless told otherwise."""

PACKED = {TABLES["correlations_by_pair"]: TABLES["correlation_matrices"]}
"""Table as everybody sees it -> the table that holds its rows, packed and unpacked by `storage/frames/matrices.py`."""

_IN_ARRAYS = (
    "betas_by_position",
    "factor_exposures_by_position",
    "volatility_by_symbol",
    "risk_by_position",
    "risk_by_factor",
    "stress_tests_by_portfolio",
    "stress_tests_by_position",
)


def _arrays_of(table: sa.Table) -> sa.Table:
    """Return the table of arrays; ids of lots are 16 bytes there, as text they would be 40."""
    columns = (
        sa.Column(
            column.name,
            column.type
            if column.name in PORTFOLIO_SESSION
            else ARRAY(UUID if column.name == "lot_id" else column.type),
            primary_key=column.name in PORTFOLIO_SESSION,
            nullable=column.nullable,
            comment=column.comment,
        )
        for column in table.columns
    )
    return sa.Table(f"{table.name}_arrays", arrays, *columns, comment=f"Rows of {table.name}, which is a view of them")


ARRAYS = {TABLES[name]: _arrays_of(TABLES[name]) for name in _IN_ARRAYS}
"""Table as everybody sees it -> the table of PostgreSQL that holds its rows, one array per column, portfolio and session.

There the first is a view, for reading; `storage/frames/arrays.py` writes the second. SQLite has the first alone."""


def stored_table(table: sa.Table, dialect: str) -> sa.Table:
    """Return the table of the database in which the rows of a table are written and deleted: as a rule itself."""
    if dialect == "postgresql" and table in ARRAYS:
        return ARRAYS[table]
    return PACKED.get(table, table)
