"""Store on PostgreSQL one row per portfolio and session, of arrays, instead of a row per lot, symbol, factor, scenario."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from sigma_assets.base.errors import StorageError

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

UUID_TEXT = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
KEY = ("portfolio_id", "session")
TABLES = (
    "betas_by_position",
    "factor_exposures_by_position",
    "volatility_by_symbol",
    "risk_by_position",
    "risk_by_factor",
    "stress_tests_by_portfolio",
    "stress_tests_by_position",
)
"""As in the schema of this version; that of the code may move on."""


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":  # SQLite has no arrays
        for name in TABLES:
            op.execute(f"LOCK TABLE {name} IN SHARE MODE")  # who still writes to it must not do so after it was copied
            table = sa.Table(name, sa.MetaData(), autoload_with=connection)
            _check_lots(connection, table)
            _create_arrays(table)
            _fill(connection, table)
            granted = _grants(connection, name)
            op.drop_table(name)
            _create_view(connection, table)
            for grantee, privilege in granted:
                places = f"{name}, {name}_arrays" if privilege == "SELECT" else f"{name}_arrays"
                op.execute(f"GRANT {privilege} ON {places} TO {grantee}")


def _check_lots(connection: sa.Connection, table: sa.Table) -> None:
    if "lot_id" in table.c:
        odd = sa.select(table.c.lot_id).where(~table.c.lot_id.regexp_match(UUID_TEXT)).limit(1)
        found = connection.execute(odd).scalar()
        if found is not None:
            raise StorageError(
                f"{table.name}.lot_id: found {found!r}; expected a uuid in lower case, as sigma_assets makes them:"
                " change it here and in lots, then run `sigma-assets db upgrade` again"
            )


def _create_arrays(table: sa.Table) -> None:
    columns = (
        sa.Column(
            column.name,
            column.type if column.name in KEY else ARRAY(UUID if column.name == "lot_id" else column.type),
            nullable=column.nullable,
            comment=column.comment,
        )
        for column in table.columns
    )
    name = f"{table.name}_arrays"
    key = sa.PrimaryKeyConstraint(*KEY, name=op.f(f"pk_{name}"))
    op.create_table(name, *columns, key, comment=f"Rows of {table.name}, which is a view of them")


def _fill(connection: sa.Connection, table: sa.Table) -> None:
    """Pack the rows, portfolio by portfolio: at once they would be sorted in memory or in files."""
    packed = ", ".join(
        f"CASE WHEN count({column.name}) > 0 THEN array_agg({column.name}{_cast(column, 'uuid')}) END"
        for column in _packed(table)
    )
    names = ", ".join([*KEY, *(column.name for column in _packed(table))])
    order = ", ".join(column.name for column in table.primary_key)
    statement = sa.text(
        f"INSERT INTO {table.name}_arrays ({names}) SELECT {', '.join(KEY)}, {packed}"
        f" FROM (SELECT * FROM {table.name} WHERE portfolio_id = :owner ORDER BY {order}) AS ordered"
        f" GROUP BY {', '.join(KEY)}"
    )
    owners = connection.execute(sa.text(f"SELECT DISTINCT portfolio_id FROM {table.name}")).scalars().all()
    for owner in owners:
        connection.execute(statement, {"owner": owner})


def _grants(connection: sa.Connection, name: str) -> list[tuple[str, str]]:
    """Return who else may do what with a table."""
    query = (
        "SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, a.privilege_type"
        " FROM pg_class c, aclexplode(c.relacl) AS a WHERE c.oid = to_regclass(:name) AND a.grantee <> c.relowner"
    )
    rows = connection.execute(sa.text(query), {"name": name}).all()
    return [
        (grantee, privilege) for grantee, privilege in rows if privilege in ("SELECT", "INSERT", "UPDATE", "DELETE")
    ]


def _create_view(connection: sa.Connection, table: sa.Table) -> None:
    names = [column.name for column in _packed(table)]
    shown = ", ".join(f"r.{column.name}{_cast(column, 'text')} AS {column.name}" for column in _packed(table))
    op.execute(
        f"CREATE VIEW {table.name} AS SELECT a.portfolio_id, a.session, {shown}"
        f" FROM {table.name}_arrays AS a, LATERAL unnest({', '.join(f'a.{name}' for name in names)})"
        f" AS r({', '.join(names)})"
    )
    comments = {f"VIEW {table.name}": table.comment}
    comments |= {f"COLUMN {table.name}.{column.name}": column.comment for column in table.columns}
    literal = sa.String().literal_processor(connection.dialect)
    for place, comment in comments.items():
        connection.exec_driver_sql(f"COMMENT ON {place} IS {literal(comment).replace('%', '%%')}")


def _packed(table: sa.Table) -> list[sa.Column]:
    return [column for column in table.columns if column.name not in KEY]


def _cast(column: sa.Column, kind: str) -> str:
    return f"::{kind}" if column.name == "lot_id" else ""
