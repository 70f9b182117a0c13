"""Price source `massive` (formerly Polygon.io): as-traded daily bars, splits and dividends of US stocks and ETFs."""

import logging
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta

from sigma_assets.errors import ProviderUnavailableError, SettingsError
from sigma_assets.providers.bars import (
    Absence,
    Action,
    Quote,
    SymbolLedger,
    make_bars,
    missing,
    unserved_all,
)
from sigma_assets.providers.base import Bars
from sigma_assets.providers.http import Caller, Failures, Meter
from sigma_assets.providers.massive_actions import actions_by_symbol
from sigma_assets.providers.massive_api import (
    BeforeEndOfDayError,
    MassiveApi,
    OutsidePlanError,
    Record,
    session_of,
)
from sigma_assets.providers.massive_plan import fewest_calls
from sigma_assets.providers.massive_standing import ASK_AGAIN_DAYS, Standing, look_up
from sigma_assets.providers.numbers import number
from sigma_assets.trading_calendar import TradingCalendar, as_dates

logger = logging.getLogger(__name__)

BASE_URL = "https://api.massive.com"
FREE_CALLS_PER_MINUTE = 5
PLAN_YEARS = (10, 5, 2)
"""How far back the plans reach (Developer, Starter, Basic); the largest plans have everything."""
LATEST_PROBE = "SPY"
"""Trades every session: its last bar is the last session that the source has."""

_FUND = re.compile(r"[A-Z]{4}X")
_OPTION = re.compile(r"[A-Z.]{1,6}\d{6}[CP]\d{8}")


