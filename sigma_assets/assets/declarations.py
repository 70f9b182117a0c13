"""What all assets declare and report alike: run policy, owners, columns, checks, row counts."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import sqlalchemy as sa

from sigma_assets.checks import results_of, specs_of
from sigma_assets.partitions import Scope
from sigma_assets.resources import Tables
from sigma_assets.storage.schema import FAMILIES

OWNERS = ["team:risk"]
PRICE_POOL = "price_provider"
"""Concurrency pool of everything that talks to the price source; its limit is set on the instance."""

single_run = dg.BackfillPolicy.single_run()
"""One run for a whole range of partitions, however it is asked for."""


def declared(asset: str) -> dict[str, Any]:
    """Return what every asset declares: run policy, owners, columns of its tables, checks."""
    return {
        "backfill_policy": single_run,
        "owners": OWNERS,
        "kinds": {"table"},
        "metadata": columns_of(asset),
        "check_specs": specs_of(asset),
    }


def recorded(
    asset: str, counts: Mapping[str, int], tables: Tables, scope: Scope, **figures: float
) -> dg.MaterializeResult:
    """Return the materialisation of a scope: rows written and other figures, and what the checks found."""
    metadata = {"rows": sum(counts.values()), "sessions": len(scope.sessions), **figures}
    return dg.MaterializeResult(metadata=metadata, check_results=results_of(asset, tables, scope))


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
