"""The Massive service: the official client asks, this module decides what counts as an answer.

The client alone turns HTML, a body without results and HTTP 200 with an error status into an empty list, and gives up
on 429 within a second. So it is used with `raw=True`, and its connection pool is replaced by `CheckedPool`, through
which every request goes: paced, retried, and checked. Shapes: https://massive.com/docs/rest/stocks.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import urllib3

from sigma_assets.base.calendar import NEW_YORK
from sigma_assets.base.errors import ProviderAccessError, ProviderError
from sigma_assets.base.masking import HIDDEN, masked
from sigma_assets.providers.http import Caller, TransientError, retry_after_seconds

USABLE_STATUSES = ("OK", "DELAYED")
"""DELAYED is how plans with 15-minute data answer."""
PASSING_CODES = (408, 429, 499, *range(500, 600))
PAGE_LIMIT = 5000
"""Largest page of splits and dividends."""
BAR_LIMIT = 50_000
"""Largest page of daily bars: one call per symbol."""
EVENING = 19
"""New York hour at which the UTC day ends, in winter; the market's day ends at 16 (whole-market bars are dated so)."""
SYMBOLS_PER_CALL = 100
"""Symbols in one `ticker.any_of`: keeps the address short."""

Record = dict[str, Any]


class BeforeEndOfDayError(ProviderError):
    """The plan gives a session's prices only after the end of its day."""


class OutsidePlanError(ProviderError):
    """The plan does not reach back (or forward) to the sessions asked for."""


class NotFoundError(ProviderError):
    """The service knows nothing under this name."""


@dataclass(frozen=True)
class Answer:
    """A checked answer, in the form that the official client expects from its pool."""

    body: Record
    status: int = 200


