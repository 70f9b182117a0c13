"""What an older version of a method computed, and what was derived from it (SPEC 4.14)."""

import sys
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date

import dagster as dg
import numpy as np
import sqlalchemy as sa

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, SYMBOL_ASSETS, names
from sigma_assets.automation.planner import Needs
from sigma_assets.base.conventions import METHOD_VERSIONS
from sigma_assets.reports.gaps.general import older_method
from sigma_assets.reports.gaps.kinds import Gap
from sigma_assets.runs.newest import newest_events
from sigma_assets.runs.tags import partition_key
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.methods import note_methods, noted_methods
from sigma_assets.storage.roster import Roster
from sigma_assets.storage.schema import price_coverage


def note_newer_methods(instance: dg.DagsterInstance, database: Database) -> None:
    """Note each method whose version is newer than any seen so far: its numbers up to now are of an older one."""
    seen = noted_methods(database)
    if any(version > seen.get(asset, (0, 0))[0] for asset, version in METHOD_VERSIONS.items()):
        records = instance.get_asset_records([dg.AssetKey(asset) for asset in METHOD_VERSIONS])
        newest = max((record.asset_entry.last_materialization_storage_id or 0 for record in records), default=0)
        note_methods(database, METHOD_VERSIONS, newest)


def outdated(instance: dg.DagsterInstance, tables: Tables, roster: Roster) -> Needs:
    """Return the materialised sessions, per active portfolio (None = the universe) and asset, that are of an older method.

    An asset is also outdated where it was computed before the method of one that it is made of changed.
    """
    until = _older_until(tables.database)
    calendar = {str(day): day for day in tables.settings.partition_sessions}
    active = set(instance.get_dynamic_partitions("portfolio"))
    found: dict[tuple[str | None, str], list[np.datetime64]] = {}
    for asset, event in until.items():
        if not event:
            continue
        for key, storage_id in newest_events(instance, asset).items():
            day, _, name = key.partition("|")
            if storage_id <= event and day in calendar and (not name or name in active):
                owner = roster.id_of.get(name) if name else None
                if owner is not None or not name:
                    found.setdefault((owner, asset), []).append(calendar[day])
    return {key: np.sort(np.array(days, dtype="datetime64[D]")) for key, days in found.items()}


class OlderNumbers:
    """Which portfolios have numbers that an older method computed, for whoever shows them.

    What was found to have none is not looked at again: numbers never become older, but by another method.

    Parameters
    ----------
    start : the first session that is computed.
    """

    def __init__(self, instance: dg.DagsterInstance, database: Database, start: date) -> None:
        self._instance = instance
        self._database = database
        self._start = start
        self._until: dict[str, int] = {}
        self._clean: set[str] = set()

    def gaps(self, roster: Roster, portfolio_ids: Collection[str], *, ends_only: bool = False) -> dict[str, list[Gap]]:
        """Return portfolio id -> what to say of it; portfolios without older numbers are left out.

        Parameters
        ----------
        ends_only : look at the first and the last session alone, as a list of many portfolios does.
        """
        until = {asset: event for asset, event in _older_until(self._database).items() if event}
        if until != self._until:
            self._until, self._clean = until, set()
        open_ones = [key for key in portfolio_ids if key not in self._clean] if until else []
        stored = self._stored(open_ones, ends_only) if open_ones else {}
        found = {key: self._older(roster.name_of[key], days) for key, days in stored.items()}
        if not ends_only:
            self._clean |= {key for key in open_ones if not found.get(key)}
        return {key: [older_method(older, self._start)] for key, older in found.items() if older}

    def _older(self, name: str, days: Collection[date]) -> dict[str, list[date]]:
        """Return asset -> sessions that are of an older method, ascending; assets without any are left out."""
        keys = {partition_key(day, name): day for day in days}
        older = {}
        for asset in names(PORTFOLIO_ASSETS):
            if event := self._until.get(asset, 0):
                latest = newest_events(self._instance, asset, keys)
                older[asset] = sorted(keys[key] for key, storage_id in latest.items() if storage_id <= event)
        return {asset: sessions for asset, sessions in older.items() if sessions}

    def _stored(self, portfolio_ids: Collection[str], ends_only: bool) -> Mapping[str, list[date]]:
        table = price_coverage.c
        chosen = table.portfolio_id.in_(portfolio_ids)
        query = sa.select(table.portfolio_id, table.session).where(chosen)
        if ends_only:
            ends = sa.func.min(table.session), sa.func.max(table.session)
            query = sa.select(table.portfolio_id, *ends).where(chosen).group_by(table.portfolio_id)
        found: dict[str, list[date]] = defaultdict(list)
        for portfolio_id, *days in self._database.in_snapshot(lambda connection: connection.execute(query).all()):
            found[portfolio_id].extend(days)
        return found


def _older_until(database: Database) -> dict[str, int]:
    """Return asset -> the newest event of before the last change of its method, or of one that it is made of.

    A version of this code that nobody has noted yet makes everything that is there older.
    """
    noted = noted_methods(database)
    assets = [*SYMBOL_ASSETS, *PORTFOLIO_ASSETS]
    own = {}
    for asset in names(assets):
        version, event = noted.get(asset, (0, 0))
        own[asset] = sys.maxsize if METHOD_VERSIONS[asset] > version else event
    until: dict[str, int] = {}
    for definition in assets:  # in the order of work: what an asset is made of comes before it
        (spec,) = definition.specs
        above = [until.get(dep.asset_key.to_user_string(), 0) for dep in spec.deps]
        name = definition.key.to_user_string()
        until[name] = max([own[name], *above])
    return until
