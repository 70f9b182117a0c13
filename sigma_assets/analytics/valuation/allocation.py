"""Long, short, net and gross by class (SPEC 4.13)."""

from collections.abc import Mapping

import pandas as pd

from sigma_assets.analytics.valuation.values import is_cash_equivalent
from sigma_assets.base.conventions import UNCLASSIFIED

KEYS = ["portfolio_id", "session", "scheme", "class"]
VALUES = ["long_value", "short_value", "cash_equivalents"]


def allocation(
    positions: pd.DataFrame, classes: pd.DataFrame, of_lots: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Return the market value of each class, per portfolio, session and scheme.

    Parameters
    ----------
    positions : DataFrame with `portfolio_id, session, lot_id, symbol, risk_symbol, risk_value, market_value`.
    classes : DataFrame with `symbol, scheme, class, weight`; weights of a symbol and scheme add up to 1.
    of_lots : further schemes, in which each lot is wholly in one class, and the column of `positions` that names it: lots of
        one symbol may differ.

    Returns
    -------
    DataFrame sorted by key
        `long_value, short_value` (<= 0), `net_exposure, gross_exposure, cash_equivalents`, USD, and `share_of_gross`. Cash
        equivalents are no exposure and count in their own column alone. An option without a class of its own has that of
        its underlying. What has no class in a scheme is `unclassified`: each scheme adds up to the portfolio. Without any
        class nothing is known of schemes, and there are no rows.
    """
    lots = lots_in_classes(positions, classes, of_lots)
    parts = [_of_scheme(rows) for _, rows in lots.groupby("scheme", sort=True)]
    columns = [
        *KEYS,
        "long_value",
        "short_value",
        "net_exposure",
        "gross_exposure",
        "cash_equivalents",
        "share_of_gross",
    ]
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat(parts).sort_values(KEYS, ignore_index=True)[columns]


def lots_in_classes(
    positions: pd.DataFrame, classes: pd.DataFrame, of_lots: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Return each lot once for each class that it is in, of each scheme.

    Parameters
    ----------
    positions, classes, of_lots : as in `allocation`.

    Returns
    -------
    DataFrame, in each scheme sorted by portfolio, session and lot
        Those of `positions`, and `scheme, class, class_weight`: the share of the lot's value that counts for the class; and
        `is_cash`: whether it is a cash equivalent.
    """
    ordered = positions.assign(is_cash=is_cash_equivalent(positions)).sort_values(["portfolio_id", "session", "lot_id"])
    parts = [
        ordered.assign(scheme=scheme, class_weight=1.0, **{"class": ordered[column]})
        for scheme, column in (of_lots or {}).items()
    ]
    for scheme, of_scheme in classes.groupby("scheme", sort=True):
        known = set(of_scheme["symbol"])
        own = ordered["symbol"].where(ordered["symbol"].isin(known), ordered["risk_symbol"])
        weights = of_scheme[["symbol", "class", "weight"]].rename(columns={"symbol": "own", "weight": "class_weight"})
        rows = ordered.assign(own=own).merge(weights, on="own", how="left").drop(columns="own").assign(scheme=scheme)
        rows["class"] = rows["class"].where(rows["class"].notna(), UNCLASSIFIED)
        rows["class_weight"] = rows["class_weight"].where(rows["class_weight"].notna(), 1.0)
        parts.append(rows)
    return pd.concat(parts) if parts else pd.DataFrame(columns=[*ordered.columns, "scheme", "class", "class_weight"])


def _of_scheme(lots: pd.DataFrame) -> pd.DataFrame:
    value = lots["market_value"] * lots["class_weight"]
    cash = value.where(lots["is_cash"], 0.0)
    exposure = value - cash
    sides = {"long_value": exposure.clip(lower=0.0), "short_value": exposure.clip(upper=0.0)}
    totals = lots.assign(**sides, cash_equivalents=cash).groupby(KEYS, as_index=False)[VALUES].sum()
    totals["net_exposure"] = totals["long_value"] + totals["short_value"]
    totals["gross_exposure"] = totals["long_value"] - totals["short_value"]
    whole = totals.groupby(KEYS[:3])["gross_exposure"].transform("sum")
    totals["share_of_gross"] = totals["gross_exposure"] / whole.where(whole > 0)
    return totals
