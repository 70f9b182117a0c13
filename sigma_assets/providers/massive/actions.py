"""Splits and cash dividends of the sessions wanted, from Massive's reference endpoints, in the fewest calls."""

import logging
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from sigma_assets.base.calendar import TradingCalendar
from sigma_assets.base.conventions import LEAST_PRICE, MOST_PRICE
from sigma_assets.base.errors import CalendarError, ProviderError
from sigma_assets.providers.actions import Action, look_back_start
from sigma_assets.providers.massive.api import PAGE_LIMIT, SYMBOLS_PER_CALL, MassiveApi, Record, number

logger = logging.getLogger(__name__)

MARKET_SPLITS_PER_DAY = 5
MARKET_DIVIDENDS_PER_DAY = 160
"""Calendar-day averages of the whole market in 2025-26, to estimate pages; only the number of calls depends on them."""


def actions_by_symbol(
    api: MassiveApi, calendar: TradingCalendar, wanted: Mapping[str, Sequence[date]]
) -> dict[str, dict[date, Action]]:
    """Return the actions of each ticker per session, between the first and the last session that any of them wants.

    And at least those of the last weeks, which cost no further call: what was published late is noticed by them.

    An action dated on a day without trading belongs to the next session, so the days asked for start right after the
    session before the first one. A split that cannot be read has the factor NaN.
    """
    days = [session for sessions in wanted.values() for session in sessions]
    last = max(days)
    first = min(calendar.shift(min(days), -1), look_back_start(calendar, last)) + timedelta(days=1)
    splits: dict[str, dict[date, float]] = defaultdict(lambda: defaultdict(lambda: 1.0))
    for record in api.splits(_asked(wanted, first, last, MARKET_SPLITS_PER_DAY), first, last):
        if record.get("ticker") in wanted:
            session = _session(calendar, record, "execution_date")
            splits[record["ticker"]][session] *= _factor(record)
    dividends: dict[str, dict[date, float]] = defaultdict(lambda: defaultdict(float))
    for record in api.dividends(_asked(wanted, first, last, MARKET_DIVIDENDS_PER_DAY), first, last):
        if record.get("ticker") in wanted and _in_dollars(record):
            session = _session(calendar, record, "ex_dividend_date")
            dividends[record["ticker"]][session] += number(record.get("cash_amount"), "massive")
    return {
        ticker: {
            session: Action(splits[ticker].get(session, 1.0), dividends[ticker].get(session, 0.0))
            for session in sorted({*splits[ticker], *dividends[ticker]})
        }
        for ticker in {*splits, *dividends}
    }


def _asked(wanted: Mapping[str, object], first: date, last: date, per_day: int) -> list[str] | None:
    """Return the tickers to name in the question, or None where the whole market takes fewer calls."""
    whole_market = math.ceil(((last - first).days + 1) * per_day / PAGE_LIMIT)
    by_name = math.ceil(len(wanted) / SYMBOLS_PER_CALL)
    return sorted(wanted) if by_name <= whole_market else None


def _session(calendar: TradingCalendar, record: Record, field: str) -> date:
    try:
        return calendar.on_or_after(date.fromisoformat(record[field]))
    except (KeyError, TypeError, ValueError, CalendarError) as error:
        raise ProviderError(
            f"massive: {field} of {record.get('ticker')} is {record.get(field)!r}, not a day"
        ) from error


def _factor(record: Record) -> float:
    before, after = (number(record.get(field), "massive") for field in ("split_from", "split_to"))
    if before > 0 and after > 0 and LEAST_PRICE <= after / before <= MOST_PRICE:
        return after / before
    logger.warning(
        "split of %s on %s cannot be read: %s for %s",
        record.get("ticker"), record.get("execution_date"), after, before,
    )  # fmt: skip
    return math.nan


def _in_dollars(record: Record) -> bool:
    currency = str(record.get("currency") or "USD").upper()
    amount = number(record.get("cash_amount"), "massive")
    if currency == "USD" and 0 <= amount <= MOST_PRICE:
        return True
    logger.warning(
        "dividend of %s on %s left out: %s %s is no amount in USD",
        record.get("ticker"), record.get("ex_dividend_date"), record.get("cash_amount"), currency,
    )  # fmt: skip
    return False
