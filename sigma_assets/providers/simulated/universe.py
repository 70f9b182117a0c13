"""The instruments of the simulated market: what drives each, what it costs at first, and what befalls it.

Tickers and the dates of listings, delistings and the rename are those of real companies; prices, sensitivities and
all else are made up and mean nothing about them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import numpy as np

SESSION_VOLATILITY = MappingProxyType(
    {
        "market": 0.0095,
        "rates": 0.0085,
        "value": 0.0040,
        "growth": 0.0050,
        "momentum": 0.0050,
        "quality": 0.0030,
        "size": 0.0060,
        "low_volatility": 0.0030,
        "credit": 0.0030,
        "commodity": 0.0100,
        "gold": 0.0090,
        "real_estate": 0.0060,
    }
)
"""Independent drivers of all returns, and the standard deviation of each per session."""
SESSION_DRIFT = MappingProxyType({"market": 0.0004, "rates": 0.0001, "gold": 0.0002})

EXTRA_SYMBOL = re.compile(r"SIM[0-9]{1,6}")
RENAMES = MappingProxyType({"FB": ("META", date(2022, 6, 9))})
"""Old symbol -> new symbol, and the first session of the new one."""
_SESSIONS_PER_YEAR_ROOT = 252**0.5


@dataclass(frozen=True)
class Instrument:
    """One listed instrument.

    Attributes
    ----------
    loadings : sensitivity to each driver of `SESSION_VOLATILITY`.
    own_volatility : standard deviation per session of what no driver explains.
    dividend_yield, dividend_phase : yield per year, paid each quarter; phase 0 in March, June, ..., 1 in April, ...
    split_ratio, split_phase : in June of the years with `year % 3 == split_phase` one share becomes `split_ratio`.
    has_gap : one session each September has no bar.
    """

    symbol: str
    kind: str
    start_price: float
    loadings: Mapping[str, float]
    own_volatility: float
    dividend_yield: float = 0.0
    dividend_phase: int = 0
    split_ratio: float = 1.0
    split_phase: int | None = None
    has_gap: bool = False
    listed: date | None = None
    last_traded: date | None = None


def _etf(symbol: str, price: float, dividend_yield: float = 0.0, own: float = 0.0003, **loadings: float) -> Instrument:
    return Instrument(symbol, "ETF", price, loadings, own, dividend_yield)


_ETFS = (
    _etf("SPY", 200, 0.013, 0.0, market=1.0),
    _etf("QQQ", 110, 0.006, market=1.08, growth=0.9, momentum=0.1),
    _etf("IWM", 112, 0.012, market=1.1, size=1.0),
    _etf("VTI", 104, 0.014, market=1.0, size=0.12),
    _etf("TLT", 120, 0.03, 0.0, rates=1.0),
    _etf("IEF", 105, 0.025, 0.0002, rates=0.45),
    _etf("SHY", 84, 0.02, 0.0001, rates=0.08),
    _etf("HYG", 80, 0.05, market=0.35, credit=1.0, rates=0.1),
    _etf("LQD", 114, 0.035, market=0.08, credit=0.4, rates=0.5),
    _etf("VTV", 81, 0.025, market=0.92, value=1.0),
    _etf("VUG", 106, 0.007, market=1.05, growth=1.0),
    _etf("MTUM", 73, 0.008, market=1.0, momentum=1.0),
    _etf("QUAL", 64, 0.012, market=0.96, quality=1.0),
    _etf("USMV", 41, 0.017, market=0.75, low_volatility=1.0),
    _etf("DJP", 21, 0.0, 0.0005, commodity=1.0, market=0.15),
    _etf("VNQ", 79, 0.038, 0.0005, market=0.75, real_estate=1.0, rates=0.25),
    _etf("GLD", 103, 0.0, 0.0003, gold=1.0, rates=0.2),
)

_FUNDS = (
    Instrument("VFIAX", "MUTUAL_FUND", 186, {"market": 1.0}, 0.0002, 0.014),
    Instrument("FCNTX", "MUTUAL_FUND", 10, {"market": 1.03, "growth": 0.7, "momentum": 0.3}, 0.002, 0.004),
    Instrument("VBTLX", "MUTUAL_FUND", 11, {"rates": 0.4, "credit": 0.15}, 0.0004, 0.028),
)

_SECTORS: Mapping[str, Mapping[str, float]] = {
    "technology": {"growth": 0.7, "momentum": 0.3, "value": -0.2},
    "financials": {"value": 0.7, "rates": -0.25, "credit": 0.3},
    "consumer": {"low_volatility": 0.6, "quality": 0.4},
    "health": {"low_volatility": 0.4, "quality": 0.5},
    "energy": {"value": 0.6, "commodity": 0.5},
    "industrials": {"value": 0.4, "size": 0.3},
    "communication": {"value": 0.3, "low_volatility": 0.3, "rates": 0.1},
}

# symbol, sector, first price in USD, sensitivity to the market, own volatility per year, dividend yield per year
_STOCKS = (
    ("AAPL", "technology", 800, 1.15, 0.19, 0.006),
    ("MSFT", "technology", 55, 1.05, 0.17, 0.009),
    ("NVDA", "technology", 1500, 1.70, 0.34, 0.001),
    ("GOOGL", "technology", 75, 1.10, 0.20, 0.0),
    ("AMZN", "technology", 64, 1.20, 0.24, 0.0),
    ("META", "technology", 105, 1.25, 0.28, 0.0),
    ("TSLA", "technology", 60, 1.80, 0.45, 0.0),
    ("INTC", "technology", 34, 1.10, 0.26, 0.02),
    ("AMD", "technology", 40, 1.75, 0.42, 0.0),
    ("CSCO", "technology", 27, 0.95, 0.17, 0.03),
    ("ORCL", "technology", 36, 0.95, 0.20, 0.014),
    ("CRM", "technology", 78, 1.20, 0.25, 0.0),
    ("JPM", "financials", 65, 1.15, 0.17, 0.026),
    ("BAC", "financials", 16, 1.30, 0.21, 0.024),
    ("V", "financials", 76, 0.95, 0.15, 0.007),
    ("MA", "financials", 96, 1.05, 0.16, 0.006),
    ("BRK.B", "financials", 131, 0.85, 0.11, 0.0),
    ("WMT", "consumer", 400, 0.60, 0.17, 0.015),
    ("PG", "consumer", 79, 0.50, 0.14, 0.025),
    ("KO", "consumer", 42, 0.55, 0.13, 0.031),
    ("PEP", "consumer", 99, 0.55, 0.13, 0.028),
    ("COST", "consumer", 161, 0.80, 0.17, 0.007),
    ("MCD", "consumer", 118, 0.65, 0.15, 0.022),
    ("HD", "consumer", 131, 1.00, 0.17, 0.024),
    ("JNJ", "health", 102, 0.55, 0.13, 0.028),
    ("PFE", "health", 32, 0.65, 0.19, 0.045),
    ("MRK", "health", 53, 0.60, 0.17, 0.028),
    ("UNH", "health", 117, 0.75, 0.20, 0.014),
    ("LLY", "health", 84, 0.60, 0.25, 0.01),
    ("XOM", "energy", 77, 0.90, 0.18, 0.037),
    ("CVX", "energy", 89, 0.95, 0.19, 0.04),
    ("CAT", "industrials", 67, 1.15, 0.20, 0.017),
    ("GE", "industrials", 230, 1.20, 0.26, 0.005),
    ("BA", "industrials", 141, 1.30, 0.30, 0.0),
    ("DIS", "communication", 103, 1.05, 0.21, 0.008),
    ("T", "communication", 34, 0.65, 0.18, 0.055),
    ("VZ", "communication", 46, 0.50, 0.15, 0.06),
    ("ATVI", "communication", 37, 0.80, 0.24, 0.006),
    ("WBA", "consumer", 83, 0.85, 0.28, 0.06),
    ("ARM", "technology", 63, 1.90, 0.45, 0.0),
)
_EVENTS: Mapping[str, Mapping[str, object]] = {
    "AAPL": {"split_ratio": 2.0, "split_phase": 0},
    "NVDA": {"split_ratio": 2.0, "split_phase": 1},
    "WMT": {"split_ratio": 2.0, "split_phase": 2},
    "GE": {"has_gap": True},
    "ARM": {"listed": date(2023, 9, 14)},
    "ATVI": {"last_traded": date(2023, 10, 13)},
    "WBA": {"last_traded": date(2025, 8, 27)},
}


def _stock(symbol: str, sector: str, price: float, market: float, own: float, dividend_yield: float) -> Instrument:
    loadings = {**_SECTORS[sector], "market": market}
    phase = sum(symbol.encode()) % 3
    stock = Instrument(symbol, "STOCK", price, loadings, own / _SESSIONS_PER_YEAR_ROOT, dividend_yield, phase)
    return stock if symbol not in _EVENTS else Instrument(**{**vars(stock), **_EVENTS[symbol]})


INSTRUMENTS: Mapping[str, Instrument] = MappingProxyType(
    {each.symbol: each for each in (*_ETFS, *_FUNDS, *(_stock(*row) for row in _STOCKS))}
)


def extra_stock(symbol: str, random: np.random.RandomState) -> Instrument:
    """Return a made-up stock, `SIM0001` and the like: all it is comes from its random numbers."""
    tilt, price, own, payout, phase = random.random_sample(5)
    sector = tuple(_SECTORS)[random.randint(len(_SECTORS))]
    market = round(0.4 + 1.2 * tilt, 3)
    dividend_yield = 0.0 if payout < 0.4 else round(0.04 * payout, 4)
    stock = _stock(symbol, sector, round(20 + 180 * price, 2), market, 0.15 + 0.3 * own, dividend_yield)
    return Instrument(**{**vars(stock), "dividend_phase": int(3 * phase)})
