"""Who computed a session of a portfolio: asked of Dagster's event log, where it is written and nowhere else."""

from datetime import UTC, date, datetime

import dagster as dg

from sigma_assets.reports.portfolio import Computed
from sigma_assets.runs.fold.phases import PHASES
from sigma_assets.runs.newest import newest_record
from sigma_assets.runs.tags import partition_key
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.roster import read_roster

CODE_VERSION = "dagster/code_version"


def computed_by(
    instance: dg.DagsterInstance, database: Database, settings: Settings, portfolio_id: str, session: date
) -> tuple[Computed, ...]:
    """Return the newest materialisation of each asset of a portfolio's session, in the order of the phases."""
    name = read_roster(database).name_of.get(portfolio_id)
    if name is None:
        return tuple(Computed(phase.asset) for phase in PHASES)
    key = partition_key(session, name)
    return tuple(_newest(instance, settings, phase.asset, key) for phase in PHASES)


def _newest(instance: dg.DagsterInstance, settings: Settings, asset: str, key: str) -> Computed:
    record = newest_record(instance, asset, key)
    if record is None:
        return Computed(asset)
    moment = datetime.fromtimestamp(record.timestamp, UTC).isoformat(timespec="seconds")
    tags = (record.asset_materialization.tags if record.asset_materialization else None) or {}
    return Computed(asset, moment, record.run_id, settings.run_url(record.run_id), tags.get(CODE_VERSION))
