"""Which prices a run needs besides its look-back: those since its lots were entered."""

from collections.abc import Iterator

import numpy as np

from sigma_assets.analytics.series.coverage import first_entries
from sigma_assets.assets.tables import Tables
from sigma_assets.base.frames import SessionArray
from sigma_assets.runs.partitions import Scope


def windows_since_entry(tables: Tables, scope: Scope) -> Iterator[tuple[list[str], SessionArray]]:
    """Yield symbols, and the sessions before the scope's look-back whose prices the value of its lots depends on.

    A lot has had splits and paid dividends since its entry, and the drawdown of its portfolio began there. Where a run
    starts later, and nobody ran what came before, these prices would be absent, and the numbers silently wrong. So each
    symbol's prices reach back as far as a run of its first entry would have looked. Symbols that were first entered in
    the same year come together, with the earliest of them: few questions to the database, and nothing asked in vain
    but some months.
    """
    if not scope.portfolio_ids:
        return
    entries = first_entries(tables.holdings(scope)[1])
    end = tables.window(scope, tables.lookback)[0]
    for year in sorted({day.year for day in entries.values()}):
        symbols = {symbol: day for symbol, day in entries.items() if day.year == year and day < scope.first}
        if symbols:
            since_entry = Scope(tables.calendar.between(min(symbols.values()), scope.last), scope.portfolio_ids)
            sessions = tables.window(since_entry, tables.lookback)
            yield sorted(symbols), sessions[: int(np.searchsorted(sessions, end))]
