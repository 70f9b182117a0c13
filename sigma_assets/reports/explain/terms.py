"""The numbers that stand for the names of a formula."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sigma_assets.analytics.series.periods import reference_days
from sigma_assets.analytics.valuation.ledger import Ledger
from sigma_assets.analytics.valuation.snapshots import size_by_symbol
from sigma_assets.analytics.valuation.values import is_cash_equivalent
from sigma_assets.assets.tables import Tables
from sigma_assets.base.formulas import SINCE, Formula
from sigma_assets.prices.tables import splits_of
from sigma_assets.runs.partitions import Scope
from sigma_assets.storage.schema import symbol_factors

Row = Mapping[str, Any]
UNKNOWN = "unknown"


class Terms:
    """What the names of formulas are for one row: each kind is read when a formula asks for it."""

    def __init__(self, tables: Tables, scope: Scope, table: str, row: Row) -> None:
        self.tables, self.scope, self.table, self.row = tables, scope, table, row

    def filled(self, formula: Formula) -> str:
        """Return a formula with numbers for its names, each with all its digits; a sum with all that it adds."""
        if not formula.over:
            return formula.filled(lambda name: shown(self.value(name)))
        rows = self._over(formula)
        names = [name for name in formula.names if name in (rows[0] if rows else {})]
        known = [row for row in rows if all(pd.notna(row[name]) for name in names)]
        parts = [formula.filled(lambda name, row=row: shown(row[name])) for row in known]  # type: ignore[misc]
        nothing = f"no row of {formula.over} has these numbers" if rows else f"there is no row of {formula.over}"
        return " + ".join(parts) or f"nothing: {nothing}"

    def _over(self, formula: Formula) -> list[dict[str, Any]]:
        """Return the rows that a formula is summed over."""
        rows = self.tables.rows(formula.over, self.scope)
        if formula.alike:
            rows = rows[rows[formula.alike] == self.row["symbol"]]
        if formula.over == "stress_tests_by_position":
            rows = rows.assign(scenario_pnl_usd=rows[f"scenario_{self.row['number']:02d}_pnl_usd"])
        if self.table == "factor_exposures_by_portfolio" and formula.over == "position_values":
            rows = self._with_betas(rows)
        return rows.to_dict("records")

    def _with_betas(self, positions: pd.DataFrame) -> pd.DataFrame:
        """Return positions with the betas of their symbols; those of cash equivalents are 0."""
        symbols = sorted(set(positions["risk_symbol"].dropna()))
        factors = self.tables.rows("symbol_factors", Scope(self.scope.sessions), symbols)
        betas = [name for name in factors.columns if name.endswith("_beta")]
        of_symbols = factors[["symbol", *betas]].rename(columns={"symbol": "risk_symbol"})
        found = positions.merge(of_symbols, on="risk_symbol", how="left")
        found.loc[is_cash_equivalent(found), betas] = 0.0
        return found

    def value(self, name: str) -> Any:
        """Return the number of a name, or the words for a window or a day; None if it is not known."""
        kind, _, column = name.rpartition(".")
        if kind.startswith("stress_"):
            return self._scenario(int(kind.removeprefix("stress_"))).get(column)
        if kind in ("last", "since"):
            return self._window(column) if kind == "last" else self._since(column)
        found = self.row if not kind else getattr(self, f"_{kind}")
        value = found.get(column) if isinstance(found, Mapping) else getattr(found, column)
        return None if value is None or (np.isscalar(value) and pd.isna(value)) else value

    @cached_property
    def _portfolio(self) -> Row:
        return _first(self.tables.holdings(self.scope)[0])

    @cached_property
    def _lot(self) -> Row:
        return _first(_where(self.tables.lots_and_flows(self.scope)[0], lot_id=self.row["lot_id"]))

    @cached_property
    def _snapshot(self) -> Row:
        stored = self.tables.rows("portfolio_snapshots", self.scope)
        return _first(stored if len(stored) else self.tables.valued(self.scope, ["portfolio_snapshots"])
                      ["portfolio_snapshots"])  # fmt: skip

    @cached_property
    def _position(self) -> Row:
        return _first(_where(self.tables.rows("position_values", self.scope), lot_id=self.row["lot_id"]))

    @cached_property
    def _factors(self) -> Row:
        position = self.tables.rows("position_values", self.scope)
        position = _where(position, lot_id=self.row["lot_id"])
        if is_cash_equivalent(position).any():
            return dict.fromkeys(symbol_factors.c.keys(), 0.0)  # betas of cash: known, and 0
        symbol = str(self._position.get("risk_symbol"))
        return _first(self.tables.rows("symbol_factors", Scope(self.scope.sessions), [symbol]))

    @cached_property
    def _risk(self) -> Row:
        return _first(self.tables.rows("risk_by_portfolio", self.scope))

    @cached_property
    def _price(self) -> Row:
        return _first(self.tables.rows("market_prices", Scope(self.scope.sessions), [self.row["symbol"]]))

    @cached_property
    def _model(self) -> Any:
        settings = self.tables.settings
        models = {"performance": settings.performance_model, "symbol_factors": settings.factor_model}
        return models.get(self.table, settings.correlation_model)

    def _scenario(self, number: int) -> Row:
        return _first(_where(self.tables.rows("stress_tests_by_portfolio", self.scope), number=number))

    def _window(self, name: str) -> str:
        """Return the sessions of a window, in words; a name stands for the setting that says how many there are."""
        count = int(name) if name.isdigit() else int(getattr(self._model, name))
        last = int(np.searchsorted(self.tables.calendar.sessions, np.datetime64(self.scope.last)))
        first = self.tables.calendar.sessions[max(last - count + 1, 0)]
        return f"the {count} sessions from {first} to {self.scope.last}"

    def _since(self, period: str) -> str:
        """Return the day after which a period begins, in words."""
        day = np.array([self.scope.last], dtype="datetime64[D]")
        if "portfolio_id" in self.row:
            ledger, _ = self._book
            reference = (ledger.sessions[:1] - 1 if period == "inception" else reference_days(day, period))[0]
            if reference < ledger.sessions[0]:
                return f"the day before {ledger.sessions[0]}, the first session"
        else:
            reference = reference_days(day, period)[0]
        sessions = self.tables.calendar.sessions
        session = sessions[np.searchsorted(sessions, reference, side="right") - 1]
        return f"{session}, {SINCE[period]}"

    @cached_property
    def _before(self) -> Row:
        """The same row of the session before; before the first one, where everything began."""
        ledger, place = self._book
        if place == 0 and self.table == "portfolio_snapshots":
            start = ledger.initial_equity
            return {"equity": start, "cumulative_capital_flow": 0.0, "time_weighted_return": 0.0}
        rows = pd.DataFrame()
        if place > 0:
            scope = Scope(ledger.sessions[place - 1 : place], self.scope.portfolio_ids)
            rows = self.tables.valued(scope, [self.table])[self.table]
        if self.table == "position_values":
            rows = _where(rows, lot_id=self.row["lot_id"]) if len(rows) else rows
            return _first(rows) if len(rows) else {"market_value": self.row["cost_basis"]}
        return _first(rows)

    @cached_property
    def _book(self) -> tuple[Ledger, int]:
        """The portfolio's ledger, and where the session is in it."""
        ledgers, _ = self.tables.ledgers(self.scope)
        ledger = next(iter(ledgers))
        return ledger, int(np.searchsorted(ledger.sessions, self.scope.sessions[0]))

    @cached_property
    def _ledger(self) -> Row:
        ledger, place = self._book
        if self.table == "position_values":
            lot = int(np.flatnonzero(ledger.lots["lot_id"] == self.row["lot_id"])[0])
            return {
                "multiplier": float(ledger.lots["multiplier"][lot]),
                "dividend": float(ledger.dividends[lot, place]),
                "splits": self._splits(str(ledger.lots["risk_symbol"][lot] or self.row["symbol"])),
            }
        flows = self.tables.lots_and_flows(self.scope)[1]
        pnl_flows = flows[(flows["kind"] != "external") & (flows["flow_date"].dt.date <= self.scope.last)]
        open_now = ledger.is_open[:, place]
        realized, dividends = ledger.realized.sum(axis=0), ledger.dividends.cumsum(axis=1).sum(axis=0)
        return {
            "sessions": place + 1,
            "unrealized": float((ledger.value[:, place] - ledger.lots["cost"])[open_now].sum()),
            "realized": float(realized[place]),
            "realized_before": float(realized[place - 1]) if place else 0.0,
            "dividends": float(dividends[place]),
            "dividends_before": float(dividends[place - 1]) if place else 0.0,
            "fees_interest_taxes": float(pnl_flows["amount_usd"].sum()),
            "cash_lots": int((open_now & ledger.lots["is_cash"]).sum()),
            **_by_symbol(ledger),
        }

    def _splits(self, symbol: str) -> float:
        splits = splits_of(self.tables.database, symbol)
        entry = pd.Timestamp(self._lot["entry_date"]).date()
        return float(np.prod([factor for day, factor in splits.items() if entry < day <= self.scope.last]))


