"""Reads what portfolios ever held, and how far the prices of it reach."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa

from sigma_assets.base.conventions import CASH_SUBTYPES
from sigma_assets.reports.gaps.kinds import RECENT, SIMULATED
from sigma_assets.settings import Settings
from sigma_assets.storage.schema import lots, market_prices, price_loads

NOT_SHARES = ("BOND", *CASH_SUBTYPES)


@dataclass
class Entered:
    """What a portfolio ever held; `shares` as `entry_price_gaps` takes them."""

    symbols: set[str] = field(default_factory=set)
    positions: int = 0
    shares: list[tuple[str, date, float, float | None]] = field(default_factory=list)


class EnteredReader:
    """Reads at one moment.

    Parameters
    ----------
    ids : of the portfolios.
    """

    def __init__(self, connection: sa.Connection, settings: Settings, ids: Sequence[str]) -> None:
        self.connection = connection
        self.settings = settings
        self.calendar = settings.calendar
        self.ids = list(ids)

    def entered(self) -> dict[str, Entered]:
        """Return what portfolios ever held, and at what price their shares were entered."""
        table = lots.c
        columns = (table.portfolio_id, table.symbol, table.underlying_symbol, table.investment_class)
        more = (table.investment_subtype, table.entry_date, table.entry_price)
        entered = {key: Entered() for key in self.ids}
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

    def priced_on(self, symbols: Collection[str]) -> dict[str, tuple[date, str]]:
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

    def simulated(self, symbols: Collection[str]) -> dict[str, date]:
        """Return the last session with a simulated price of each symbol that has one; a look at the loads if none was made.

        Prices stay when SIGMA_PRICES names another source later, and a source that lacks the ETFs may have one after it.
        """
        table = market_prices.c
        if not self._rows(sa.select(price_loads.c.revision).where(price_loads.c.source == SIMULATED).limit(1)):
            return {}
        query = sa.select(table.symbol, sa.func.max(table.session).label("session"))
        chosen = query.where(table.symbol.in_(symbols), table.source == SIMULATED).group_by(table.symbol)
        return {row.symbol: row.session for row in self._rows(chosen)}

    def _rows(self, query: sa.Select) -> list[Any]:
        return list(self.connection.execute(query).all())
