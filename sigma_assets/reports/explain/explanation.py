"""An explanation of one stored number: formula, numbers, inputs, run, and the number computed again (SPEC 4.15)."""

from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from sigma_assets.base.conventions import METHOD_VERSIONS
from sigma_assets.base.errors import ExplainError
from sigma_assets.base.formulas import Formula
from sigma_assets.reports.explain.formulas import FORMULAS, INPUTS, TABLES, resolved
from sigma_assets.reports.explain.inputs import MOST, Input, inputs_of
from sigma_assets.reports.explain.recomputed import RecordingTables, recomputed
from sigma_assets.reports.explain.terms import Terms, shown
from sigma_assets.reports.explain.written import Written, written_by
from sigma_assets.reports.numbers import known_symbols, table_of
from sigma_assets.runs.partitions import Scope
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames.rows import stored_range
from sigma_assets.storage.portfolios import portfolios
from sigma_assets.storage.schema import TABLES as SCHEMA

Number = float | int | None


@dataclass(frozen=True)
class Which:
    """Which row of a table: what is not given must not be needed to tell one row from the others.

    Attributes
    ----------
    session : by default the last that is stored.
    symbols : one; of a pair, two.
    """

    session: date | None = None
    symbols: tuple[str, ...] = ()
    factor: str | None = None
    scenario: str | None = None
    lot: str | None = None
    cluster: int | None = None


@dataclass(frozen=True)
class Explanation:
    """Why a stored number is what it is.

    Attributes
    ----------
    value : what is stored; None = null, and `unknown` says why.
    formula, filled : in names, and with the numbers for them.
    recomputed, is_equal : the number from the same inputs now, and whether it is equal to the last bit; `is_equal` is None
        for an input, which is computed from nothing. `verdict` says it in words.
    """

    portfolio_id: str
    name: str
    table: str
    column: str
    session: date
    key: dict[str, str]
    meaning: str
    formula: str
    source: str
    filled: str
    value: Number
    unknown: str | None
    recomputed: Number
    is_equal: bool | None
    verdict: str
    asset: str
    code_version: int
    written: Written | None
    inputs: list[Input] = field(default_factory=list)
    inputs_left_out: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self) | {"session": self.session.isoformat()}


def explain(
    database: Database,
    settings: Settings,
    instance: dg.DagsterInstance,
    portfolio_id: str,
    table: str,
    column: str,
    which: Which,
) -> Explanation:
    """Return the explanation of a stored number.

    Raises
    ------
    PortfolioNotFoundError
        No portfolio has this id.
    ExplainError
        There is no such table, column or row, or several rows could be meant: says which there are.
    """
    name = str(portfolios(database, [portfolio_id], include_removed=True)["name"].iloc[0])
    table = table_of(table) if table in TABLES or table in TABLES.values() else table
    tables = RecordingTables(settings, database)
    if table not in FORMULAS:
        resolved(table, column, which.factor, {}, which.scenario)
    scope = Scope(_session(database, settings, table, portfolio_id, which.session), (portfolio_id,))
    stored = _stored(tables, table, scope, which)
    column = resolved(table, column, which.factor, _scenarios(tables, table, scope), which.scenario)
    formula = FORMULAS[table][column]
    row = _one(stored, table, formula, which, scope)
    keys = {key: str(row[key]) for key in _keys(table)}
    symbol = str(row["symbol"]) if "symbol" in row else None
    again = {} if table in INPUTS else _same(recomputed(tables, table, scope, symbol), row, table)
    value, new = _number(row[column]), _number(again.get(column))
    symbols = [row[each] for each in ("symbol", "other_symbol", "risk_symbol") if isinstance(row.get(each), str)]
    found, newest = inputs_of(tables, table, scope, symbols or None, row.get("lot_id"))
    is_equal = None if table in INPUTS else bool(again) and _same_bits(value, new)
    written = written_by(database, settings, instance, TABLES[table], portfolio_id, scope.last)
    terms = Terms(tables, scope, table, row)
    return Explanation(
        portfolio_id=portfolio_id,
        name=name,
        table=table,
        column=column,
        session=scope.last,
        key=keys,
        meaning=str(SCHEMA[table].c[column].comment),
        formula=formula.symbols,
        source=formula.source,
        filled=terms.filled(formula),
        value=value,
        unknown=terms.filled(Formula(formula.unknown or "not known")) if value is None else None,
        recomputed=new,
        is_equal=is_equal,
        verdict=_verdict(tables, scope, value, new, is_equal, bool(again), newest, name),
        asset=TABLES[table],
        code_version=METHOD_VERSIONS[TABLES[table]],
        written=written,
        inputs=found[:MOST],
        inputs_left_out=max(len(found) - MOST, 0),
    )


