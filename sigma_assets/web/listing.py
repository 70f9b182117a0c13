"""The list of portfolios: where each stands against the last session that prices are there for."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Literal

import dagster as dg
import numpy as np
import sqlalchemy as sa

from sigma_assets.reports.gaps.holdings import Holdings
from sigma_assets.reports.summaries import Summary, summaries
from sigma_assets.runs.covers import RunCover, covers_of, runs
from sigma_assets.runs.fold.facts import PortfolioFacts
from sigma_assets.runs.fold.phases import BY_ASSET
from sigma_assets.runs.newest import newest_events
from sigma_assets.runs.tags import PORTFOLIO, partition_key
from sigma_assets.settings import Settings
from sigma_assets.storage.roster import Roster
from sigma_assets.storage.schema import market_prices, portfolios
from sigma_assets.web.models import PortfolioLine, PortfolioList
from sigma_assets.web.queries import Queries

RECENT_RUNS = 200
"""Runs in which the newest run of a portfolio is looked for."""

State = Literal["pending", "running", "current", "behind", "failed"]


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
    ids = [row.portfolio_id for row in rows]
    known = summaries(queries.database, ids)
    lacking = _lacking(queries.instance, roster, known)
    newest |= _older_runs(queries.instance, roster, set(ids) - set(newest))
    lost = queries.lost(ids)
    holdings = queries.holdings(ids, lacking, lost)
    lines = []
    for row in rows:
        key = row.portfolio_id
        reaches = max(lost[key][-1].item(), target or date.min) if key in lost else target
        missing = _missing(queries, queries.facts_of(row), reaches, known.get(key), lacking.get(key, ()), holdings[key])
        lines.append(_line(queries.settings, row, known.get(key), missing, newest.get(key), holdings[key]))
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


def _lacking(instance: dg.DagsterInstance, roster: Roster, known: Mapping[str, Summary]) -> dict[str, list[str]]:
    """Return the assets that are not materialised on the last session that a portfolio has a snapshot of."""
    keys = {partition_key(summary.session, roster.name_of[key]): key for key, summary in known.items()}
    lacking: dict[str, list[str]] = {}
    for asset in BY_ASSET if keys else ():
        found = newest_events(instance, asset, keys)
        for key in keys.keys() - found.keys():
            lacking.setdefault(keys[key], []).append(asset)
    return lacking


def _line(
    settings: Settings, row: sa.Row, summary: Summary | None, missing: str, run: RunCover | None, holdings: Holdings
) -> PortfolioLine:
    return PortfolioLine(
        portfolio_id=row.portfolio_id,
        name=row.name,
        state=_state(run, summary, missing),
        last_session=summary.session if summary else None,
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
        run_url=settings.run_url(run.run_id) if run else None,
    )


def _missing(
    queries: Queries,
    portfolio: PortfolioFacts,
    target: date | None,
    summary: Summary | None,
    assets: Sequence[str],
    holdings: Holdings,
) -> str:
    def due(last: date) -> int:
        stop = int(np.searchsorted(queries.sessions, np.datetime64(last), side="right"))
        return max(stop - portfolio.first, 0)

    if summary is None:
        begins = queries.session(portfolio.first)
        is_due = begins <= queries.settings.current_session()
        return "everything" if is_due else f"nothing yet: it begins after the close of {begins}"
    late = due(target) - due(summary.session) if target else 0
    holes = due(summary.session) - summary.sessions
    parts = [
        f"{', '.join(assets)} on {summary.session}" if assets else "",
        f"{_sessions(late)} after {summary.session}" if late > 0 else "",
        f"{_sessions(holes, 'earlier ')}" if holes > 0 else "",
        f"changed holdings from {holdings.changed_from} on" if holdings.changed_from else "",
        "a look at corrected prices" if holdings.is_behind_prices else "",
    ]
    return "; ".join(part for part in parts if part)


def _sessions(count: int, kind: str = "") -> str:
    return f"{count:,} {kind}session{'' if count == 1 else 's'}"


def _state(run: RunCover | None, summary: Summary | None, missing: str) -> State:
    if run is not None and run.in_flight:
        return "running"
    if not missing:
        return "current"
    if run is not None and run.status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED):
        return "failed"
    return "behind" if summary or run else "pending"
