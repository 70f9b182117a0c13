"""What all assets declare and report alike: run policy, owners, columns, checks, row counts."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pandas as pd
import sqlalchemy as sa

from sigma_assets.assets.checks import results_of, specs_of
from sigma_assets.assets.progress import Progress
from sigma_assets.assets.tables import Tables
from sigma_assets.base.conventions import METHOD_VERSIONS
from sigma_assets.runs.partitions import Scope
from sigma_assets.storage.schema import FAMILIES

warnings.filterwarnings("ignore", category=dg.BetaWarning)
# single-run backfills and mappings between partition dimensions are in beta; pyproject.toml pins Dagster's minor version

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
        "code_version": str(METHOD_VERSIONS[asset]),
    }


def replaced(
    context: dg.AssetExecutionContext,
    tables: Tables,
    scope: Scope,
    frames: Sequence[pd.DataFrame],
    done: tuple[str, int] | None,
    **figures: float,
) -> dg.MaterializeResult:
    """Replace the rows of an asset's tables in scope, check them, and return the materialisation.

    Parameters
    ----------
    frames : one per table of the asset's family, in its order.
    done : what was worked on, for whoever watches: unit (symbols, dates, positions or scenarios) and how many;
        None if that was told already.
    """
    counts = tables.replace(context.asset_key.to_user_string(), frames, scope)
    return recorded(context, tables, scope, counts, done, **figures)


def recorded(
    context: dg.AssetExecutionContext,
    tables: Tables,
    scope: Scope,
    counts: Mapping[str, int],
    done: tuple[str, int] | None,
    **figures: float,
) -> dg.MaterializeResult:
    """Return the materialisation of a scope: rows written and other figures, and what the checks found in them."""
    if done is not None:
        progress = Progress(context, *done)
        progress.advance(done[1])
        progress.finish()
    metadata = {"rows": sum(counts.values()), "sessions": len(scope.sessions), **figures}
    checks = results_of(context.asset_key.to_user_string(), tables, scope)
    return dg.MaterializeResult(metadata=metadata, check_results=checks)


def dates(scope: Scope) -> tuple[str, int]:
    """Return the sessions of a scope as what was worked on."""
    return "dates", len(scope.sessions)


def lots_in(positions: pd.DataFrame) -> tuple[str, int]:
    """Return the lots in rows of position_values as what was worked on."""
    return "positions", int(positions["lot_id"].nunique())


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
