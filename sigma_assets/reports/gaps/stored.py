"""Reads what is stored of portfolios on their last session: some queries, whatever the number of portfolios."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import sqlalchemy as sa

from sigma_assets.base.calendar import TradingCalendar
from sigma_assets.reports.gaps.kinds import WINDOW, HeldLot, Remark, StoredPortfolio, gaps_of
from sigma_assets.storage.schema import (
    correlations_by_portfolio,
    factor_coverage,
    market_prices,
    metric_coverage,
    portfolio_snapshots,
    position_values,
    price_coverage,
    price_gaps,
    volatility_by_portfolio,
    volatility_by_symbol,
)


class StoredReader:
    """Reads at one moment.

    Parameters
    ----------
    ids : of the portfolios.
    uncomputed : portfolio id -> assets that are not there on its last session.
    """

    def __init__(
        self,
        connection: sa.Connection,
        calendar: TradingCalendar,
        ids: Sequence[str],
        uncomputed: Mapping[str, Collection[str]],
    ) -> None:
        self.connection = connection
        self.calendar = calendar
        self.uncomputed = uncomputed
        table = price_coverage.c
        query = sa.select(table.portfolio_id, sa.func.max(table.session).label("session"))
        self.last = query.where(table.portfolio_id.in_(list(ids))).group_by(table.portfolio_id).subquery()

    def stored(self) -> dict[str, StoredPortfolio]:
        """Return what is stored of the portfolios that have a session."""
        found = {}
        for row in self._on_last(price_coverage, "missing_symbols"):
            found[row.portfolio_id] = StoredPortfolio(row.session, (), unpriced=_names(row.missing_symbols))
        for row in self._on_last(factor_coverage, "missing_symbols"):
            found[row.portfolio_id] = replace(found[row.portfolio_id], without_factors=_names(row.missing_symbols))
        for row in self._on_last(metric_coverage, "missing_symbols"):
            found[row.portfolio_id] = replace(found[row.portfolio_id], without_metrics=_names(row.missing_symbols))
        for row in self._on_last(portfolio_snapshots, "equity"):
            found[row.portfolio_id] = replace(found[row.portfolio_id], equity=row.equity)
        for row in self._on_last(correlations_by_portfolio, "symbols_included", "symbols_excluded"):
            public = row.symbols_included + row.symbols_excluded
            found[row.portfolio_id] = replace(found[row.portfolio_id], correlated=row.symbols_included, public=public)
        self._add_lots(found)
        self._add_volatility(found)
        self._add_reasons(found)
        return found

    def _add_lots(self, found: dict[str, StoredPortfolio]) -> None:
        columns = ("symbol", "risk_symbol", "price_session", "risk_value", "session")
        by_portfolio = _grouped(self._on_last(position_values, *columns))
        for key, rows in by_portfolio.items():
            total = sum(abs(row.risk_value or 0.0) for row in rows)
            held = tuple(
                HeldLot(
                    row.symbol,
                    row.risk_symbol,
                    None if row.price_session is None else self._age(row.price_session, row.session),
                    abs(row.risk_value or 0.0) / total if total else 0.0,
                )
                for row in rows
            )
            found[key] = replace(found[key], lots=held)

    def _add_volatility(self, found: dict[str, StoredPortfolio]) -> None:
        has_one = {row.portfolio_id for row in self._on_last(volatility_by_portfolio)}
        by_portfolio = _grouped(self._on_last(volatility_by_symbol, "symbol"))
        for key, stored in found.items():
            if "volatility" not in self.uncomputed.get(key, ()):
                known = frozenset(row.symbol for row in by_portfolio.get(key, ()))
                found[key] = replace(stored, has_volatility=key in has_one, with_volatility=known)

    def _add_reasons(self, found: dict[str, StoredPortfolio]) -> None:
        lacking = {gap.symbol for stored in found.values() for gap in gaps_of(stored) if gap.symbol}
        if not lacking:
            return
        table = price_gaps.c
        query = sa.select(table.symbol, sa.func.max(table.session).label("session"))
        newest = query.where(table.symbol.in_(lacking)).group_by(table.symbol).subquery()
        both = sa.and_(table.symbol == newest.c.symbol, table.session == newest.c.session)
        columns = (table.symbol, table.reason, table.detail, table.source, table.next_try)
        remarks = {
            row.symbol: Remark(row.reason, row.detail, row.source, row.next_try)
            for row in self._rows(sa.select(*columns).join(newest, both))
        }
        prices = market_prices.c
        counted = sa.select(prices.symbol, sa.func.count()).where(prices.symbol.in_(lacking)).group_by(prices.symbol)

        def counts(first: date, last: date) -> dict[str, int]:
            found = dict(self._rows(counted.where(prices.session.between(first, last))))
            return {symbol: found.get(symbol, 0) for symbol in lacking}

        ends = {stored.session for stored in found.values()}
        every = {last: counts(date.min, last) for last in ends}
        recent = {last: counts(self.calendar.shift(last, 1 - WINDOW), last) for last in ends}
        for key, stored in found.items():
            last = stored.session
            found[key] = replace(stored, remarks=remarks, observations=every[last], recent=recent[last])

    def _age(self, session: date, last: date) -> int:
        first, stop = np.searchsorted(self.calendar.sessions, np.array([session, last], dtype="datetime64[D]"))
        return int(stop - first)

    def _on_last(self, table: sa.Table, *columns: str) -> list[Any]:
        """Return rows of a table on the last session of their portfolio, with some columns."""
        chosen = [table.c[name] for name in dict.fromkeys(("portfolio_id", "session", *columns))]
        both = sa.and_(table.c.portfolio_id == self.last.c.portfolio_id, table.c.session == self.last.c.session)
        return self._rows(sa.select(*chosen).join(self.last, both))

    def _rows(self, query: sa.Select) -> list[Any]:
        return list(self.connection.execute(query).all())


def _names(listed: str | None) -> frozenset[str]:
    return frozenset(listed.split(", ")) if listed else frozenset()


def _grouped(rows: Iterable[Any]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        groups[row.portfolio_id].append(row)
    return groups
