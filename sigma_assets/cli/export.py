"""The command that writes the numbers out, tidy."""

import sys
from datetime import datetime
from pathlib import Path

import click
import pandas as pd

from sigma_assets.cli.world import open_database
from sigma_assets.conventions import FactorModel
from sigma_assets.settings import settings
from sigma_assets.storage.schema import FAMILIES, metadata

day_option = click.DateTime(["%Y-%m-%d"])
INTERNAL = ["prices_revision", "holdings_revision", "revision"]
TABLES = {table.name: table for tables in FAMILIES.values() for table in tables}


@click.command()
@click.argument("asset", type=click.Choice([*FAMILIES, *(name for name in TABLES if name not in FAMILIES)]))
@click.option("--portfolio", "portfolio_ids", multiple=True, help="Only this portfolio; repeatable. Default: all.")
@click.option("--start", type=day_option, help="First day.")
@click.option("--end", type=day_option, help="Last day.")
@click.option("--format", "form", type=click.Choice(["csv", "parquet", "json"]), default="csv", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File; default: standard output.")
def export(
    asset: str,
    portfolio_ids: tuple[str, ...],
    start: datetime | None,
    end: datetime | None,
    form: str,
    output: Path | None,
) -> None:
    """Write the rows of an asset: one row per key and factor, NaN as an empty field.

    ASSET is an asset (its portfolio-level table) or one of its tables, such as betas_by_position.
    """
    if form == "parquet" and output is None:
        raise click.UsageError("parquet needs a file: -o FILE.parquet")
    frame = tidy(asset, portfolio_ids, start, end)
    if form == "parquet":
        frame.to_parquet(output, index=False)
        return
    dates = {str(name): frame[name].dt.strftime("%Y-%m-%d") for name in frame.select_dtypes("datetime")}
    plain = frame.assign(**dates)
    text = (
        plain.to_csv(index=False) if form == "csv" else plain.to_json(orient="records", indent=2, double_precision=15)
    )
    if output is None:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
    else:
        output.write_text(text, encoding="utf-8")


def tidy(asset: str, portfolio_ids: tuple[str, ...], start: datetime | None, end: datetime | None) -> pd.DataFrame:
    """Return the rows of an asset's table in tidy form."""
    from sigma_assets.analytics import exposures, regression
    from sigma_assets.storage.prices import held_symbols
    from sigma_assets.storage.rows import Rows, read_rows

    database = open_database()
    table = metadata.tables[TABLES[asset].name if asset in TABLES else FAMILIES[asset][0].name]
    calendar = settings().calendar
    first = start.date() if start else calendar.sessions[0].item()
    last = end.date() if end else calendar.sessions[-1].item()
    by_portfolio = "portfolio_id" in table.c
    symbols = None
    if portfolio_ids and not by_portfolio:
        symbols = tuple(sorted({*held_symbols(database, list(portfolio_ids))["symbol"], *FactorModel().etfs}))
    scope = Rows(first, last, portfolio_ids if portfolio_ids and by_portfolio else None, symbols)
    rows = read_rows(database, table, scope).drop(columns=INTERNAL, errors="ignore")
    if table.name == "symbol_factors":
        return regression.tidy_symbol_factors(rows, settings().factor_model)
    if table.name.startswith("factor_exposures"):
        return exposures.tidy_factor_exposures(rows)
    return rows
