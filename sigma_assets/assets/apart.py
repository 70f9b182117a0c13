"""What one portfolio's error costs the others: nothing. Rows that cannot be computed or stored together are done apart."""

import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from sigma_assets.assets.tables import Tables
from sigma_assets.base.errors import CalendarError, HoldingsError, RowsError, SigmaError
from sigma_assets.runs.failed_checks import FailedCheck
from sigma_assets.runs.partitions import Scope

COMPUTED = "computed"
"""What is said to have failed for a portfolio without rows, beside the checks of rows."""
MOST_APART = 25
"""With more portfolios than this the error is everybody's: a fault of the code would be looked for in each of thousands."""
FAULTS = (
    RowsError, HoldingsError, CalendarError,
    ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError,
)  # fmt: skip
"""Errors that can be one portfolio's. Others (database, price source, disk, memory, an ended run) are everybody's."""

logger = logging.getLogger(__name__)

Calculation = Callable[[Scope], Sequence[pd.DataFrame]]
"""Returns the rows of a scope: one frame per table of an asset's family, in its order."""


def replace_apart(
    tables: Tables, asset: str, scope: Scope, together: Calculation, again: Calculation
) -> list[FailedCheck]:
    """Replace an asset's rows in a scope; where some portfolio's cannot be, those of the others.

    After an error the portfolios are halved until it is found whose it is: for one among many that costs about twice as much
    again.

    Parameters
    ----------
    together : computes the rows of the scope.
    again : computes those of a part of its portfolios.

    Returns
    -------
    the portfolios whose rows could not be computed or stored, each with its error; their rows stay as they were.

    Raises
    ------
    Exception
        What was raised, if it is no portfolio's, if the scope has but one, or if more than `MOST_APART` have an error.
    """
    error = _fault(tables, asset, scope, together)
    if error is None:
        return []
    if len(scope.portfolio_ids) < 2:
        raise error
    logger.warning("%s of %d portfolios: %s; whose is it?", asset, len(scope.portfolio_ids), _told(error))
    found: list[FailedCheck] = []
    parts = _halves(scope)
    while parts:
        part = parts.pop(0)
        error = _fault(tables, asset, part, again)
        if error is not None and len(part.portfolio_ids) > 1:
            parts = [*_halves(part), *parts]
        elif error is not None:
            if len(found) == MOST_APART:
                raise error
            found.append(_failed(tables, asset, part, error))
    return found


def _failed(tables: Tables, asset: str, scope: Scope, error: Exception) -> FailedCheck:
    (portfolio_id,) = scope.portfolio_ids
    name = tables.holdings(scope)[0]["name"].iloc[0]
    logger.error("%s of %s cannot be computed", asset, name, exc_info=error)
    return FailedCheck(asset, COMPUTED, portfolio_id, name, str(scope.first), str(scope.last), 1, _told(error))


def _halves(scope: Scope) -> list[Scope]:
    middle = len(scope.portfolio_ids) // 2
    return [replace(scope, portfolio_ids=ids) for ids in (scope.portfolio_ids[:middle], scope.portfolio_ids[middle:])]


def _fault(tables: Tables, asset: str, scope: Scope, calculate: Calculation) -> Exception | None:
    """Replace the rows; return the error that can be one portfolio's, without the rows that its stack holds."""
    try:
        tables.replace(asset, calculate(scope), scope)
    except FAULTS as error:
        traceback.clear_frames(error.__traceback__)
        return error
    return None


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, SigmaError) else f"{type(error).__name__}: {error}"
