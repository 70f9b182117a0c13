"""Random books and price histories for properties: lots, options, splits, dividends, gaps, flows, weekend dates."""

from typing import NamedTuple

import numpy as np

from sigma_assets.base.frames import PriceHistory
from sigma_assets_tests.analytics.books import Book, book, lot, option, price_history, weekdays

LOOK_BACK = 70
SYMBOLS = ("AAA", "BBB", "CCC", "UND", "UND-CALL")


class Case(NamedTuple):
    """A book of several portfolios with its prices; nothing happens before row LOOK_BACK."""

    lots: dict[str, list[dict]]
    flows: dict[str, list[tuple[str, float]]]
    inception: str
    history: PriceHistory

    @property
    def sessions(self) -> np.ndarray:
        return self.history.sessions[LOOK_BACK:]

    @property
    def holdings(self) -> Book:
        parts = [
            book(self.lots[name], self.flows[name], equity=50_000.0, inception=self.inception, portfolio_id=name)
            for name in self.lots
        ]
        whole = parts[0]
        for part in parts[1:]:
            whole = whole + part
        return whole


def random_case(seed: int, *, portfolios: int = 3, sessions: int = 25, with_options: bool = True) -> Case:
    """Return a random case; the same seed gives the same case."""
    rng = np.random.default_rng(seed)
    days = weekdays("2025-01-06", LOOK_BACK + sessions)
    calendar = np.arange(days[LOOK_BACK], days[-1] + 1)
    names = [f"P{number}" for number in range(portfolios)]
    lots = {
        name: [_lot(rng, f"{name}-L{n}", calendar, with_options) for n in range(rng.integers(0, 8))] for name in names
    }
    flows = {
        name: [(str(rng.choice(calendar)), float(rng.normal(0, 3_000))) for _ in range(rng.integers(0, 4))]
        for name in names
    }
    return Case(lots, flows, str(calendar[0]), _history(rng, days))


def _lot(rng: np.random.Generator, lot_id: str, calendar: np.ndarray, with_options: bool) -> dict:
    entry = int(rng.integers(len(calendar)))
    exits = entry + int(rng.integers(0, 12))
    terms: dict[str, object] = {}
    if rng.random() < 0.4 and exits < len(calendar):
        terms = {"exit_date": str(calendar[exits]), "exit_price": float(rng.uniform(20, 200))}
    quantity = float(np.round(rng.normal(0, 60), 3)) or 1.0
    price, day = float(rng.uniform(20, 200)), str(calendar[entry])
    kind = rng.random()
    if with_options and kind < 0.3:
        expiration = str(calendar[entry] + int(rng.integers(1, 40)))
        contract = {"expiration_date": expiration, "option_type": str(rng.choice(["CALL", "PUT"]))}
        return option(lot_id, round(quantity / 10) or 1, price / 10, day, **contract, **terms)
    if with_options and kind < 0.4:
        return lot(lot_id, "HOUSE", quantity, price, day, investment_class="PRIVATE", **terms)
    return lot(lot_id, str(rng.choice(["AAA", "BBB", "CCC", "UNKNOWN"])), quantity, price, day, **terms)


def _history(rng: np.random.Generator, days: np.ndarray) -> PriceHistory:
    shape = (len(days), len(SYMBOLS))
    split = np.where(rng.random(shape) < 0.02, rng.choice([2.0, 3.0, 0.1, 1.5], shape), 1.0)
    split[:, SYMBOLS.index("UND-CALL")] = 1.0
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, shape), axis=0)) / np.cumprod(split, axis=0)
    close[:, SYMBOLS.index("UND-CALL")] /= 20
    close[:, SYMBOLS.index("CCC")][: rng.integers(0, len(days))] = np.nan
    close[rng.random(shape) < 0.1] = np.nan
    close[:, SYMBOLS.index("UND-CALL")][rng.random(len(days)) < 0.7] = np.nan
    close[split != 1] = np.where(np.isnan(close), 50.0, close)[split != 1]
    dividend = np.where(np.isfinite(close) & (rng.random(shape) < 0.05), rng.uniform(0.1, 2, shape), 0.0)
    history = price_history(days, dict(zip(SYMBOLS, close.T, strict=True)))
    order = [SYMBOLS.index(symbol) for symbol in history.symbols]
    return type(history)(**{**vars(history), "split_factor": split[:, order], "dividend": dividend[:, order]})
