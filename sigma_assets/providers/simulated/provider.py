"""A made-up market for demos and tests: no key, no network, and every true coefficient is known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd

from sigma_assets.base.calendar import TradingCalendar, as_dates
from sigma_assets.base.errors import SettingsError
from sigma_assets.base.frames import SessionArray
from sigma_assets.providers.asked import asked_sessions
from sigma_assets.providers.base import BAR_COLUMNS, Bars, Reason, Unserved, later
from sigma_assets.providers.simulated.market import BarPath, Market, stream
from sigma_assets.providers.simulated.universe import EXTRA_SYMBOL, INSTRUMENTS, RENAMES, Instrument, extra_stock

ORIGIN = date(2016, 1, 4)
"""First session of the market; every path starts here, whatever is asked for."""
BATCH = 250
"""Symbols per batch."""
_FLOAT_COLUMNS = BAR_COLUMNS[2:]


@dataclass
class SimulatedProvider:
    """Daily bars of some sixty tickers and any number of extra stocks `SIM0001`, `SIM0002`, ...

    The same symbol and session always give the same bar, whatever else is asked for and whenever. Three mutual funds
    publish a day late, one stock splits each June, one skips a session each September, two are delisted, one is listed
    late, one was renamed.

    Parameters
    ----------
    last : last session with data.
    seed : another seed is another market.
    extra_symbols : how many extra stocks `symbols` lists; all are served in any case.
    """

    calendar: TradingCalendar
    last: date
    seed: int = 0
    extra_symbols: int = 0
    name: str = "simulated"

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every ticker of the market, sorted, then the extra stocks."""
        extra = (f"SIM{number:04d}" for number in range(1, self.extra_symbols + 1))
        return (*sorted((*INSTRUMENTS, *RENAMES)), *extra)

    def last_session(self) -> date:
        """Return the last session with data."""
        last = self.calendar.on_or_before(self.last)
        if last < ORIGIN:
            raise SettingsError(f"the simulated market starts on {ORIGIN}; its last session cannot be {last}")
        return last

    def daily_bars(self, wanted: Mapping[str, Sequence[date]]) -> Iterator[Bars]:
        """Yield the wanted bars in batches of `BATCH` symbols."""
        last = self.last_session()
        symbols = sorted(wanted)
        for start in range(0, len(symbols), BATCH):
            yield self._batch({symbol: wanted[symbol] for symbol in symbols[start : start + BATCH]}, last)

    def _batch(self, wanted: Mapping[str, Sequence[date]], last: date) -> Bars:
        market = self._market
        columns: dict[str, list[np.ndarray]] = {name: [] for name in ("session", *_FLOAT_COLUMNS)}
        served: list[str] = []
        unserved: list[Unserved] = []
        for symbol, days in wanted.items():
            asked = asked_sessions(days)
            instrument = self._instrument(symbol)
            if instrument is None:
                detail = "the simulated market has no such symbol"
                unserved.append(Unserved(symbol, tuple(as_dates(asked)), "unknown_symbol", detail, later(last)))
                continue
            path = market.path(instrument)
            rows, reasons = _served(market, path, instrument, asked, last)
            unserved.extend(self._unserved(symbol, instrument, asked, reasons, last))
            served.extend([symbol] * len(rows))
            columns["session"].append(market.sessions[rows])
            for name in _FLOAT_COLUMNS:
                columns[name].append(getattr(path, name)[rows])
        joined = {name: np.concatenate(parts) if parts else np.array([]) for name, parts in columns.items()}
        frame = pd.DataFrame({"symbol": pd.Series(served, dtype="str"), **joined})
        frame["session"] = joined["session"].astype("datetime64[s]")
        renamed = {old: new for old, (new, since) in RENAMES.items() if old in wanted and since <= last}
        return Bars(self.name, frame, tuple(unserved), renamed)

    def _unserved(
        self, symbol: str, instrument: Instrument, asked: SessionArray, reasons: np.ndarray, last: date
    ) -> Iterator[Unserved]:
        after = self.calendar.shift(last, 1)
        told: dict[Reason, tuple[str, date | None]] = {
            "not_yet_listed": (f"listed on {max(instrument.listed or ORIGIN, ORIGIN)}", None),
            "delisted": (f"last traded on {instrument.last_traded}", None),
            "late": ("published a session late" if instrument.kind == "MUTUAL_FUND" else f"data ends on {last}", after),
            "no_bar": ("did not trade", later(last)),
        }
        for reason, (detail, next_try) in told.items():
            if (reasons == reason).any():
                yield Unserved(symbol, tuple(as_dates(asked[reasons == reason])), reason, detail, next_try)

    def _instrument(self, symbol: str) -> Instrument | None:
        if symbol in RENAMES:
            return INSTRUMENTS[RENAMES[symbol][0]]
        if EXTRA_SYMBOL.fullmatch(symbol):
            return extra_stock(symbol, stream(self.seed, f"{symbol} facts"))
        return INSTRUMENTS.get(symbol)

    @cached_property
    def _market(self) -> Market:
        return Market(self.seed, self.calendar.between(ORIGIN, self.last_session()))


def _served(
    market: Market, path: BarPath, instrument: Instrument, asked: SessionArray, last: date
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the market that are served, and for every session asked why it is not (empty if it is)."""
    position = np.minimum(np.searchsorted(market.sessions, asked), len(market.sessions) - 1)
    is_there = (market.sessions[position] == asked) & path.is_traded[position]
    published = asked < np.datetime64(last) if instrument.kind == "MUTUAL_FUND" else asked <= np.datetime64(last)
    first = np.datetime64(max(instrument.listed or ORIGIN, ORIGIN))
    end = np.datetime64(instrument.last_traded or date.max)
    conditions = [asked < first, ~published, asked > end, ~is_there]
    reasons = np.select(conditions, ["not_yet_listed", "late", "delisted", "no_bar"], default="")
    return position[reasons == ""], reasons
