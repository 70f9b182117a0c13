"""Turn a planned run into a Dagster run request."""

from typing import TYPE_CHECKING

from sigma_assets.prices.source import longest_run_seconds
from sigma_assets.runs.tags import PORTFOLIO_JOB, SYMBOL_JOB, PlannedRun, run_tags
from sigma_assets.settings import settings
from sigma_assets.storage.roster import Roster

if TYPE_CHECKING:
    import dagster as dg


def tags_of(planned: PlannedRun, roster: Roster, source: str) -> dict[str, str]:
    """Return the tags of a planned run."""
    seconds = longest_run_seconds(settings(), planned.first, planned.last)
    return run_tags(planned, roster, source=source, max_runtime_seconds=seconds)


def job_of(planned: PlannedRun) -> str:
    """Return the name of the job that a planned run belongs to."""
    return PORTFOLIO_JOB if planned.portfolio_ids else SYMBOL_JOB


def run_request(planned: PlannedRun, roster: Roster, source: str) -> "dg.RunRequest":
    """Return the request for a planned run. It has no run key: what fails must be asked for again."""
    import dagster as dg  # half a second of an import of a portfolio, which needs the tags alone

    return dg.RunRequest(
        job_name=job_of(planned),
        tags=tags_of(planned, roster, source),
        asset_selection=[dg.AssetKey(asset) for asset in planned.assets],
    )
