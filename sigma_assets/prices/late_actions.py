"""Which stored price rows say something else of a split or a dividend than their source does by now."""

import math
from collections.abc import Collection, Iterable
from itertools import pairwise

import pandas as pd

from sigma_assets.providers.actions import NO_ACTION, Action, Statement
from sigma_assets.providers.base import BAR_COLUMNS

SAME_WITHIN = 1e-4
"""Relative: Yahoo divides cash by later splits and rounds it, so multiplied back it moves by a part in ten thousand."""


def late_actions(
    stored: pd.DataFrame, statements: Iterable[Statement], source: str, renamed: Collection[str] = ()
) -> pd.DataFrame:
    """Return the stored rows whose split factor or dividend is not what their source states, as they should be.

    Prices stay as they are. A row is judged where the one before it is known to reach back to the statement: whatever
    happened in between belongs to it.

    Parameters
    ----------
    stored : DataFrame with `BAR_COLUMNS` and `source`, sorted by session within each symbol
        From the session after which the statements begin.
    source : who states it; rows from others are not judged.
    renamed : symbols of instruments with several names. Their actions may be known under another name, so one that is
        not stated is not taken to be withdrawn.

    Returns
    -------
    DataFrame with `BAR_COLUMNS`; without rows where nothing differs.
    """
    happened = stored.loc[(stored["split_factor"] != 1.0) | (stored["dividend"] != 0.0), "symbol"]
    news = {each.symbol: each for each in statements if each.is_readable}
    candidates = set(happened) | {symbol for symbol, each in news.items() if each.actions}  # few, most nights
    rows_of = dict(list(stored[stored["symbol"].isin(candidates)].groupby("symbol", sort=False)))
    corrected = []
    for statement in news.values():
        if statement.symbol in rows_of:
            corrected += _corrected(rows_of[statement.symbol], statement, source, statement.symbol in renamed)
    return pd.DataFrame(corrected, columns=list(BAR_COLUMNS)).astype(stored.dtypes[list(BAR_COLUMNS)].to_dict())


def _corrected(rows: pd.DataFrame, statement: Statement, source: str, is_renamed: bool) -> list[tuple[object, ...]]:
    corrected = []
    for before, row in pairwise(rows[[*BAR_COLUMNS, "source"]].itertuples(index=False)):
        session = row.session.date()
        earlier = before.session.date()
        if row.source != source or earlier < statement.after or session > statement.last:
            continue
        then, now = Action(row.split_factor, row.dividend), statement.between(earlier, session)
        if is_renamed:
            now = Action(
                then.split_factor if now.split_factor == NO_ACTION.split_factor else now.split_factor,
                then.dividend if now.dividend == NO_ACTION.dividend else now.dividend,
            )
        if not _same(then, now):
            corrected.append((*row[:-3], now.split_factor, now.dividend))
    return corrected


def _same(one: Action, other: Action) -> bool:
    return math.isclose(one.split_factor, other.split_factor, rel_tol=SAME_WITHIN) and math.isclose(
        one.dividend, other.dividend, rel_tol=SAME_WITHIN
    )
