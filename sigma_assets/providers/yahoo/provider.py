"""Price source `yahoo`: keyless, for personal use; has mutual funds. Needs the extra dependency yfinance."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sigma_assets.base.calendar import TradingCalendar, today
from sigma_assets.base.contracts import preferred_share
from sigma_assets.base.errors import ProviderUnavailableError
from sigma_assets.providers.actions import look_back_start
from sigma_assets.providers.bars import Absence, SymbolLedger, by_symbol, make_bars, missing
from sigma_assets.providers.base import Bars, later
from sigma_assets.providers.http import Caller, Failures, Pace
from sigma_assets.providers.yahoo.history import YahooHistory, fetch, import_yfinance

logger = logging.getLogger(__name__)

PERIODS = {"1mo": 28, "3mo": 88, "6mo": 180, "1y": 364, "2y": 729, "5y": 1825, "10y": 3651}
"""Periods that Yahoo offers, with the days that each covers for certain."""
LATEST_PROBE = "SPY"
QUIET_DAYS = 14
"""A symbol without a trade for so long has left the market."""


class YahooProvider:
    """Daily bars from Yahoo, one call per symbol, whatever the number of sessions.

    Parameters
    ----------
    calendar : NYSE sessions.
    current_session : last session that is over; nothing later is taken, and next-try days count from it.
    pace : of calls, one for each symbol; see `Caller`. Yahoo publishes no limit.
    timeout_seconds, attempts : of one call.
    session : HTTP session for yfinance; None = its own. For tests.
    today : the day on which Yahoo's periods end.
    sleep : for tests.
    """

    name = "yahoo"

    def __init__(
        self,
        calendar: TradingCalendar,
        current_session: date,
        *,
        pace: Pace | None,
        timeout_seconds: float = 30.0,
        attempts: int = 4,
        session: Any = None,
        today: Callable[[], date] = today,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        import_yfinance()
        self._calendar = calendar
        self._as_of = current_session
        self._timeout_seconds = timeout_seconds
        self._session = session
        self._today = today
        self._caller = Caller(self.name, pace=pace, attempts=attempts, sleep=sleep)

    def last_session(self) -> date:
        """Return the last session with a close; mutual funds follow in the evening or the next day."""
        history = self._history(LATEST_PROBE, self._calendar.shift(self._as_of, -5))
        days = [
            day
            for day, quote in history.quotes.items()
            if day <= self._as_of and quote.close > 0 and self._calendar.is_session(day)
        ]
        if not days:
            raise ProviderUnavailableError(
                f"yahoo: no close of {LATEST_PROBE} up to {self._as_of}, which cannot be; try again later"
            )
        return max(days)

    def daily_bars(self, wanted: Mapping[str, Sequence[date]]) -> Iterator[Bars]:
        """Yield one batch per symbol; see `PriceProvider.daily_bars`."""
        failures = Failures()
        for symbol, sessions in by_symbol(wanted).items():
            start = time.perf_counter()
            try:
                history = self._history(_yahoo_name(symbol), sessions[0])
            except ProviderUnavailableError as error:
                failures.note(symbol, error)
                continue
            failures.clear_row()
            self._warn_of_odd_days(symbol, history)
            ledger = SymbolLedger(symbol, history.actions, self._calendar, self._as_of, stated=self._stated(history))
            for session in sessions:
                quotes = [history.quotes[session]] if session in history.quotes else []
                ledger.enter(session, quotes, self._absence(history, session))
            ledger.finish()
            bars = make_bars(self.name, [ledger], self._caller.taken())
            logger.info("%s: %d sessions in %.1f s", symbol, len(bars.rows), time.perf_counter() - start)
            yield bars
        failures.raise_if_any()

    def _history(self, name: str, first: date) -> YahooHistory:
        period = self._period(first)
        return self._caller.call(
            name,
            lambda: fetch(
                name, period, self._calendar, timeout_seconds=self._timeout_seconds, session=self._session
            ),
        )  # fmt: skip

    def _period(self, first: date) -> str:
        days = (self._today() - first).days
        return next((period for period, covered in PERIODS.items() if covered > days), "max")

    def _stated(self, history: YahooHistory) -> tuple[date, date] | None:
        """Return of which sessions an answer has all actions: none of its first one, which it may have cut in two."""
        if not history.quotes:
            return None
        start = max(self._calendar.on_or_after(min(history.quotes)), look_back_start(self._calendar, self._as_of))
        return start, self._as_of

    def _absence(self, history: YahooHistory, session: date) -> Absence:
        """Return why a session has no bar, in Yahoo's words or by its age."""
        again = later(self._as_of)
        if history.is_unknown:
            return Absence("unknown_symbol", f"yahoo: {history.refusal}", again)
        if history.refusal is not None:
            return Absence("not_covered", f"yahoo: {history.refusal}", again)
        if history.unreadable_split is not None and session < history.unreadable_split:
            return Absence("rejected", "yahoo: before a split that cannot be read", self._as_of + timedelta(days=1))
        if history.last_trade is not None and session > history.last_trade + timedelta(days=QUIET_DAYS):
            return Absence("delisted", f"yahoo: last traded on {history.last_trade}", again)
        if history.first_trade is not None and session < history.first_trade:
            return Absence("not_yet_listed", f"yahoo: first traded on {history.first_trade}", None)
        return missing(session, self._as_of, "yahoo has no close")

    def _warn_of_odd_days(self, symbol: str, history: YahooHistory) -> None:
        odd = [str(day) for day in history.quotes if not self._calendar.is_session(day)]
        if odd:
            logger.warning("%s: bars left out, no NYSE session: %s", symbol, ", ".join(odd))


def _yahoo_name(symbol: str) -> str:
    """Return Yahoo's spelling: share class BRK.B is BRK-B there, preferred share BAC.PB is BAC-PB."""
    preferred = preferred_share(symbol)
    return "-P".join(preferred) if preferred else symbol.replace(".", "-")
