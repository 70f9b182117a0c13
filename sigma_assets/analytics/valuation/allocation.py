"""Long, short, net and gross by class (SPEC 4.13)."""

import pandas as pd

UNCLASSIFIED = "unclassified"
KEYS = ["portfolio_id", "session", "scheme", "class"]


def allocation(positions: pd.DataFrame, classes: pd.DataFrame) -> pd.DataFrame:
    """Return the market value of each class, per portfolio, session and scheme.

    Parameters
    ----------
    positions : DataFrame with `portfolio_id, session, lot_id, symbol, risk_symbol, market_value`.
    classes : DataFrame with `symbol, scheme, class, weight`; weights of a symbol and scheme add up to 1.

    Returns
    -------
    DataFrame sorted by key
        `long_value, short_value` (<= 0), `net_exposure, gross_exposure`, USD, and `share_of_gross`. An option without a
        class of its own has that of its underlying. What has no class in a scheme is `unclassified`: each scheme adds up to
        the portfolio. Without any class nothing is known of schemes, and there are no rows.
    """
    parts = [_of_scheme(positions, rows, str(scheme)) for scheme, rows in classes.groupby("scheme", sort=True)]
    columns = [*KEYS, "long_value", "short_value", "net_exposure", "gross_exposure", "share_of_gross"]
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat(parts).sort_values(KEYS, ignore_index=True)[columns]


def _of_scheme(positions: pd.DataFrame, classes: pd.DataFrame, scheme: str) -> pd.DataFrame:
    known = set(classes["symbol"])
    own = positions["symbol"].where(positions["symbol"].isin(known), positions["risk_symbol"])
    lots = positions.assign(own=own)[["portfolio_id", "session", "lot_id", "own", "market_value"]]
    rows = lots.sort_values(["portfolio_id", "session", "lot_id"]).merge(
        classes[["symbol", "class", "weight"]], left_on="own", right_on="symbol", how="left"
    )
    rows["class"] = rows["class"].where(rows["class"].notna(), UNCLASSIFIED)
    value = rows["market_value"] * rows["weight"].where(rows["weight"].notna(), 1.0)
    rows = rows.assign(scheme=scheme, long_value=value.clip(lower=0.0), short_value=value.clip(upper=0.0))
    totals = rows.groupby(KEYS, as_index=False)[["long_value", "short_value"]].sum()
    totals["net_exposure"] = totals["long_value"] + totals["short_value"]
    totals["gross_exposure"] = totals["long_value"] - totals["short_value"]
    whole = totals.groupby(KEYS[:3])["gross_exposure"].transform("sum")
    totals["share_of_gross"] = totals["gross_exposure"] / whole.where(whole > 0)
    return totals
