"""From a planned run to what Dagster launches."""

import dagster as dg

from sigma_assets.automation.planner import PlannedRun
from sigma_assets.runs.tags import PORTFOLIO_JOB, SYMBOL_JOB, run_tags
from sigma_assets.settings import settings


def tags_of(planned: PlannedRun, source: str, *, again: bool = False) -> dict[str, str]:
    """Return the tags of a planned run; `again` where it covers partitions that are there already."""
    return run_tags(
        planned.first,
        planned.last,
        planned.portfolio_ids,
        source=source,
        max_runtime_seconds=settings().max_runtime_seconds,
        again=again,
    )


def job_of(planned: PlannedRun) -> str:
    """Return the name of the job that a planned run belongs to."""
    return PORTFOLIO_JOB if planned.portfolio_ids else SYMBOL_JOB


def run_request(planned: PlannedRun, source: str, *, again: bool = False) -> dg.RunRequest:
    """Return the request for a planned run. It has no run key: what fails must be asked for again."""
    return dg.RunRequest(
        job_name=job_of(planned),
        tags=tags_of(planned, source, again=again),
        asset_selection=[dg.AssetKey(asset) for asset in planned.assets],
    )
