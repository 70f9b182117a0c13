"""Price paths of the simulated market: every bar follows from the seed, the symbol and the session, and nothing else.

Returns are linear in independent drivers with fat tails (Student's t) under one common stochastic volatility, so that
regressions on the factor ETFs have known true coefficients. All draws are made session by session from the first
on, from streams that numpy keeps the same between versions (`RandomState`, NEP 19): a longer history only adds bars.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np
import numpy.typing as npt

from sigma_assets.base.frames import BoolArray, FloatArray, SessionArray
from sigma_assets.providers.simulated.universe import SESSION_DRIFT, SESSION_VOLATILITY, Instrument

TAIL_DEGREES = 6.0
"""Degrees of freedom of Student's t: kurtosis 6 before volatility moves."""
VOLATILITY_PERSISTENCE = 0.985
VOLATILITY_OF_VOLATILITY = 0.08
"""Log volatility is an AR(1): calm and wild spells of some 45 sessions half-life (Taylor 1986)."""
WORST_RETURN, BEST_RETURN = -0.5, 1.0
SPLIT_DAY, EX_DAY, GAP_DAY = 20, 10, 15
"""Events fall on the first session on or after this day of their month."""
_DOLLAR_VOLUME = {"ETF": 2e9, "STOCK": 5e8}


def stream(seed: int, name: str) -> np.random.RandomState:
    """Return the random numbers of one name; names do not share any."""
    return np.random.RandomState(np.random.PCG64(np.random.SeedSequence([seed, crc32(name.encode())])))


@dataclass(frozen=True)
class BarPath:
    """Bars of one instrument on every session from the first one of the market; arrays of shape (n_sessions,).

    Attributes
    ----------
    is_traded : whether there is a bar; false before the listing, after the end, and in a gap.
    open, high, low, close, volume, split_factor, dividend : as traded; NaN where a fund has none.
    """

    is_traded: BoolArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    split_factor: FloatArray
    dividend: FloatArray


