"""A small Massive: the documented answers for a market that a test describes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from sigma_assets.base.calendar import NEW_YORK, as_dates, nyse_calendar
from sigma_assets.providers.massive.provider import MassiveProvider
from sigma_assets_tests.providers.loopback import FakeClock, Loopback, Reply, Request, as_json

KEY = "secret-key-4711"
CALENDAR = nyse_calendar(last_day=date(2027, 12, 31))
TODAY = date(2025, 3, 14)
MASSIVE_COLUMNS = ("o", "h", "l", "c", "v")


def sessions_between(first: str, last: str) -> list[date]:
    """Return the NYSE sessions of a range of days."""
    return as_dates(CALENDAR.between(date.fromisoformat(first), date.fromisoformat(last)))


def bar(session: date, close: float | None, **fields: Any) -> dict[str, Any]:
    """Return one bar in the documented form; `t` is the start of the New York day in milliseconds."""
    moment = datetime.combine(session, time(), NEW_YORK).timestamp()
    return {
        "v": 1000,
        "vw": close,
        "o": close,
        "c": close,
        "h": close,
        "l": close,
        "t": int(moment * 1000),
        "n": 7,
    } | fields


def split(ticker: str, day: str, before: float, after: float) -> dict[str, Any]:
    """Return one record of /stocks/v1/splits."""
    kind = "forward_split" if after > before else "reverse_split"
    return {
        "id": "E1", "ticker": ticker, "execution_date": day, "split_from": before, "split_to": after,
        "adjustment_type": kind, "historical_adjustment_factor": before / after,
    }  # fmt: skip


def dividend(ticker: str, day: str, amount: float, currency: str = "USD") -> dict[str, Any]:
    """Return one record of /stocks/v1/dividends; cash_amount is not adjusted for later splits."""
    return {
        "id": "E2", "ticker": ticker, "ex_dividend_date": day, "cash_amount": amount, "currency": currency,
        "distribution_type": "recurring", "frequency": 4, "split_adjusted_cash_amount": amount / 100,
        "historical_adjustment_factor": 0.99, "pay_date": day, "record_date": day, "declaration_date": day,
    }  # fmt: skip


@dataclass
class FakeMassive:
    """The market, and the reference data about it."""

    bars: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    splits: list[dict[str, Any]] = field(default_factory=list)
    dividends: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    delisted: dict[str, dict[str, Any]] = field(default_factory=dict)
    renames: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    published_through: date | None = None
    history_from: date | None = None
    page_size: int | None = None

    def prices(self, ticker: str, closes: dict[date, float | None]) -> None:
        """Give a symbol bars."""
        self.bars[ticker] = [bar(session, close) for session, close in closes.items()]
        self.details.setdefault(ticker, {"ticker": ticker, "active": True, "list_date": "1999-01-04"})

    def answer(self, request: Request) -> Reply:
        """Answer one request as documented."""
        parts = request.path.strip("/").split("/")
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return as_json({"status": "ERROR", "request_id": "r", "error": f"Unknown API Key {KEY}x"}, 401)
        if parts[:3] == ["v2", "aggs", "ticker"]:
            return self._history(parts[3], date.fromisoformat(parts[7]), date.fromisoformat(parts[8]))
        if parts[:3] == ["v2", "aggs", "grouped"]:
            return self._market(date.fromisoformat(parts[-1]))
        if parts[:3] == ["stocks", "v1", "splits"]:
            return self._actions(request, self.splits, "execution_date")
        if parts[:3] == ["stocks", "v1", "dividends"]:
            return self._actions(request, self.dividends, "ex_dividend_date")
        if parts[-1] == "events":
            return self._events(parts[3])
        if parts == ["v3", "reference", "tickers"]:
            found = self.delisted.get(request.query["ticker"])
            return as_json({"results": [found] if found else [], "status": "OK", "request_id": "r"})
        if parts[:3] == ["v3", "reference", "tickers"] and parts[3] in self.details:
            return as_json({"results": self.details[parts[3]], "status": "OK", "request_id": "r"})
        return as_json({"status": "NOT_FOUND", "request_id": "r", "message": "Ticker not found."}, 404)

    def _refusal(self, first: date, last: date) -> Reply | None:
        words = None
        if self.published_through is not None and last > self.published_through:
            words = "Attempted to request today's data before end of day."
        elif self.history_from is not None and first < self.history_from:
            words = "Your plan doesn't include this data timeframe."
        if words is None:
            return None
        words += " Please upgrade your plan at https://massive.com/pricing"
        return as_json({"status": "NOT_AUTHORIZED", "request_id": "r", "message": words}, 403)

    def _history(self, ticker: str, first: date, last: date) -> Reply:
        found = [b for b in self.bars.get(ticker, []) if first <= _day(b) <= last]
        body = {
            "ticker": ticker,
            "queryCount": len(found),
            "resultsCount": len(found),
            "adjusted": False,
            "status": "OK",
        }
        # the service leaves `results` away where there are none
        return self._refusal(first, last) or as_json(
            body | ({"results": found} if found else {}) | {"count": len(found)}
        )

    def _market(self, session: date) -> Reply:
        closing = int(datetime.combine(session, time(16), NEW_YORK).timestamp() * 1000)  # not the day's start, as there
        found = [
            {"T": ticker, **b, "t": closing} for ticker, bars in self.bars.items() for b in bars if _day(b) == session
        ]
        body = {
            "queryCount": len(found),
            "resultsCount": len(found),
            "adjusted": False,
            "results": found,
            "status": "OK",
        }
        return self._refusal(session, session) or as_json(body)

    def _actions(self, request: Request, records: list[dict[str, Any]], day: str) -> Reply:
        query = request.query
        if "cursor" in query:
            first, last, names, start = query["cursor"].split("|")
        else:
            first, last, names, start = query[f"{day}.gte"], query[f"{day}.lte"], query.get("ticker.any_of", ""), "0"
        found = [r for r in records if first <= r[day] <= last and (not names or r["ticker"] in names.split(","))]
        size = self.page_size or int(query.get("limit", 10))
        at = int(start)
        body: dict[str, Any] = {"status": "OK", "request_id": "r", "results": found[at : at + size]}
        if at + size < len(found):
            cursor = f"{first}%7C{last}%7C{names}%7C{at + size}"
            body["next_url"] = f"https://elsewhere.example{request.path}?cursor={cursor}"
        return as_json(body)

    def _events(self, identifier: str) -> Reply:
        if identifier not in self.renames:
            return as_json({"status": "NOT_FOUND", "request_id": "r", "message": "not found"}, 404)
        events = [
            {"type": "ticker_change", "date": day, "ticker_change": {"ticker": name}}
            for day, name in self.renames[identifier]
        ]
        return as_json({"results": {"name": "X", "events": events}, "status": "OK", "request_id": "r"})


def provider_at(server: Loopback, clock: FakeClock, **options: Any) -> MassiveProvider:
    """Return the provider under test, pointed at the server."""
    options = {"pace": None, "timeout_seconds": 5.0} | options
    current: date = options.pop("current_session", TODAY)
    key: str = options.pop("api_key", KEY)
    sleep: Callable[[float], None] = clock.sleep
    return MassiveProvider(key, CALENDAR, current, base_url=server.url, sleep=sleep, **options)


def _day(record: dict[str, Any]) -> date:
    return datetime.fromtimestamp(record["t"] / 1000, NEW_YORK).date()
