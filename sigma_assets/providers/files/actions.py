"""Splits and dividends in price files: those of a day without a close, and those that adjusted closes tell of."""

from pathlib import Path

import numpy as np
import pandas as pd

from sigma_assets.base.errors import PriceFileError, listing
from sigma_assets.base.frames import FloatArray
from sigma_assets.providers.actions import Action
from sigma_assets.providers.files.reading import ADJUSTED, places

AGREES_WITHIN = 0.002
"""Relative: vendors adjust for a dividend by the close before it or by the one after, and round."""
ROUNDED_WITHIN = 0.011
"""USD, of two adjusted closes in cents."""


def as_traded(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Check closes, splits and dividends against adjusted closes; return prices as traded.

    Adjusted closes move by the total return. Where a symbol's closes do so only if its splits are left out, they are
    divided by its later splits (as Yahoo's are): they are multiplied back, dividends and volumes likewise.

    Parameters
    ----------
    rows : DataFrame of `checked_rows` of one file; as it is if it has no adjusted closes.

    Raises
    ------
    PriceFileError
        The adjusted closes tell of a split or a dividend that the file does not have, or has otherwise; names each line.
    """
    if ADJUSTED not in rows:
        return rows
    known = rows[["close", ADJUSTED]].notna().all(axis=1)
    chosen = rows[known].sort_values(["symbol", "session"], kind="stable").drop_duplicates(["symbol", "session"])
    later, earlier = chosen.iloc[1:], chosen.iloc[:-1]
    is_same = later["symbol"].to_numpy() == earlier["symbol"].to_numpy()
    later, earlier = later[is_same], earlier[is_same]
    differs = {with_splits: ~_agrees(earlier, later, with_splits=with_splits) for with_splits in (True, False)}
    names = later["symbol"].to_numpy()
    unlike = {with_splits: set(names[mask]) for with_splits, mask in differs.items()}
    bad = differs[True] & np.isin(names, list(unlike[True] & unlike[False]))
    if bad.any():
        raise PriceFileError(_listing(earlier[bad], later[bad], path))
    return _multiplied_back(rows, unlike[True]).drop(columns=[ADJUSTED])


def carry_actions(rows: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, list[tuple[np.datetime64, np.datetime64]]]]:
    """Move splits and dividends of days without a close to the symbol's next close: a share held before gets the same.

    An action that no close follows yet waits in its file.

    Parameters
    ----------
    rows : DataFrame with `BAR_COLUMNS`, sorted by symbol and session; close NaN where there is only an action.

    Returns
    -------
    rows : those with a close.
    moved : per symbol, (session without a close, session whose row has its action now).
    """
    is_halted = rows["close"].isna().to_numpy()
    priced = rows[~is_halted].reset_index(drop=True)
    moved: dict[str, list[tuple[np.datetime64, np.datetime64]]] = {}
    if not is_halted.any():
        return priced, moved
    place = np.cumsum(~is_halted)  # of the next priced row
    symbols, sessions = priced["symbol"].to_numpy(), priced["session"].to_numpy().astype("datetime64[D]")
    for at in np.flatnonzero(is_halted)[::-1]:  # the last one first: each is put before what came later
        row, target = rows.iloc[at], place[at]
        if target < len(priced) and symbols[target] == row["symbol"]:
            there = Action(*priced.loc[target, ["split_factor", "dividend"]])
            total = Action(row["split_factor"], row["dividend"]).then(there)
            priced.loc[target, ["split_factor", "dividend"]] = total.split_factor, total.dividend
            moved.setdefault(row["symbol"], []).append((np.datetime64(row["session"], "D"), sessions[target]))
    return priced, moved


def _agrees(earlier: pd.DataFrame, later: pd.DataFrame, *, with_splits: bool) -> np.ndarray:
    """Return whether an adjusted close moved by the total return, as either usual way to adjust has it."""
    split: FloatArray = later["split_factor"].to_numpy() if with_splits else np.ones(len(later))
    before, close, dividend = (frame.to_numpy() for frame in (earlier["close"], later["close"], later["dividend"]))
    adjusted_before, adjusted = earlier[ADJUSTED].to_numpy(), later[ADJUSTED].to_numpy()
    tolerance = AGREES_WITHIN + ROUNDED_WITHIN / np.minimum(adjusted_before, adjusted)
    with np.errstate(divide="ignore"):
        ways = (split * (close + dividend) / before, split * close / (before - split * dividend))
        return np.logical_or.reduce([np.abs(adjusted / adjusted_before / way - 1.0) <= tolerance for way in ways])


def _multiplied_back(rows: pd.DataFrame, symbols: set[str]) -> pd.DataFrame:
    """Return the rows with some symbols' prices and dividends times all later splits, and volumes divided by them."""
    chosen = rows[rows["symbol"].isin(symbols)].sort_values(["symbol", "session"], kind="stable")
    if chosen.empty:
        return rows
    backwards = chosen.iloc[::-1]
    up_to = backwards.groupby("symbol", observed=True, sort=False)["split_factor"].cumprod().iloc[::-1]
    later = up_to / chosen["split_factor"]
    rows = rows.copy()
    for name in ("open", "high", "low", "close", "dividend"):
        rows.loc[chosen.index, name] = chosen[name] * later
    rows.loc[chosen.index, "volume"] = chosen["volume"] / later
    return rows


def _listing(earlier: pd.DataFrame, later: pd.DataFrame, path: Path) -> str:
    place_of = places(path, set(later["row"]))
    told = []
    for before, row in zip(earlier.itertuples(), later.itertuples(), strict=True):
        total = row.split_factor * (row.close + row.dividend) / before.close - 1.0
        adjusted = getattr(row, ADJUSTED) / getattr(before, ADJUSTED) - 1.0
        told.append(
            f"{place_of[row.row]}: column adj_close: {row.symbol} moves by {adjusted:.2%} since {before.session:%Y-%m-%d},"
            f" close, split and dividend by {total:.2%}; expected the same: a split or a dividend is missing or wrong."
            " Correct it, or leave the column out with `ignore=Adj Close`"
        )
    return listing(told)
