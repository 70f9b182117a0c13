"""Price source `massive` (formerly Polygon.io): as-traded daily bars, splits and dividends of US stocks and ETFs."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta

from sigma_assets.base.calendar import TradingCalendar
from sigma_assets.base.errors import ProviderUnavailableError, SettingsError
from sigma_assets.providers.actions import Action, look_back_start
from sigma_assets.providers.bars import Absence, Quote, SymbolLedger, by_symbol, make_bars, unserved_all
from sigma_assets.providers.base import Bars
from sigma_assets.providers.http import Caller, Failures, Meter, Pace
from sigma_assets.providers.massive.actions import actions_by_symbol
from sigma_assets.providers.massive.api import BeforeEndOfDayError, MassiveApi, session_of
from sigma_assets.providers.massive.plan import fewest_calls
from sigma_assets.providers.massive.quotes import MassiveQuotes, not_offered, to_ticker

logger = logging.getLogger(__name__)

LATEST_PROBE = "SPY"
"""Trades every session: its last bar is the last session that the source has."""


class MassiveProvider:
    """Daily bars from Massive, in the fewest calls.

    Parameters
    ----------
    api_key : the key; never shown.
    calendar : NYSE sessions.
    current_session : last session that is over; nothing later is asked for, and next-try days count from it.
    pace : of calls; see `Caller`.
    base_url, timeout_seconds, attempts : of the service.
    sleep : for tests.
    """

    name = "massive"

    def __init__(
        self,
        api_key: str,
        calendar: TradingCalendar,
        current_session: date,
        *,
        pace: Pace | None,
        base_url: str,
        timeout_seconds: float = 30.0,
        attempts: int = 5,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not api_key:
            raise SettingsError("price source massive needs a key: set MASSIVE_API_KEY (https://massive.com/dashboard)")
        self._calendar = calendar
        self._as_of = current_session
        self._caller = Caller(self.name, pace=pace, attempts=attempts, sleep=sleep)
        self._api = MassiveApi(api_key, self._caller, base_url=base_url, timeout_seconds=timeout_seconds)
        self._quotes = MassiveQuotes(self._api, calendar, current_session)

    def last_session(self) -> date:
        """Return the last session for which the plan gives prices: on the free plan not before the next day."""
        last = self._as_of
        for candidate in (last, self._calendar.shift(last, -1)):
            last = candidate
            try:
                bars = self._api.history(LATEST_PROBE, candidate - timedelta(days=10), candidate)
            except BeforeEndOfDayError:
                continue
            days = [day for day in map(session_of, bars) if self._calendar.is_session(day) and day <= candidate]
            if days:
                return max(days)
            break
        raise ProviderUnavailableError(
            f"massive: no bar of {LATEST_PROBE} in the ten days to {last}, which cannot be; try again later"
        )

    def daily_bars(self, wanted: Mapping[str, Sequence[date]]) -> Iterator[Bars]:
        """Yield one batch per call; see `PriceProvider.daily_bars`."""
        tidy = by_symbol(wanted)
        refused = {symbol: why for symbol in tidy if (why := not_offered(symbol, self._as_of)) is not None}
        if refused:
            unserved = [unserved_all(symbol, tidy[symbol], why) for symbol, why in refused.items()]
            yield make_bars(self.name, (), Meter(), refused=unserved)
        offered = {symbol: sessions for symbol, sessions in tidy.items() if symbol not in refused}
        if not offered:
            return
        plan = fewest_calls(offered)
        logger.info(
            "%d symbols: %d histories, %d whole-market sessions", len(offered), len(plan.symbols), len(plan.sessions)
        )
        actions = self._actions({to_ticker(symbol): sessions for symbol, sessions in offered.items()})
        # an answer that knows no action of anybody in weeks is rather a fault than the truth
        stated = self._stated(offered) if actions else None
        ledgers = {
            symbol: SymbolLedger(symbol, actions.get(to_ticker(symbol), {}), self._calendar, self._as_of, stated=stated)
            for symbol in offered
        }
        failures = Failures()
        yield from self._histories({symbol: offered[symbol] for symbol in plan.symbols}, ledgers, failures)
        others = {symbol: set(offered[symbol]) for symbol in offered if symbol not in set(plan.symbols)}
        yield from self._markets(plan.sessions, others, ledgers, failures)
        failures.raise_if_any()

    def _histories(
        self, wanted: Mapping[str, Sequence[date]], ledgers: Mapping[str, SymbolLedger], failures: Failures
    ) -> Iterator[Bars]:
        for symbol, sessions in wanted.items():
            start, ledger = time.perf_counter(), ledgers[symbol]
            try:
                found = self._quotes.history(symbol, sessions)
                if found.other_name is not None:
                    ledger.add_actions(self._actions({found.other_name: found.other_days}).get(found.other_name, {}))
            except ProviderUnavailableError as error:
                failures.note(symbol, error)
                continue
            failures.clear_row()
            for session in sessions:
                ledger.enter(session, found.quotes.get(session, ()), found.absences.get(session))
            ledger.finish()
            bars = make_bars(self.name, [ledger], self._caller.taken(), renamed=found.renamed)
            logger.info("%s: %d sessions in %.1f s", symbol, len(bars.rows), time.perf_counter() - start)
            yield bars

    def _markets(
        self,
        sessions: Sequence[date],
        wanted: Mapping[str, set[date]],
        ledgers: Mapping[str, SymbolLedger],
        failures: Failures,
    ) -> Iterator[Bars]:
        for session in sessions:
            start, symbols = time.perf_counter(), [symbol for symbol, days in wanted.items() if session in days]
            try:
                entries, renamed = self._market_entries(session, symbols, ledgers)
            except ProviderUnavailableError as error:
                failures.note(f"{len(symbols)} symbols on {session}", error)
                continue
            failures.clear_row()
            for symbol, (quotes, absence) in entries.items():
                ledgers[symbol].enter(session, quotes, absence)
                if session == max(wanted[symbol]):
                    ledgers[symbol].finish()
            bars = make_bars(self.name, [ledgers[symbol] for symbol in symbols], self._caller.taken(), renamed=renamed)
            seconds = time.perf_counter() - start
            logger.info("%s: %d of %d symbols in %.1f s", session, len(bars.rows), len(symbols), seconds)
            yield bars

    def _market_entries(
        self, session: date, symbols: Sequence[str], ledgers: Mapping[str, SymbolLedger]
    ) -> tuple[dict[str, tuple[list[Quote], Absence | None]], dict[str, str]]:
        """Return what to enter for each symbol, and the renames that were followed."""
        market, no_market = self._quotes.market(session)
        entries: dict[str, tuple[list[Quote], Absence | None]] = {}
        renamed: dict[str, str] = {}
        for symbol in symbols:
            quotes = market.get(to_ticker(symbol), [])
            if quotes or no_market is not None:
                entries[symbol] = (quotes, no_market)
                continue
            standing = self._quotes.standing(symbol)
            if standing.later is not None and standing.later in market:
                renamed[symbol], quotes = standing.later, market[standing.later]
                ledgers[symbol].add_actions(self._actions({standing.later: [session]}).get(standing.later, {}))
            entries[symbol] = (quotes, standing.absence(session, self._as_of))
        return entries, renamed

    def _actions(self, wanted: Mapping[str, Sequence[date]]) -> dict[str, dict[date, Action]]:
        return actions_by_symbol(self._api, self._calendar, wanted)

    def _stated(self, wanted: Mapping[str, Sequence[date]]) -> tuple[date, date]:
        last = max(max(sessions) for sessions in wanted.values())
        return look_back_start(self._calendar, last), last