def _by_symbol(ledger: Ledger) -> dict[str, float]:
    """Return what concentration is made of, on the session that the ledger was asked for."""
    size = np.sort(size_by_symbol(ledger)[:, 0])[::-1]
    largest = {f"largest_{count}": float(size[:count].sum()) for count in (3, 10)}
    return {"by_symbol": float(size.sum()), "by_symbol_squared": float((size * size).sum()), **largest}


def shown(value: Any) -> str:
    """Return a value with all its digits; a negative number in brackets, so that it can be subtracted."""
    text = written(value)
    return f"({text})" if text.startswith("-") and isinstance(value, (float, np.floating)) else text


def written(value: Any) -> str:
    """Return a value with all its digits, and a word where there is none.

    Examples
    --------
    >>> [written(value) for value in (None, float("nan"), pd.NaT, -0.0, -2.5, 3)]
    ['unknown', 'unknown', 'unknown', '0.0', '-2.5', '3']
    """
    if value is None or value is pd.NaT or (np.isscalar(value) and pd.isna(value)):
        return UNKNOWN
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, (float, np.floating)):
        return repr(float(value) + 0.0)  # -0.0 + 0.0 is 0.0
    return str(value)


def _where(rows: pd.DataFrame, **values: Any) -> pd.DataFrame:
    for name, value in values.items():
        rows = rows[rows[name] == value]
    return rows


def _first(rows: pd.DataFrame) -> Row:
    return rows.iloc[0].to_dict() if len(rows) else {}
