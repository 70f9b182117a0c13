"""Every column's formula, gathered from beside the functions that compute it; and what a reader's column name means."""

from collections.abc import Mapping

import sqlalchemy as sa

from sigma_assets.analytics.factors import exposures, regression
from sigma_assets.analytics.performance import performance
from sigma_assets.analytics.risk import attribution_formulas, volatility
from sigma_assets.analytics.risk.correlation import correlations
from sigma_assets.analytics.risk.stress import tables as stress
from sigma_assets.analytics.series import coverage, metrics
from sigma_assets.analytics.valuation import snapshots, values
from sigma_assets.base.conventions import FACTORS, REGRESSION_OF
from sigma_assets.base.errors import ExplainError
from sigma_assets.base.formulas import Formula, Formulas
from sigma_assets.storage.schema import FAMILIES, INTERNAL
from sigma_assets.storage.schema import TABLES as SCHEMA

INPUTS = ("market_prices",)
"""Tables that are computed from nothing here."""
TABLES = {table.name: asset for asset, tables in FAMILIES.items() for table in tables}
"""Table -> the asset that it belongs to."""


def _gathered() -> Formulas:
    modules = (
        regression, metrics, coverage, snapshots, values, exposures, volatility, correlations, attribution_formulas, stress,
        performance,
    )  # fmt: skip
    delivered = Formula("as the price source delivered it", "the source has no such number")
    found: Formulas = {table: {column.name: delivered for column in numeric_columns(SCHEMA[table])} for table in INPUTS}
    for module in modules:
        found |= module.FORMULAS
    return found


def numeric_columns(table: sa.Table) -> list[sa.Column]:
    """Return the columns that hold numbers which somebody may ask about."""
    numbers = (sa.Double, sa.BigInteger)
    return [
        column
        for column in table.columns
        if isinstance(column.type, numbers) and not column.primary_key and column.name not in INTERNAL
    ]


FORMULAS = _gathered()


def resolved(table: str, column: str, factor: str | None, scenarios: Mapping[str, int], scenario: str | None) -> str:
    """Return the stored column that a name of the stored or of the tidy form stands for.

    Raises
    ------
    ExplainError
        There is no such table or column, or it needs a factor or a scenario to be one.
    """
    formulas = FORMULAS.get(table)
    if formulas is None:
        raise ExplainError(f"there is no table {table!r}; there are {', '.join(FORMULAS)}")
    fit = REGRESSION_OF.get(factor or "", factor)
    for name in (column, f"{factor}_{column}", f"{fit}_{column}", f"market_{column}" if column == "alpha" else ""):
        if name in formulas:
            return name
    if table == "stress_tests_by_position" and column == "pnl_usd":
        if scenario is None or scenario not in scenarios:
            raise ExplainError(f"{table}.{column}: which scenario? there are {', '.join(scenarios) or 'none'}")
        return f"scenario_{scenarios[scenario]:02d}_pnl_usd"
    if any(f"{each}_{column}" in formulas for each in (*FACTORS, *REGRESSION_OF.values())):
        raise ExplainError(f"{table}.{column}: which factor? there are {', '.join(FACTORS)}")
    raise ExplainError(f"{table} has no number {column!r}; it has {', '.join(formulas)}")
