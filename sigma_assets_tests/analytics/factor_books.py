"""Position values and symbol factors made by hand."""

import numpy as np
import pandas as pd

from sigma_assets.base.conventions import FACTORS, REGRESSIONS

EQUITY = 100_000.0
MONDAY, TUESDAY = pd.Timestamp("2024-01-08"), pd.Timestamp("2024-01-09")


def lot(lot_id, symbol, value, **changes):
    """Return the row of one public lot on Monday in portfolio P; `changes` overrides columns."""
    row = {
        "portfolio_id": "P",
        "session": MONDAY,
        "lot_id": lot_id,
        "symbol": symbol,
        "market_value": value,
        "risk_symbol": symbol,
        "risk_value": value,
        "risk_weight": value / EQUITY,
    }
    return {**row, **changes}


def private_lot(lot_id, value, **changes):
    return lot(lot_id, "FUND", value, risk_symbol=None, risk_value=np.nan, risk_weight=np.nan, **changes)


def positions(*lots):
    columns = [
        "portfolio_id",
        "session",
        "lot_id",
        "symbol",
        "market_value",
        "risk_symbol",
        "risk_value",
        "risk_weight",
    ]
    rows = pd.DataFrame(lots, columns=columns)
    return rows.astype({"session": "datetime64[s]", "market_value": float, "risk_value": float, "risk_weight": float})


def factors(betas_of, session=MONDAY):
    """Return wide symbol_factors: symbol -> {factor: beta}; what is not given is unknown."""
    rows = []
    for symbol, known in betas_of.items():
        row = {"session": session, "symbol": symbol}
        row |= {f"{factor}_beta": known.get(factor, np.nan) for factor in FACTORS}
        row |= {f"{name}_r_squared": 0.5 if name in known else np.nan for name in REGRESSIONS}
        row |= {f"{name}_observations": 90.0 if name in known else np.nan for name in REGRESSIONS}
        rows.append(row)
    return pd.DataFrame(rows).astype({"session": "datetime64[s]"})
