"""Betas and factor exposures of lots and portfolios from symbol betas and signed weights (SPEC 4.5, 4.6)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.analytics.valuation.values import is_cash_equivalent
from sigma_assets.base.conventions import EXPOSURE_FACTORS, PORTFOLIO_SESSION
from sigma_assets.base.formulas import Formula, Formulas
from sigma_assets.base.frames import FloatArray

POSITION_KEYS = ("portfolio_id", "session", "lot_id")
BETA_FACTORS = ("market", "rates")
POSITION_COLUMNS = (*POSITION_KEYS, "symbol", "market_value", "risk_symbol", "risk_value", "risk_weight")
"""What both calculations read of position_values."""
BETA_MEASURES = tuple(
    f"{factor}_{measure}" for factor in BETA_FACTORS for measure in ("beta", "r_squared", "observations")
)
EXPOSURE_BETAS = tuple(f"{factor}_beta" for factor in EXPOSURE_FACTORS)


def betas(position_values: pd.DataFrame, symbol_factors: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return market and rates betas of portfolios and of lots.

    Parameters
    ----------
    position_values : DataFrame with `POSITION_COLUMNS`; lots without `risk_symbol` (private) have no beta;
        cash equivalents, whose `risk_value` is 0, have beta 0.
    symbol_factors : wide DataFrame with `session, symbol` and the measures, one row per (session, symbol).

    Returns
    -------
    by_portfolio : DataFrame sorted by portfolio_id and session, one row for each with an open lot
        `{factor}_beta` is the sum of risk_weight x beta, NaN if no lot contributes. `{factor}_coverage` is the share of
        |market_value| whose lots have both a beta and a risk value, NaN if all market values are 0.
    by_position : DataFrame sorted by portfolio_id, session and lot_id
        One row per lot with a known weight and a market or rates beta. Columns as in the tables.

    Raises
    ------
    pandas.errors.MergeError
        `symbol_factors` has two rows for one (session, symbol).
    """
    lots = _with_factors(position_values, symbol_factors, BETA_MEASURES)
    by_portfolio = pd.DataFrame(lots.groups)
    of_lots: dict[str, FloatArray] = {}
    is_known = np.zeros(len(lots.rows), dtype=bool)
    for factor in BETA_FACTORS:
        beta = of_lots[f"{factor}_beta"] = lots.beta(factor)
        by_portfolio[f"{factor}_beta"] = lots.total(lots.column("risk_weight") * beta)
        by_portfolio[f"{factor}_coverage"] = lots.coverage(beta)
        is_known |= np.isfinite(beta)
    by_position = lots.rows.rename(columns={"risk_weight": "weight"}).assign(**of_lots)[
        [*POSITION_KEYS, "symbol", "weight", *BETA_MEASURES]
    ]
    is_known &= np.isfinite(lots.column("risk_weight"))
    return by_portfolio, by_position[is_known].reset_index(drop=True)


