"""The market asset: daily prices of every symbol that any portfolio holds."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import numpy as np

from sigma_assets.analytics.series.coverage import first_entries
from sigma_assets.assets.declarations import PRICE_POOL, Results, declared, recorded
from sigma_assets.assets.progress import Progress
from sigma_assets.assets.tables import Tables
from sigma_assets.base.frames import SessionArray
from sigma_assets.prices.source import PriceSource
from sigma_assets.prices.storing import Loaded
from sigma_assets.runs.partitions import Scope, sessions_def

A_DAY = timedelta(days=1)
LONG_WEEKEND = timedelta(days=4, hours=6)
"""From the night of a Thursday to that of the Monday after Good Friday, or from Friday's to Tuesday's: prices that are
older than this were not loaded when they should have been."""


@dg.asset(
    partitions_def=sessions_def,
    group_name="market",
    **declared("market_prices"),
    pool=PRICE_POOL,
    freshness_policy=dg.FreshnessPolicy.time_window(warn_window=LONG_WEEKEND, fail_window=LONG_WEEKEND + A_DAY),
)
def market_prices(
    context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables], price_source: dg.ResourceParam[PriceSource]
) -> Results:
    """As-traded daily prices, splits and dividends of the whole universe: every symbol held or ever priced, and the
    factor ETFs. Only what is missing is asked for, look-back included; rows are never rewritten for a later split.
    Splits and dividends of the last weeks that their source learned of late are corrected (`load/corrected`)."""
    scope = tables.scope(context)
    loaded, progress = loaded_prices(context, tables, price_source, scope, again=True)
    progress.finish()
    yield from recorded(context, tables, scope, totals=loaded.metadata())


def loaded_prices(
    context: dg.AssetExecutionContext, tables: Tables, price_source: PriceSource, scope: Scope, *, again: bool = False
) -> tuple[Loaded, Progress]:
    """Load what a scope's symbols lack, including look-back and all since entry; report progress per symbol.

    Returns
    -------
    What was loaded, and the step's progress, which is still to be finished.
    """
    symbols, window = tables.symbols(scope), tables.window(scope, tables.lookback)
    progress = Progress(context, "symbols", len(symbols))
    loads = [
        price_source.load_missing(names, sessions, lambda _, line: progress.advance(0, line))
        for names, sessions in _windows_since_entry(tables, scope)
    ]
    loads.append(price_source.load_missing(symbols, window, progress.advance, again=again))
    total = Loaded(**{name: sum(getattr(load, name) for load in loads) for name in vars(loads[0])})
    return total, progress


def _windows_since_entry(tables: Tables, scope: Scope) -> Iterator[tuple[list[str], SessionArray]]:
    """Yield symbols, and the sessions before the scope's look-back whose prices the value of its lots depends on.

    A lot has had splits and paid dividends since its entry, and the drawdown of its portfolio began there. Where a run
    starts later, and nobody ran what came before, these prices would be absent, and the numbers silently wrong. So each
    symbol's prices reach back as far as a run of its first entry would have looked. Symbols that were first entered in
    the same year come together, with the earliest of them: few questions to the database, and nothing asked in vain
    but some months.
    """
    if not scope.portfolio_ids:
        return
    entries = first_entries(tables.lots_and_flows(scope)[0])
    end = tables.window(scope, tables.lookback)[0]
    for year in sorted({day.year for day in entries.values()}):
        of_year = {symbol: day for symbol, day in entries.items() if day.year == year}
        symbols = {symbol: day for symbol, day in of_year.items() if tables.calendar.on_or_after(day) < scope.first}
        if symbols:
            since_entry = Scope(tables.calendar.between(min(symbols.values()), scope.last), scope.portfolio_ids)
            sessions = tables.window(since_entry, tables.lookback)
            yield sorted(symbols), sessions[: int(np.searchsorted(sessions, end))]
