"""One symbol's history from Yahoo: asked with yfinance, checked, and turned back into prices as traded."""

import logging
import math
import warnings
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from sigma_assets.base.calendar import NEW_YORK, TradingCalendar
from sigma_assets.base.conventions import LEAST_PRICE, MOST_PRICE
from sigma_assets.base.errors import SettingsError
from sigma_assets.providers.actions import Action
from sigma_assets.providers.bars import Quote
from sigma_assets.providers.http import TransientError

logger = logging.getLogger(__name__)

PRICE_DECIMALS = 4
"""US prices have at most four; Yahoo sends single precision, and un-adjusting would carry its noise into the table."""
CASH_DECIMALS = 6
UNKNOWN_WORDS = ("no data found", "may be delisted", "not found")
EMPTY_WORDS = ("data doesn't exist",)


@dataclass
class YahooHistory:
    """What Yahoo has of one symbol, as traded.

    Attributes
    ----------
    quotes : bar per session; NaN close where Yahoo has null.
    actions : splits and distributions per session.
    first_trade, last_trade : days of the first and last trade that Yahoo knows; None if it does not say.
    unreadable_split : session of the last split that cannot be read; prices before it cannot be un-adjusted.
    refusal : why there is nothing: Yahoo's words of an unknown symbol, or a currency other than USD; None if there is.
    """

    quotes: dict[date, Quote] = field(default_factory=dict)
    actions: dict[date, Action] = field(default_factory=dict)
    first_trade: date | None = None
    last_trade: date | None = None
    unreadable_split: date | None = None
    refusal: str | None = None
    is_unknown: bool = False


def import_yfinance() -> Any:
    """Return the yfinance module (three seconds to import), set to raise its errors instead of hiding them."""
    try:
        import yfinance
    except ImportError as error:
        raise SettingsError(
            "price source yahoo needs the package yfinance: install it with `pip install 'sigma_assets[yahoo]'`"
        ) from error
    yfinance.config.debug.hide_exceptions = False
    return yfinance


def fetch(name: str, period: str, calendar: TradingCalendar, *, timeout_seconds: float, session: Any) -> YahooHistory:
    """Return the history of one symbol over a period that ends now.

    A period, not a range of days: Yahoo's prices are adjusted for every split up to now, so the later splits must be
    in the answer, and yfinance serves a past range from a cache in the process.

    Raises
    ------
    TransientError
        No usable answer: throttled, unreachable, or not in the documented form.
    """
    yfinance = import_yfinance()
    ticker = yfinance.Ticker(name, session=session)
    ticker._tz = str(NEW_YORK)  # else it asks Yahoo for the time zone first: a second call for each symbol
    try:
        with warnings.catch_warnings():  # yfinance lets pandas' deprecations print a line for each symbol
            warnings.simplefilter("ignore", DeprecationWarning)
            frame = ticker.history(
                period=period, interval="1d", auto_adjust=False, actions=True, keepna=True, timeout=timeout_seconds
            )
        return _as_traded(name, frame, ticker._price_history, calendar)
    except yfinance.exceptions.YFRateLimitError as error:
        raise TransientError("HTTP 429: too many requests", throttled=True) from error
    except yfinance.exceptions.YFPricesMissingError as error:
        return _without_prices(name, error, ticker._price_history._history_metadata)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, yfinance.exceptions.YFException) as error:
        # yfinance lets whatever a garbled answer causes through: JSON errors, missing keys, wrong types
        raise TransientError(f"{type(error).__name__}: {error}") from error


def _without_prices(name: str, error: Any, meta: dict[str, Any]) -> YahooHistory:
    """Return what an answer without prices says; an answer that does not explain itself is no answer."""
    words = str(error.yahoo_reason or "").lower()
    if any(known in words for known in UNKNOWN_WORDS):
        return YahooHistory(refusal=str(error.yahoo_reason), is_unknown=True)
    if any(known in words for known in EMPTY_WORDS):
        return YahooHistory()
    if error.yahoo_reason is None and meta.get("symbol") == name and meta.get("regularMarketTime"):
        return YahooHistory(last_trade=_day(meta["regularMarketTime"]))
    raise TransientError(f"an answer without prices or a known reason: {error.yahoo_reason or 'empty'}") from error


