"""Record a plan that failed because of the price source as a failed run in the history."""

import sys

import dagster as dg
from dagster._core.events import EngineEventData
from dagster._utils.error import serializable_error_info_from_exc_info

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.execution import QUIET, origin_of
from sigma_assets.automation.jobs import SYMBOL_ASSETS, names
from sigma_assets.automation.requests import job_of, tags_of
from sigma_assets.base.errors import ProviderError
from sigma_assets.runs.tags import PlannedRun


def record_failed_plan(
    definitions: dg.Definitions, instance: dg.DagsterInstance, tables: Tables, error: ProviderError, source: str
) -> str:
    """Record a run of the universe for the current session that failed with this error; return its id.

    Call it while the error is being handled. Nothing is computed: without a price source, no one knows what is missing.
    """
    session = tables.settings.current_session()
    planned = PlannedRun(tuple(names(SYMBOL_ASSETS)), session, session)
    name = job_of(planned)
    run = instance.create_run_for_job(
        job_def=definitions.resolve_job_def(name),
        run_config=QUIET,
        tags=tags_of(planned, tables.roster(), source),
        remote_job_origin=origin_of(name),
    )
    details = EngineEventData(error=serializable_error_info_from_exc_info(sys.exc_info()))
    instance.report_engine_event("the price source failed before anything could be planned", run, details)
    instance.report_run_failed(run, f"{type(error).__name__}: {error}")
    return run.run_id
