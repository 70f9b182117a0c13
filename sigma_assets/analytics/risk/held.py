"""From lots to symbols held: one signed sum per portfolio, session and symbol."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.base.conventions import PORTFOLIO_SESSION
from sigma_assets.base.frames import FloatArray, SessionArray


@dataclass(frozen=True)
class HeldSymbols:
    """Symbols held by portfolio-sessions.

    Attributes
    ----------
    portfolio_id, session : arrays of shape (n_portfolio_sessions,)
        Sorted by both; session as datetime64[D].
    item : int array of shape (n_held,)
        Portfolio-session of each symbol held, ascending.
    symbol : str (object) array of shape (n_held,); sorted within a portfolio-session.
    value : float array of shape (n_held,)
        Sum over the lots of the symbol in the order of their ids; NaN if that of any lot is unknown.
    """

    portfolio_id: npt.NDArray[np.object_]
    session: SessionArray
    item: npt.NDArray[np.intp]
    symbol: npt.NDArray[np.object_]
    value: FloatArray

    def spans(self) -> Iterator[tuple[int, slice]]:
        """Yield each portfolio-session with the slice of its symbols."""
        bounds = np.searchsorted(self.item, np.arange(len(self.session) + 1)).tolist()
        for item, (start, stop) in enumerate(pairwise(bounds)):
            yield item, slice(start, stop)


def held_symbols(positions: pd.DataFrame, *, symbol: str, value: str) -> HeldSymbols:
    """Return the symbols that portfolios hold, with the signed sum of `value` over their lots.

    Parameters
    ----------
    positions : DataFrame with the columns of the table position_values, in any order; rows without symbol are ignored.
    symbol, value : columns to group by and to add up.
    """
    lots = positions[positions[symbol].notna()]
    keys, sums = sums_by(lots, (*PORTFOLIO_SESSION, symbol), lots[value].to_numpy(dtype=float, na_value=np.nan))
    portfolio_id, session = keys["portfolio_id"].to_numpy(dtype=object), _days(keys)
    is_new = np.ones(len(keys), dtype=bool)
    is_new[1:] = (portfolio_id[1:] != portfolio_id[:-1]) | (session[1:] != session[:-1])
    return HeldSymbols(
        portfolio_id=portfolio_id[is_new],
        session=session[is_new],
        item=np.cumsum(is_new) - 1,
        symbol=keys[symbol].to_numpy(dtype=object),
        value=sums,
    )


def sums_by(lots: pd.DataFrame, keys: Sequence[str], values: FloatArray) -> tuple[pd.DataFrame, FloatArray]:
    """Return the distinct keys, sorted, and the sum of `values` of each.

    Lots are added one by one in the order of `lot_id`: neither their order in the frame nor rows of other keys can
    change the last bit of a sum.
    """
    codes = [pd.factorize(lots[key], sort=True)[0] for key in (*keys, "lot_id")]
    order = np.lexsort(codes[::-1])
    is_new = np.zeros(len(order), dtype=bool)
    is_new[:1] = True
    for code in codes[:-1]:
        is_new[1:] |= np.diff(code[order]) != 0
    group = np.cumsum(is_new) - 1
    sums = np.bincount(group, weights=values[order]).astype(float)
    return lots.iloc[order[is_new]][list(keys)], sums


def _days(rows: pd.DataFrame) -> SessionArray:
    return rows["session"].to_numpy().astype("datetime64[D]")