class MassiveProvider:
    """Daily bars from Massive, in the fewest calls.

    Parameters
    ----------
    api_key : the key; never shown.
    calendar : NYSE sessions.
    current_session : last session that is over; nothing later is asked for, and next-try days count from it.
    calls_per_minute : 5 is the free plan; None = no limit (paid plans).
    base_url, timeout_seconds, proxy : of the service; the proxy as a URL.
    clock, sleep : for tests.
    """

    name = "massive"

    def __init__(
        self,
        api_key: str,
        calendar: TradingCalendar,
        current_session: date,
        *,
        calls_per_minute: int | None = FREE_CALLS_PER_MINUTE,
        base_url: str = BASE_URL,
        timeout_seconds: float = 30.0,
        attempts: int = 5,
        proxy: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not api_key:
            raise SettingsError(
                "price source massive needs a key: set MASSIVE_API_KEY (from https://massive.com/dashboard)"
            )
        self._calendar = calendar
        self._current_session = current_session
        self._caller = Caller(
            "massive", calls_per_minute=calls_per_minute, attempts=attempts, clock=clock, sleep=sleep
        )  # fmt: skip
        self._api = MassiveApi(api_key, self._caller, base_url=base_url, timeout_seconds=timeout_seconds, proxy=proxy)
        self._plan_start: date | None = None
        self._standings: dict[str, Standing] = {}
        self._read = Meter()

    def last_session(self) -> date:
        """Return the last session for which the plan gives prices: on the free plan not before the next day."""
        last = self._current_session
        for _ in range(3):
            try:
                bars = self._api.history(LATEST_PROBE, last - timedelta(days=10), last)
            except BeforeEndOfDayError:
                last = self._calendar.shift(last, -1)
                continue
            days = [day for day in map(session_of, bars) if self._calendar.is_session(day) and day <= last]
            if days:
                return max(days)
            break
        raise ProviderUnavailableError(
            f"massive: no bar of {LATEST_PROBE} in the ten days to {last}, which cannot be; try again later"
        )

    def daily_bars(self, wanted: Mapping[str, Sequence[date]]) -> Iterator[Bars]:
        """Yield one batch per call; see `PriceProvider.daily_bars`."""
        tidy = {symbol: sorted(set(sessions)) for symbol, sessions in sorted(wanted.items()) if sessions}
        refused = {symbol: _not_offered(symbol, self._current_session) for symbol in tidy}
        gone = [unserved_all(symbol, tidy[symbol], why) for symbol, why in refused.items() if why]
        if gone:
            yield make_bars(self.name, (), Meter(), refused=gone)
        offered = {symbol: sessions for symbol, sessions in tidy.items() if refused[symbol] is None}
        if not offered:
            return
        plan = fewest_calls(offered)
        logger.info(
            "massive: %d symbols: %d histories, %d whole-market sessions",
            len(offered), len(plan.symbols), len(plan.sessions),
        )  # fmt: skip
        actions = actions_by_symbol(
            self._api, self._calendar, {_ticker(symbol): days for symbol, days in offered.items()}
        )
        ledgers = {
            symbol: SymbolLedger(symbol, actions.get(_ticker(symbol), {}), self._calendar, self._current_session)
            for symbol in offered
        }
        failures = Failures()
        yield from self._histories({symbol: offered[symbol] for symbol in plan.symbols}, ledgers, failures)
        by_market = {symbol: days for symbol, days in offered.items() if symbol not in set(plan.symbols)}
        yield from self._markets(plan.sessions, by_market, ledgers, failures)
        failures.raise_if_any()

    def _histories(
        self, wanted: Mapping[str, Sequence[date]], ledgers: Mapping[str, SymbolLedger], failures: Failures
    ) -> Iterator[Bars]:
        for symbol, sessions in wanted.items():
            start = time.perf_counter()
            try:
                quotes, absences, renamed = self._history(symbol, sessions, ledgers[symbol])
            except ProviderUnavailableError as error:
                failures.note(symbol, error)
                continue
            failures.clear_row()
            for session in sessions:
                ledgers[symbol].enter(session, quotes.get(session, ()), absences.get(session))
            ledgers[symbol].finish()
            bars = make_bars(self.name, [ledgers[symbol]], self._cost(), renamed=renamed)
            logger.info("%s: %d sessions in %.1f s", symbol, len(bars.rows), time.perf_counter() - start)
            yield bars

    def _history(
        self, symbol: str, sessions: Sequence[date], ledger: SymbolLedger
    ) -> tuple[dict[date, list[Quote]], dict[date, Absence], dict[str, str]]:
        """Return quotes and reasons per session, and the symbol's other name if some quotes came under it."""
        ticker = _ticker(symbol)
        quotes, absences = self._quotes(ticker, sessions)
        asked = [session for session in sessions if session not in absences]
        if not asked or (asked[0] in quotes and asked[-1] in quotes):
            return quotes, absences, {}
        first = min((day for day in quotes if day in set(asked)), default=None)
        if first is not None and asked[0] not in quotes and self._at_plan_start(first):
            absences |= {day: self._outside_plan("the source's history begins later") for day in asked if day < first}
            asked = [day for day in asked if day >= first]
        return self._explained(symbol, asked, quotes, absences, ledger)

    def _explained(
        self,
        symbol: str,
        asked: Sequence[date],
        quotes: dict[date, list[Quote]],
        absences: dict[date, Absence],
        ledger: SymbolLedger,
    ) -> tuple[dict[date, list[Quote]], dict[date, Absence], dict[str, str]]:
        holes = [session for session in asked if session not in quotes]
        if not holes:
            return quotes, absences, {}
        first = min((day for day in quotes if day in set(asked)), default=None)
        leading = first is None or holes[0] < first
        standing = self._standing(_ticker(symbol), earlier_names=leading)
        renamed: dict[str, str] = {}
        for other, days in (
            (standing.earlier, [day for day in holes if first is None or day < first]),
            (standing.later, [day for day in holes if not quotes or day > max(quotes)]),
        ):
            if other and days:
                found, _ = self._quotes(other, days)
                quotes |= {day: found[day] for day in days if day in found}
                ledger.add_actions(actions_by_symbol(self._api, self._calendar, {other: days}).get(other, {}))
                renamed |= {symbol: other} if other == standing.later else {other: symbol}
                logger.info("%s: %d sessions under its other name %s", symbol, len(found), other)
        as_of = self._current_session
        absences |= {day: standing.absence(day, as_of) for day in holes if day not in quotes}
        return quotes, absences, renamed

    def _markets(
        self,
        sessions: Sequence[date],
        wanted: Mapping[str, Sequence[date]],
        ledgers: Mapping[str, SymbolLedger],
        failures: Failures,
    ) -> Iterator[Bars]:
        for session in sessions:
            symbols = [symbol for symbol, days in wanted.items() if session in days]
            start = time.perf_counter()
            try:
                market, absence = self._market(session)
                renamed = self._enter_market(session, symbols, market, absence, ledgers)
            except ProviderUnavailableError as error:
                failures.note(f"{len(symbols)} symbols on {session}", error)
                continue
            failures.clear_row()
            if session == sessions[-1]:
                for symbol in wanted:
                    ledgers[symbol].finish()
            bars = make_bars(self.name, [ledgers[symbol] for symbol in wanted], self._cost(), renamed=renamed)
            logger.info(
                "%s: %d of %d symbols in %.1f s", session, len(bars.rows), len(symbols), time.perf_counter() - start
            )
            yield bars

    def _enter_market(
        self,
        session: date,
        symbols: Sequence[str],
        market: Mapping[str, list[Quote]],
        absence: Absence | None,
        ledgers: Mapping[str, SymbolLedger],
    ) -> dict[str, str]:
        renamed: dict[str, str] = {}
        entries = {}
        for symbol in symbols:
            quotes, why = market.get(_ticker(symbol), []), absence
            if not quotes and absence is None:
                standing = self._standing(_ticker(symbol), earlier_names=False)
                why = standing.absence(session, self._current_session)
                if standing.later in market:
                    quotes, renamed[symbol] = market[standing.later], standing.later
                    found = actions_by_symbol(self._api, self._calendar, {standing.later: [session]})
                    ledgers[symbol].add_actions(found.get(standing.later, {}))
            entries[symbol] = (quotes, why)
        for symbol, (quotes, why) in entries.items():
            ledgers[symbol].enter(session, quotes, why)
        return renamed

    def _market(self, session: date) -> tuple[dict[str, list[Quote]], Absence | None]:
        """Return the whole market's quotes of a session, or why there are none."""
        if self._plan_start is not None and session < self._plan_start:
            return {}, self._outside_plan(f"before {self._plan_start}")
        try:
            records = self._api.market(session)
        except BeforeEndOfDayError as error:
            return {}, self._not_before_tomorrow(session, str(error))
        except OutsidePlanError as error:
            return {}, self._outside_plan(str(error))
        market: dict[str, list[Quote]] = defaultdict(list)
        for record in records:
            market[str(record.get("T"))].append(_quote(record))
        if not market:
            absence = missing(session, self._current_session, "no symbol has a bar yet")
            if absence.reason != "late":
                raise ProviderUnavailableError(
                    f"massive: the whole market has no bar on {session}, an NYSE session; if the exchange was closed,"
                    " add the day to the extra closures"
                )
            return {}, absence
        return market, None

    def _quotes(self, ticker: str, sessions: Sequence[date]) -> tuple[dict[date, list[Quote]], dict[date, Absence]]:
        """Return the quotes of one symbol, and reasons for the sessions that the plan does not give."""
        absences: dict[date, Absence] = {}
        asked = list(sessions)
        while asked:
            if self._plan_start is not None:
                absences |= {
                    day: self._outside_plan("before the plan's start") for day in asked if day < self._plan_start
                }
                asked = [day for day in asked if day >= self._plan_start]
                if not asked:
                    break
            try:
                records = self._api.history(ticker, asked[0], asked[-1])
            except BeforeEndOfDayError as error:
                absences[asked[-1]] = self._not_before_tomorrow(asked[-1], str(error))
                asked.pop()
            except OutsidePlanError as error:
                self._plan_start = self._later_plan_start(asked[0])
                if self._plan_start is None:
                    return {}, absences | {day: self._outside_plan(str(error)) for day in asked}
            else:
                return self._by_session(ticker, records, asked), absences
        return {}, absences

    def _by_session(self, ticker: str, records: Sequence[Record], asked: Sequence[date]) -> dict[date, list[Quote]]:
        quotes: dict[date, list[Quote]] = defaultdict(list)
        wanted = set(asked)
        closed = set()
        for record in records:
            day = session_of(record)
            if day in wanted:
                quotes[day].append(_quote(record))
            elif not self._calendar.is_session(day):
                closed.add(day)
        if closed:
            logger.warning("%s: bars left out, no NYSE session: %s", ticker, ", ".join(map(str, sorted(closed))))
        return dict(quotes)

    def _standing(self, ticker: str, *, earlier_names: bool) -> Standing:
        if ticker not in self._standings:
            self._standings[ticker] = look_up(self._api, ticker, earlier_names=earlier_names)
        return self._standings[ticker]

    def _later_plan_start(self, refused: date) -> date | None:
        """Return the start of the largest plan that a refusal from `refused` on leaves possible."""
        starts = [self._years_ago(years) for years in PLAN_YEARS]
        return next((start for start in starts if start > refused), None)

    def _at_plan_start(self, day: date) -> bool:
        return any(abs((day - self._years_ago(years)).days) <= 7 for years in PLAN_YEARS)

    def _years_ago(self, years: int) -> date:
        return self._current_session - timedelta(days=round(365.25 * years) - 1)

    def _outside_plan(self, said: str) -> Absence:
        return Absence("not_covered", said, self._current_session + timedelta(days=ASK_AGAIN_DAYS))

    def _not_before_tomorrow(self, session: date, said: str) -> Absence:
        return Absence("late", said, max(session, self._current_session) + timedelta(days=1))

    def _cost(self) -> Meter:
        cost = self._caller.meter.since(self._read)
        self._read = self._caller.meter.reading()
        return cost


def _ticker(symbol: str) -> str:
    return symbol.replace("-", ".")  # share classes: BRK-B is BRK.B here


def _not_offered(symbol: str, as_of: date) -> Absence | None:
    """Return why the source has no prices of this kind of instrument, without asking it; None if it may."""
    again = as_of + timedelta(days=ASK_AGAIN_DAYS)
    if _FUND.fullmatch(symbol):  # Nasdaq's fifth letter X: a mutual fund
        return Absence("not_covered", "massive has no mutual funds", again)
    if _OPTION.fullmatch(symbol):
        return Absence("not_covered", "option contracts are not asked for here", again)
    return None


def _quote(record: Record) -> Quote:
    return Quote(*(number(record.get(field), "massive") for field in ("o", "h", "l", "c", "v")))
