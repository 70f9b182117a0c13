"""What an older version of a method computed, and what was derived from it (SPEC 4.14)."""

import dagster as dg
import numpy as np

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, SYMBOL_ASSETS, names
from sigma_assets.automation.planner import Needs
from sigma_assets.base.conventions import METHOD_VERSIONS
from sigma_assets.runs.watermark import MATERIALIZATION
from sigma_assets.storage.database import Database
from sigma_assets.storage.methods import note_methods, noted_methods
from sigma_assets.storage.roster import Roster


def note_newer_methods(instance: dg.DagsterInstance, database: Database) -> None:
    """Note each method whose version is newer than any seen so far: its numbers up to now are of an older one."""
    seen = noted_methods(database)
    newer = [asset for asset, version in METHOD_VERSIONS.items() if version > seen.get(asset, (0, 0))[0]]
    if newer:
        records = instance.get_asset_records([dg.AssetKey(asset) for asset in METHOD_VERSIONS])
        newest = max((record.asset_entry.last_materialization_storage_id or 0 for record in records), default=0)
        note_methods(database, {asset: METHOD_VERSIONS[asset] for asset in newer}, newest)


def outdated(instance: dg.DagsterInstance, tables: Tables, roster: Roster) -> Needs:
    """Return the materialised sessions, per active portfolio (None = the universe) and asset, that are of an older method.

    An asset is also outdated where it was computed before the method of one that it is made of changed.
    """
    until = _older_until(tables.database)
    calendar = {str(day): day for day in tables.calendar.sessions}
    active = set(instance.get_dynamic_partitions("portfolio"))
    found: dict[tuple[str | None, str], list[np.datetime64]] = {}
    for asset, event in until.items():
        if not event:
            continue
        latest = instance.event_log_storage.get_latest_storage_id_by_partition(dg.AssetKey(asset), MATERIALIZATION)
        for key, storage_id in latest.items():
            day, _, name = key.partition("|")
            if storage_id <= event and day in calendar and (not name or name in active):
                owner = roster.id_of.get(name) if name else None
                if owner is not None or not name:
                    found.setdefault((owner, asset), []).append(calendar[day])
    return {key: np.sort(np.array(days, dtype="datetime64[D]")) for key, days in found.items()}


def _older_until(database: Database) -> dict[str, int]:
    """Return asset -> the newest event of before the last change of its method, or of one that it is made of."""
    noted = noted_methods(database)
    assets = [*SYMBOL_ASSETS, *PORTFOLIO_ASSETS]
    own = {asset: noted.get(asset, (0, 0))[1] for asset in names(assets)}
    until: dict[str, int] = {}
    for definition in assets:  # in the order of work: what an asset is made of comes before it
        (spec,) = definition.specs
        above = [until.get(dep.asset_key.to_user_string(), 0) for dep in spec.deps]
        name = definition.key.to_user_string()
        until[name] = max([own[name], *above])
    return until
