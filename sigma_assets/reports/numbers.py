"""Stored numbers as they leave: the rows of a table in tidy form, for `export` and the numbers API."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from sigma_assets.base.errors import StorageError
from sigma_assets.settings import Settings
from sigma_assets.storage.schema import FAMILIES, INTERNAL

if TYPE_CHECKING:  # what `export --help` need not wait for
    import pandas as pd

    from sigma_assets.storage.connection.database import Database

ALLOCATION = "allocation"
"""A query, not an asset: positions by the classes that `classify` has read."""
TABLES = {table.name: table for tables in FAMILIES.values() for table in tables}
NAMES = (*FAMILIES, *(name for name in TABLES if name not in FAMILIES), ALLOCATION)
"""What can be asked for: an asset (its first table) or one of its tables."""
PAIR = "other_symbol"
TIDIED = ("factor_exposures_by_portfolio",)
"""Tables whose rows become several in tidy form."""
BLOCK_ROWS = 10_000
"""Rows that are read at once, about: what a reader of a long history waits for, and what it costs in memory."""
MOST_SESSIONS = 4096
ONE_ROW = [
    name
    for name, table in TABLES.items()
    if [column.name for column in table.primary_key] == ["portfolio_id", "session"] and name not in TIDIED
]
"""Tables with a row per portfolio and session; of others the first session tells how many there are."""


def table_of(name: str) -> str:
    """Return the table that an asset or a table stands for; `allocation` is one of its own."""
    return name if name in TABLES or name == ALLOCATION else FAMILIES[name][0].name


def tidy_rows(
    database: "Database",
    settings: Settings,
    name: str,
    portfolio_ids: Sequence[str],
    first: date | None = None,
    last: date | None = None,
    symbols: Sequence[str] | None = None,
) -> "pd.DataFrame":
    """Return the rows of a table in tidy form; removed portfolios stay readable.

    Parameters
    ----------
    name : one of `NAMES`.
    portfolio_ids : of a table of symbols, the rows of their symbols and of the factor ETFs; none = everything.
    first, last : sessions, both included; None = from the first, to the last.
    symbols : only these, or pairs with one of these; None = all.

    Raises
    ------
    PortfolioNotFoundError
        An id is unknown.
    StorageError
        Symbols are chosen of a table without symbols, or no symbol has a class yet (`allocation`).
    """
    from sigma_assets.analytics.factors import exposures, regression
    from sigma_assets.analytics.risk.stress import tables as stress
    from sigma_assets.storage.classifications import stored_classes
    from sigma_assets.storage.frames.rows import Rows, read_rows
    from sigma_assets.storage.portfolios import portfolios

    portfolios(database, portfolio_ids)
    table = TABLES["position_values" if name == ALLOCATION else table_of(name)]
    if symbols is not None and not takes_symbols(name):
        raise StorageError(f"{name}: has no column symbol, so no symbols can be chosen of it")
    calendar = settings.calendar
    start, end = first or calendar.sessions[0].item(), last or calendar.sessions[-1].item()
    by_portfolio = "portfolio_id" in table.c
    if portfolio_ids and not by_portfolio:
        known = known_symbols(database, settings, portfolio_ids)
        symbols = sorted(known if symbols is None else known.intersection(symbols))
    in_query = symbols if PAIR not in table.c else None
    scope = Rows(start, end, tuple(portfolio_ids) if portfolio_ids and by_portfolio else None, in_query)
    rows = read_rows(database, table, scope).drop(columns=list(INTERNAL), errors="ignore")
    if symbols is not None and PAIR in table.c:
        rows = rows[rows["symbol"].isin(symbols) | rows[PAIR].isin(symbols)].reset_index(drop=True)
    if name == ALLOCATION:
        return _allocation(rows, stored_classes(database))
    if table.name == "symbol_factors":
        return regression.tidy_symbol_factors(rows, settings.factor_model)
    if table.name.startswith("factor_exposures"):
        return exposures.tidy_factor_exposures(rows)
    if table.name == "stress_tests_by_position":
        of_all = Rows(start, end, tuple(portfolio_ids) or None)
        scenarios = read_rows(database, TABLES["stress_tests_by_portfolio"], of_all)
        return stress.tidy_positions(rows, scenarios)
    return rows


def tidy_blocks(
    database: "Database",
    settings: Settings,
    name: str,
    portfolio_id: str,
    first: date | None = None,
    last: date | None = None,
    symbols: Sequence[str] | None = None,
    *,
    block_rows: int = BLOCK_ROWS,
) -> Iterator["pd.DataFrame"]:
    """Yield the rows of `tidy_rows` for one portfolio in consecutive blocks of sessions, some `block_rows` each.

    The first block comes whether or not it has rows: it has the columns. So memory does not grow with the history.
    """
    from sigma_assets.storage.frames.rows import stored_range

    table = TABLES["position_values" if name == ALLOCATION else table_of(name)]
    stored = stored_range(database, table, portfolio_id if "portfolio_id" in table.c else None)
    calendar = settings.calendar.sessions
    begin, end = stored or (calendar[0].item(), calendar[0].item())
    begin, end = max(first or begin, begin), min(last or end, end)
    sessions = settings.calendar.between(begin, end)
    if not stored or not len(sessions):
        yield tidy_rows(database, settings, name, [portfolio_id], end, end, symbols).iloc[:0]
        return
    place, count = 0, min(block_rows, MOST_SESSIONS) if table.name in ONE_ROW else 1
    while place < len(sessions):
        block = sessions[place : place + count]
        rows = tidy_rows(database, settings, name, [portfolio_id], block[0].item(), block[-1].item(), symbols)
        yield rows
        place += count
        count = min(max(count * block_rows // max(len(rows), 1), 1), 8 * count, MOST_SESSIONS)


def takes_symbols(name: str) -> bool:
    """Return whether the rows of a table are about symbols, so that some can be chosen."""
    return name != ALLOCATION and "symbol" in TABLES[table_of(name)].c


def known_symbols(database: "Database", settings: Settings, portfolio_ids: Sequence[str]) -> set[str]:
    """Return the symbols that portfolios are about.

    Held at any time (cash and private lots, too), underlying of an option, or one that every portfolio needs: the factor
    ETFs and the benchmark, which its coverage counts.
    """
    from sigma_assets.prices.universe import everyones_symbols
    from sigma_assets.storage.portfolios import lots

    held = lots(database, list(portfolio_ids))
    return {*held["symbol"], *held["underlying_symbol"].dropna(), *everyones_symbols(settings)}


def said_of_strangers(symbols: Iterable[str], known: Collection[str]) -> str:
    """Return what to say of symbols that portfolios are not about; empty if there is none of them."""
    strange = [symbol for symbol in symbols if symbol not in known]
    if not strange:
        return ""
    return f"no number of this portfolio is about {', '.join(strange)}; its symbols are {', '.join(sorted(known))}"


def plain_rows(rows: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return rows for JSON: each number with all its digits, days and moments in ISO 8601, null for what is not known."""
    columns = {str(name): _plain(rows[name]) for name in rows}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def json_text(rows: "pd.DataFrame") -> str:
    """Return rows as a JSON array, a row a line."""
    lines = [json.dumps(row, allow_nan=False) for row in plain_rows(rows)]
    return "[" + ",\n".join(lines) + "]"


def csv_text(rows: "pd.DataFrame", *, header: bool = True) -> str:
    """Return rows as CSV: an unknown number is an empty field."""
    dates = {str(name): rows[name].dt.strftime("%Y-%m-%d") for name in rows.select_dtypes("datetime")}
    return rows.assign(**dates).to_csv(index=False, header=header)


def _plain(values: "pd.Series") -> list[Any]:
    if values.dtype.kind == "M":
        form = "%Y-%m-%d" if getattr(values.dtype, "tz", None) is None else "%Y-%m-%dT%H:%M:%S.%f+00:00"
        values = values.dt.strftime(form)
    return values.astype(object).where(values.notna(), None).tolist()


def _allocation(positions: "pd.DataFrame", classes: "pd.DataFrame") -> "pd.DataFrame":
    from sigma_assets.analytics.valuation.allocation import allocation

    if classes.empty:
        raise StorageError(
            "no symbol has a class yet: run `sigma-assets classify FILE.csv` (symbol, scheme, class, weight)"
        )
    return allocation(positions, classes)
