"""Numbers of a report that are stored nowhere: how they are made of stored ones when it is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sigma_assets.analytics.performance.benchmark import Benchmark, benchmark_beside, starts_of_periods
from sigma_assets.analytics.valuation.allocation import allocation, lots_in_classes
from sigma_assets.base.errors import ExplainError
from sigma_assets.prices.history import price_history
from sigma_assets.reports.allocation import OF_LOTS, classes_of
from sigma_assets.reports.explain.formulas import FORMULAS
from sigma_assets.reports.explain.inputs import Input, age
from sigma_assets.reports.explain.recomputed import RecordingTables
from sigma_assets.reports.explain.terms import shown, written
from sigma_assets.reports.words.table import Which
from sigma_assets.runs.partitions import Scope
from sigma_assets.storage.frames.rows import stored_range
from sigma_assets.storage.schema import portfolio_snapshots

ALLOCATION, HOLDINGS, BENCHMARK = "allocation", "holdings", "benchmark"
VERDICT = "stored nowhere: made of the rows below when it is asked for"


@dataclass(frozen=True)
class Derived:
    """A number that is stored nowhere, and how it is made.

    Attributes
    ----------
    asset : the one whose rows it is made of.
    value : None where `unknown` says why.
    """

    asset: str
    key: dict[str, str]
    meaning: str
    formula: str
    filled: str
    value: float | None
    unknown: str
    inputs: list[Input]


def derived(tables: RecordingTables, table: str, column: str, which: Which, scope: Scope) -> Derived:
    """Return how a number is made.

    Parameters
    ----------
    table : one of `DERIVED`.

    Raises
    ------
    ExplainError
        There is no such number; says which there are.
    """
    meanings, make = DERIVED[table]
    if column not in meanings:
        raise ExplainError(f"{table} has no number {column!r}; it has {', '.join(meanings)}")
    return make(tables, column, which, scope)


def _allocation(tables: RecordingTables, column: str, which: Which, scope: Scope) -> Derived:
    positions = tables.rows("position_values", scope)
    with tables.database.read() as connection:
        classes = classes_of(connection, positions)
    rows = allocation(positions, classes, OF_LOTS).to_dict("records")
    wanted = {"scheme": which.scheme, "class": which.class_name}
    chosen = [row for row in rows if all(value in (None, row[name]) for name, value in wanted.items())]
    if len(chosen) != 1:
        listed = "; ".join(f"{row['scheme']}: {row['class']}" for row in rows)
        raise ExplainError(f"allocation: which class? say it by --scheme and --class. There are {listed}"[:1500])
    (row,) = chosen
    lots = lots_in_classes(positions, classes, OF_LOTS)
    lots = lots[(lots["scheme"] == row["scheme"]) & (lots["class"] == row["class"])]
    parts = lots[_COUNTED[column](lots)].to_dict("records")
    filled = " + ".join(f"{shown(each['market_value'])} x {shown(each['class_weight'])}" for each in parts)
    if column == "share_of_gross":
        whole = sum(each["gross_exposure"] for each in rows if each["scheme"] == row["scheme"])
        filled = f"{shown(row['gross_exposure'])} / {shown(whole)}"
    return Derived(
        asset="position_values",
        key={"scheme": str(row["scheme"]), "class": str(row["class"])},
        meaning=_ALLOCATION[column][0],
        formula=_ALLOCATION[column][1],
        filled=filled or "nothing: there is no such lot",
        value=None if pd.isna(row[column]) else float(row[column]),
        unknown="no lot of the scheme has a value",
        inputs=[_of_position(each, "market_value", "class_weight") for each in parts],
    )


def _holding(tables: RecordingTables, column: str, which: Which, scope: Scope) -> Derived:
    positions = tables.rows("position_values", scope)
    symbol = which.symbols[0] if len(which.symbols) == 1 else None
    lots = positions[positions["symbol"] == symbol]
    if not len(lots):
        listed = ", ".join(sorted(set(positions["symbol"])))
        raise ExplainError(f"holdings: whose {column}? one --symbol of {listed}"[:1500])
    together = positions[positions["risk_symbol"] == lots["risk_symbol"].iloc[0]]
    risks = tables.rows("risk_by_position", scope)
    found = risks[risks["symbol"] == lots["risk_symbol"].iloc[0]].to_dict("records")
    risk: Mapping[str, Any] = found[0] if found else {}
    own = lots["risk_weight"].sum(skipna=False)
    whole, total = risk.get(column), risk.get("weight")
    known = bool(total) and not any(value is None or pd.isna(value) for value in (own, whole))
    reason = FORMULAS["risk_by_position"][column].unknown.partition(": {")[0]
    if not found:
        reason = "there is no such row: it lives on no symbol with a price, or equity is not above 0"
    return Derived(
        asset="risk",
        key={"symbol": str(symbol)},
        meaning=_HOLDINGS[column],
        formula=f"risk_by_position.{column} of the underlying x risk weight of these lots / risk weight of all its lots",
        filled=f"{shown(whole)} x {shown(own)} / {shown(total)}",
        value=float(whole * own / total) if known else None,
        unknown=f"risk_by_position.{column} is not known: {reason}",
        inputs=[
            *(
                Input("risk_by_position", str(row["symbol"]), f"{column} {written(whole)}, weight {written(total)}")
                for row in found
            ),
            *(_of_position(row, "risk_weight") for row in together.to_dict("records")),
        ],
    )


def _benchmark(tables: RecordingTables, column: str, _: Which, scope: Scope) -> Derived:
    benchmark = _benchmark_of(tables, scope)
    calendar = tables.calendar
    inception = (stored_range(tables.database, portfolio_snapshots, scope.portfolio_ids[0]) or (scope.last,))[0]
    history = price_history(tables.database, [benchmark], inception, scope.last, calendar)
    beside: Benchmark = benchmark_beside(history, 1.0, np.zeros(len(history.sessions)))
    start = starts_of_periods(history.sessions)[column]
    first = history.sessions[start or 0]
    value = beside.returns[column]
    filled = "unknown"
    if start is not None:
        filled = f"{shown(beside.index[-1])} / {shown(beside.index[start])} - 1, from the close of {first}"
    closes, source = f"of {history.sessions[0]}", "market_prices"
    prices = tables.rows(source, Scope(history.sessions[start or 0 :]), [benchmark])
    told = prices[_is_told(prices)]
    return Derived(
        asset="performance",
        key={"benchmark": benchmark},
        meaning=_BENCHMARK[column],
        formula=f"index now / index when the period began - 1; it is 1 at the close {closes} and grows by total returns:"
        " split factor x (close + dividend) / close before",
        filled=filled,
        value=None if np.isnan(value) else value,
        unknown=f"{benchmark} has no close on {scope.last} or none where the period began, or the portfolio is younger",
        inputs=[
            Input(
                source,
                f"{benchmark} {day:%Y-%m-%d}",
                f"close {each['close']!r}, dividend {each['dividend']!r}, split factor {each['split_factor']!r}",
                str(each["source"]),
                str(each["loaded_at"]).replace(" ", "T"),
                age(tables, day.date(), scope) if day == prices["session"].max() else None,  # a start is not old
            )
            for each, day in zip(told.to_dict("records"), pd.to_datetime(told["session"]), strict=True)
        ],
    )


def _benchmark_of(tables: RecordingTables, scope: Scope) -> str:
    named = tables.rows("performance", scope, columns=["benchmark"])["benchmark"].dropna()
    return str(named.iloc[0]) if len(named) else tables.settings.benchmark


def _is_told(prices: pd.DataFrame) -> np.ndarray:
    """Return which prices a reader needs to see: the first, the last, and those with a dividend or a split."""
    acts = prices["dividend"].gt(0.0) | (prices["split_factor"].notna() & prices["split_factor"].ne(1.0))
    ends = np.isin(np.arange(len(prices)), [0, len(prices) - 1])
    return np.asarray(acts.to_numpy() | ends)


def _of_position(row: Mapping[Any, Any], *columns: str) -> Input:
    values = ", ".join(f"{column} {written(row[column])}" for column in columns)
    return Input("position_values", f"{row['symbol']} {row['lot_id']}", values)


_COUNTED: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "long_value": lambda lots: ~lots["is_cash"] & (lots["market_value"] > 0),
    "short_value": lambda lots: ~lots["is_cash"] & (lots["market_value"] < 0),
    "net_exposure": lambda lots: ~lots["is_cash"],
    "share_of_gross": lambda lots: ~lots["is_cash"],
    "cash_equivalents": lambda lots: lots["is_cash"],
}
"""Which lots of a class a number is made of."""
_VALUES = "sum of market_value x class_weight over"
_ALLOCATION = {
    "long_value": (
        "market value of the class's long positions, USD",
        f"{_VALUES} its lots above zero, cash equivalents left out",
    ),
    "short_value": (
        "market value of the class's short positions, USD, <= 0",
        f"{_VALUES} its lots below zero, cash equivalents left out",
    ),
    "net_exposure": (
        "market value of the class, long and short, USD",
        f"{_VALUES} its lots, cash equivalents left out",
    ),
    "cash_equivalents": (
        "market value of the class's cash and money-market funds, USD",
        f"{_VALUES} its lots of these",
    ),
    "share_of_gross": (
        "the class's share of gross exposure",
        f"{_VALUES} its lots without cash equivalents, each positive / over all lots",
    ),
}
_OF_HOLDING = "of these lots, whose risk is that of their underlying"
_HOLDINGS = {
    "volatility_contribution": f"contribution to realised volatility, 63 sessions, per year, {_OF_HOLDING}",
    "share": f"share of realised volatility, {_OF_HOLDING}",
    "es_contribution": f"contribution to expected shortfall, 95 %, of a day, {_OF_HOLDING}",
}
_BENCHMARK = {
    "return_mtd": "total return of the benchmark, month to date",
    "return_ytd": "total return of the benchmark, year to date",
    "return_1y": "total return of the benchmark over 12 months",
    "return_since_inception": "total return of the benchmark since the close of the portfolio's first session",
}
Make = Callable[[RecordingTables, str, Which, Scope], Derived]
DERIVED: dict[str, tuple[Mapping[str, Any], Make]] = {
    ALLOCATION: (_ALLOCATION, _allocation),
    HOLDINGS: (_HOLDINGS, _holding),
    BENCHMARK: (_BENCHMARK, _benchmark),
}
"""Table, as the report calls it -> its numbers, and what makes one."""