def _session(database: Database, settings: Settings, table: str, portfolio_id: str, asked: date | None) -> np.ndarray:
    of_table = SCHEMA[table]
    stored = stored_range(database, of_table, portfolio_id if "portfolio_id" in of_table.c else None)
    if stored is None:
        raise ExplainError(f"{table}: nothing is stored yet; `sigma-assets run` computes it")
    day = asked or stored[1]
    sessions = settings.calendar.between(day, day) if stored[0] <= day <= stored[1] else np.array([])
    if not len(sessions):
        raise ExplainError(f"{table}: no row of {day}; stored are the sessions from {stored[0]} to {stored[1]}")
    return sessions


def _stored(tables: RecordingTables, table: str, scope: Scope, which: Which) -> pd.DataFrame:
    of_table = SCHEMA[table].c
    if "portfolio_id" in of_table:
        return tables.rows(table, scope)
    known = known_symbols(tables.database, tables.settings, scope.portfolio_ids)
    chosen = sorted(known.intersection(which.symbols or known))
    rows = tables.rows(table, Scope(scope.sessions), chosen)
    return rows


def _scenarios(tables: RecordingTables, table: str, scope: Scope) -> dict[str, int]:
    if table != "stress_tests_by_position":
        return {}
    rows = tables.rows("stress_tests_by_portfolio", scope)
    return dict(zip(rows["scenario"], rows["number"].astype(int), strict=True))


def _one(rows: pd.DataFrame, table: str, formula: Formula, which: Which, scope: Scope) -> dict[str, Any]:
    """Return the only row that is meant.

    Raises
    ------
    ExplainError
        There is none, or there are several.
    """
    chosen = rows
    for name, given in (("lot_id", which.lot), ("scenario", which.scenario), ("cluster", which.cluster)):
        if given is not None and name in rows:
            chosen = chosen[chosen[name] == given]
    if which.factor is not None and "factor" in rows:
        chosen = chosen[chosen["factor"] == which.factor]
    for symbol in which.symbols if "symbol" in rows else ():
        other = chosen["other_symbol"] == symbol if "other_symbol" in rows else False
        chosen = chosen[(chosen["symbol"] == symbol) | other]
    names = [name for name in dict.fromkeys(["symbol", *_keys(table)]) if name in rows]
    asked = ", ".join(
        str(each) for each in (*which.symbols, which.factor, which.scenario, which.lot, which.cluster) if each
    )
    listed = "; ".join(dict.fromkeys(" ".join(str(row[name]) for name in names) for row in rows.to_dict("records")))
    if not len(chosen):
        why = f"; a row is left out where it cannot be known: {formula.unknown}" if formula.unknown else ""
        raise ExplainError(
            f"{table}: no row of {asked or 'the portfolio'} on {scope.last}{why}. There are: {listed}"[:1500]
        )
    if len(chosen) > 1:
        flags = "--symbol, --lot, --factor, --scenario or --cluster"
        raise ExplainError(
            f"{table}: {len(chosen)} rows on {scope.last}: say which by {flags}. There are: {listed}"[:1500]
        )
    return chosen.iloc[0].to_dict()


def _keys(table: str) -> list[str]:
    keys = [column.name for column in SCHEMA[table].primary_key if column.name not in ("portfolio_id", "session")]
    return list(dict.fromkeys([*keys, *(["symbol"] if "symbol" in SCHEMA[table].c else [])]))


def _same(rows: pd.DataFrame, row: dict[str, Any], table: str) -> dict[str, Any]:
    """Return the computed row with the key of a stored one; nothing if there is none."""
    for name in SCHEMA[table].primary_key.columns.keys():  # noqa: SIM118 (no dict)
        if name in rows and name != "session":
            rows = rows[rows[name] == row[name]]
    return rows.iloc[0].to_dict() if len(rows) else {}


def _number(value: Any) -> Number:
    if value is None or pd.isna(value):
        return None
    return int(value) if isinstance(value, (int, np.integer)) else float(value)


def _same_bits(value: Number, new: Number) -> bool:
    return (value is None and new is None) or (value is not None and new is not None and value == new)


def _verdict(
    tables: RecordingTables,
    scope: Scope,
    value: Number,
    new: Number,
    is_equal: bool | None,
    is_row: bool,
    newest: int,
    name: str,
) -> str:
    if is_equal is None:
        return "an input: it comes from the price source and is computed from nothing"
    if is_equal:
        return "computed again from these inputs: equal to the last bit"
    found = f"{shown(new)} computed again" if is_row else "no row when computed again"
    coverage = tables.rows("price_coverage", scope)
    changes = []
    if len(coverage):
        if newest > int(coverage["prices_revision"].iloc[0]):
            changes.append("prices among its inputs were loaded after it was computed")
        holdings = tables.holdings_revisions(scope)["holdings_revision"]
        if len(holdings) and int(holdings.iloc[0]) != int(coverage["holdings_revision"].iloc[0]):
            changes.append("lots or flows were changed after it was computed")
    why = " and ".join(changes) or "none of its inputs is newer: the stored row was altered, or is of another version"
    remedy = f"sigma-assets run --portfolio '{name}' --start {scope.first} --end {scope.last} --force"
    return f"NOT EQUAL: {shown(value)} is stored, {found}; {why}. `{remedy}` computes it anew"
