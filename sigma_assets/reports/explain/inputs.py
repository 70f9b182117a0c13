"""The rows that a number is made of, with their source, load time and age."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from sigma_assets.base.frames import SessionArray
from sigma_assets.reports.explain.formulas import TABLES
from sigma_assets.reports.explain.recomputed import RecordingTables
from sigma_assets.reports.explain.terms import written
from sigma_assets.runs.partitions import Scope
from sigma_assets.storage.schema import market_prices

MOST = 200
"""Inputs that an explanation lists; how many more there are it says."""
COMPUTED = ("position_values", "symbol_factors")


@dataclass(frozen=True)
class Input:
    """One thing that a number is made of.

    Attributes
    ----------
    table, key : where it stands.
    values : what it says.
    source, loaded_at : of prices, where from and when the newest was loaded, ISO 8601.
    sessions_old : of prices, how many sessions before the explained one the newest close is; 0 = of that session.
    """

    table: str
    key: str
    values: str
    source: str | None = None
    loaded_at: str | None = None
    sessions_old: int | None = None


def inputs_of(
    tables: RecordingTables, table: str, scope: Scope, symbols: Sequence[str] | None, lot_id: str | None
) -> list[Input]:
    """Return what the calculation that `tables` watched has read.

    Parameters
    ----------
    symbols : of which the row is about some; None = about the whole portfolio.
    lot_id : of which the row is about one.
    """
    read = tables.tables_read
    lots, flows = tables.lots_and_flows(scope)
    if lot_id is not None:
        lots = lots[lots["lot_id"] == lot_id]
    elif symbols is not None:
        lots = lots[lots["symbol"].isin(symbols) | lots["underlying_symbol"].isin(symbols)]
    lots = lots[lots["entry_date"].dt.date <= scope.last]
    named = {*lots["symbol"], *lots["underlying_symbol"].dropna()} if symbols is None else set(symbols)
    found: list[Input] = []
    if "lots" in read:
        found += [_of_lot(lot) for lot in lots.to_dict("records")]
        flows = (
            flows[flows["flow_date"].dt.date <= scope.last] if symbols is None and lot_id is None else flows.iloc[:0]
        )
        found += [
            Input("cash_flows", f"{flow['flow_date']:%Y-%m-%d}", f"{flow['kind']} {flow['amount_usd']!r} USD")
            for flow in flows.to_dict("records")
        ]
    for name in COMPUTED:
        if name in read and name != table:
            found += _computed(tables, name, scope, named, lot_id)
    if tables.price_sessions is not None:
        etfs = _etfs(tables, table)
        found += _prices(tables, sorted(named | etfs), tables.price_sessions, scope)
    return found


def _etfs(tables: RecordingTables, table: str) -> set[str]:
    """Return the ETFs that a calculation uses besides what is held."""
    asset = TABLES[table]
    if asset == "performance":
        return {tables.settings.performance_model.benchmark}
    return set(tables.settings.factor_model.etfs) if asset in ("symbol_factors", "risk", "stress_tests") else set()


def _of_lot(lot: dict[str, Any]) -> Input:
    exit_ = "" if pd.isna(lot["exit_date"]) else f", sold {lot['exit_date']:%Y-%m-%d} at {lot['exit_price']!r}"
    bought = f"{lot['quantity']!r} {lot['symbol']} of {lot['entry_date']:%Y-%m-%d} at {lot['entry_price']!r}"
    return Input("lots", str(lot["lot_id"]), bought + exit_)


def _computed(tables: RecordingTables, name: str, scope: Scope, symbols: set[str], lot_id: str | None) -> list[Input]:
    if name == "symbol_factors":
        rows = tables.rows(name, Scope(scope.sessions), sorted(symbols))
        shown: tuple[str, ...] = ("market_beta", "rates_beta", "market_observations")
        keys = rows["symbol"]
    else:
        rows = tables.rows(name, scope)
        rows = rows[rows["lot_id"] == lot_id] if lot_id else rows[rows["symbol"].isin(symbols)]
        shown = ("quantity", "price", "market_value", "risk_weight")
        keys = rows["symbol"] + " " + rows["lot_id"]
    days: list[int | None] = [None] * len(rows)
    if name == "position_values":
        days = [None if pd.isna(day) else age(tables, day.date(), scope) for day in rows["price_session"]]
    return [
        Input(
            name,
            f"{key} {scope.last}",
            ", ".join(f"{column} {written(row[column])}" for column in shown),
            sessions_old=old,
        )
        for key, old, row in zip(keys, days, rows.to_dict("records"), strict=True)
    ]


def _prices(tables: RecordingTables, symbols: Sequence[str], sessions: SessionArray, scope: Scope) -> list[Input]:
    """Return, per symbol, what was read of its prices: their span, last close, sources, newest load."""
    p = market_prices.c
    chosen = sa.and_(p.symbol.in_(symbols), p.session.between(sessions[0].item(), scope.last))
    summary = (
        sa.select(
            p.symbol, sa.func.count(), sa.func.min(p.session), sa.func.max(p.session), sa.func.max(p.loaded_at),
            sa.func.min(p.source), sa.func.max(p.source),
        )
        .where(chosen)
        .group_by(p.symbol)
        .order_by(p.symbol)
    )  # fmt: skip
    with tables.database.read() as connection:
        rows = connection.execute(summary).all()
        closes = {
            (row.symbol, row.session): row.close
            for row in connection.execute(
                sa.select(p.symbol, p.session, p.close).where(
                    p.symbol.in_(symbols), p.session.in_({row[3] for row in rows})
                )
            )
        }
    found = []
    for symbol, count, first, last, loaded_at, source, other in rows:
        sources = source if source == other else f"{source} and {other}"
        moment = loaded_at.isoformat() if hasattr(loaded_at, "isoformat") else str(loaded_at).replace(" ", "T")
        words = f"{count} prices from {first} to {last}, last close {closes[symbol, last]!r}"
        found.append(Input("market_prices", symbol, words, sources, moment, age(tables, last, scope)))
    absent = [symbol for symbol in symbols if symbol not in {row[0] for row in rows}]
    return found + [Input("market_prices", symbol, "no price in the window") for symbol in absent]


def age(tables: RecordingTables, day: Any, scope: Scope) -> int:
    """Return how many sessions a day lies before the last one of a scope."""
    calendar = tables.calendar.sessions
    return int(np.searchsorted(calendar, np.datetime64(scope.last)) - np.searchsorted(calendar, np.datetime64(day)))
