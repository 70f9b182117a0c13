"""Small histories that between them touch every table: through the command line, as a user would."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measuring import ROOT
from benchmarks.same.sides import Side

DATA = Path(os.environ.get("SIGMA_TEST_DATA", ROOT.parent / "shared" / "data"))
FACTOR_ETFS = (
    "SPY", "QQQ", "IWM", "VTI", "TLT", "IEF", "SHY", "HYG", "LQD", "VTV", "VUG", "MTUM", "QUAL", "USMV", "DJP", "VNQ", "GLD",
)  # fmt: skip
STOCKS = tuple(f"STK{number:02d}" for number in range(14))
SPLIT, PAYER, GAPPY, LATE, DELISTED = STOCKS[:5]
SINCE = {"SIGMA_FIRST_SESSION": "2015-01-02"}
"""From the first price on: by default a side would work on the last three years alone, and compare nothing."""
SESSIONS, INCEPTION, MIDDLE, NIGHTS = 300, 100, 220, 2
HEADER = (
    "Symbol,Quantity,Entry Price Per Share,Entry Date,Investment Class,Investment Subtype,Underlying Symbol,"
    "Strike Price,Expiration Date,Option Type,Exit Date,Exit Price Per Share"
)


@dataclass(frozen=True)
class History:
    """What is done on each side.

    Attributes
    ----------
    play : does it; the side's environment is there already.
    settings : environment variables of the side.
    depends_on_today : simulated prices end on the market's current session.
    skipped : why it cannot be played here; empty = it can.
    """

    name: str
    play: Callable[[Side], None]
    settings: dict[str, str] = field(default_factory=dict)
    depends_on_today: bool = False
    skipped: str = ""


def histories() -> list[History]:
    """Return the histories, in the order in which they are played."""
    prices = DATA / "prices_2015_2019.csv.gz"
    skipped = "" if prices.is_file() else f"no {prices}; SIGMA_TEST_DATA names the folder that has it"
    return [
        History("demo", _demo, depends_on_today=True),
        History("files", _files, {"SIGMA_PRICES": f"files:{prices}", **SINCE}, skipped=skipped),
        History("nightly", _nightly, {"SIGMA_PRICES": "files:prices.csv", **SINCE}),
    ]


def _demo(side: Side) -> None:
    side.call("demo")


def _import(side: Side, file: Path, name: str, equity: int) -> str:
    """Import a holdings file and return the portfolio's id, the last line printed.

    Its lines are sorted as lots are: before version 0.2 sums were taken in the order of the file.
    """
    rows = pd.read_csv(file, dtype=str, keep_default_na=False, comment="#")
    ordered = side.work / f"sorted_{file.name}"
    rows.sort_values(["Entry Date", "Symbol"], kind="stable").to_csv(ordered, index=False)
    printed = side.call("import", str(ordered), "--name", name, "--equity", str(equity))
    return printed.strip().splitlines()[-1]


def _files(side: Side) -> None:
    _import(side, DATA / "holdings_balanced.csv", "Balanced", 1_200_000)
    _import(side, DATA / "holdings_long_short.csv", "Long/Short", 750_000)
    side.call("run")


def _nightly(side: Side) -> None:
    """A first run in the middle, one to nearly the end, night by night to the end, then two corrected closes."""
    prices = generated_prices()
    days = sorted(prices["date"].unique())
    file = side.work / "prices.csv"

    def known_until(position: int) -> None:
        prices[prices["date"] <= days[position - 1]].to_csv(file, index=False)

    known_until(MIDDLE)
    for name, rows, equity in (("Mixed", _mixed(prices, days), 900_000), ("Plain", _plain(prices, days), 200_000)):
        holdings = side.work / f"{name}.csv"
        holdings.write_text("\n".join([HEADER, *rows, ""]))
        portfolio_id = _import(side, holdings, name, equity)
        side.call("flow", portfolio_id, days[INCEPTION + 50], "25000")
    side.call("run")
    for night in range(SESSIONS - NIGHTS, SESSIONS + 1):
        known_until(night)
        side.call("run")
    for symbol, position in ((SPLIT, 180), ("SPY", 250)):
        wrong = (prices["symbol"] == symbol) & (prices["date"] == days[position])
        prices.loc[wrong, ["open", "high", "low", "close"]] = (prices.loc[wrong, "close"] * 1.05).round(2).iloc[0]
    known_until(SESSIONS)
    side.call("prices", "reload")
    side.call("run")


def _mixed(prices: pd.DataFrame, days: list[str]) -> list[str]:
    first, second, third, last = (days[position] for position in (INCEPTION, 140, 190, 240))
    close = prices.set_index(["symbol", "date"])["close"]

    def lot(symbol: str, quantity: int, entry: str, leaving: str = ",") -> str:
        return f"{symbol},{quantity},{close[symbol, entry]:.2f},{entry},PUBLIC,STOCK,,,,,{leaving}"

    put = f"SPY251219P{round(close['SPY', third]) * 1000:08d}"
    return [
        *(lot(symbol, 300 + 40 * number, first) for number, symbol in enumerate((SPLIT, PAYER, *STOCKS[5:10]))),
        lot(GAPPY, 400, first),
        lot(DELISTED, 200, first),
        lot(LATE, 500, second),
        lot(PAYER, 150, second),  # a second lot of a symbol
        lot("QQQ", -350, second),
        lot(STOCKS[10], -600, first, f"{last},{close[STOCKS[10], last]:.2f}"),
        lot(STOCKS[11], 450, second, f"{third},{close[STOCKS[11], third]:.2f}"),
        f"{put},4,11.25,{third},OPTIONS,PUT,,,,,,",
        f"HARBOR_FUND_II,1,60000.00,{second},PRIVATE,PRIVATE_EQUITY,,,,,,",
    ]


def _plain(prices: pd.DataFrame, days: list[str]) -> list[str]:
    close = prices.set_index(["symbol", "date"])["close"]
    entry = days[INCEPTION]
    return [
        f"{symbol},250,{close[symbol, entry]:.2f},{entry},PUBLIC,ETF,,,,,," for symbol in ("SPY", "TLT", "VTV", "GLD")
    ]


def generated_prices() -> pd.DataFrame:
    """Return the same made-up market each time: a split, dividends, gaps, a late listing and a delisting.

    Returns
    -------
    DataFrame `date` (text), `symbol`, `open`, `high`, `low`, `close`, `volume`, `split_factor`, `dividend`; as traded, USD.
    """
    random = np.random.default_rng(2024)
    days = _sessions()
    common = random.standard_t(5, SESSIONS) * 0.007
    parts = []
    for number, symbol in enumerate((*FACTOR_ETFS, *STOCKS)):
        own = random.standard_normal(SESSIONS) * (0.004 if symbol in FACTOR_ETFS else 0.012)
        close = (40.0 + 13.0 * number) * np.cumprod(1.0 + random.uniform(-0.2, 1.6) * common + own)
        split_factor, dividend = np.ones(SESSIONS), np.zeros(SESSIONS)
        if symbol == SPLIT:
            split_factor[150] = 2.0
            close[150:] /= 2.0
        if symbol in (PAYER, "SPY", "LQD"):
            dividend[20 + number :: 63] = 0.35
        part = pd.DataFrame({"date": days, "symbol": symbol, "open": close.round(2)})
        part["high"], part["low"] = (close * 1.01).round(2), (close * 0.99).round(2)
        part["close"], part["volume"] = close.round(2), random.integers(10_000, 900_000, SESSIONS)
        parts.append(part.assign(split_factor=split_factor, dividend=dividend)[_is_there(symbol, random)])
    return pd.concat(parts, ignore_index=True)


def _is_there(symbol: str, random: np.random.Generator) -> np.ndarray:
    """Return the sessions on which a symbol trades; GAPPY is silent for longer than a price may be stale."""
    there = np.ones(SESSIONS, dtype=bool)
    if symbol == GAPPY:
        there[160:168] = False
        there[random.choice(np.arange(INCEPTION + 1, SESSIONS), 12, replace=False)] = False
    if symbol == LATE:
        there[:130] = False
    if symbol == DELISTED:
        there[205:] = False
    return there


def _sessions() -> list[str]:
    """Return the NYSE sessions up to 30 June 2025."""
    import exchange_calendars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # how the library reads time zones
        calendar = exchange_calendars.get_calendar("XNYS", start="2024-01-01", end="2025-06-30")
    return [f"{day:%Y-%m-%d}" for day in calendar.sessions[-SESSIONS:]]
