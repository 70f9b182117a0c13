"""SPEC 4.9 read aloud: an option lot on one session, in plain Python, from prices as they stand in a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import isfinite, log, sqrt
from statistics import NormalDist, stdev

WINDOW = 63


@dataclass(frozen=True)
class Tape:
    """Sessions with the contract's quotes and its underlying's closes (NaN = none), splits and dividends."""

    sessions: list[date]
    quote: list[float]
    close: list[float]
    split: list[float]
    dividend: list[float]

    def splits(self, after: date, upto: date) -> float:
        """Return the product of the underlying's splits in (after, upto]."""
        product = 1.0
        for session, factor in zip(self.sessions, self.split, strict=True):
            product *= factor if after < session <= upto else 1.0
        return product

    def volatility(self, today: int) -> float | None:
        """Return the volatility of the 63 sessions up to today; None before 64 sessions, or with a fifth missing."""
        returns, previous, first = [], None, None
        for row, close in enumerate(self.close[: today + 1]):
            if not isfinite(close):
                continue
            if previous is not None and row > today - WINDOW:
                returns.append(self.split[row] * (close + self.dividend[row]) / previous - 1)
            first, previous = row if first is None else first, close
        is_whole = first is not None and today - WINDOW >= first
        return stdev(returns) * sqrt(252) if is_whole and len(returns) >= 0.8 * WINDOW else None


def last_session(lot: Mapping, tape: Tape) -> tuple[date, float | None]:
    """Return the day on which a lot is closed, and at what price: as recorded, or None if it expires."""
    settlement = next((day for day in tape.sessions if day >= max(lot["expiration_date"], lot["entry_date"])), date.max)
    if lot["exit_date"] is not None and lot["exit_date"] <= settlement:
        return lot["exit_date"], lot["exit_price"]
    return settlement, None


def position(lot: Mapping, tape: Tape, today: int) -> dict[str, float]:
    """Return the row of an open lot: quantity, price, is_modelled, market_value and risk_value (NaN = unknown)."""
    day = tape.sessions[today]
    factor = tape.splits(lot["entry_date"], day)
    quantity, strike = lot["quantity"] * factor, lot["strike_price"] / factor
    spots = [close for close in tape.close[: today + 1] if isfinite(close)]
    volatility, delta = tape.volatility(today), float("nan")
    price, source = lot["entry_price"], lot["entry_date"]
    for session, quote in zip(tape.sessions[: today + 1], tape.quote, strict=False):
        if isfinite(quote):
            price, source = quote, session
    price /= tape.splits(source, day)
    is_modelled = False
    if volatility is not None:
        value, delta = black_scholes(spots[-1], strike, (lot["expiration_date"] - day).days / 365, volatility, lot)
        is_modelled = not isfinite(tape.quote[today])
        price = value if is_modelled else price
    return {
        "quantity": quantity,
        "price": price,
        "is_modelled": is_modelled,
        "market_value": quantity * 100 * price,
        "risk_value": delta * quantity * 100 * spots[-1] if spots else delta,
    }


def closing_profit(lot: Mapping, tape: Tape) -> float:
    """Return the P&L over life of a lot that is closed or has expired."""
    day, price = last_session(lot, tape)
    factor = tape.splits(lot["entry_date"], day)
    if price is None:
        known = zip(tape.sessions, tape.close, strict=True)
        spot = [close for session, close in known if session <= lot["expiration_date"] and isfinite(close)][-1]
        gain = spot - lot["strike_price"] / factor
        price = max(gain if lot["option_type"] == "CALL" else -gain, 0.0)
    return lot["quantity"] * 100 * (factor * price - lot["entry_price"])


def black_scholes(spot: float, strike: float, years: float, volatility: float, lot: Mapping) -> tuple[float, float]:
    """Return value and delta at a rate of 0."""
    cdf, deviation = NormalDist().cdf, volatility * sqrt(years)
    d1 = log(spot / strike) / deviation + deviation / 2
    if lot["option_type"] == "CALL":
        return spot * cdf(d1) - strike * cdf(d1 - deviation), cdf(d1)
    return strike * cdf(deviation - d1) - spot * cdf(-d1), cdf(d1) - 1
