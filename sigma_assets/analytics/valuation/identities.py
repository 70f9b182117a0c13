"""Identities that hold between the numbers of a portfolio whatever the prices (SPEC 4.3): each returns what breaks it."""

import numpy as np
import pandas as pd

from sigma_assets.base.conventions import PORTFOLIO_SESSION
from sigma_assets.base.frames import SessionArray


def exposure_breaks(snapshots: pd.DataFrame) -> pd.DataFrame:
    """Return the snapshots whose gross is not long - short, net not long + short, equity not cash and values.

    Returns
    -------
    DataFrame with `portfolio_id, session, gap`: the largest of the three differences, USD.
    """
    gaps = pd.concat(
        [
            snapshots["gross_exposure"] - (snapshots["long_value"] - snapshots["short_value"]),
            snapshots["net_exposure"] - (snapshots["long_value"] + snapshots["short_value"]),
            snapshots["equity"] - (snapshots["cash"] + _equivalents(snapshots) + snapshots["net_exposure"]),
        ],
        axis="columns",
    )
    gap = gaps.abs().max(axis="columns")
    return _broken(snapshots, gap, snapshots["gross_exposure"] + snapshots["equity"].abs())


def cash_breaks(
    snapshots: pd.DataFrame, lots: pd.DataFrame, flows: pd.DataFrame, calendar: SessionArray
) -> pd.DataFrame:
    """Return the sessions on which cash changed though no lot, dividend or flow explains it.

    Parameters
    ----------
    snapshots : rows of consecutive sessions; a session is judged where the session before it is there, too.
    lots, flows : of the same portfolios; entries, exits, expirations and flows between two sessions explain the later.
    calendar : all sessions, ascending.

    Returns
    -------
    DataFrame with `portfolio_id, session, gap`: the unexplained change of cash, USD.
    """
    ordered = snapshots.sort_values(PORTFOLIO_SESSION, ignore_index=True)
    position = np.searchsorted(calendar, ordered["session"].to_numpy(dtype="datetime64[D]"))
    follows = ordered["portfolio_id"].eq(ordered["portfolio_id"].shift()) & (np.diff(position, prepend=-2) == 1)
    change = ordered["cash"].diff().where(follows)
    explained = ordered["dividend_income"].ne(0) | pd.MultiIndex.from_frame(ordered[PORTFOLIO_SESSION]).isin(
        pd.MultiIndex.from_frame(_event_sessions(lots, flows, calendar))
    )
    judged = ordered[follows & ~explained]
    return _broken(judged, change[judged.index].abs(), judged["gross_exposure"] + judged["cash"].abs())


def value_breaks(snapshots: pd.DataFrame, positions: pd.DataFrame) -> pd.DataFrame:
    """Return the snapshots whose net exposure and cash equivalents are not the sum of their positions' market values.

    Returns
    -------
    DataFrame with `portfolio_id, session, gap`, USD.
    """
    total = positions.groupby(PORTFOLIO_SESSION)["market_value"].sum()
    wanted = total.reindex(pd.MultiIndex.from_frame(snapshots[PORTFOLIO_SESSION]), fill_value=0.0).to_numpy()
    found = snapshots["net_exposure"] + _equivalents(snapshots)
    return _broken(snapshots, (found - wanted).abs(), snapshots["gross_exposure"] + _equivalents(snapshots).abs())


def _equivalents(snapshots: pd.DataFrame) -> pd.Series:
    """Return the cash equivalents; rows of an older version counted them in net exposure and have none of their own."""
    return snapshots["cash_equivalents"].where(snapshots["cash_equivalents"].notna(), 0.0)


def weighted_sum_breaks(portfolios: pd.DataFrame, positions: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """Return the portfolio rows that are not the sum of their positions' contributions.

    Parameters
    ----------
    columns : portfolio column -> name of the column of `positions` that holds the contribution.

    Returns
    -------
    DataFrame with `portfolio_id, session, gap`: the largest difference, in the unit of the columns.
    """
    total = positions.groupby(PORTFOLIO_SESSION)[list(columns.values())].sum(min_count=1)
    wanted = total.reindex(pd.MultiIndex.from_frame(portfolios[PORTFOLIO_SESSION])).to_numpy(dtype=float)
    found = portfolios[list(columns)].to_numpy(dtype=float)
    gap = np.abs(found - wanted)
    gap[np.isnan(found) & np.isnan(wanted)] = 0.0
    gap[np.isnan(gap)] = np.inf
    return _broken(
        portfolios, pd.Series(gap.max(axis=1, initial=0.0), portfolios.index), pd.Series(1.0, portfolios.index)
    )


def _event_sessions(lots: pd.DataFrame, flows: pd.DataFrame, calendar: SessionArray) -> pd.DataFrame:
    dated = [
        lots[["portfolio_id", day]].rename(columns={day: "session"})
        for day in ("entry_date", "exit_date", "expiration_date")
    ]
    dated.append(flows[["portfolio_id", "flow_date"]].rename(columns={"flow_date": "session"}))
    events = pd.concat(dated, ignore_index=True).dropna(subset=["session"])
    days = events["session"].to_numpy(dtype="datetime64[D]")
    position = np.minimum(np.searchsorted(calendar, days, side="left"), len(calendar) - 1)
    return events.assign(session=calendar[position].astype("datetime64[s]"))[PORTFOLIO_SESSION]


def _broken(rows: pd.DataFrame, gap: pd.Series, scale: pd.Series) -> pd.DataFrame:
    """Return keys and gap where the gap is more than rounding: 1e-9 of the amounts involved, and a millionth."""
    is_broken = gap > 1e-6 + 1e-9 * scale
    return rows.loc[is_broken, PORTFOLIO_SESSION].assign(gap=gap[is_broken])
