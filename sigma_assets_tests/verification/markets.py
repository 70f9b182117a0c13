"""Markets for whole-pipeline tests: a real one if it is at hand, and a simulated one with everything that goes wrong."""

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sigma_assets.base.calendar import as_dates, nyse_calendar
from sigma_assets.base.conventions import FACTOR_ETFS

CHECKOUT = Path(__file__).parents[2]
REAL = Path(os.environ.get("SIGMA_TEST_DATA", CHECKOUT.parent / "shared" / "data"))
LAST = date(2021, 6, 30)
N_SESSIONS = 640
CSV_HEADER = (
    "Symbol,Quantity,Entry Price Per Share,Entry Date,Investment Class,Underlying Symbol,Strike Price,Expiration Date,"
    "Option Type,Exit Date,Exit Price Per Share"
)


@dataclass(frozen=True)
class Market:
    """A file of prices, a file of holdings, and the prices as tables: sessions x symbols, as a reader of the file sees.

    Attributes
    ----------
    close, split_factor, dividend : DataFrames; NaN, 1 and 0 where the file has no row.
    """

    prices: Path
    holdings: bytes
    equity: float
    close: pd.DataFrame
    split_factor: pd.DataFrame
    dividend: pd.DataFrame

    @property
    def returns(self) -> pd.DataFrame:
        """Total simple returns, written down anew."""
        return self.split_factor * (self.close + self.dividend) / self.close.ffill().shift() - 1


def market_of(prices: Path, holdings: bytes, equity: float) -> Market:
    """Return the market of two files."""
    rows = pd.read_csv(prices)
    rows.columns = rows.columns.str.lower()
    rows["date"] = pd.to_datetime(rows["date"])
    close = rows.pivot(index="date", columns="symbol", values="close")
    sessions = pd.DatetimeIndex(nyse_calendar().between(close.index[0].date(), close.index[-1].date()))
    close = close.reindex(sessions)
    tables = {"split_factor": 1.0, "dividend": 0.0}
    for name, nothing in tables.items():
        if name in rows:
            known = rows.pivot(index="date", columns="symbol", values=name).reindex(sessions)
            tables[name] = known.where(known.notna(), nothing)
        else:
            tables[name] = pd.DataFrame(nothing, index=sessions, columns=close.columns)
    return Market(prices, holdings, equity, close, **tables)


def real_market() -> Market:
    """Return the market of the shared folder; skips visibly without it."""
    prices = REAL / "prices_2015_2019.csv.gz"
    if not prices.exists():
        pytest.skip(f"no real prices in {REAL}; SIGMA_TEST_DATA names another folder")
    return market_of(prices, (REAL / "holdings_balanced.csv").read_bytes(), 1_200_000.0)


def simulated_market(folder: Path) -> Market:
    """Return factor ETFs and eight stocks over 640 sessions: gaps, a split, dividends, a late listing, a delisting."""
    random = np.random.default_rng(11)
    sessions = nyse_calendar().between(date(2018, 1, 2), LAST)[-N_SESSIONS:]
    symbols = [*FACTOR_ETFS, *(f"S{number}" for number in range(8))]
    common = random.normal(0.0004, 0.01, (N_SESSIONS, 1))
    own = random.normal(0, 0.007, (N_SESSIONS, len(symbols)))
    growth = np.cumprod(1 + random.uniform(0.2, 1.3, len(symbols)) * common + own, axis=0)
    close = pd.DataFrame(np.round(100 * growth, 4), index=pd.DatetimeIndex(sessions), columns=symbols)
    split_factor = pd.DataFrame(1.0, index=close.index, columns=symbols)
    dividend = pd.DataFrame(0.0, index=close.index, columns=symbols)
    close.iloc[-20:, symbols.index("S0")] = np.round(close.iloc[-20:, symbols.index("S0")] / 2, 4)
    split_factor.iloc[-20, symbols.index("S0")] = 2.0
    dividend.loc[close.index[-10], ["S1", "SPY"]] = 0.75
    close.iloc[:-200, symbols.index("S2")] = np.nan  # listed late: too late for a full spread window at first
    close.iloc[-8:, symbols.index("S3")] = np.nan  # delisted
    close.iloc[random.choice(N_SESSIONS - 30, 40, replace=False), symbols.index("S4")] = np.nan
    close.iloc[-1, symbols.index("S5")] = np.nan  # a day late
    tables = {"close": close, "split_factor": split_factor, "dividend": dividend}
    rows = pd.DataFrame({name: table.stack() for name, table in tables.items()}).dropna()
    rows = rows.rename_axis(["date", "symbol"]).reset_index()
    prices = folder / "prices.csv"
    rows.to_csv(prices, index=False)
    return market_of(prices, _holdings(close), 500_000.0)


def _holdings(close: pd.DataFrame) -> bytes:
    """Return a book that starts 30 sessions before the end: long, short, an option, a private lot, an exit, a late entry."""
    first, later, exit_day = (as_dates(close.index[[place]].to_numpy())[0] for place in (-30, -12, -5))
    expiry = date(2021, 12, 17)
    lines = [
        CSV_HEADER,
        *(f"S{number},{400 + 50 * number},{100 + number},{first},,,,,,," for number in range(6)),
        f"S6,-300,101.5,{first},,,,,,,",
        f"S7,700,99.25,{later},,,,,,,",
        f"GLD,250,100,{first},,,,,,{exit_day},103.5",
        f"QQQ,200,100,{first},,,,,,,",
        f"S1211217C00100000,5,7.5,{first},OPTIONS,S1,100,{expiry},CALL,,",
        f"VINEYARD,20,1000,{first},PRIVATE,,,,,,",
    ]
    return "\n".join(lines).encode()