def _as_traded(name: str, frame: pd.DataFrame, answer: Any, calendar: TradingCalendar) -> YahooHistory:
    """Return the history behind a frame of adjusted prices.

    `answer` is yfinance's own record of the answer: its public `history_metadata` asks Yahoo again, and its frame moves
    events of a day without a bar to the bar before.
    """
    meta = answer._history_metadata
    if meta.get("symbol") != name:
        raise TransientError(f"asked for {name}, got {meta.get('symbol')}")
    if meta.get("currency") != "USD":
        return YahooHistory(refusal=f"quoted in {meta.get('currency')}; only USD is supported")
    if frame.empty:
        raise TransientError("no bars in an answer that should have some")
    history = YahooHistory(first_trade=_day(meta.get("firstTradeDate")), last_trade=_day(meta.get("regularMarketTime")))
    splits = _splits(name, answer, calendar)
    history.unreadable_split = max((day for day, factor in splits.items() if math.isnan(factor)), default=None)
    is_fund = meta.get("instrumentType") == "MUTUALFUND"
    days = [stamp.date() for stamp in frame.index]
    table = frame[["Open", "High", "Low", "Close", "Volume"]].astype(float).to_numpy()
    for day, (*fields, shares) in zip(days, table.tolist(), strict=True):
        later = math.prod(factor for split_day, factor in splits.items() if split_day > day)
        if math.isnan(later):
            continue
        open_, high, low, close = (round(value * later, PRICE_DECIMALS) for value in fields)
        volume = math.nan if is_fund else float(round(shares / later))
        if history.last_trade is None or day <= history.last_trade:
            history.quotes[day] = Quote(open_, high, low, close, volume)
    closes = dict(zip(days, frame["Close"].astype(float), strict=True))
    cash = _distributions(name, answer, calendar, closes)
    for day in sorted({*splits, *cash}):
        later = math.prod(factor for split_day, factor in splits.items() if split_day > day)
        history.actions[day] = Action(splits.get(day, 1.0), round(cash.get(day, 0.0) * later, CASH_DECIMALS))
    return history


def _splits(name: str, answer: Any, calendar: TradingCalendar) -> dict[date, float]:
    """Return the split factors per session; NaN where it cannot be read."""
    splits = _per_session(answer._splits, calendar, np.prod)
    for day, factor in splits.items():
        if not LEAST_PRICE <= factor <= MOST_PRICE:
            logger.warning("split of %s on %s cannot be read: factor %s", name, day, factor)
            splits[day] = math.nan
    return splits


def _distributions(name: str, answer: Any, calendar: TradingCalendar, closes: dict[date, float]) -> dict[date, float]:
    """Return dividends plus capital gains per session, split-adjusted as Yahoo gives them.

    Yahoo sometimes counts capital gains in the dividend already (yfinance, `_repair_capital_gains`). It does so where
    the dividend is not smaller and the fall of the price fits the dividend alone better than the sum.
    """
    dividends = answer._dividends
    if isinstance(dividends, pd.DataFrame):  # a currency column: some are not in USD
        foreign = dividends["currency"] != "USD"
        for stamp in dividends.index[foreign]:
            logger.warning("dividend of %s on %s left out: not in USD", name, stamp.date())
        dividends = dividends.loc[~foreign, "Dividends"]
    cash = _per_session(dividends, calendar, np.sum)
    for day, gain in _per_session(answer._capital_gains, calendar, np.sum).items():
        dividend = cash.get(day, 0.0)
        before = [closes[known] for known in closes if known < day and not math.isnan(closes[known])]
        fall = before[-1] - closes[day] if before and day in closes else math.nan
        if not (dividend >= gain and abs(fall - dividend) <= abs(fall - dividend - gain)):
            cash[day] = dividend + gain
    for day in [day for day, amount in cash.items() if not 0 <= amount <= MOST_PRICE]:
        logger.warning("dividend of %s on %s left out: %s is no amount", name, day, cash.pop(day))
    return cash


def _per_session(events: Any, calendar: TradingCalendar, combine: Any) -> dict[date, float]:
    """Return the events by the session on or after their day, several of one session combined."""
    found: dict[date, list[float]] = {}
    for stamp, value in events.items():
        found.setdefault(calendar.on_or_after(stamp.date()), []).append(float(value))
    return {day: float(combine(values)) for day, values in sorted(found.items())}


def _day(moment: Any) -> date | None:
    if moment is None:
        return None
    stamp = pd.Timestamp(moment, unit="s", tz="UTC") if isinstance(moment, int | float) else pd.Timestamp(moment)
    return stamp.tz_convert(NEW_YORK).date()