def factor_exposures(position_values: pd.DataFrame, symbol_factors: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return exposures of portfolios and of lots to the ten style and spread factors.

    Parameters
    ----------
    position_values, symbol_factors : as in `betas`.

    Returns
    -------
    by_portfolio : DataFrame sorted by portfolio_id and session, one row for each with an open lot
        `{factor}_exposure` = sum of risk_weight x beta, `{factor}_exposure_usd` = sum of risk_value x beta, NaN if no
        lot contributes; `{factor}_coverage` as in `betas`. Where equity is not positive weights are unknown, and so are
        exposures, but not those in USD.
    by_position : DataFrame sorted by portfolio_id, session and lot_id
        `{factor}_exposure` = risk_weight x beta; one row per lot with a known exposure to any factor.

    Raises
    ------
    pandas.errors.MergeError
        `symbol_factors` has two rows for one (session, symbol).
    """
    lots = _with_factors(position_values, symbol_factors, EXPOSURE_BETAS)
    of_lots: dict[str, FloatArray] = {}
    exposure: dict[str, FloatArray] = {}
    exposure_usd: dict[str, FloatArray] = {}
    coverage: dict[str, FloatArray] = {}
    for factor in EXPOSURE_FACTORS:
        beta = lots.beta(factor)
        of_lots[f"{factor}_exposure"] = lots.column("risk_weight") * beta
        exposure[f"{factor}_exposure"] = lots.total(of_lots[f"{factor}_exposure"])
        exposure_usd[f"{factor}_exposure_usd"] = lots.total(lots.column("risk_value") * beta)
        coverage[f"{factor}_coverage"] = lots.coverage(beta)
    by_portfolio = lots.groups.assign(**exposure, **exposure_usd, **coverage)
    by_position = lots.rows[[*POSITION_KEYS, "symbol"]].assign(**of_lots)
    is_known = by_position[list(of_lots)].notna().any(axis=1)
    return by_portfolio, by_position[is_known].reset_index(drop=True)


def tidy_factor_exposures(wide: pd.DataFrame) -> pd.DataFrame:
    """Return one row per key and factor, for exports.

    Parameters
    ----------
    wide : either frame that `factor_exposures` returns, or the rows of its table.

    Returns
    -------
    DataFrame with the keys, `factor` and its measures: `exposure, exposure_usd, coverage` of portfolios, `exposure` of
        lots. Factors in the order of `EXPOSURE_FACTORS` within a key; rows where no measure is known are left out.
    """
    measures = [name for name in ("exposure", "exposure_usd", "coverage") if f"value_{name}" in wide.columns]
    keys = [name for name in (*POSITION_KEYS, "symbol") if name in wide.columns]
    parts = []
    for factor in EXPOSURE_FACTORS:
        part = wide[[*keys, *(f"{factor}_{measure}" for measure in measures)]].copy()
        part.columns = pd.Index([*keys, *measures])
        part.insert(len(keys), "factor", pd.Series(factor, index=part.index, dtype="str"))
        parts.append(part.dropna(subset=measures, how="all"))
    order = [key for key in POSITION_KEYS if key in keys]
    return pd.concat(parts).sort_values(order, kind="stable", ignore_index=True)


@dataclass(frozen=True)
class _Lots:
    """Open lots with the betas of their symbols, in key order, and the portfolio sessions that they add up to."""

    rows: pd.DataFrame
    groups: pd.DataFrame  # one row per portfolio session: its keys
    group: npt.NDArray[np.intp]  # of each row

    def column(self, name: str) -> FloatArray:
        return self.rows[name].to_numpy(dtype=float, na_value=np.nan)

    def beta(self, factor: str) -> FloatArray:
        """Return the beta of each lot; of cash equivalents 0, which is known and never missing."""
        beta = self.column(f"{factor}_beta")
        return np.where(is_cash_equivalent(self.rows), 0.0, beta) if len(beta) else beta

    def total(self, values: FloatArray) -> FloatArray:
        """Return the sum of the known values of each portfolio session; NaN where none is known.

        `np.bincount` adds row by row, so the rows of other portfolios cannot change the last bit.
        """
        known = np.isfinite(values)
        n_groups = len(self.groups)
        sums = np.bincount(self.group, weights=np.where(known, values, 0.0), minlength=n_groups)
        return np.where(np.bincount(self.group, weights=known, minlength=n_groups) > 0, sums, np.nan)

    def coverage(self, beta: FloatArray) -> FloatArray:
        size = np.abs(self.column("market_value"))
        contributes = np.isfinite(beta) & np.isfinite(self.column("risk_value"))
        whole = self.total(size)
        return self.total(np.where(contributes, size, 0.0)) / np.where(whole > 0, whole, np.nan)


def _with_factors(position_values: pd.DataFrame, symbol_factors: pd.DataFrame, measures: Sequence[str]) -> _Lots:
    lots = position_values[list(POSITION_COLUMNS)].sort_values(list(POSITION_KEYS), kind="stable", ignore_index=True)
    lots["risk_symbol"] = lots["risk_symbol"].astype("str")
    factors = symbol_factors[["session", "symbol", *measures]].rename(columns={"symbol": "risk_symbol"})
    rows = lots.merge(factors, on=["session", "risk_symbol"], how="left", validate="many_to_one")
    is_first = ~rows.duplicated(PORTFOLIO_SESSION).to_numpy()
    groups = rows.loc[is_first, PORTFOLIO_SESSION].reset_index(drop=True)
    return _Lots(rows, groups, np.cumsum(is_first) - 1)


def _beta_formulas(factor: str) -> Formulas:
    unknown = f"no {factor} beta of the symbol: too few returns in the window"
    beta, coverage = f"{factor}_beta", f"{factor}_coverage"
    covered = Formula(
        f"|market value| of lots with a {factor} beta / |market value| of all open lots", "all market values are 0"
    )
    return {
        "betas_by_position": {
            beta: Formula(f"{{factors.{beta}}}", unknown),
            f"{factor}_r_squared": Formula(f"{{factors.{factor}_r_squared}}", unknown),
            f"{factor}_observations": Formula(f"{{factors.{factor}_observations}}", unknown),
        },
        "betas_by_portfolio": {
            beta: Formula(f"{{weight}} x {{{beta}}}", "no lot has a weight and a beta", over="betas_by_position"),
            coverage: covered,
        },
    }


def _exposure_formulas(factor: str) -> Formulas:
    exposure, beta = f"{factor}_exposure", f"{factor}_beta"
    nothing = "no lot has a weight and a beta"
    return {
        "factor_exposures_by_position": {
            exposure: Formula(
                f"{{position.risk_weight}} x {{factors.{beta}}}",
                f"no {factor} beta of the symbol, or no weight",
                adds_up=True,
            )
        },
        "factor_exposures_by_portfolio": {
            exposure: Formula(f"{{{exposure}}}", nothing, over="factor_exposures_by_position"),
            f"{exposure}_usd": Formula(
                f"{{risk_value}} x {{{beta}}}", "no lot has a value and a beta", over="position_values"
            ),
            f"{factor}_coverage": Formula(
                f"|market value| of lots with a {factor} beta / |market value| of all open lots",
                "all market values are 0",
            ),
        },
    }


def _formulas() -> Formulas:
    found: Formulas = {"betas_by_position": {"weight": Formula("{position.risk_weight}", adds_up=True)}}
    for part in (*map(_beta_formulas, BETA_FACTORS), *map(_exposure_formulas, EXPOSURE_FACTORS)):
        for table, formulas in part.items():
            found.setdefault(table, {}).update(formulas)
    return found


FORMULAS = _formulas()
