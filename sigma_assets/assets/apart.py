"""What one portfolio's error costs the others: nothing. Rows that cannot be computed or stored together are done apart."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from sigma_assets.assets.tables import Tables
from sigma_assets.base.errors import RowsError
from sigma_assets.runs.failed_checks import FailedCheck
from sigma_assets.runs.partitions import Scope

COMPUTED = "computed"
"""What is said to have failed for a portfolio without rows, beside the checks of rows."""
FAULTS = (RowsError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""Errors that can be one portfolio's. Others (database, price source, disk, memory, an ended run) are everybody's."""

logger = logging.getLogger(__name__)

Rows = Sequence[pd.DataFrame]
"""One frame per table of an asset's family, in its order."""


def replace_apart(
    tables: Tables, asset: str, scope: Scope, together: Callable[[], Rows], again: Callable[[Scope], Rows]
) -> list[FailedCheck]:
    """Replace an asset's rows in a scope; where some portfolio's cannot be, those of the others.

    After an error the portfolios are halved until it is found whose it is: one among 250 costs about as much again.

    Parameters
    ----------
    together : computes the rows of the scope.
    again : computes the rows of a part of its portfolios.

    Returns
    -------
    the portfolios whose rows could not be computed or stored, each with its error; their rows stay as they were.

    Raises
    ------
    Exception
        What was raised, if it is no portfolio's or the scope has but one.
    """
    error = _fault(tables, asset, scope, together)
    if error is None:
        return []
    if len(scope.portfolio_ids) < 2:
        raise error
    logger.warning("%s of %d portfolios: %s; whose is it?", asset, len(scope.portfolio_ids), _told(error))
    return _of_halves(tables, asset, scope, again)


def _of_halves(tables: Tables, asset: str, scope: Scope, again: Callable[[Scope], Rows]) -> list[FailedCheck]:
    middle = len(scope.portfolio_ids) // 2
    halves = scope.portfolio_ids[:middle], scope.portfolio_ids[middle:]
    return [failed for half in halves for failed in _of_part(tables, asset, replace(scope, portfolio_ids=half), again)]


def _of_part(tables: Tables, asset: str, scope: Scope, again: Callable[[Scope], Rows]) -> list[FailedCheck]:
    error = _fault(tables, asset, scope, lambda: again(scope))
    if error is None:
        return []
    if len(scope.portfolio_ids) > 1:
        return _of_halves(tables, asset, scope, again)
    (portfolio_id,) = scope.portfolio_ids
    name = tables.holdings(scope)[0]["name"].iloc[0]
    logger.error("%s of %s cannot be computed", asset, name, exc_info=error)
    return [FailedCheck(asset, COMPUTED, portfolio_id, name, str(scope.first), str(scope.last), 1, _told(error))]


def _fault(tables: Tables, asset: str, scope: Scope, rows: Callable[[], Rows]) -> Exception | None:
    """Replace the rows; return the error that can be one portfolio's."""
    try:
        tables.replace(asset, rows(), scope)
    except FAULTS as error:
        return error
    return None


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, RowsError) else f"{type(error).__name__}: {error}"
