"""The list of portfolios: where each stands against the last session that prices are there for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import dagster as dg
import numpy as np
import sqlalchemy as sa

from sigma_assets.base.frames import SessionArray
from sigma_assets.reports.gaps.holdings import Holdings
from sigma_assets.reports.summaries import Summary, summaries
from sigma_assets.runs.covers import RunCover, covers_of, runs
from sigma_assets.runs.fold.facts import PortfolioFacts
from sigma_assets.runs.fold.phases import BY_ASSET
from sigma_assets.runs.newest import newest_events
from sigma_assets.runs.tags import PORTFOLIO, partition_key
from sigma_assets.storage.roster import Roster
from sigma_assets.storage.schema import market_prices, portfolio_snapshots, portfolios
from sigma_assets.web.models import PortfolioLine, PortfolioList
from sigma_assets.web.queries import Queries

RECENT_RUNS = 200
"""Runs in which the newest run of a portfolio is looked for."""

State = Literal["pending", "running", "current", "behind", "failed"]


@dataclass(frozen=True)
class _Snapshots:
    count: int
    last: date


def list_portfolios(queries: Queries, offset: int, limit: int) -> PortfolioList:
    """Return some of the active portfolios, in the order of their creation."""
    roster = queries.roster()
    newest = _newest_runs(queries.instance, roster)
    with queries.database.read() as connection:
        active = portfolios.c.deleted_at.is_(None)
        total = connection.execute(sa.select(sa.func.count()).select_from(portfolios).where(active)).scalar_one()
        chosen = sa.select(portfolios).where(active).order_by(portfolios.c.created_at, portfolios.c.portfolio_id)
        rows = connection.execute(chosen.offset(offset).limit(limit)).all()
        target = connection.execute(sa.select(sa.func.max(market_prices.c.session))).scalar_one()
        there = _snapshots(connection, [row.portfolio_id for row in rows])
    lacking = _lacking(queries.instance, roster, there)
    ids = [row.portfolio_id for row in rows]
    newest |= _older_runs(queries.instance, roster, set(ids) - set(newest))
    lost = queries.lost(ids)
    holdings = queries.holdings(ids, lacking, lost)
    known = summaries(queries.database, ids)
    lines = [
        _line(queries, queries.facts_of(row), target, there, lacking, lost, newest, holdings[key], known.get(key))
        for row in rows
        for key in [row.portfolio_id]
    ]
    return PortfolioList(
        current_session=queries.settings.current_session(),
        target_session=target,
        dagster_url=queries.settings.dagster_link,
        total=total,
        offset=offset,
        portfolios=lines,
    )


def _newest_runs(instance: dg.DagsterInstance, roster: Roster) -> dict[str, RunCover]:
    """Return the newest run of each portfolio, one that is under way before any other."""
    return _first_of_each([*runs(instance, roster, in_flight=True), *runs(instance, roster, limit=RECENT_RUNS)])


def _older_runs(instance: dg.DagsterInstance, roster: Roster, ids: set[str]) -> dict[str, RunCover]:
    """Return the newest run of its own of each portfolio that none of the newest runs of all covers.

    Hundreds of new portfolios have as many runs; without its own, one that failed would be `pending`. Each look is for those
    that the ones before did not find, and ends it if it finds none of them.
    """
    newest: dict[str, RunCover] = {}
    while left := ids - newest.keys():
        records = instance.get_run_records(dg.RunsFilter(tags={PORTFOLIO: sorted(left)}), limit=RECENT_RUNS)
        found = _first_of_each(covers_of(instance, roster, records))
        newest = found | newest
        if len(records) < RECENT_RUNS or left.isdisjoint(found):
            break
    return newest


def _first_of_each(covers: Iterable[RunCover]) -> dict[str, RunCover]:
    """Return the first of some runs that covers each portfolio."""
    first: dict[str, RunCover] = {}
    for cover in covers:
        for portfolio_id in cover.portfolio_ids:
            first.setdefault(portfolio_id, cover)
    return first


def _snapshots(connection: sa.Connection, ids: Sequence[str]) -> dict[str, _Snapshots]:
    table = portfolio_snapshots.c
    query = sa.select(table.portfolio_id, sa.func.count(), sa.func.max(table.session))
    rows = connection.execute(query.where(table.portfolio_id.in_(ids)).group_by(table.portfolio_id))
    return {portfolio_id: _Snapshots(count, last) for portfolio_id, count, last in rows}


def _lacking(instance: dg.DagsterInstance, roster: Roster, there: Mapping[str, _Snapshots]) -> dict[str, list[str]]:
    """Return the assets that are not materialised on the last session that a portfolio has a snapshot of."""
    keys = {partition_key(snapshots.last, roster.name_of[key]): key for key, snapshots in there.items()}
    lacking: dict[str, list[str]] = {}
    for asset in BY_ASSET if keys else ():
        found = newest_events(instance, asset, keys)
        for key in keys.keys() - found.keys():
            lacking.setdefault(keys[key], []).append(asset)
    return lacking


def _line(
    queries: Queries,
    portfolio: PortfolioFacts,
    target: date | None,
    there: Mapping[str, _Snapshots],
    lacking: Mapping[str, Sequence[str]],
    lost: Mapping[str, SessionArray],
    newest: Mapping[str, RunCover],
    holdings: Holdings,
    summary: Summary | None,
) -> PortfolioLine:
    snapshots = there.get(portfolio.portfolio_id)
    assets = lacking.get(portfolio.portfolio_id, ())
    gone = lost.get(portfolio.portfolio_id)
    reaches = target if gone is None else max(gone[-1].item(), target or date.min)
    missing = _missing(queries, portfolio, reaches, snapshots, assets, holdings)
    run = newest.get(portfolio.portfolio_id)
    return PortfolioLine(
        portfolio_id=portfolio.portfolio_id,
        name=portfolio.name,
        state=_state(run, snapshots, missing),
        last_session=snapshots.last if snapshots else None,
        equity=summary.equity if summary else None,
        daily_pnl=summary.daily_pnl if summary else None,
        daily_return=summary.daily_return if summary else None,
        return_ytd=summary.return_ytd if summary else None,
        volatility=summary.volatility if summary else None,
        var_99=summary.var_99 if summary else None,
        missing=missing,
        gaps=holdings.summary,
        warnings=len(holdings.gaps),
        price_source=holdings.price_source,
        newest_price=holdings.newest_price,
        run_id=run.run_id if run else None,
        run_url=queries.settings.run_url(run.run_id) if run else None,
    )


def _missing(
    queries: Queries,
    portfolio: PortfolioFacts,
    target: date | None,
    snapshots: _Snapshots | None,
    assets: Sequence[str],
    holdings: Holdings,
) -> str:
    def due(last: date) -> int:
        stop = int(np.searchsorted(queries.sessions, np.datetime64(last), side="right"))
        return max(stop - portfolio.first, 0)

    if snapshots is None:
        begins = queries.session(portfolio.first)
        is_due = begins <= queries.settings.current_session()
        return "everything" if is_due else f"nothing yet: it begins after the close of {begins}"
    late = due(target) - due(snapshots.last) if target else 0
    holes = due(snapshots.last) - snapshots.count
    parts = [
        f"{', '.join(assets)} on {snapshots.last}" if assets else "",
        f"{_sessions(late)} after {snapshots.last}" if late > 0 else "",
        f"{_sessions(holes, 'earlier ')}" if holes > 0 else "",
        f"changed holdings from {holdings.changed_from} on" if holdings.changed_from else "",
        "a look at corrected prices" if holdings.is_behind_prices else "",
    ]
    return "; ".join(part for part in parts if part)


def _sessions(count: int, kind: str = "") -> str:
    return f"{count:,} {kind}session{'' if count == 1 else 's'}"


def _state(run: RunCover | None, snapshots: _Snapshots | None, missing: str) -> State:
    if run is not None and run.in_flight:
        return "running"
    if not missing:
        return "current"
    if run is not None and run.status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED):
        return "failed"
    return "behind" if snapshots or run else "pending"
