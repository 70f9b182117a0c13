"""The inputs of a plan: portfolios, target session, missing partitions, runs in progress. Reading them writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache

import dagster as dg
import numpy as np

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, SYMBOL_ASSETS, names
from sigma_assets.automation.planner import LOTS, Needs
from sigma_assets.base.frames import SessionArray
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.covers import RunCover, runs
from sigma_assets.runs.partitions import portfolios_def
from sigma_assets.runs.restored import SNAPSHOTS
from sigma_assets.runs.tags import PORTFOLIO, SYMBOL_JOB
from sigma_assets.runs.watermark import Materialized
from sigma_assets.storage.portfolios import lot_counts, newest_metrics, newest_snapshots, portfolios
from sigma_assets.storage.roster import Roster, adopt, uncomputed

UNIVERSE = ""
"""Stands for the universe where portfolios are named by their ids."""
IMPORT_PATIENCE = timedelta(seconds=45)
"""An import, or a command, that made a portfolio a partition asks for its first run within a second. If there is none by
then, its process has died in between, and the sensor asks instead."""


@dataclass(frozen=True)
class PlanInputs:
    """What a plan starts from.

    Attributes
    ----------
    target : last session that can be computed.
    sessions : portfolio id -> the sessions that it should have, from its inception to the target.
    missing : (portfolio id, asset) -> what it lacks of them.
    in_flight : runs that have not ended; read before `missing`, so that what ends in between is not planned again.
    order : active portfolios in the order of their partitions; one that is no partition yet is not among them.
    prices_seen : the newest price load before anything else was read.
    lots : how many lots the larger portfolios have.
    lost : sessions that are materialised for some portfolio although our tables end before, those of symbols, too: they
        are older than Dagster's, from a backup. For the universe, too, these are missing.
    """

    target: date
    sessions: dict[str, SessionArray]
    missing: Needs
    in_flight: list[RunCover]
    order: list[str]
    roster: Roster = field(repr=False)
    prices_seen: int = 0
    lots: dict[str, int] = field(default_factory=dict, repr=False)
    lost: SessionArray = field(default_factory=lambda: np.array([], dtype="datetime64[D]"), repr=False)

    @property
    def busy(self) -> set[str]:
        """Portfolios that a run works on, or will; `UNIVERSE` if the universe's run is under way."""
        return {key for run in self.in_flight for key in run.portfolio_ids or (UNIVERSE,)}


def read_inputs(
    instance: dg.DagsterInstance,
    tables: Tables,
    price_source: PriceSource,
    materialized: Materialized,
    *,
    portfolio_ids: Sequence[str] | None = None,
    force: bool = False,
) -> PlanInputs:
    """Read what a plan starts from.

    Parameters
    ----------
    portfolio_ids : only these; None = all that are active.
    force : whether everything counts as missing.
    """
    seen, roster = tables.prices_revision(), tables.roster()
    in_flight = runs(instance, roster, in_flight=True)
    active = portfolios(tables.database, portfolio_ids)
    last, start = price_source.target_session(), tables.settings.history_start
    since = cache(lambda first: tables.calendar.between(first, last))  # many portfolios begin on the same day
    sessions = {row.portfolio_id: since(max(row.inception.date(), start)) for row in active.itertuples()}
    assets = names(PORTFOLIO_ASSETS)
    if not force:
        materialized.look(instance, roster, assets)
    newest = newest_snapshots(tables.database)  # after the look: rows are stored before Dagster hears of them
    missing: Needs = {}
    lost = [np.array([], dtype="datetime64[D]")]
    for portfolio_id, days in sessions.items():
        name = roster.name_of.get(portfolio_id)
        if force or name is None:
            missing |= {(portfolio_id, asset): days for asset in assets if len(days)}
            continue
        missing |= {(portfolio_id, asset): absent for asset, absent in materialized.lacking(assets, name, days)}
        if len(gone := _lost(materialized, name, days, newest.get(portfolio_id, date.min))):
            missing |= {
                (portfolio_id, asset): np.union1d(missing.get((portfolio_id, asset), gone), gone) for asset in assets
            }
            lost.append(gone)
    partitions = instance.get_dynamic_partitions(str(portfolios_def.name))
    order = [roster.id_of[name] for name in partitions if roster.id_of.get(name) in sessions]
    of_all = np.unique(np.concatenate(lost))
    if len(of_all):
        of_all = of_all[of_all > np.datetime64(newest_metrics(tables.database))]
    lots = lot_counts(tables.database, portfolio_ids, more_than=LOTS)
    return PlanInputs(last, sessions, missing, in_flight, order, roster, seen, lots, of_all)


