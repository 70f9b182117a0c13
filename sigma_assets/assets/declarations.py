"""What all assets declare alike: run policy, owners, and the columns of their tables."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import sqlalchemy as sa

from sigma_assets.storage.schema import FAMILIES

OWNERS = ["team:risk"]
PRICE_POOL = "price_provider"
"""Concurrency pool of everything that talks to the price source; its limit is set on the instance."""

single_run = dg.BackfillPolicy.single_run()
"""One run for a whole range of partitions, however it is asked for."""


def columns_of(asset: str) -> Mapping[str, Any]:
    """Return the column schema of an asset's tables as Dagster metadata: shown in the UI's Columns tab."""
    head, *more = FAMILIES[asset]
    metadata: dict[str, Any] = {"dagster/column_schema": _column_schema(head), "dagster/table_name": head.name}
    return metadata | {f"columns/{table.name}": _column_schema(table) for table in more}


def _column_schema(table: sa.Table) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                type=str(column.type).lower(),
                description=column.comment,
                constraints=dg.TableColumnConstraints(nullable=bool(column.nullable), unique=False),
            )
            for column in table.columns
        ]
    )
