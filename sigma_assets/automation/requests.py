"""From a planned run to what Dagster launches."""

import dagster as dg

from sigma_assets.automation.planner import PlannedRun
from sigma_assets.partitions import range_tags
from sigma_assets.settings import settings
from sigma_assets.watermark import PORTFOLIO, PORTFOLIO_JOB, SOURCE, SYMBOL_JOB


def tags_of(planned: PlannedRun, source: str) -> dict[str, str]:
    """Return the tags of a planned run: its range, who asked for it, how long it may take, its portfolio if it is one."""
    tags = {
        SOURCE: source,
        "dagster/max_runtime": str(settings().max_runtime_seconds),
        **range_tags(planned.first, planned.last, planned.portfolio_ids),
    }
    if len(planned.portfolio_ids) == 1:
        tags[PORTFOLIO] = planned.portfolio_ids[0]
    return tags


def job_of(planned: PlannedRun) -> str:
    """Return the name of the job that a planned run belongs to."""
    return PORTFOLIO_JOB if planned.portfolio_ids else SYMBOL_JOB


def run_request(planned: PlannedRun, source: str) -> dg.RunRequest:
    """Return the request for a planned run. It has no run key: what fails must be asked for again."""
    return dg.RunRequest(
        job_name=job_of(planned),
        tags=tags_of(planned, source),
        asset_selection=[dg.AssetKey(asset) for asset in planned.assets],
    )
