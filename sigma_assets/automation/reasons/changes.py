"""What must be recomputed although it exists: after changed holdings, and after late or corrected prices."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import numpy as np
import pandas as pd

from sigma_assets.analytics.series.coverage import first_entries
from sigma_assets.assets.tables import Tables
from sigma_assets.automation.inputs import PlanInputs
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names
from sigma_assets.automation.planner import Needs
from sigma_assets.automation.reasons.corrections import (
    FOLLOWERS,
    Reach,
    differing_positions,
    differing_sessions,
    sessions_behind,
    touched_sessions,
)
from sigma_assets.base.conventions import VolatilityModel
from sigma_assets.base.frames import SessionArray
from sigma_assets.runs.partitions import Scope
from sigma_assets.runs.watermark import Materialized
from sigma_assets.storage.portfolios import changed_holdings


def after_changed_holdings(inputs: PlanInputs, tables: Tables, materialized: Materialized) -> Needs:
    """Return, for each portfolio whose lots or cash flows changed, the sessions from the change on that are there.

    Of these every asset, also where one is missing: a run over some alone does not say that all are of now
    (`assets.coverages`).
    """
    again: Needs = {}
    for row in changed_holdings(tables.database, inputs.order, since=tables.settings.history_start).itertuples():
        name = inputs.roster.name_of.get(row.portfolio_id)
        if name is not None:
            assets = names(PORTFOLIO_ASSETS)
            there = np.unique(np.concatenate([materialized.materialized(asset, name) for asset in assets]))
            days = _since(there, row.first_session.date(), inputs)
            again |= {(row.portfolio_id, asset): days for asset in assets if len(days)}
    return again


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
    if computed.empty:
        return {}  # nothing of these sessions is stored: they are missing
    symbols, (lots, _) = tables.symbols(scope), tables.lots_and_flows(scope)
    entries = first_entries(lots)
    held = {symbol: entries.get(symbol, date.min) for symbol in tables.risk_symbols(scope)}
    since_entry = Scope(tables.calendar.between(min([scope.first, *entries.values()]), scope.last))
    read = tables.window(since_entry, tables.lookback)
    changed = tables.changed_prices(symbols, read, since=int(computed["prices_revision"].min()))
    if changed.empty:
        return {}
    first_change = changed["session"].min().date()
    touched = touched_sessions(
        changed,
        tables.prices(symbols, tables.calendar.between(min(first_change, scope.first), scope.last)),
        computed,
        held=held,
        factor_etfs=set(tables.settings.factor_model.etfs),
        benchmark=tables.settings.performance_model.benchmark,
        rows=_with_rows(tables, scope, changed["symbol"].unique()),
        reach=Reach.of(tables.settings.factor_model, VolatilityModel(), tables.settings.correlation_model),
    )
    path = sessions_behind(computed, changed[changed["symbol"].isin(held)])
    if _counts_before_it_is_held(scope, changed, entries, set(lots["underlying_symbol"].dropna())):
        path = scope.sessions
    if len(path):
        following = Scope(scope.sessions[scope.sessions >= path[0]], scope.portfolio_ids)
        now = tables.valued(following, ("portfolio_snapshots", "position_values"))
        stored = {table: tables.rows(table, following) for table in now}
        differs, moved = differing_sessions(now["portfolio_snapshots"], stored["portfolio_snapshots"])
        _add(touched, ("price_coverage", "portfolio_snapshots"), differs)
        _add(touched, FOLLOWERS, moved)
        _add(touched, FOLLOWERS, differing_positions(now["position_values"], stored["position_values"]))
    (portfolio_id,) = scope.portfolio_ids
    return {(portfolio_id, asset): days for asset, days in touched.items()}


def _with_rows(tables: Tables, scope: Scope, symbols: Sequence[str]) -> dict[str, SessionArray]:
    """Return, per symbol, the sessions on which betas or metrics of it are stored; of a new symbol there are none."""
    stored = pd.concat(
        tables.rows(table, scope, sorted(symbols), ["session", "symbol"])
        for table in ("symbol_factors", "symbol_metrics")
    )
    return {
        symbol: np.unique(of_symbol["session"].to_numpy(dtype="datetime64[D]"))
        for symbol, of_symbol in stored.groupby("symbol")
    }


def _counts_before_it_is_held(
    scope: Scope, changed: pd.DataFrame, entries: Mapping[str, date], underlyings: Collection[str]
) -> bool:
    """Return whether a changed price may count although no session of its own does.

    That of a lot that was entered before the first session, and that of an underlying before the entry of its option, whose
    model reads the volatility of the sessions before.
    """
    first, entered = pd.Timestamp(scope.first), pd.to_datetime(changed["symbol"].map(entries))
    of_an_older_lot = (entered < first) & (changed["session"] < first)
    of_a_model = changed["symbol"].isin(underlyings) & (changed["session"] < entered)
    return bool((of_an_older_lot | of_a_model).any())


def _add(touched: dict[str, SessionArray], assets: Sequence[str], sessions: SessionArray) -> None:
    for asset in assets if len(sessions) else ():
        touched[asset] = np.union1d(touched[asset], sessions) if asset in touched else sessions


def _since(there: SessionArray, first: date, inputs: PlanInputs) -> SessionArray:
    return there[(there >= np.datetime64(first)) & (there <= np.datetime64(inputs.target))]
