"""Portfolios that real runs have computed on simulated prices: with gaps, one lot, 200 lots, nothing, no equity, HTML."""

from dataclasses import dataclass, replace
from datetime import date

import pandas as pd
import sqlalchemy as sa

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.execution import UpdateRequest, bring_up_to_date
from sigma_assets.base.calendar import nyse_calendar
from sigma_assets.definitions import definitions_for
from sigma_assets.holdings.reader import read_holdings
from sigma_assets.prices.source import PriceSource
from sigma_assets.providers.simulated.provider import SimulatedProvider
from sigma_assets.storage import schema
from sigma_assets.storage.portfolios import NewPortfolio, add_portfolio
from sigma_assets_tests.reports.books import Book, blank
from sigma_assets_tests.web.conftest import World

FIRST, LAST = date(2024, 2, 1), date(2024, 3, 15)
DECADE = date(2014, 3, 3)
"""From here on the portfolio of 200 lots has a history: written by the test, since runs over ten years take minutes."""
NASTY = '<img src=x onerror="document.title=1"> & "Sons"'
HEADER = "Symbol,Quantity,Entry Price Per Share,Entry Date,Exit Date,Exit Price Per Share\n"


def _lots(*symbols: str, quantity: int = 100, price: float = 50.0) -> str:
    return HEADER + "".join(f"{symbol},{quantity},{price},{FIRST},,\n" for symbol in symbols)


def _two_hundred() -> str:
    """Return 200 lots; sixty of them are worth about 100,000 USD each, more than the heat map has room for."""
    symbols = [f"SIM{number:04d}" for number in range(1, 201)]
    source = SimulatedProvider(nyse_calendar(), LAST)
    bars = source.daily_bars({symbol: [LAST] for symbol in symbols[:60]})
    closes = {row.symbol: row.close for batch in bars for row in batch.rows.itertuples()}
    large = [_lots(symbol, quantity=round(100_000 / closes[symbol])) for symbol in symbols[:60]]
    return HEADER + "".join(text.removeprefix(HEADER) for text in (*large, _lots(*symbols[60:], quantity=10)))


HOLDINGS = {
    "Gaps": (_lots("AAPL", "MSFT", "ZZZZ", "VFIAX"), 100_000.0),
    "One lot": (_lots("SPY"), 50_000.0),
    "Two hundred": (_two_hundred(), 6_000_000.0),
    "Empty": (HEADER + f"AAPL,1,100,{FIRST},2024-02-02,101\n", 1_000.0),
    "Under water": (_lots("TSLA", "NVDA", quantity=-50, price=10.0), 100.0),
    NASTY: (_lots("AAPL", "JPM", "SPY", "TLT"), 80_000.0),
}


@dataclass(frozen=True)
class RealWorld:
    """An installation with these portfolios; `ids` by name."""

    world: World
    ids: dict[str, str]

    def rows(self, table: sa.Table, name: str, session: date = LAST) -> list[dict]:
        """Return a portfolio's rows of a session."""
        mine = (table.c.portfolio_id == self.ids[name]) & (table.c.session == session)
        with self.world.database.read() as connection:
            return [dict(row) for row in connection.execute(sa.select(table).where(mine)).mappings()]


def computed_world(world: World) -> RealWorld:
    """Import the portfolios into an installation, and run the whole pipeline on them."""
    world.settings = replace(world.settings, prices=f"simulated:last={LAST}", first_session=FIRST)
    ids = {}
    for number, (name, (text, equity)) in enumerate(HOLDINGS.items()):
        lots = read_holdings(text.encode(), f"{number}.csv", LAST)
        ids[name] = add_portfolio(world.database, NewPortfolio(name, "taxable", equity, FIRST), lots)
    tables = Tables(world.settings)
    outcomes = bring_up_to_date(
        definitions_for(world.settings),
        world.instance,
        tables,
        PriceSource(world.settings, tables.opened),
        UpdateRequest(),
        on_event=lambda *_: None,
        on_wait=lambda _: None,
    )
    assert outcomes
    assert all(outcome.succeeded for outcome in outcomes)
    _write_decade(world, ids["Two hundred"])
    return RealWorld(world, ids)


def _write_decade(world: World, portfolio_id: str) -> None:
    """Write ten years of snapshots, returns, volatility and exposures before the first run."""
    sessions = [day.item() for day in world.settings.calendar.between(DECADE, FIRST)][:-1]
    book = Book(world.database, world.settings)
    values = {
        schema.portfolio_snapshots: lambda at: {"equity": 5_500_000.0 + 200 * at + 1_000 * (at % 37)},
        schema.performance: lambda at: {"benchmark": "SPY", "drawdown": -(at % 37) / 500, "return_mtd": 0.01},
        schema.volatility_by_portfolio: lambda at: {"realized_21d": 0.1 + (at % 50) / 500, "realized_63d": 0.15},
        schema.factor_exposures_by_portfolio: lambda at: {"value_exposure": (at % 90) / 100 - 0.4},
    }
    for table, of in values.items():
        key = blank(table) | {"portfolio_id": portfolio_id}
        book.write_all(table, [key | {"session": day} | of(at) for at, day in enumerate(sessions)])


def number(value: float | None, form: str) -> str:
    """Return a number as a reader of the page would write it: no trust in our own forms."""
    if value is None or pd.isna(value):
        return "–"
    text = format(value, form).replace("%", " %").replace("-", "−")
    return text if text.strip("+−0.,% ") else text.lstrip("+−")
