"""Factor betas of each symbol from windows of total returns (SPEC 4.1)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.analytics.factors.least_squares import BoolArray, Design, Fit, Targets, centre, factor_design, fit
from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.base.conventions import (
    FACTORS,
    REGRESSION_OF,
    REGRESSIONS,
    SPREAD_FACTORS,
    STYLE_FACTORS,
    FactorModel,
)
from sigma_assets.base.formulas import Formula, Formulas
from sigma_assets.base.frames import FloatArray, PriceHistory, SessionArray

MEASURES = (
    *(f"{factor}_beta" for factor in FACTORS),
    *(f"{factor}_std_error" for factor in FACTORS),
    "market_alpha",
    *(f"{name}_r_squared" for name in REGRESSIONS),
    *(f"{name}_observations" for name in REGRESSIONS),
)
"""Columns after (session, symbol), in the order of the table."""

_BLOCK = 2**14
"""Regressions at once: large enough to hide Python's pace, small enough for the cache."""
_GAP_BLOCK = 2**10

_Cells = tuple[npt.NDArray[np.intp] | slice, npt.NDArray[np.intp] | slice]


@dataclass(frozen=True)
class _Regression:
    """One of the seven fits: whose betas it gives, on which returns, over which window."""

    name: str
    factors: tuple[str, ...]
    returns: FloatArray  # (n_rows, n_factors), NaN where unknown
    window: int
    min_observations: int
    penalty: float

    def design(self, factors: FloatArray, valid: BoolArray) -> Design:
        return factor_design(factors, valid, penalty=self.penalty, min_observations=self.min_observations)


@dataclass(frozen=True)
class _Prepared:
    """A regression with its factor windows: (window, n_factors, n_sessions), 0 where not valid (window, n_sessions)."""

    regression: _Regression
    factors: FloatArray
    valid: BoolArray
    design: Design


