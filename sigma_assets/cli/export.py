"""The command that exports tables in tidy form."""

import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
import pandas as pd

from sigma_assets.base.errors import StorageError
from sigma_assets.cli.terminal.options import day_range, portfolio_option, range_options
from sigma_assets.cli.terminal.world import open_database
from sigma_assets.settings import settings
from sigma_assets.storage.schema import FAMILIES

ALLOCATION = "allocation"
"""A query, not an asset: positions by the classes that `classify` has read."""
INTERNAL = ["prices_revision", "holdings_revision", "revision"]
FORMS = {".csv": "csv", ".json": "json", ".parquet": "parquet", ".pq": "parquet"}
TABLES = {table.name: table for tables in FAMILIES.values() for table in tables}


@click.command()
@click.argument(
    "asset",
    metavar="ASSET",
    type=click.Choice([*FAMILIES, *(name for name in TABLES if name not in FAMILIES), ALLOCATION]),
)
@portfolio_option
@range_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "parquet", "json"]),
    help="Default: from the file's extension, else csv.",
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Output file. Default: standard output."
)
def export(
    asset: str,
    portfolio_ids: tuple[str, ...],
    start: datetime | None,
    end: datetime | None,
    form: str | None,
    output: Path | None,
) -> None:
    """Write the rows of a table in tidy form. An unknown number is an empty field, or null in JSON.

    ASSET is an asset (its portfolio-level table) or one of its tables, such as betas_by_position; or `allocation`:
    long, short, net and gross exposure by class.
    """
    form = form or _form_of(output)
    if form == "parquet" and output is None:
        raise click.UsageError("parquet needs a file: -o FILE.parquet")
    frame = tidy(asset, portfolio_ids, *day_range(start, end))
    try:
        _write(frame, form, output)
    except OSError as error:
        if output is None:
            raise  # click knows what to do when the reader of a pipe has gone
        raise click.BadParameter(f"{output}: cannot be written ({error.strerror})", param_hint="'-o'") from error


def _form_of(output: Path | None) -> str:
    """Return the format that a file's name promises."""
    if output is None:
        return "csv"
    form = FORMS.get(output.suffix.lower())
    if form is None:
        raise click.BadParameter(
            f"{output}: expected a name that ends in {', '.join(FORMS)}, or --format", param_hint="'-o'"
        )
    return form


def _write(frame: pd.DataFrame, form: str, output: Path | None) -> None:
    if form == "parquet":
        frame.to_parquet(output, index=False)
        return
    dates = {str(name): frame[name].dt.strftime("%Y-%m-%d") for name in frame.select_dtypes("datetime")}
    plain = frame.assign(**dates)
    text = plain.to_csv(index=False) if form == "csv" else _json(plain)
    if output is None:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
    else:
        output.write_text(text, encoding="utf-8")


def _json(frame: pd.DataFrame) -> str:
    """Return rows as JSON: each number with as many digits as it takes to read it back to the last bit, null for NaN."""
    plain = frame.astype(object).where(frame.notna(), None)
    return json.dumps(plain.to_dict("records"), indent=2, allow_nan=False, default=_plain)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


def tidy(asset: str, portfolio_ids: tuple[str, ...], start: date | None, end: date | None) -> pd.DataFrame:
    """Return the rows of an asset's table in tidy form; removed portfolios stay readable.

    Raises
    ------
    PortfolioNotFoundError
        An id is unknown.
    """
    from sigma_assets.analytics.factors import exposures, regression
    from sigma_assets.analytics.risk.stress import tables as stress
    from sigma_assets.prices.tables import held_symbols
    from sigma_assets.storage.classifications import stored_classes
    from sigma_assets.storage.portfolios import portfolios
    from sigma_assets.storage.rows import Rows, read_rows

    database = open_database()
    portfolios(database, portfolio_ids)
    source = "position_values" if asset == ALLOCATION else asset
    table = TABLES[source] if source in TABLES else FAMILIES[source][0]
    calendar = settings().calendar
    first, last = start or calendar.sessions[0].item(), end or calendar.sessions[-1].item()
    by_portfolio = "portfolio_id" in table.c
    symbols = None
    if portfolio_ids and not by_portfolio:
        symbols = tuple(sorted({*held_symbols(database, list(portfolio_ids))["symbol"], *settings().factor_model.etfs}))
    scope = Rows(first, last, portfolio_ids if portfolio_ids and by_portfolio else None, symbols)
    rows = read_rows(database, table, scope).drop(columns=INTERNAL, errors="ignore")
    if asset == ALLOCATION:
        return _allocation(rows, stored_classes(database))
    if table.name == "symbol_factors":
        return regression.tidy_symbol_factors(rows, settings().factor_model)
    if table.name.startswith("factor_exposures"):
        return exposures.tidy_factor_exposures(rows)
    if table.name == "stress_tests_by_position":
        return stress.tidy_positions(rows, read_rows(database, TABLES["stress_tests_by_portfolio"], scope))
    return rows


def _allocation(positions: pd.DataFrame, classes: pd.DataFrame) -> pd.DataFrame:
    from sigma_assets.analytics.valuation.allocation import allocation

    if classes.empty:
        raise StorageError(
            "no symbol has a class yet: run `sigma-assets classify FILE.csv` (symbol, scheme, class, weight)"
        )
    return allocation(positions, classes)
