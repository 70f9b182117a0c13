"""Two sample books for a first look, written for any day: entries are counted back from the last session.

They hold symbols of the simulated market. Between them they show what an owner's book may hold: stocks, factor ETFs,
mutual funds, dividends, a split (AAPL, NVDA and WMT take turns each June), shorts, closed lots, an option and a private
lot.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sigma_assets.base.errors import CalendarError
from sigma_assets.holdings.brokers.sources import HEADER

SAMPLE_SESSIONS = 254
"""Sessions of history that both books have: a year of returns and the day of entry."""

CloseOf = Callable[[str, date], float]
"""Close of a symbol on a session, as traded, USD."""

_BALANCED = (
    ("AAPL", 95_000, "STOCK"),
    ("NVDA", 80_000, "STOCK"),
    ("WMT", 75_000, "STOCK"),
    ("JNJ", 90_000, "STOCK"),
    ("JPM", 85_000, "STOCK"),
    ("XOM", 70_000, "STOCK"),
    ("PG", 80_000, "STOCK"),
    ("VUG", 110_000, "ETF"),
    ("VTV", 110_000, "ETF"),
    ("LQD", 90_000, "ETF"),
    ("VFIAX", 110_000, "MUTUAL_FUND"),
    ("FCNTX", 60_000, "MUTUAL_FUND"),
    ("VBTLX", 80_000, "MUTUAL_FUND"),
)
"""Symbol, amount to invest in USD, subtype."""


@dataclass(frozen=True)
class SampleBook:
    """A portfolio and its holdings file, as an owner would hand them in."""

    name: str
    account_type: str
    initial_equity_usd: float
    file_name: str
    csv: str


def sample_books(sessions: Sequence[date], close_of: CloseOf) -> tuple[SampleBook, SampleBook]:
    """Return the books "Balanced" and "Long/Short".

    Parameters
    ----------
    sessions : ascending; the last `SAMPLE_SESSIONS` of them are used.
    close_of : lots are entered at the close of their day, so that the books start without a profit.

    Raises
    ------
    CalendarError
        There are fewer sessions than a book needs.
    """
    if len(sessions) < SAMPLE_SESSIONS:
        raise CalendarError(
            f"the sample books need {SAMPLE_SESSIONS} sessions; found {len(sessions)}: ask for a later day"
        )
    window = list(sessions)[-SAMPLE_SESSIONS:]
    return (
        SampleBook("Balanced", "taxable", 1_200_000.0, "balanced.csv", _balanced(window, close_of)),
        SampleBook("Long/Short", "trust", 750_000.0, "long_short.csv", _long_short(window, close_of)),
    )


def _balanced(window: list[date], close_of: CloseOf) -> str:
    entry = window[0]
    lots = [_purchase(symbol, amount, entry, kind, close_of) for symbol, amount, kind in _BALANCED]
    return _file(f"13 holdings, 3 of them factor ETFs, entered {entry}: initial equity 1200000", lots)


def _long_short(window: list[date], close_of: CloseOf) -> str:
    first, second, third, fourth = window[0], window[54], window[134], window[194]

    def stock(symbol: str, amount: int, entry: date, exit_date: date | None = None) -> str:
        return _purchase(symbol, amount, entry, "STOCK", close_of, exit_date)

    lots = [
        stock("MSFT", 120_000, first),
        stock("KO", 80_000, first),
        stock("BAC", -70_000, first),
        stock("GE", -60_000, second),
        stock("AMD", 60_000, second, fourth),
        stock("TSLA", -50_000, third),
        stock("BRK.B", 110_000, third),
        stock("DIS", 60_000, first, second),
        stock("LLY", 90_000, fourth),
        _purchase("QQQ", -90_000, third, "ETF", close_of),
        _protective_put("SPY", 5, close_of, fourth, window[-1]),
        _lot("HARBOR_FUND_II", 1, 60_000.0, second, "PRIVATE", "PRIVATE_EQUITY"),
    ]
    return _file("shorts, staggered entries, two closed lots, an option, a private lot: initial equity 750000", lots)


def _purchase(
    symbol: str, amount_usd: int, entry: date, subtype: str, close_of: CloseOf, exit_date: date | None = None
) -> str:
    """Return a lot of about an amount (negative = sold short), in whole shares."""
    price = close_of(symbol, entry)
    exit_price = None if exit_date is None else close_of(symbol, exit_date)
    return _lot(symbol, round(amount_usd / price), price, entry, "PUBLIC", subtype, exit_date, exit_price)


def _protective_put(underlying: str, contracts: int, close_of: CloseOf, entry: date, last: date) -> str:
    """Return a lot of puts struck at the money, a quarter beyond the last session.

    The premium is Brenner and Subrahmanyam's (1988) for options at the money, 0.4 x spot x volatility x sqrt(years),
    at a volatility of 16 %.
    """
    spot = close_of(underlying, entry)
    strike = round(spot)
    expiration = _third_friday(last + timedelta(days=90))
    premium = round(0.4 * spot * 0.16 * math.sqrt((expiration - entry).days / 365), 2)
    symbol = f"{underlying}{expiration:%y%m%d}P{strike * 1000:08d}"
    return _lot(symbol, contracts, premium, entry, "OPTIONS", "PUT")


def _third_friday(day: date) -> date:
    """Return the third Friday of the month of a day: when monthly options expire."""
    first = day.replace(day=1)
    return first + timedelta(days=(4 - first.weekday()) % 7 + 14)


def _lot(
    symbol: str,
    quantity: int,
    entry_price: float,
    entry: date,
    investment_class: str,
    subtype: str,
    exit_date: date | None = None,
    exit_price: float | None = None,
) -> str:
    leaving = "," if exit_date is None or exit_price is None else f"{exit_date},{exit_price:.2f}"
    return f"{symbol},{quantity},{entry_price:.2f},{entry},{investment_class},{subtype},,,,,{leaving},"


def _file(comment: str, lots: list[str]) -> str:
    return "\n".join([f"# {comment}", HEADER, *lots, ""])
