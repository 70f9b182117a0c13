"""Reads what is stored of portfolios on their last session, for `gaps`: some queries, whatever the number of portfolios."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import sqlalchemy as sa

from sigma_assets.base.calendar import TradingCalendar
from sigma_assets.base.conventions import CASH_SUBTYPES, FACTOR_ETFS
from sigma_assets.reports.gaps import (
    RECENT,
    WINDOW,
    Gap,
    HeldLot,
    Remark,
    StoredPortfolio,
    entry_price_gaps,
    gaps_of,
    holdings_changed,
    lots_without_price,
    outdated,
    partly_simulated,
    without_factor_prices,
    without_quotes,
)
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.holdings import changed_holdings
from sigma_assets.storage.schema import (
    correlations_by_portfolio,
    factor_coverage,
    lots,
    market_prices,
    metric_coverage,
    portfolio_snapshots,
    position_values,
    price_coverage,
    price_gaps,
    price_loads,
    volatility_by_portfolio,
    volatility_by_symbol,
)

SIMULATED = "simulated"
NOT_SHARES = ("BOND", *CASH_SUBTYPES)

NAMED = 20
"""Most symbols that a line names."""


@dataclass(frozen=True)
class Holdings:
    """How well the holdings of a portfolio are known on its last session.

    Attributes
    ----------
    session : the portfolio's last session; None while there is none.
    symbols, priced : symbols that it ever needed, factor ETFs included, and how many of them have prices.
    positions : lots that it ever had.
    lots, lots_without_price : open lots.
    price_source : where its prices come from, several with commas; what the settings name while there are none. It has
        `simulated` if any price of its symbols, of the factor ETFs or of the benchmark is made up, of any session.
    newest_price : last session on which any symbol that it holds has a price.
    changed_from : first session whose numbers are of before a change of its lots or cash flows; None = there is none.
    """

    session: date | None
    symbols: int
    priced: int
    positions: int
    lots: int
    lots_without_price: int
    price_source: str
    newest_price: date | None
    gaps: tuple[Gap, ...]
    changed_from: date | None = None

    @property
    def summary(self) -> str:
        """What is not known, in a few words; empty where nothing lacks."""
        parts = [f"{self.lots_without_price} of {self.lots} without prices"] if self.lots_without_price else []
        others = {gap.symbol for gap in self.gaps if gap.symbol} - set(self.without_price)
        if others:
            parts.append(f"{len(others)} with {'other ' if parts else ''}gaps")
        parts.extend(f"without {gap.lacks}" for gap in self.gaps if not gap.symbol)
        return ", ".join(parts)

    @property
    def named(self) -> str:
        """The summary, with the symbols that lack something (prices, if any lack these); at most `NAMED` of them."""
        symbols = self.without_price or sorted({gap.symbol for gap in self.gaps if gap.symbol})
        more = f" and {len(symbols) - NAMED} more" if len(symbols) > NAMED else ""
        return f"{self.summary} ({', '.join(symbols[:NAMED])}{more})" if symbols else self.summary

    @property
    def without_price(self) -> tuple[str, ...]:
        """The symbols without a price, or with one that is too old."""
        return tuple(gap.symbol for gap in self.gaps if gap.symbol and gap.lacks.startswith(("price", "recent price")))

    @property
    def counted_symbols(self) -> str:
        """How many symbols have prices: `27 symbols`, or `18 of 27 symbols`."""
        return f"{self.symbols} symbols" if self.priced == self.symbols else f"{self.priced} of {self.symbols} symbols"

    @property
    def is_simulated(self) -> bool:
        """Whether any price is made up."""
        return SIMULATED in self.price_source.split(", ")

    @property
    def is_all_simulated(self) -> bool:
        """Whether every price is made up; if only some are, a gap says which."""
        return self.price_source == SIMULATED


def holdings_of(
    database: Database,
    settings: Settings,
    portfolio_ids: Sequence[str],
    uncomputed: Mapping[str, Collection[str]] | None = None,
    older: Mapping[str, Sequence[Gap]] | None = None,
) -> dict[str, Holdings]:
    """Return how well the holdings of portfolios are known.

    Parameters
    ----------
    uncomputed : portfolio id -> assets that are not there on its last session: what they lack is no gap of the data.
    older : portfolio id -> what an older version of a method computed: said with the gaps.
    """
    with database.read() as connection:
        found = _Reader(connection, settings, portfolio_ids, uncomputed or {}).read()
    return _with_changes(database, found, older or {})


def imported_holdings(
    database: Database, settings: Settings, portfolio_id: str
) -> tuple[Holdings, list[tuple[str, date, float, float | None]]]:
    """Return how well the holdings of a new portfolio are known, and the entries of its shares without a stored close.

    The entries are as `entry_price_gaps` takes them.
    """
    with database.read() as connection:
        reader = _Reader(connection, settings, [portfolio_id], {})
        found = reader.read()
    entries = [entry for entry in reader.entered[portfolio_id].shares if entry[3] is None]
    return _with_changes(database, found, {})[portfolio_id], entries


def _with_changes(
    database: Database, found: Mapping[str, Holdings], older: Mapping[str, Sequence[Gap]]
) -> dict[str, Holdings]:
    changed = {
        row.portfolio_id: row.first_session.date() for row in changed_holdings(database, list(found)).itertuples()
    }
    told = {}
    for key, each in found.items():
        more = [holdings_changed(changed[key])] if key in changed else []
        told[key] = replace(each, gaps=(*each.gaps, *more, *older.get(key, ())), changed_from=changed.get(key))
    return told


@dataclass
class _Entered:
    """What a portfolio ever held; `shares` as `entry_price_gaps` takes them."""

    symbols: set[str] = field(default_factory=set)
    positions: int = 0
    shares: list[tuple[str, date, float, float | None]] = field(default_factory=list)


class _Reader:
    def __init__(
        self,
        connection: sa.Connection,
        settings: Settings,
        ids: Sequence[str],
        uncomputed: Mapping[str, Collection[str]],
    ) -> None:
        self.connection = connection
        self.settings = settings
        self.calendar: TradingCalendar = settings.calendar
        self.ids = list(ids)
        self.uncomputed = uncomputed
        self.etfs = {*FACTOR_ETFS, *settings.factor_model.etfs}
        table = price_coverage.c
        query = sa.select(table.portfolio_id, sa.func.max(table.session).label("session"))
        self.last = query.where(table.portfolio_id.in_(self.ids)).group_by(table.portfolio_id).subquery()

    def read(self) -> dict[str, Holdings]:
        """Return the holdings of each portfolio."""
        entered = self.entered
        held = {symbol for each in entered.values() for symbol in each.symbols}
        used = held | self.etfs | {self.settings.benchmark}
        priced_on, made_up = self._priced_on(used), self._simulated(used)
        stored = self._stored()
        return {key: self._holdings(entered[key], stored.get(key), priced_on, made_up) for key in self.ids}

    def _holdings(
        self,
        entered: "_Entered",
        stored: StoredPortfolio | None,
        priced_on: Mapping[str, tuple[date, str]],
        made_up: Mapping[str, date],
    ) -> Holdings:
        priced = [priced_on[symbol] for symbol in entered.symbols if symbol in priced_on]
        sources = {source for _, source in priced} or {self.settings.prices.partition(":")[0]}
        used = entered.symbols | self.etfs | {self.settings.benchmark}
        simulated = {symbol: last for symbol, last in made_up.items() if symbol in used}
        source = ", ".join(sorted(sources | ({SIMULATED} if simulated else set())))
        newest = max((session for session, _ in priced), default=None)
        total = len(entered.symbols | self.etfs)
        far = tuple(entry_price_gaps(entered.shares))
        if simulated and source != SIMULATED:
            far = (partly_simulated(simulated), *far)
        if stored is None:
            return Holdings(None, total, total, entered.positions, 0, 0, source, newest, far)
        late = self.calendar.shift(stored.session, -RECENT)
        old = {symbol for symbol in used - entered.symbols if symbol not in priced_on or priced_on[symbol][0] < late}
        needed = old & {*self.settings.factor_model.etfs, self.settings.benchmark}
        lost = (stored.unpriced | outdated(stored).keys()) - without_quotes(stored)
        if needed and entered.symbols:
            far, lost = (without_factor_prices(old, needed, stored.session), *far), lost | (old & self.etfs)
        return Holdings(
            session=stored.session,
            symbols=total,
            priced=total - len(lost),
            positions=entered.positions,
            lots=len(stored.lots),
            lots_without_price=lots_without_price(stored),
            price_source=source,
            newest_price=newest,
            gaps=(*gaps_of(stored), *far),
        )

    @cached_property
    def entered(self) -> dict[str, "_Entered"]:
        """What portfolios ever held, and at what price their shares were entered."""
        table = lots.c
        columns = (table.portfolio_id, table.symbol, table.underlying_symbol, table.investment_class)
        more = (table.investment_subtype, table.entry_date, table.entry_price)
        entered = {key: _Entered() for key in self.ids}
        shares = []
        effective: dict[date, date] = {}
        for row in self._rows(sa.select(*columns, *more).where(table.portfolio_id.in_(self.ids))):
            mine = entered[row.portfolio_id]
            mine.positions += 1
            if row.investment_class != "PRIVATE":
                mine.symbols |= {symbol for symbol in (row.symbol, row.underlying_symbol) if symbol}
            if row.investment_class == "PUBLIC" and row.investment_subtype not in NOT_SHARES:
                if (session := effective.get(row.entry_date)) is None:
                    session = effective[row.entry_date] = self.calendar.on_or_after(row.entry_date)
                shares.append((mine, row.symbol, session, row.entry_price))
        closes = self._closes({(symbol, session) for _, symbol, session, _ in shares})
        for mine, symbol, session, price in shares:
            mine.shares.append((symbol, session, price, closes.get((symbol, session))))
        return entered

    def _closes(self, wanted: Collection[tuple[str, date]]) -> dict[tuple[str, date], float]:
        table = market_prices.c
        found = {}
        held_on = defaultdict(list)
        for symbol, session in wanted:
            held_on[session].append(symbol)
        for session, symbols in sorted(held_on.items()):
            query = sa.select(table.symbol, table.close).where(table.session == session, table.symbol.in_(symbols))
            found.update({(row.symbol, session): row.close for row in self._rows(query)})
        return found

    def _priced_on(self, symbols: Collection[str]) -> dict[str, tuple[date, str]]:
        """Return the last session with a price of each symbol, and where that price comes from.

        Most have one of the last days: only the others are looked for in all of history.
        """
        table = market_prices.c
        recent = self.calendar.shift(self.settings.current_session(), -2 * RECENT)
        found: dict[str, tuple[date, str]] = {}
        for bound in (table.session >= recent, sa.true()):
            open_ones = set(symbols) - found.keys()
            query = sa.select(table.symbol, sa.func.max(table.session).label("session"))
            newest = query.where(table.symbol.in_(open_ones), bound).group_by(table.symbol).subquery()
            both = sa.and_(table.symbol == newest.c.symbol, table.session == newest.c.session)
            rows = (
                self._rows(sa.select(table.symbol, table.session, table.source).join(newest, both)) if open_ones else []
            )
            found |= {row.symbol: (row.session, row.source) for row in rows}
        return found

    def _simulated(self, symbols: Collection[str]) -> dict[str, date]:
        """Return the last session with a simulated price of each symbol that has one; a look at the loads if none was made.

        Prices stay when SIGMA_PRICES names another source later, and a source that lacks the ETFs may have one after it.
        """
        table = market_prices.c
        if not self._rows(sa.select(price_loads.c.revision).where(price_loads.c.source == SIMULATED).limit(1)):
            return {}
        query = sa.select(table.symbol, sa.func.max(table.session).label("session"))
        chosen = query.where(table.symbol.in_(symbols), table.source == SIMULATED).group_by(table.symbol)
        return {row.symbol: row.session for row in self._rows(chosen)}

    def _stored(self) -> dict[str, StoredPortfolio]:
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
        for row in self._on_last(correlations_by_portfolio, "symbols_included"):
            found[row.portfolio_id] = replace(found[row.portfolio_id], correlated=row.symbols_included)
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
