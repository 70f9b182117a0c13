"""Which run wrote a partition, when, and by which version of the method."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import dagster as dg

from sigma_assets.base.conventions import METHOD_VERSIONS
from sigma_assets.reports.explain.recomputed import COVERED
from sigma_assets.runs.newest import newest_record
from sigma_assets.runs.tags import partition_key
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.methods import noted_methods
from sigma_assets.storage.roster import read_roster


@dataclass(frozen=True)
class Written:
    """The newest materialisation of what a number belongs to.

    Attributes
    ----------
    at : ISO 8601, UTC.
    code_version : of the method by which it was computed, in words.
    """

    run_id: str
    run_url: str
    at: str
    code_version: str


def written_by(
    database: Database, settings: Settings, instance: dg.DagsterInstance, asset: str, portfolio_id: str, session: date
) -> Written | None:
    """Return the run that wrote an asset's rows of a session; None if Dagster knows of none."""
    name = read_roster(database).name_of.get(portfolio_id)
    keys = {asset: partition_key(session, name)}
    for coverage, covered in COVERED.items():
        if covered == asset:
            keys = {asset: partition_key(session), coverage: partition_key(session, name)}
    found = [newest_record(instance, each, key) for each, key in keys.items()]
    records = [record for record in found if record is not None]
    if not records:
        return None
    newest = max(records, key=lambda record: record.storage_id)
    version = METHOD_VERSIONS[asset]
    older_until = noted_methods(database).get(asset, (version, 0))[1]
    is_old = newest.storage_id <= older_until
    return Written(
        run_id=newest.run_id,
        run_url=settings.run_url(newest.run_id),
        at=datetime.fromtimestamp(newest.timestamp, UTC).isoformat(),
        code_version=f"older than {version}: `sigma-assets run --outdated` computes it anew"
        if is_old
        else str(version),
    )