def symbol_factors(history: PriceHistory, sessions: SessionArray, model: FactorModel) -> pd.DataFrame:
    """Return the twelve factor betas of every symbol, per session.

    Parameters
    ----------
    history : prices from at least `model.longest_window` sessions before the first of `sessions`, if they exist. A
        factor ETF that it lacks leaves the regressions on it unknown.
    sessions : sessions to compute, each in `history`; session d reads rows up to d only.
    model : factor ETFs, windows and thresholds.

    Returns
    -------
    DataFrame sorted by session and symbol, one row for each pair with at least one known beta
        `session` (datetime64[s]), `symbol` (str), then `MEASURES` as float64: betas (capped), their standard errors
        (of the uncapped beta), market alpha per day, and R^2 and observations of each regression. NaN = not known; all
        measures of a regression but R^2 are known or unknown together, except of a factor whose ETF never moved in the
        window: it has no beta, and the others are fitted without it. A symbol that trades no more keeps
        its betas while its window holds enough returns.

    Raises
    ------
    KeyError
        One of `sessions` is not in `history`.
    """
    days = np.unique(np.asarray(sessions, dtype="datetime64[D]"))
    # Windows that reach before the history find rows without any return.
    returns = np.pad(total_returns(history), ((model.longest_window, 0), (0, 0)), constant_values=np.nan)
    rows = history.rows(days) + model.longest_window if len(days) else np.empty(0, dtype=np.intp)
    table = np.full((len(MEASURES), len(days), len(history.symbols)), np.nan)
    window_rows = rows + np.arange(1 - model.longest_window, 1)[:, None]
    prepared = [_prepare(regression, window_rows) for regression in _regressions(history, returns, model)]
    width = max(1, _BLOCK // max(1, len(rows)))
    for first in range(0, len(history.symbols), width):
        block = slice(first, first + width)
        _fill(table[:, :, block], prepared, returns[:, block][window_rows], model.beta_cap)
    return _as_rows(table, days, history.symbols)


def tidy_symbol_factors(wide: pd.DataFrame, model: FactorModel) -> pd.DataFrame:
    """Return one row per session, symbol and factor with a known beta, for exports.

    Parameters
    ----------
    wide : DataFrame with the columns of `symbol_factors`.
    model : its windows decide `quality`, its cap `is_capped`.

    Returns
    -------
    DataFrame sorted by session and symbol, factors in the order of `FACTORS`, with the columns
        `session, symbol, factor, beta, r_squared, observations, std_error, quality, is_capped, alpha`. `quality` is
        `full_history` from 0.9 x window observations on, else `limited_history`; alpha is known for `market` only.
    """
    parts = []
    for factor in FACTORS:
        known = wide[wide[f"{factor}_beta"].notna()]
        beta, observations = known[f"{factor}_beta"], known[f"{REGRESSION_OF[factor]}_observations"]
        window = model.spread_window if factor in SPREAD_FACTORS else model.window
        is_full = observations / window >= model.full_history_share
        columns = {
            "session": known["session"],
            "symbol": known["symbol"],
            "factor": pd.Series(factor, index=known.index, dtype="str"),
            "beta": beta,
            "r_squared": known[f"{REGRESSION_OF[factor]}_r_squared"],
            "observations": observations.astype("int64"),
            "std_error": known[f"{factor}_std_error"],
            "quality": pd.Series(np.where(is_full, "full_history", "limited_history"), index=known.index, dtype="str"),
            "is_capped": beta.abs() == model.beta_cap,
            "alpha": known["market_alpha"] if factor == "market" else pd.Series(np.nan, index=known.index),
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts).sort_values(["session", "symbol"], kind="stable", ignore_index=True)


def _regressions(history: PriceHistory, returns: FloatArray, model: FactorModel) -> Iterator[_Regression]:
    unknown = np.full(len(returns), np.nan)
    of = {etf: returns[:, history.column(etf)] if etf in history.symbols else unknown for etf in model.etfs}
    single, spread = (model.window, model.min_observations), (model.spread_window, model.spread_min_observations)
    yield _Regression("market", ("market",), of[model.market][:, None], *single, 0.0)
    yield _Regression("rates", ("rates",), of[model.rates][:, None], *single, 0.0)
    styles = np.stack([of[model.styles[factor]] for factor in STYLE_FACTORS], axis=1)
    yield _Regression("style", STYLE_FACTORS, styles, *single, model.ridge_alpha)
    for factor in SPREAD_FACTORS:
        leg, other_leg = model.spreads[factor]
        yield _Regression(factor, (factor,), (of[leg] - of[other_leg])[:, None], *spread, 0.0)


def _prepare(regression: _Regression, window_rows: npt.NDArray[np.intp]) -> _Prepared:
    factors = np.moveaxis(regression.returns[window_rows[-regression.window :]], 1, 2)
    valid: BoolArray = np.asarray(np.isfinite(factors).all(axis=1))
    factors = np.where(valid[:, None, :], factors, 0.0)
    return _Prepared(regression, factors, valid, regression.design(factors, valid))


def _fill(table: FloatArray, prepared: list[_Prepared], targets: FloatArray, beta_cap: float) -> None:
    """Write all measures of some symbols into their columns of the table.

    Symbols with a return wherever the factors have one share the factor side of a session. The others get windows of
    their own; the arithmetic is the same.
    """
    missing = np.isnan(targets)
    targets = np.where(missing, 0.0, targets)
    centred: Targets | None = None
    for one in prepared:
        window = targets[-len(one.valid) :]
        if centred is None or not np.array_equal(centred.valid, one.valid):
            centred = centre(window, one.valid)
        gaps: BoolArray = np.asarray((one.valid[:, :, None] & missing[-len(one.valid) :]).any(axis=0))
        _write(table, one.regression, fit(one.design, centred), np.s_[:, :], beta_cap, ~gaps)
        pairs = np.nonzero(gaps)
        for start in range(0, len(pairs[0]), _GAP_BLOCK):
            at, column = pairs[0][start : start + _GAP_BLOCK], pairs[1][start : start + _GAP_BLOCK]
            both = one.valid[:, at] & ~missing[-len(one.valid) :, at, column]
            enough = both.sum(axis=0) >= one.regression.min_observations
            at, column, both = at[enough], column[enough], both[:, enough]
            own = one.regression.design(one.factors[:, :, at], both)
            alone = fit(own, centre(window[:, at, column, None], both))
            _write(table, one.regression, alone, (at[:, None], column[:, None]), beta_cap)


def _write(
    table: FloatArray,
    regression: _Regression,
    fitted: Fit,
    cells: _Cells,
    beta_cap: float,
    known: BoolArray | None = None,
) -> None:
    has_beta = np.isfinite(fitted.beta)
    if known is not None:
        has_beta &= known
    is_known = has_beta.any(axis=0)
    measures = {
        f"{regression.name}_r_squared": fitted.r_squared,
        f"{regression.name}_observations": np.broadcast_to(fitted.observations[:, None], is_known.shape),
    }
    for position, factor in enumerate(regression.factors):
        measures[f"{factor}_beta"] = np.where(
            has_beta[position], np.clip(fitted.beta[position], -beta_cap, beta_cap), np.nan
        )
        measures[f"{factor}_std_error"] = fitted.std_error[position]
    if regression.name == "market":
        measures["market_alpha"] = fitted.alpha
    for name, values in measures.items():
        table[MEASURES.index(name)][cells] = np.where(is_known, values, np.nan)


def _as_rows(table: FloatArray, days: SessionArray, symbols: npt.NDArray[np.object_]) -> pd.DataFrame:
    flat = table.reshape(len(MEASURES), -1)
    known = np.isfinite(flat[: len(FACTORS)]).any(axis=0)
    if not known.all():
        flat = flat[:, known]
    rows = pd.DataFrame(flat.T, columns=list(MEASURES), copy=False)
    pair = np.nonzero(known)[0]
    names = pd.Series(symbols, dtype="str")
    n_symbols = max(1, len(symbols))
    rows.insert(0, "session", days.astype("datetime64[s]")[pair // n_symbols])
    rows.insert(1, "symbol", names.take(pair % n_symbols).array)
    return rows


def _regression_formulas() -> dict[str, Formula]:
    found: dict[str, Formula] = {}
    for factor in FACTORS:
        fit = REGRESSION_OF[factor]
        few = f"too few returns in common with the factor's ETFs, or these did not move: {{{fit}_observations}} of them"
        how = "ridge fit, alpha {model.ridge_alpha}, on six ETFs" if fit == "style" else "least squares with intercept"
        window = "{last.spread_window}" if factor in SPREAD_FACTORS else "{last.window}"
        source = "Hoerl and Kennard 1970" if fit == "style" else ""
        observations = f"{{{fit}_observations}} returns in {window}"
        found[f"{factor}_beta"] = Formula(
            f"slope on {factor}, {how}, {observations}, capped at +-{{model.beta_cap}}", few, source
        )
        found[f"{factor}_std_error"] = Formula(
            f"standard error of the slope on {factor}, {how}, {observations}", few, source
        )
        found[f"{fit}_r_squared"] = Formula(f"1 - residual / total sum of squares, {how}, {observations}", few)
        found[f"{fit}_observations"] = Formula(
            f"count of the sessions among {window} on which the symbol and the {fit} ETFs have a return", few
        )
    found["market_alpha"] = Formula(
        "intercept of the market regression, {market_observations} returns in {last.window}", "too few returns"
    )
    return found


FORMULAS: Formulas = {"symbol_factors": _regression_formulas()}
