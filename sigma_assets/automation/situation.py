"""The state of the world that a plan starts from: portfolios, target session, what is missing, what is under way."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import numpy as np

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, SYMBOL_ASSETS, names
from sigma_assets.automation.planner import PlannedRun, plan_runs
from sigma_assets.base.frames import SessionArray
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.partitions import portfolios_def
from sigma_assets.runs.watermark import Materialized, RunCover, runs
from sigma_assets.storage.portfolios import portfolios

Missing = dict[tuple[str | None, str], SessionArray]


@dataclass(frozen=True)
class Situation:
    """What a plan starts from.

    Attributes
    ----------
    target : last session that can be computed.
    sessions : portfolio id -> the sessions that it should have, from its inception to the target.
    missing : (portfolio id, asset) -> what it lacks of them.
    in_flight : runs that have not ended; read before `missing`, so that what ends in between is not planned again.
    order : the dynamic portfolio partitions.
    adopted : those that this look made partitions.
    """

    target: date
    sessions: dict[str, SessionArray]
    missing: Missing
    in_flight: list[RunCover]
    order: list[str]
    adopted: frozenset[str] = frozenset()

    @property
    def busy(self) -> set[str]:
        """Portfolios that a run works on, or will."""
        return {portfolio_id for run in self.in_flight for portfolio_id in run.portfolio_ids}


def read_situation(
    instance: dg.DagsterInstance,
    tables: Tables,
    price_source: PriceSource,
    materialized: Materialized,
    *,
    force: bool = False,
    leave: timedelta = timedelta(0),
) -> Situation:
    """Read the state of the world; make every active portfolio a partition, and no removed one.

    Parameters
    ----------
    force : whether everything counts as missing.
    leave : for how long a new portfolio is left to whoever imports it, to make it a partition.
    """
    in_flight = runs(instance, in_flight=True)
    there = instance.get_dynamic_partitions(str(portfolios_def.name))
    active = portfolios(tables.database)  # after the partitions: an import makes its row first, then its partition
    is_left = ~active["portfolio_id"].isin(there) & (active["created_at"] > datetime.now(UTC) - leave)
    active = active[~is_left]
    order = sync_partitions(instance, there, list(active["portfolio_id"]))
    last = price_source.target_session()
    sessions = {
        row.portfolio_id: tables.calendar.between(max(row.inception.date(), tables.settings.first_session), last)
        for row in active.itertuples()
    }
    assets = names(PORTFOLIO_ASSETS)
    materialized.look(instance, assets)
    missing = {
        (portfolio_id, asset): absent
        for portfolio_id, days in sessions.items()
        for asset in assets
        if len(absent := days if force else materialized.missing(asset, portfolio_id, days))
    }
    return Situation(last, sessions, missing, in_flight, order, frozenset(order).difference(there))


def sync_partitions(instance: dg.DagsterInstance, there: Sequence[str], active: Sequence[str]) -> list[str]:
    """Make every active portfolio a dynamic partition and drop the others; return the partitions in their order."""
    name, wanted, known = str(portfolios_def.name), set(active), set(there)
    new = [portfolio_id for portfolio_id in active if portfolio_id not in known]
    if new:
        instance.add_dynamic_partitions(name, new)
    for portfolio_id in known - wanted:
        instance.delete_dynamic_partition(name, portfolio_id)
    if not new and known == wanted:
        return list(there)
    return [key for key in instance.get_dynamic_partitions(name) if key in wanted]


def portfolio_runs(
    situation: Situation, calendar: SessionArray, only: Collection[str] | None = None
) -> list[PlannedRun]:
    """Return the runs that bring portfolios up to date: all of them, or some."""
    missing = {key: days for key, days in situation.missing.items() if only is None or key[0] in only}
    return plan_runs(missing, assets=names(PORTFOLIO_ASSETS), order=situation.order, calendar=calendar)


def symbols_missing(
    instance: dg.DagsterInstance,
    situation: Situation,
    materialized: Materialized,
    calendar: SessionArray,
    *,
    force: bool = False,
) -> Missing:
    """Return what the universe lacks.

    It has been due since its first materialised session; a universe that never ran starts with the first session that
    any portfolio lacks.
    """
    assets = names(SYMBOL_ASSETS)
    materialized.look(instance, assets)
    starts = [there[0] for asset in assets if len(there := materialized.materialized(asset))]
    starts = starts or [days[0] for days in situation.missing.values()]
    due = calendar[(calendar >= min(starts, default=calendar[-1])) & (calendar <= np.datetime64(situation.target))]
    return {
        (None, asset): absent
        for asset in assets
        if len(absent := due if force else materialized.missing(asset, None, due))
    }


def symbol_runs(missing: Missing, calendar: SessionArray) -> list[PlannedRun]:
    """Return the runs that bring the universe up to date."""
    return plan_runs(missing, assets=names(SYMBOL_ASSETS), order=[], calendar=calendar)