@dataclass(frozen=True)
class Market:
    """All sessions of a simulated market from its first one on."""

    seed: int
    sessions: SessionArray

    @cached_property
    def volatility(self) -> FloatArray:
        """Common multiple of every volatility, shape (n_sessions,); its mean square is 1."""
        shocks = stream(self.seed, "common volatility").standard_normal(len(self.sessions))
        variance = VOLATILITY_OF_VOLATILITY**2 / (1 - VOLATILITY_PERSISTENCE**2)
        level = math.sqrt(variance) * shocks[0]
        multiples = []
        for shock in shocks.tolist():
            multiples.append(math.exp(level - variance))
            level = VOLATILITY_PERSISTENCE * level + VOLATILITY_OF_VOLATILITY * shock
        return np.array(multiples)

    @cached_property
    def drivers(self) -> Mapping[str, FloatArray]:
        """Return of each driver, shape (n_sessions,)."""
        return {
            name: SESSION_DRIFT.get(name, 0.0) + volatility * self._shocks(f"driver {name}")
            for name, volatility in SESSION_VOLATILITY.items()
        }

    def path(self, instrument: Instrument) -> BarPath:
        """Return the bars of an instrument."""
        returns = self.total_returns(instrument)
        split_factor = self._split_factors(instrument)
        payout = self._payouts(instrument)
        first = (
            0 if instrument.listed is None else int(np.searchsorted(self.sessions, np.datetime64(instrument.listed)))
        )
        growth = (1.0 + returns - payout) / split_factor
        growth[: first + 1] = 1.0
        exact = instrument.start_price * np.cumprod(growth)
        before = np.concatenate([exact[:1], exact[:-1]])
        close = np.maximum(np.round(exact, 2), 0.01)
        ex_close = before * (1.0 - payout) / split_factor
        opening, high, low, volume = self._day(instrument, returns, ex_close, close)
        return BarPath(
            is_traded=self._is_traded(instrument, first),
            open=opening,
            high=high,
            low=low,
            close=close,
            volume=volume,
            split_factor=split_factor,
            dividend=np.round(payout * before / split_factor, 4),
        )

    def total_returns(self, instrument: Instrument) -> FloatArray:
        """Return the total simple returns before prices are rounded to cents, shape (n_sessions,)."""
        own = instrument.own_volatility
        returns = own**2 / 2 + own * self._shocks(
            instrument.symbol
        )  # the half makes up for what noise takes from growth
        for name in SESSION_VOLATILITY:  # in a fixed order, so that the last bit is always the same
            loading = instrument.loadings.get(name, 0.0)
            if loading:
                returns = returns + loading * self.drivers[name]
        return np.clip(returns, WORST_RETURN, BEST_RETURN)

    def _shocks(self, name: str) -> FloatArray:
        """Return shocks of mean square 1, before the clustering of volatility."""
        unit = math.sqrt((TAIL_DEGREES - 2) / TAIL_DEGREES)
        return unit * stream(self.seed, name).standard_t(TAIL_DEGREES, len(self.sessions)) * self.volatility

    def _day(
        self, instrument: Instrument, returns: FloatArray, ex_close: FloatArray, close: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return open, high, low and volume; NaN for a fund, which has one price a day."""
        if instrument.kind == "MUTUAL_FUND":
            unknown = np.full(len(close), np.nan)
            return unknown, unknown, unknown, unknown
        draws = stream(self.seed, f"{instrument.symbol} intraday").random_sample((len(close), 4))
        width = 0.006 * self.volatility
        night = returns / 3 + width * (draws[:, 0] - 0.5)
        opening = np.maximum(np.round(ex_close * (1 + night), 2), 0.01)
        upper, lower = np.maximum(opening, close), np.minimum(opening, close)
        high = np.maximum(np.round(upper * (1 + width * draws[:, 1]), 2), upper)
        low = np.maximum(np.minimum(np.round(lower * (1 - width * draws[:, 2]), 2), lower), 0.01)
        dollars = _DOLLAR_VOLUME[instrument.kind] * (0.6 + 0.8 * draws[:, 3]) * (1 + 10 * np.abs(returns))
        return opening, high, low, np.round(dollars / close)

    def _is_traded(self, instrument: Instrument, first: int) -> BoolArray:
        is_traded = np.ones(len(self.sessions), dtype=bool)
        is_traded[:first] = False
        if instrument.last_traded is not None:
            is_traded &= self.sessions <= np.datetime64(instrument.last_traded)
        if instrument.has_gap:
            is_traded &= ~(self._first_from(GAP_DAY) & (self._months % 12 == 8))
        return is_traded

    def _split_factors(self, instrument: Instrument) -> FloatArray:
        if instrument.split_phase is None:
            return np.ones(len(self.sessions))
        years = 1970 + self._months // 12
        splits = self._first_from(SPLIT_DAY) & (self._months % 12 == 5) & (years % 3 == instrument.split_phase)
        return np.where(splits, instrument.split_ratio, 1.0)

    def _payouts(self, instrument: Instrument) -> FloatArray:
        """Return the dividend as a share of the close before."""
        is_ex_day = self._first_from(EX_DAY) & ((self._months - instrument.dividend_phase) % 3 == 2)
        return np.where(is_ex_day, instrument.dividend_yield / 4, 0.0)

    @cached_property
    def _months(self) -> npt.NDArray[np.int64]:
        """Months since January 1970."""
        return self.sessions.astype("datetime64[M]").astype(np.int64)

    def _first_from(self, day: int) -> BoolArray:
        """Return which sessions are the first of their month on or after this day of the month."""
        is_from = (self.sessions - self.sessions.astype("datetime64[M]")).astype(np.int64) + 1 >= day
        is_first = is_from.copy()
        is_first[1:] &= ~(is_from[:-1] & (self._months[1:] == self._months[:-1]))
        return is_first
