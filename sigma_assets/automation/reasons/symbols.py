"""Betas and metrics of symbols that are older than a price they depend on, whether a portfolio reads them or not."""

from collections.abc import Mapping
from datetime import date

import dagster as dg
import numpy as np
import pandas as pd

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.inputs import UNIVERSE, PlanInputs
from sigma_assets.automation.planner import Needs
from sigma_assets.automation.reasons.corrections import span
from sigma_assets.base.conventions import YEAR_LOOKBACK
from sigma_assets.base.frames import SessionArray
from sigma_assets.prices.changes import changed_prices, looked_at, note_price_looks, oldest_revision
from sigma_assets.runs.partitions import Scope
from sigma_assets.runs.watermark import Materialized
from sigma_assets.storage.schema import TABLES


def symbols_after_changed_prices(
    instance: dg.DagsterInstance, inputs: PlanInputs, tables: Tables, materialized: Materialized
) -> Needs:
    """Return the sessions of the universe on which a symbol's betas or metrics were made before a price that they read.

    To be asked once nothing else is left to run: what portfolios need brings the rows of their symbols up to date.
    """
    looked = looked_at(tables.database, UNIVERSE, tables.settings.history_start)
    if looked >= inputs.prices_seen:
        return {}
    model = tables.settings.factor_model
    reach = {"symbol_factors": model.longest_window, "symbol_metrics": YEAR_LOOKBACK}
    everyones = {"symbol_factors": set(model.etfs), "symbol_metrics": set[str]()}
    materialized.look(instance, inputs.roster, list(reach))
    again: Needs = {}
    for asset, window in reach.items():
        there = materialized.materialized(asset)
        there = there[there <= np.datetime64(inputs.target)]
        if len(there) and len(days := _behind(tables, asset, there, looked, window, everyones[asset])):
            again[(None, asset)] = days
    return again


def note_symbol_looks(inputs: PlanInputs, tables: Tables) -> None:
    """Note that the prices seen leave the universe's rows as they are: so nothing of them is compared again.

    Not while a run is at work: it may have read prices before a load, and write what it made of them now.
    """
    if not inputs.busy and inputs.prices_seen:
        start = tables.settings.history_start
        note_price_looks(tables.database, [UNIVERSE], inputs.prices_seen, start, inputs.target)


def _behind(
    tables: Tables, table: str, there: SessionArray, looked: int, window: int, everyones: set[str]
) -> SessionArray:
    """Return which sessions have a row in a table that is older than one of its prices.

    Parameters
    ----------
    there : the sessions to look at.
    looked : only prices of later loads count.
    window : for how many sessions a price is read.
    everyones : symbols whose prices every row reads.
    """
    since = max(looked, oldest_revision(tables.database, TABLES[table]))
    changed = changed_prices(tables.database, since, last=there[-1].item())
    if changed.empty:
        return there[:0]
    newest = changed.groupby("symbol")["revision"].max()
    of_everyone = max((newest.get(symbol, -1) for symbol in everyones), default=-1)
    first = max(there[0], changed["session"].min().to_datetime64().astype("datetime64[D]"))
    symbols = None if of_everyone >= 0 else list(newest.index)
    columns = ["session", "symbol", "prices_revision"]
    rows = tables.rows(table, Scope(there[there >= first]), symbols, columns) if first <= there[-1] else changed[:0]
    if not len(rows):
        return there[:0]
    rows = rows[rows["prices_revision"] < rows["symbol"].map(newest).fillna(-1).clip(lower=of_everyone)]
    changed = changed[changed["revision"] > rows["prices_revision"].min()]
    changed = changed[changed["symbol"].isin({*rows["symbol"], *everyones})]
    if rows.empty or changed.empty:
        return there[:0]
    read = _newest_read(tables, changed, there[-1].item(), window)
    seen = rows["prices_revision"].to_numpy(dtype=np.int64)
    days = rows["session"].to_numpy(dtype="datetime64[D]")
    own = _of_rows(read, rows)
    for symbol in everyones & read.keys():
        own = np.maximum(own, read[symbol].reindex(rows["session"], fill_value=-1).to_numpy())
    return np.intersect1d(days[seen < own], there)


def _newest_read(tables: Tables, changed: pd.DataFrame, last: date, window: int) -> Mapping[str, pd.Series]:
    """Return, per symbol, the newest load that each session reads a changed price of; -1 where it reads none."""
    sessions = tables.calendar.between(changed["session"].min().date(), last)
    history = tables.prices(sorted(changed["symbol"].unique()), sessions)
    newest = np.full((len(sessions), len(history.symbols)), -1, dtype=np.int64)
    for row in changed.itertuples():
        start, carried = span(history, row.symbol, row.session)
        cells = newest[start : max(carried, carried + window - 1) + 1, history.column(row.symbol)]
        np.maximum(cells, row.revision, out=cells)
    index = pd.DatetimeIndex(sessions.astype("datetime64[s]"))
    return {symbol: pd.Series(newest[:, column], index) for column, symbol in enumerate(history.symbols)}


def _of_rows(read: Mapping[str, pd.Series], rows: pd.DataFrame) -> np.ndarray:
    own = np.full(len(rows), -1, dtype=np.int64)
    for symbol, places in rows.groupby("symbol").indices.items():
        if symbol in read:
            own[places] = read[symbol].reindex(rows["session"].iloc[places], fill_value=-1).to_numpy()
    return own
