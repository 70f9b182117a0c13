"""Which rows of a table an explanation is about."""

from typing import Any

import pandas as pd

from sigma_assets.base.errors import ExplainError
from sigma_assets.base.formulas import Formula
from sigma_assets.reports.words.table import Which
from sigma_assets.runs.partitions import Scope
from sigma_assets.storage.schema import TABLES as SCHEMA


def chosen_rows(
    rows: pd.DataFrame, table: str, column: str, formula: Formula, which: Which, scope: Scope
) -> list[dict[str, Any]]:
    """Return the row that is meant; of a symbol in several lots all of these, if their numbers add up.

    Where the lots of a symbol have one number in common, such as a price, the first stands for all.

    Raises
    ------
    ExplainError
        There is none, or there are several that do not belong together.
    """
    chosen = rows
    for name, said, given in (
        ("symbol", "symbol", which.symbols),
        ("lot_id", "lot", which.lot),
        ("cluster", "cluster", which.cluster),
    ):
        if given and name not in rows:
            raise ExplainError(f"{table} has no column {name}, so {said} chooses nothing; leave it out")
    for name, given in (("lot_id", which.lot), ("scenario", which.scenario), ("cluster", which.cluster)):
        if given is not None and name in rows:
            chosen = chosen[chosen[name] == given]
    if which.factor is not None and "factor" in rows:
        chosen = chosen[chosen["factor"] == which.factor]
    for symbol in which.symbols:
        other = chosen["other_symbol"] == symbol if "other_symbol" in rows else False
        chosen = chosen[(chosen["symbol"] == symbol) | other]
    found = chosen.to_dict("records")
    if len(found) > 1 and "lot_id" in rows and len({row["symbol"] for row in found}) == 1:
        if formula.adds_up:
            return found
        if chosen[column].nunique(dropna=False) == 1:
            return found[:1]
    names = [name for name in dict.fromkeys(["symbol", *keys_of(table)]) if name in rows]
    asked = ", ".join(
        str(each) for each in (*which.symbols, which.factor, which.scenario, which.lot, which.cluster) if each
    )
    listed = "; ".join(dict.fromkeys(" ".join(str(row[name]) for name in names) for row in rows.to_dict("records")))
    if not len(chosen):
        reason = Formula(formula.unknown).symbols
        why = f"; a row is left out where it cannot be known: {reason}" if reason else ""
        raise ExplainError(
            f"{table}: no row of {asked or 'the portfolio'} on {scope.last}{why}. There are: {listed}"[:1500]
        )
    if len(chosen) > 1:
        flags = "symbol, lot, factor, scenario or cluster"
        raise ExplainError(
            f"{table}: {len(chosen)} rows on {scope.last}: say which by {flags}. There are: {listed}"[:1500]
        )
    return found


def keys_of(table: str) -> list[str]:
    """Return the columns that tell the rows of a portfolio and session apart."""
    keys = [column.name for column in SCHEMA[table].primary_key if column.name not in ("portfolio_id", "session")]
    return list(dict.fromkeys([*keys, *(["symbol"] if "symbol" in SCHEMA[table].c else [])]))