class CheckedPool:
    """Stands where the official client keeps its urllib3 pool; raises for everything that is not a usable answer."""

    def __init__(self, pool: urllib3.PoolManager, caller: Caller, api_key: str) -> None:
        self._pool = pool
        self._caller = caller
        self._api_key = api_key

    def request(self, method: str, url: str, fields: Any = None, headers: Any = None) -> Answer:
        """Make one request; the signature is urllib3's."""
        what = f"{method} {urlsplit(url).path}"
        return self._caller.call(what, lambda: self._attempt(what, method, url, fields, headers))

    def _attempt(self, what: str, method: str, url: str, fields: Any, headers: Any) -> Answer:
        try:
            response = self._pool.request(method, url, fields=fields, headers=headers, retries=False, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise TransientError(f"{type(error).__name__}: {self._clean(str(error))}") from error
        body = _parsed(response.data)
        said = self._clean(_message(body, response.data))
        if response.status in PASSING_CODES:
            raise TransientError(
                f"HTTP {response.status}: {said}",
                retry_after=retry_after_seconds(response.headers.get("Retry-After")),
                throttled=response.status == 429,
            )
        refused = body is not None and body.get("status") == "NOT_AUTHORIZED"
        if response.status in (401, 403) or refused:
            raise _refusal(what, response.status, said)
        if response.status == 404:
            raise NotFoundError(f"massive: {what}: {said}")
        if response.status != 200:
            raise ProviderError(f"massive: {what}: HTTP {response.status}: {said}")
        return Answer(_checked(body, said))

    def _clean(self, text: str) -> str:
        return masked(text.replace(self._api_key, HIDDEN))


class MassiveApi:
    """The endpoints in use, each returning checked records."""

    def __init__(self, api_key: str, caller: Caller, *, base_url: str, timeout_seconds: float) -> None:
        from massive import RESTClient  # half a second to import

        self._client = RESTClient(
            api_key=api_key,
            base=base_url.rstrip("/"),
            connect_timeout=timeout_seconds,
            read_timeout=timeout_seconds,
            retries=0,
        )
        self._client.client = CheckedPool(self._client.client, caller, api_key)

    def history(self, ticker: str, first: date, last: date) -> list[Record]:
        """Return the daily bars of one symbol, as traded."""
        return list(
            self._pages(
                self._client.list_aggs,
                limit=BAR_LIMIT,
                ticker=ticker, multiplier=1, timespan="day", from_=first, to=last, adjusted=False, sort="asc",
            )
        )  # fmt: skip

    def market(self, session: date) -> list[Record]:
        """Return the bars of every listed symbol on one session, as traded, over-the-counter ones included."""
        answer = self._client.get_grouped_daily_aggs(session, adjusted=False, include_otc=True, raw=True)
        return _records(answer.body)

    def splits(self, tickers: Sequence[str] | None, first: date, last: date) -> Iterator[Record]:
        """Yield the splits of some symbols (None = of the whole market) that take effect in a range of days."""
        for some in _portions(tickers):
            yield from self._pages(
                self._client.list_stocks_splits,
                limit=PAGE_LIMIT,
                ticker_any_of=some, execution_date_gte=str(first), execution_date_lte=str(last),
                sort="execution_date.asc",
            )  # fmt: skip

    def dividends(self, tickers: Sequence[str] | None, first: date, last: date) -> Iterator[Record]:
        """Yield the cash dividends of some symbols (None = of the whole market) that go ex in a range of days."""
        for some in _portions(tickers):
            yield from self._pages(
                self._client.list_stocks_dividends,
                limit=PAGE_LIMIT,
                ticker_any_of=some, ex_dividend_date_gte=str(first), ex_dividend_date_lte=str(last),
                sort="ex_dividend_date.asc",
            )  # fmt: skip

    def details(self, ticker: str) -> Record:
        """Return the reference data of a symbol that is listed now; raises NotFoundError otherwise."""
        return _record(self._client.get_ticker_details(ticker, raw=True).body, ticker)

    def delisted(self, ticker: str) -> list[Record]:
        """Return the reference data of the instruments that once traded under this symbol."""
        answer = self._client.list_tickers(ticker=ticker, active=False, market="stocks", limit=100, raw=True)
        return _records(answer.body)

    def renames(self, identifier: str) -> list[tuple[date, str]]:
        """Return since when an instrument (symbol or composite FIGI) had which symbol, oldest first."""
        answer = self._client.get_ticker_events(identifier, types="ticker_change", raw=True)
        events = _record(answer.body, identifier).get("events") or []
        return sorted((date.fromisoformat(event["date"]), event["ticker_change"]["ticker"]) for event in events)

    def _pages(self, ask: Callable[..., Answer], *, limit: int, **question: Any) -> Iterator[Record]:
        body = ask(**question, limit=limit, raw=True).body
        yield from _records(body)
        fixed = {
            name: question[name] for name in ("ticker", "multiplier", "timespan", "from_", "to") if name in question
        }
        while body.get("next_url"):
            # only the cursor is taken: a foreign host in next_url would be sent our key
            cursor = dict(parse_qsl(urlsplit(body["next_url"]).query))
            body = ask(**fixed, params=cursor, raw=True).body
            yield from _records(body)


def session_of(record: Record) -> date:
    """Return the New York day of a bar of one symbol's history (`t`: milliseconds since 1970, start of the bar).

    Raises
    ------
    ProviderError
        The bar has no moment, or an evening's: days of another time zone would put each price on the day before.
    """
    milliseconds = number(record.get("t"), "massive")
    if math.isnan(milliseconds):
        raise ProviderError("massive: a bar without a time; the service may have changed its answers")
    start = datetime.fromtimestamp(milliseconds / 1000, NEW_YORK)
    if start.hour >= EVENING:
        raise ProviderError(
            f"massive: a daily bar is dated {start:%Y-%m-%d %H:%M} in New York, expected the start of a day;"
            " the service may have changed its answers"
        )
    return start.date()


def _portions(tickers: Sequence[str] | None) -> list[str | None]:
    if tickers is None:
        return [None]
    return [",".join(tickers[at : at + SYMBOLS_PER_CALL]) for at in range(0, len(tickers), SYMBOLS_PER_CALL)]


def _parsed(payload: bytes) -> Record | None:
    try:
        body = json.loads(payload)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _message(body: Record | None, payload: bytes) -> str:
    if body is not None:
        return str(body.get("error") or body.get("message") or body.get("status") or "no message")
    start = payload[:60].decode("utf-8", errors="replace").strip()
    return f"not JSON, {len(payload)} bytes starting {start!r}"


def _refusal(what: str, status: int, said: str) -> ProviderError:
    if "before end of day" in said.lower():
        return BeforeEndOfDayError(f"massive: {what}: {said}")
    if "timeframe" in said.lower():
        return OutsidePlanError(f"massive: {what}: {said}")
    step = "check MASSIVE_API_KEY" if status == 401 else "this data needs another plan (https://massive.com/pricing)"
    return ProviderAccessError(f"massive: {what}: HTTP {status}: {said}; {step}")


def _checked(body: Record | None, said: str) -> Record:
    """Return the body of an HTTP 200 if it is an answer; an answer without results must say itself that it has none."""
    if body is None:
        raise TransientError(f"HTTP 200, but {said}")
    if body.get("status") not in USABLE_STATUSES:
        raise TransientError(f"HTTP 200, but status {body.get('status')}: {said}")
    if body.get("adjusted"):
        raise ProviderError("massive: requested prices as traded (adjusted=false), but received adjusted ones")
    count = body.get("resultsCount", body.get("count"))
    results = body.get("results")
    if results is None and count != 0:
        raise TransientError(f"HTTP 200, but no results (count: {count})")
    if isinstance(results, list) and isinstance(body.get("resultsCount"), int) and len(results) < body["resultsCount"]:
        raise TransientError(f"HTTP 200, but {len(results)} of {body['resultsCount']} results")
    return body


def _records(body: Record) -> list[Record]:
    results = body.get("results") or []
    if not isinstance(results, list) or not all(isinstance(record, dict) for record in results):
        raise ProviderError("massive: results should be a list of objects; the service may have changed its answers")
    return results


def _record(body: Record, name: str) -> Record:
    results = body.get("results")
    if not results:
        raise NotFoundError(f"massive: nothing under {name}")
    if not isinstance(results, dict):
        raise ProviderError("massive: results should be an object; the service may have changed its answers")
    return results


def number(value: object, source: str) -> float:
    """Return a JSON number as float; null is NaN.

    Raises
    ------
    ProviderError
        It is neither a number nor null: the vendor has changed its answers, and guessing would store wrong prices.
    """
    if value is None:
        return math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ProviderError(
        f"{source}: expected a number or null, found {value!r}; the service may have changed its answers"
    )
