"""An explanation of one stored number: formula, numbers, inputs, run, and the number computed again (SPEC 4.15)."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import sqlalchemy as sa

from sigma_assets.assets.run_tables import RunTables
from sigma_assets.base.conventions import METHOD_VERSIONS
from sigma_assets.base.errors import ExplainError
from sigma_assets.base.formulas import Formula
from sigma_assets.reports.explain.chosen import chosen_rows, keys_of
from sigma_assets.reports.explain.derived import DERIVED, VERDICT, Derived, derived
from sigma_assets.reports.explain.formulas import FORMULAS, INPUTS, TABLES, resolved
from sigma_assets.reports.explain.inputs import MOST, Input, inputs_of
from sigma_assets.reports.explain.recomputed import RecordingTables, recomputed
from sigma_assets.reports.explain.terms import Terms, shown
from sigma_assets.reports.explain.written import Written, written_by
from sigma_assets.reports.numbers import known_symbols, said_of_strangers, table_of
from sigma_assets.reports.words.table import Which
from sigma_assets.runs.partitions import Scope
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames.rows import stored_range
from sigma_assets.storage.portfolios import portfolios
from sigma_assets.storage.schema import TABLES as SCHEMA
from sigma_assets.storage.schema import holdings_changes

Number = float | int | None


@dataclass(frozen=True)
class Explanation:
    """Why a stored number is what it is.

    Attributes
    ----------
    value : what is stored; None = null, and `unknown` says why.
    formula, filled : in names, and with the numbers for them.
    recomputed, is_equal : the number from the same inputs now, and whether it is equal to the last bit; `is_equal` is None
        for an input, which is computed from nothing, and for what is stored nowhere. `verdict` says it in words.
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
    """Return the explanation of a stored number: all that our tables say of it, as they are at one moment.

    Raises
    ------
    PortfolioNotFoundError
        No portfolio has this id.
    ExplainError
        There is no such table, column or row, or several rows could be meant: says which there are.
    """

    def explained(_: RunTables) -> Explanation:
        tables.record()  # anew, should the moment have been interrupted
        return _explained(tables, instance, portfolio_id, table, column, which)

    tables = RecordingTables(settings, database)
    return tables.at_one_moment(explained)


def _explained(
    tables: RecordingTables, instance: dg.DagsterInstance, portfolio_id: str, table: str, column: str, which: Which
) -> Explanation:
    database, settings = tables.database, tables.settings
    name = str(portfolios(database, [portfolio_id], include_removed=True)["name"].iloc[0])
    table = table_of(table) if table in TABLES or table in TABLES.values() else table
    if table in DERIVED:
        scope = Scope(_session(database, settings, "portfolio_snapshots", portfolio_id, which.session), (portfolio_id,))
        made = derived(tables, table, column, which, scope)
        written = written_by(database, settings, instance, made.asset, portfolio_id, scope.last)
        return _of_derived(made, portfolio_id, name, table, column, scope.last, written)
    if table not in FORMULAS:
        resolved(table, column, which.factor, {}, which.scenario)
    scope = Scope(_session(database, settings, table, portfolio_id, which.session), (portfolio_id,))
    stored = _stored(tables, table, scope, which)
    column = resolved(table, column, which.factor, _scenarios(tables, table, scope), which.scenario)
    formula = FORMULAS[table][column]
    rows = chosen_rows(stored, table, column, formula, which, scope)
    symbol = str(rows[0]["symbol"]) if "symbol" in rows[0] else None
    fresh = None if table in INPUTS else recomputed(tables, table, scope, symbol)
    tables.is_recording = False  # what follows is read for the reader
    written = written_by(database, settings, instance, TABLES[table], portfolio_id, scope.last)
    parts = [
        _Row(tables, scope, table, column, formula, row, fresh).explanation(portfolio_id, name, written) for row in rows
    ]
    return parts[0] if len(parts) == 1 else total_of(parts)


def _of_derived(
    made: Derived, portfolio_id: str, name: str, table: str, column: str, session: date, written: Written | None
) -> Explanation:
    return Explanation(
        portfolio_id=portfolio_id,
        name=name,
        table=table,
        column=column,
        session=session,
        key=made.key,
        meaning=made.meaning,
        formula=made.formula,
        source="",
        filled=made.filled,
        value=made.value,
        unknown=made.unknown if made.value is None else None,
        recomputed=made.value,
        is_equal=None,
        verdict=VERDICT,
        asset=made.asset,
        code_version=METHOD_VERSIONS[made.asset],
        written=written,
        inputs=made.inputs[:MOST],
        inputs_left_out=max(len(made.inputs) - MOST, 0),
    )


