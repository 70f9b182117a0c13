"""Everything that Dagster loads, on one page."""

import dagster as dg

import sigma_assets.instance.event_log.batching  # noqa: F401  (batched events in every process that loads us)
from sigma_assets.assets.run_tables import RunTables
from sigma_assets.assets.tables import Tables
from sigma_assets.automation.alerts.sensor import failure_alert
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, SYMBOL_ASSETS, portfolios_job, symbols_job
from sigma_assets.automation.schedules import nightly
from sigma_assets.automation.sensors import onboarding, reconcile_sensor
from sigma_assets.instance.executor import run_executor
from sigma_assets.prices.source import PriceSource
from sigma_assets.settings import Settings, settings


def definitions_for(configured: Settings) -> dg.Definitions:
    """Return the definitions of a deployment with these settings."""
    tables = Tables(configured)
    return dg.Definitions(
        assets=dg.with_source_code_references([*SYMBOL_ASSETS, *PORTFOLIO_ASSETS]),
        jobs=[symbols_job, portfolios_job],
        schedules=[nightly],
        sensors=[onboarding, reconcile_sensor, failure_alert],
        resources={"tables": of_each_run(tables), "price_source": PriceSource(configured, tables.opened)},
        executor=run_executor(configured.database_patience_seconds),
    )


def of_each_run(tables: Tables) -> dg.ResourceDefinition:
    """Return the resource of a run's steps: one for all of them, another one for the next run."""
    return dg.ResourceDefinition(lambda _: RunTables(tables))


defs = definitions_for(settings())
