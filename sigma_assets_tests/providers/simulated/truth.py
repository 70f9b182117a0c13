"""What the simulated market knows of itself: the coefficients that estimates should find."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from sigma_assets.base.calendar import as_dates
from sigma_assets.base.conventions import FactorModel
from sigma_assets.providers.simulated.provider import SimulatedProvider
from sigma_assets.providers.simulated.universe import INSTRUMENTS, SESSION_VOLATILITY, Instrument

_Weights = Mapping[str, float]


@dataclass(frozen=True)
class Truth:
    """The planted facts of one instrument.

    Attributes
    ----------
    betas : coefficient of each regression of SPEC 4.1 in the population, by factor; for the six style factors those of
        the regression on all six ETFs at once, before ridge shrinks them.
    volatility : standard deviation of returns per session.
    splits : first session at the new price -> ratio.
    """

    symbol: str
    betas: Mapping[str, float]
    volatility: float
    dividend_yield: float
    listed: date | None
    last_traded: date | None
    splits: Mapping[date, float] = field(default_factory=dict)


def truth_of(market: SimulatedProvider, symbol: str, model: FactorModel | None = None) -> Truth:
    """Return the planted facts of a symbol: what estimates from its prices should find.

    Raises
    ------
    KeyError
        The market has no such symbol.
    """
    instrument = market._instrument(symbol)
    if instrument is None:
        raise KeyError(symbol)
    history = market._market
    factors = history.path(instrument).split_factor
    splits = np.flatnonzero(factors != 1.0)
    return Truth(
        symbol=symbol,
        betas=true_betas(instrument, model or FactorModel()),
        volatility=true_volatility(instrument),
        dividend_yield=instrument.dividend_yield,
        listed=instrument.listed,
        last_traded=instrument.last_traded,
        splits=dict(zip(as_dates(history.sessions[splits]), factors[splits].tolist(), strict=True)),
    )


def true_betas(instrument: Instrument, model: FactorModel) -> dict[str, float]:
    """Return the population coefficients of the regressions of SPEC 4.1, by factor."""
    target = {instrument.symbol: 1.0}
    known = {**INSTRUMENTS, instrument.symbol: instrument}
    styles = _coefficients(target, [{etf: 1.0} for etf in model.styles.values()], known)
    return {
        "market": _coefficients(target, [{model.market: 1.0}], known)[0],
        "rates": _coefficients(target, [{model.rates: 1.0}], known)[0],
        **dict(zip(model.styles, styles, strict=True)),
        **{
            name: _coefficients(target, [{leg: 1.0, other: -1.0}], known)[0]
            for name, (leg, other) in model.spreads.items()
        },
    }


def true_volatility(instrument: Instrument) -> float:
    """Return the standard deviation of returns per session."""
    weights = {instrument.symbol: 1.0}
    return _covariance(weights, weights, {instrument.symbol: instrument}) ** 0.5


def _coefficients(target: _Weights, factors: list[_Weights], known: Mapping[str, Instrument]) -> list[float]:
    among = np.array([[_covariance(one, other, known) for other in factors] for one in factors])
    with_target = np.array([_covariance(target, one, known) for one in factors])
    return np.linalg.solve(among, with_target).tolist()


def _covariance(one: _Weights, other: _Weights, known: Mapping[str, Instrument]) -> float:
    """Return the covariance of two baskets, in units of the common volatility, whose mean square is 1."""
    shared = sum(
        _loading(one, driver, known) * _loading(other, driver, known) * volatility**2
        for driver, volatility in SESSION_VOLATILITY.items()
    )
    own = sum(one[symbol] * other[symbol] * known[symbol].own_volatility ** 2 for symbol in one if symbol in other)
    return shared + own


def _loading(basket: _Weights, driver: str, known: Mapping[str, Instrument]) -> float:
    return sum(weight * known[symbol].loadings.get(driver, 0.0) for symbol, weight in basket.items())