@dataclass
class _Row:
    """A stored row, and the same rows computed again; None of an input."""

    tables: RecordingTables
    scope: Scope
    table: str
    column: str
    formula: Formula
    row: dict[str, Any]
    fresh: pd.DataFrame | None

    def explanation(self, portfolio_id: str, name: str, written: Written | None) -> Explanation:
        row, table, column = self.row, self.table, self.column
        again = {} if self.fresh is None else _same(self.fresh, row, table)
        value, new = _number(row[column]), _number(again.get(column))
        symbols = [row[each] for each in ("symbol", "other_symbol", "risk_symbol") if isinstance(row.get(each), str)]
        found = inputs_of(self.tables, table, self.scope, symbols or None, row.get("lot_id"))
        is_equal = None if self.fresh is None else bool(again) and value == new
        terms = Terms(self.tables, self.scope, table, row)
        return Explanation(
            portfolio_id=portfolio_id,
            name=name,
            table=table,
            column=column,
            session=self.scope.last,
            key={key: str(row[key]) for key in keys_of(table)},
            meaning=str(SCHEMA[table].c[column].comment),
            formula=self.formula.symbols,
            source=self.formula.source,
            filled=terms.filled(self.formula),
            value=value,
            unknown=terms.filled(Formula(self.formula.unknown or "not known")) if value is None else None,
            recomputed=new,
            is_equal=is_equal,
            verdict=_verdict(self.tables, self.scope, value, new, is_equal, bool(again), found, written, name),
            asset=TABLES[table],
            code_version=METHOD_VERSIONS[TABLES[table]],
            written=written,
            inputs=found[:MOST],
            inputs_left_out=max(len(found) - MOST, 0),
        )


def total_of(parts: Sequence[Explanation]) -> Explanation:
    """Return the explanation of a number of a symbol that several lots add up to, from those of the lots."""
    first = parts[0]
    lots = [
        Input(part.table, part.key["lot_id"], f"{part.column} {shown(part.value)} = {part.filled}") for part in parts
    ]
    rest = list({(each.table, each.key): each for part in parts for each in part.inputs}.values())
    value, again = _sum([part.value for part in parts]), _sum([part.recomputed for part in parts])
    wrong = [part for part in parts if not part.is_equal]
    unknown = [part for part in parts if part.value is None]
    return replace(
        first,
        key={"symbol": first.key["symbol"], "lots": str(len(parts))},
        meaning=f"{first.meaning}; summed over the open lots of {first.key['symbol']}",
        formula=f"sum of {first.column} over the {len(parts)} lots of {first.key['symbol']}; of each: {first.formula}",
        filled=" + ".join(shown(part.value) for part in parts),
        value=value,
        unknown=f"lot {unknown[0].key['lot_id']}: {unknown[0].unknown}" if unknown else None,
        recomputed=again,
        is_equal=not wrong and value == again,
        verdict=f"lot {wrong[0].key['lot_id']}: {wrong[0].verdict}" if wrong else first.verdict,
        inputs=[*lots, *rest][:MOST],
        inputs_left_out=max(len(lots) + len(rest) - MOST, 0) + sum(part.inputs_left_out for part in parts),
    )


def _sum(values: Sequence[Number]) -> Number:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _session(database: Database, settings: Settings, table: str, portfolio_id: str, asked: date | None) -> np.ndarray:
    of_table = SCHEMA[table]
    stored = stored_range(database, of_table, portfolio_id if "portfolio_id" in of_table.c else None)
    if stored is None:
        raise ExplainError(
            f"{table}: no row is stored. Either `sigma-assets run` is yet to compute it (`sigma-assets missing` shows it),"
            " or there is nothing of the kind"
        )
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
    if strange := said_of_strangers(which.symbols, known):
        raise ExplainError(f"{table}: {strange}"[:1500])
    rows = tables.rows(table, Scope(scope.sessions), sorted(which.symbols or known))
    return rows if len(rows) else tables.rows(table, Scope(scope.sessions), sorted(known))


def _scenarios(tables: RecordingTables, table: str, scope: Scope) -> dict[str, int]:
    if table != "stress_tests_by_position":
        return {}
    rows = tables.rows("stress_tests_by_portfolio", scope)
    return dict(zip(rows["scenario"], rows["number"].astype(int), strict=True))


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


def _verdict(
    tables: RecordingTables,
    scope: Scope,
    value: Number,
    new: Number,
    is_equal: bool | None,
    is_row: bool,
    inputs: Sequence[Input],
    written: Written | None,
    name: str,
) -> str:
    if is_equal is None:
        return "an input: it comes from the price source and is computed from nothing"
    if is_equal:
        return "computed again from these inputs: equal to the last bit"
    found = f"{shown(new)} computed again" if is_row else "no row when computed again"
    why = " and ".join(_newer(tables, scope, inputs, written)) or (
        "no price, lot or flow is known to be newer: the stored row was altered, or it is of another version, of other"
        " settings, or of rows that were computed again since"
    )
    remedy = f"sigma-assets run --portfolio {shlex.quote(name)} --start {scope.first} --end {scope.last} --force"
    return f"NOT EQUAL: {shown(value)} is stored, {found}; {why}. `{remedy}` computes it anew"


def _newer(tables: RecordingTables, scope: Scope, inputs: Sequence[Input], written: Written | None) -> list[str]:
    """Return which inputs came after the run had written its rows; coverage may have been computed again without them."""
    if written is None:
        return []
    journal = holdings_changes.c
    of_scope = journal.portfolio_id.in_(scope.portfolio_ids), journal.effective_from <= scope.last
    with tables.database.read() as connection:
        changed_at = connection.execute(sa.select(sa.func.max(journal.changed_at)).where(*of_scope)).scalar_one()
    moments = {
        "prices among its inputs were loaded": [each.loaded_at for each in inputs if each.loaded_at],
        "lots or flows were changed": [changed_at] if changed_at else [],
    }
    return [
        f"{what} after it was computed"
        for what, when in moments.items()
        if any(pd.to_datetime(moment, utc=True) > pd.Timestamp(written.at) for moment in when)
    ]
