"""Betas and metrics of symbols that are older than a price they depend on, whether a portfolio reads them or not."""

from datetime import date

import dagster as dg
import numpy as np
import pandas as pd

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.inputs import UNIVERSE, PlanInputs
from sigma_assets.automation.planner import Needs
from sigma_assets.automation.reasons.corrections import span
from sigma_assets.base.conventions import YEAR_LOOKBACK
from sigma_assets.base.frames import BoolArray, SessionArray
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
    there = there if changed.empty else there[there >= changed["session"].min().to_datetime64()]
    if changed.empty or not len(there):
        return there[:0]
    symbols = None if everyones & {*changed["symbol"]} else sorted(changed["symbol"].unique())
    rows = tables.rows(table, Scope(there), symbols, ["session", "symbol", "prices_revision"])
    rows = rows[_is_older(rows, _newest_so_far(tables, changed, there[-1].item()), everyones)]
    if rows.empty:  # as after a night: its prices came before all that reads them
        return there[:0]
    changed = changed[changed["revision"] > rows["prices_revision"].min()]
    changed = changed[changed["symbol"].isin({*rows["symbol"], *everyones})]
    read = _newest_read(tables, changed, there[-1].item(), window)
    days = rows["session"].to_numpy(dtype="datetime64[D]")
    return np.intersect1d(days[_is_older(rows, read, everyones)], there)


def _newest_so_far(tables: Tables, changed: pd.DataFrame, last: date) -> pd.DataFrame:
    """Return, per session and symbol, the newest load of the changed prices up to the session; -1 where there is none."""
    sessions = tables.calendar.between(changed["session"].min().date(), last).astype("datetime64[s]")
    newest = changed.pivot(index="session", columns="symbol", values="revision")
    return newest.reindex(sessions).fillna(-1).cummax().astype("int64")


def _newest_read(tables: Tables, changed: pd.DataFrame, last: date, window: int) -> pd.DataFrame:
    """Return, per session and symbol, the newest load of the changed prices that a window of that session reads."""
    sessions = tables.calendar.between(changed["session"].min().date(), last)
    history = tables.prices(sorted(changed["symbol"].unique()), sessions)
    newest = np.full((len(sessions), len(history.symbols)), -1, dtype=np.int64)
    for row in changed.itertuples():
        start, carried = span(history, row.symbol, row.session)
        cells = newest[start : max(carried, carried + window - 1) + 1, history.column(row.symbol)]
        np.maximum(cells, row.revision, out=cells)
    return pd.DataFrame(newest, sessions.astype("datetime64[s]"), history.symbols)


def _is_older(rows: pd.DataFrame, newest: pd.DataFrame, everyones: set[str]) -> BoolArray:
    """Return which rows have seen less than the newest load of their own symbol's prices, or of everyone's."""
    place = newest.index.get_indexer(rows["session"])
    column = newest.columns.get_indexer(rows["symbol"])
    values = newest.to_numpy()
    needed = np.where(column >= 0, values[place, column], -1)
    of_everyone = values[:, newest.columns.isin(everyones)].max(axis=1, initial=-1)
    needed = np.where(place >= 0, np.maximum(needed, of_everyone[place]), -1)
    older: BoolArray = rows["prices_revision"].to_numpy(dtype=np.int64) < needed
    return older
