"""A small Yahoo: charts in its form, adjusted as Yahoo adjusts, for a market that a test describes."""

import math
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from sigma_assets.base.calendar import NEW_YORK
from sigma_assets_tests.providers.loopback import Loopback, Reply, Request, as_json

CHART = "/v8/finance/chart/"
NOT_FOUND = {"result": None, "error": {"code": "Not Found", "description": "No data found, symbol may be delisted"}}


def moment(day: date, at: time = time(9, 30)) -> int:
    """Return the seconds since 1970 of a New York time; Yahoo dates daily bars and events at the opening."""
    return int(datetime.combine(day, at, NEW_YORK).timestamp())


@dataclass
class Listing:
    """One symbol: what really traded, and what happened to it."""

    closes: dict[date, float | None]
    splits: dict[date, tuple[float, float]] = field(default_factory=dict)
    dividends: dict[date, float] = field(default_factory=dict)
    capital_gains: dict[date, float] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass
class FakeYahoo:
    """The market as of `now`: prices and cash are divided by every split between their day and now."""

    now: date
    listings: dict[str, Listing] = field(default_factory=dict)

    def answer(self, request: Request) -> Reply:
        """Answer one request as documented; everything but charts (cookies, crumb) gets a word."""
        if not request.path.startswith(CHART):
            return Reply(200, b"crumb")
        name = request.path.removeprefix(CHART)
        listing = self.listings.get(name)
        if listing is None:
            return as_json({"chart": NOT_FOUND}, 404)
        return as_json({"chart": {"result": [self._result(name, listing)], "error": None}})

    def _result(self, name: str, listing: Listing) -> dict[str, Any]:
        days = [day for day in sorted(listing.closes) if day <= self.now]
        last = max((day for day in days if listing.closes[day] is not None), default=None)
        adjusted = [self._adjusted(listing, day, listing.closes[day]) for day in days]
        volume = [None if listing.closes[day] is None else round(1000 * self._later(listing, day)) for day in days]
        quote = {"open": adjusted, "high": adjusted, "low": adjusted, "close": adjusted, "volume": volume}
        result: dict[str, Any] = {
            "meta": {
                "currency": "USD", "symbol": name, "instrumentType": "EQUITY",
                "exchangeTimezoneName": "America/New_York", "timezone": "EST", "gmtoffset": -18000,
                "priceHint": 2, "dataGranularity": "1d", "range": "1mo",
                "regularMarketTime": moment(last, time(16)) if last else None,
                "validRanges": ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"],
            } | listing.meta,
            "indicators": {"quote": [quote if days else {}], "adjclose": [{"adjclose": adjusted}]},
            "events": {
                "dividends": self._events(listing, listing.dividends),
                "capitalGains": self._events(listing, listing.capital_gains),
                "splits": {
                    str(moment(day)): {"date": moment(day), "numerator": n, "denominator": d, "splitRatio": f"{n}:{d}"}
                    for day, (n, d) in listing.splits.items() if day <= self.now
                },
            },
        }  # fmt: skip
        return result | ({"timestamp": [moment(day) for day in days]} if days else {})

    def _events(self, listing: Listing, amounts: dict[date, float]) -> dict[str, dict[str, float]]:
        return {
            str(moment(day)): {"amount": amount / self._later(listing, day), "date": moment(day)}
            for day, amount in amounts.items()
            if day <= self.now
        }

    def _adjusted(self, listing: Listing, day: date, price: float | None) -> float | None:
        return None if price is None else float(np.float32(price / self._later(listing, day)))

    def _later(self, listing: Listing, day: date) -> float:
        return math.prod(n / d for split_day, (n, d) in listing.splits.items() if day < split_day <= self.now)


def loopback_session(server: Loopback) -> Any:
    """Return a session of yfinance's own kind that sends every request to the server."""
    from curl_cffi.requests import Session

    class LoopbackSession(Session):
        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            parts = urlsplit(url)
            return super().request(method, f"{server.url}{parts.path}", *args, **kwargs)

    return LoopbackSession()