def _lost(materialized: Materialized, name: str, days: SessionArray, newest: date) -> SessionArray:
    """Return the sessions of a portfolio whose snapshots are materialised, but that its rows end before."""
    if not len(days) or days[-1] <= np.datetime64(newest):  # the usual
        return days[:0]
    later = days[days > np.datetime64(newest)]
    return np.setdiff1d(later, materialized.missing(SNAPSHOTS, name, later))


def universe_missing(
    instance: dg.DagsterInstance,
    inputs: PlanInputs,
    materialized: Materialized,
    calendar: SessionArray,
    *,
    whole_history: bool = False,
    force: bool = False,
) -> Needs:
    """Return what the universe lacks.

    It has been due since its first materialised session. A universe that never ran starts with the target session, as
    soon as any portfolio should have that: each portfolio loads its own symbols' history itself.

    Parameters
    ----------
    whole_history : start a universe that never ran with the first session that any portfolio lacks.
    """
    assets = names(SYMBOL_ASSETS)
    materialized.look(instance, inputs.roster, assets)
    starts = [there[0] for asset in assets if len(there := materialized.materialized(asset))]
    if not starts and whole_history:
        starts = [days[0] for days in inputs.missing.values()]
    elif not starts:
        last = np.datetime64(inputs.target)
        starts = [days[-1] for days in inputs.sessions.values() if last in days[-1:]]
    due = calendar[(calendar >= min(starts, default=calendar[-1])) & (calendar <= np.datetime64(inputs.target))]
    lost = np.intersect1d(due, inputs.lost)
    absent = {asset: due if force else np.union1d(materialized.missing(asset, None, due), lost) for asset in assets}
    return {(None, asset): sessions for asset, sessions in absent.items() if len(sessions)}


def adopt_portfolios(instance: dg.DagsterInstance, tables: Tables, adopted_by: str) -> Roster:
    """Make every active portfolio a partition; return the roster. The only writer of partitions besides an import."""
    active, roster = list(portfolios(tables.database)["portfolio_id"]), tables.roster()
    new = [portfolio_id for portfolio_id in active if portfolio_id not in roster.name_of]
    if new:
        adopt(tables.database, new, adopted_by)
        roster = tables.roster()
    there = set(instance.get_dynamic_partitions(str(portfolios_def.name)))
    absent = [name for key in active if (name := roster.name_of[key]) not in there]
    if absent:
        instance.add_dynamic_partitions(str(portfolios_def.name), absent)
    return roster


def unstarted(instance: dg.DagsterInstance, tables: Tables, *, orphaned: bool = False) -> list[str]:
    """Return the active portfolios that nothing was computed for and no run was asked for, in the order of the roster.

    They are the onboarding sensor's, all others `reconcile`'s: so no two ask for one portfolio's run. Found without
    the index of materialised partitions, whose first look may take minutes.

    Parameters
    ----------
    orphaned : without those whose import, or command, is still about to ask for their run.
    """
    found = uncomputed(tables.database)
    if orphaned:
        late = datetime.now(UTC) - IMPORT_PATIENCE
        found = found[(found["adopted_by"] == "sensor") | (found["adopted_at"] < late)]
    ids = list(found["portfolio_id"])
    if not ids:
        return []
    tried = {run.tags[PORTFOLIO] for run in instance.get_runs(dg.RunsFilter(tags={PORTFOLIO: ids}))}
    busy = {key for run in runs(instance, tables.roster(), in_flight=True) for key in run.portfolio_ids}
    return [portfolio_id for portfolio_id in ids if portfolio_id not in tried | busy]


def universe_runs(covers: Sequence[RunCover]) -> list[RunCover]:
    """Return those runs that are of the universe."""
    return [run for run in covers if run.job == SYMBOL_JOB]
