"""What must be recomputed although it exists: after changed holdings, and after late or corrected prices."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from sigma_assets.analytics.series.coverage import first_entries
from sigma_assets.assets.tables import Tables
from sigma_assets.automation.inputs import PlanInputs
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names
from sigma_assets.automation.planner import Needs
from sigma_assets.automation.reasons.corrections import FOLLOWERS, Reach, differing_sessions, touched_sessions
from sigma_assets.base.conventions import VolatilityModel
from sigma_assets.base.frames import SessionArray
from sigma_assets.runs.partitions import Scope
from sigma_assets.runs.watermark import Materialized
from sigma_assets.storage.portfolios import changed_holdings


@dataclass(frozen=True)
class PriceLook:
    """How far the reconcile sensor has looked for corrected prices; its cursor.

    Attributes
    ----------
    since : loads up to this one are dealt with.
    until : when this pass over the portfolios is through, loads up to this one are, too.
    position : portfolios that this pass has looked at.
    is_disturbed : whether a run was at work meanwhile: it may have read prices before a load and written rows after
        they were looked for, so the pass proves nothing and is made again.
    """

    since: int
    until: int
    position: int = 0
    is_disturbed: bool = False

    @classmethod
    def of(cls, cursor: str | None, newest: int) -> "PriceLook":
        """Return the look that a cursor describes; a pass that begins covers all loads so far."""
        since, until, position, disturbed = (int(part) for part in (cursor or "0,0,0,0").split(","))
        return cls(since, until if position else newest, position, bool(disturbed and position))

    @property
    def text(self) -> str:
        """The cursor."""
        return f"{self.since},{self.until},{self.position},{int(self.is_disturbed)}"

    def following(self, looked: int, total: int, disturbed: bool) -> "PriceLook":
        """Return where to look next after a number of portfolios, of a total, for which nothing had to run again."""
        disturbed |= self.is_disturbed
        if self.position + looked < total:
            return PriceLook(self.since, self.until, self.position + looked, disturbed)
        return PriceLook(self.since if disturbed else self.until, self.until)


def after_changed_holdings(inputs: PlanInputs, tables: Tables, materialized: Materialized) -> Needs:
    """Return, for each portfolio whose lots or cash flows changed, what is there from the change on."""
    changed = changed_holdings(tables.database, inputs.order)
    return {
        (row.portfolio_id, asset): days
        for row in changed.itertuples()
        if (name := inputs.roster.name_of.get(row.portfolio_id)) is not None
        for asset in names(PORTFOLIO_ASSETS)
        if len(days := _since(materialized.materialized(asset, name), row.first_session.date(), inputs))
    }


def after_changed_prices(inputs: PlanInputs, tables: Tables, portfolio_ids: Collection[str]) -> Needs:
    """Return what prices that came later than the rows of some portfolios touch."""
    again: Needs = {}
    for portfolio_id in portfolio_ids:
        if not len(inputs.sessions[portfolio_id]):
            continue  # the price source ends before the portfolio begins
        again |= _touched(tables, Scope(inputs.sessions[portfolio_id], (portfolio_id,)))
    return again


def _touched(tables: Tables, scope: Scope) -> Needs:
    computed = tables.rows("price_coverage", scope, columns=["portfolio_id", "session", "prices_revision"])
    symbols, window = tables.symbols(scope), tables.window(scope, tables.lookback)
    changed = tables.changed_prices(symbols, window, since=int(computed["prices_revision"].min()))
    entries = first_entries(tables.holdings(scope)[1])
    touched = touched_sessions(
        changed,
        tables.prices(symbols, window),
        computed,
        held={symbol: entries.get(symbol, date.min) for symbol in tables.risk_symbols(scope)},
        factor_etfs=set(tables.settings.factor_model.etfs),
        benchmark=tables.settings.performance_model.benchmark,
        reach=Reach.of(tables.settings.factor_model, VolatilityModel(), tables.settings.correlation_model),
    )
    if "portfolio_snapshots" in touched:
        path = Scope(scope.sessions[scope.sessions >= touched["portfolio_snapshots"][0]], scope.portfolio_ids)
        stored = tables.rows("portfolio_snapshots", path)
        differs, moved = differing_sessions(tables.computed_snapshots(path), stored)
        _add(touched, ("price_coverage", "portfolio_snapshots"), differs)
        _add(touched, FOLLOWERS, moved)
    (portfolio_id,) = scope.portfolio_ids
    return {(portfolio_id, asset): days for asset, days in touched.items()}


def _add(touched: dict[str, SessionArray], assets: Sequence[str], sessions: SessionArray) -> None:
    for asset in assets if len(sessions) else ():
        touched[asset] = np.union1d(touched[asset], sessions) if asset in touched else sessions


def _since(there: SessionArray, first: date, inputs: PlanInputs) -> SessionArray:
    return there[(there >= np.datetime64(first)) & (there <= np.datetime64(inputs.target))]
