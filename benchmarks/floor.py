"""Dagster's floor: a run of assets that do nothing, with the names, partitions, checks and events of ours."""

from typing import Any

import dagster as dg

from benchmarks.cases import LOTS, SYMBOLS, YEAR, note, through_dagster
from benchmarks.measuring import Measured, measured
from benchmarks.worlds import add_portfolios, extra_symbols, make_world


def floor(database: str, sessions: int = YEAR, portfolios: int = 1) -> list[Measured]:
    """Measure what Dagster alone takes for a run of portfolios: the same materialisations, each with one entry."""
    world = make_world(sessions, database)
    ids = add_portfolios(world, portfolios, extra_symbols(SYMBOLS), LOTS, world.sessions[0].item())
    case = f"Dagster's floor, {portfolios:,} portfolios x {sessions:,} sessions, {database}"
    phases: list[Measured] = []
    total: list[Measured] = []
    started: dict[str, tuple[float, float]] = {}
    events = 0

    def on_event(_: object, event: Any) -> None:
        nonlocal events
        events += 1
        note(case, event, started, phases)

    empty = empty_definitions()
    with measured(case, "portfolios: the run", total) as line:
        through_dagster(world, ids, on_event, empty)
        line.events = events
    return [*total, *phases]


def empty_definitions() -> dg.Definitions:
    """Return our portfolio assets and their job, with bodies that only say that all is well."""
    from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, portfolios_job

    keys = {asset.key for asset in PORTFOLIO_ASSETS}
    return dg.Definitions(
        assets=[_empty(asset, keys) for asset in PORTFOLIO_ASSETS],
        jobs=[portfolios_job],
        executor=dg.in_process_executor,
    )


def _empty(asset: dg.AssetsDefinition, keys: set[dg.AssetKey]) -> dg.AssetsDefinition:
    from sigma_assets.assets.checks.evaluation import ROW_COUNT
    from sigma_assets.instance.event_log.partition_metadata import add_partition_metadata

    (spec,) = asset.specs
    checks = [check.key for check in asset.check_specs]

    @dg.asset(
        name=asset.key.to_user_string(),
        deps=[dep for dep in spec.deps if dep.asset_key in keys],
        partitions_def=asset.partitions_def,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=list(asset.check_specs),
        code_version=spec.code_version,
    )
    def empty(context: dg.AssetExecutionContext) -> Any:
        for key in checks:
            yield dg.AssetCheckResult(asset_key=key.asset_key, check_name=key.name, passed=True)
        keys = context.partition_keys
        add_partition_metadata(context, {key: {ROW_COUNT: 0} for key in keys})
        yield dg.MaterializeResult()

    return empty
