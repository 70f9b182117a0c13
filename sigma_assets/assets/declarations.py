"""What all assets declare and report in the same way: run policy, owners, columns, checks, row counts."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import sqlalchemy as sa

from sigma_assets.assets.checks.evaluation import ROW_COUNT, Checked, checked, specs_of
from sigma_assets.assets.progress import Progress
from sigma_assets.assets.tables import Tables
from sigma_assets.base.conventions import METHOD_VERSIONS
from sigma_assets.instance.event_log.partition_metadata import add_partition_metadata
from sigma_assets.runs.failed_checks import CHECKS_FAILED, FailedCheck, failure_of
from sigma_assets.runs.fold.phases import BY_ASSET
from sigma_assets.runs.partitions import Scope
from sigma_assets.runs.tags import partition_key
from sigma_assets.settings import settings
from sigma_assets.storage.schema import FAMILIES, SCHEMA

warnings.filterwarnings("ignore", category=dg.BetaWarning)
# single-run backfills and mappings between partition dimensions are in beta; pyproject.toml pins Dagster's minor version

LATEST = "latest session"
TURN = "dagster/priority"
"""Tag of a step: of those that could be next, the one with the highest number is. So a run makes phases in their order."""

logger = logging.getLogger(__name__)

Results = Iterator[dg.AssetCheckResult | dg.MaterializeResult]
"""What an asset returns: what its checks found, then its materialisation."""
OWNERS = ["team:risk"]
PRICE_POOL = "price_provider"
"""Concurrency pool of everything that talks to the price source; its limit is set on the instance."""

single_run = dg.BackfillPolicy.single_run()
"""One run for a whole range of partitions, however it is asked for."""


def declared(asset: str) -> dict[str, Any]:
    """Return what every asset declares: run policy, owners, columns of its tables, checks, and its turn in a run."""
    turns = {} if asset not in BY_ASSET else {TURN: str(-list(BY_ASSET).index(asset))}
    return {
        "backfill_policy": single_run,
        "owners": OWNERS,
        "kinds": {"python", _database_kind()},
        "metadata": columns_of(asset),
        "check_specs": specs_of(asset),
        "code_version": str(METHOD_VERSIONS[asset]),
        "op_tags": turns,
    }


def replaced(
    context: dg.AssetExecutionContext,
    tables: Tables,
    scope: Scope,
    frames: Sequence[pd.DataFrame],
    progress: Progress,
    **totals: float,
) -> Results:
    """Replace the rows of an asset's tables in scope, check them, and return what Dagster records.

    Parameters
    ----------
    frames : one per table of the asset's family, in its order.
    progress : of the step, finished here: all is done once the rows are stored.
    totals : of the whole run, for its log.
    """
    tables.replace(context.asset_key.to_user_string(), frames, scope)
    progress.finish()
    return recorded(context, tables, scope, totals=totals)


def recorded(
    context: dg.AssetExecutionContext,
    tables: Tables,
    scope: Scope,
    *,
    without_rows: Sequence[FailedCheck] = (),
    totals: Mapping[str, float] | None = None,
) -> Results:
    """Yield what the checks found in a scope, then its materialisation, each partition with its own figures.

    The checks come first: whatever is materialised has been checked, even if the process dies in between. A portfolio for
    which a check of severity ERROR fails is not materialised, so that it counts as missing; the others are.

    Parameters
    ----------
    without_rows : the portfolios whose rows could not be computed, as failed checks.
    totals : of the whole run, for its log.

    Raises
    ------
    Failure
        A check of severity ERROR failed: nothing in this run that depends on the asset is computed.
    """
    asset = context.asset_key.to_user_string()
    if totals:
        logger.info("%s: %s", asset, ", ".join(f"{name} {value:,g}" for name, value in totals.items()))
    found = checked(asset, tables, scope)
    yield from found.results()
    figures = _by_key(tables, found)
    told = {each.portfolio_id for each in without_rows}
    if failed := [*without_rows, *(each for each in found.failed if each.portfolio_id not in told)]:
        _materialize_sound(context, failed, figures)
        context.instance.add_run_tags(context.run.run_id, {CHECKS_FAILED: "true"})
        raise failure_of(failed)
    shown: dict[str, Mapping[str, Any]] = {key: figures_of_one for key, (_, figures_of_one) in figures.items()}
    if found.latest:
        last = max(shown)
        shown[last] = {**shown[last], LATEST: dg.MetadataValue.md(found.latest)}
    add_partition_metadata(context, shown)
    version = dg.DataVersion(context.run.run_id[:8])  # Dagster's is a digest of 64 characters, in each event twice
    yield dg.MaterializeResult(data_version=version)


def _by_key(tables: Tables, found: Checked) -> dict[str, tuple[str, Mapping[str, float]]]:
    """Return portfolio and figures of each partition of a step; it has each session of each portfolio."""
    portfolio_ids = found.scope.portfolio_ids
    name_of = tables.roster().name_of if portfolio_ids else {"": ""}
    return {
        partition_key(day, name_of[portfolio_id]): (
            portfolio_id,
            found.figures.get((str(day), portfolio_id), {ROW_COUNT: 0}),
        )
        for day in found.scope.sessions.tolist()
        for portfolio_id in portfolio_ids or ("",)
    }


def _materialize_sound(
    context: dg.AssetExecutionContext,
    failed: Sequence[FailedCheck],
    figures: Mapping[str, tuple[str, Mapping[str, float]]],
) -> None:
    """Materialise the portfolios that no check complains of: what ails another one must not be done again for them."""
    ailing = {each.portfolio_id for each in failed}
    if "" in ailing:
        return
    for key, (portfolio_id, told) in figures.items():
        if portfolio_id not in ailing:
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=dict(told)))


def dates(scope: Scope) -> tuple[str, int]:
    """Return the sessions of a scope as what was worked on."""
    return "dates", len(scope.sessions)


def lots_in(positions: pd.DataFrame) -> tuple[str, int]:
    """Return the lots in rows of position_values as what was worked on."""
    return "positions", int(positions["lot_id"].nunique())


def lots_held(lots: pd.DataFrame, scope: Scope) -> tuple[str, int]:
    """Return the lots that are open on any session of a scope as what was worked on, before their values are known."""
    first, last = (np.datetime64(day, "s") for day in (scope.first, scope.last))
    is_open = (lots["entry_date"] <= last) & (lots["exit_date"].isna() | (lots["exit_date"] > first))
    return "positions", int(is_open.sum())


def columns_of(asset: str) -> Mapping[str, Any]:
    """Return the column schema of an asset's tables as Dagster metadata: shown in the UI's Columns tab."""
    head, *more = FAMILIES[asset]
    schema = SCHEMA if _database_kind() == "postgres" else "main"
    metadata: dict[str, Any] = {
        "dagster/column_schema": _column_schema(head),
        "dagster/table_name": f"{schema}.{head.name}",
    }
    return metadata | {f"columns/{table.name}": _column_schema(table) for table in more}


def _database_kind() -> str:
    return "sqlite" if settings().database.startswith("sqlite") else "postgres"


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
