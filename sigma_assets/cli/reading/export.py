"""The command that exports tables in tidy form."""

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigma_assets.cli.terminal.options import day_range, portfolio_option, range_options
from sigma_assets.cli.terminal.world import open_database
from sigma_assets.reports.gaps.kinds import SIMULATED
from sigma_assets.reports.numbers import NAMES, csv_text, json_text, tidy_rows
from sigma_assets.settings import settings

if TYPE_CHECKING:
    import pandas as pd

FORMS = {".csv": "csv", ".json": "json", ".parquet": "parquet", ".pq": "parquet"}


@click.command()
@click.argument("asset", metavar="ASSET", type=click.Choice(NAMES))
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
    first, last = day_range(start, end)
    frame = tidy_rows(open_database(), settings(), asset, portfolio_ids, first, last)
    source = price_source_of(portfolio_ids)
    frame.attrs["price_source"] = source  # kept in the metadata of Parquet; CSV and JSON have no place for it
    if SIMULATED in source.split(", "):
        click.echo("warning: prices are simulated; SIGMA_PRICES names real sources", err=True)
    try:
        _write(frame, form, output)
    except OSError as error:
        if output is None:
            raise  # click knows what to do when the reader of a pipe has gone
        raise click.BadParameter(
            f"{output}: cannot be written ({error.strerror or error})", param_hint="'-o'"
        ) from error


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


def _write(frame: "pd.DataFrame", form: str, output: Path | None) -> None:
    if form == "parquet":
        frame.to_parquet(output, index=False)
        return
    text = csv_text(frame) if form == "csv" else json_text(frame)
    if output is None:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
    else:
        output.write_text(text, encoding="utf-8")


def price_source_of(portfolio_ids: tuple[str, ...]) -> str:
    """Return where the prices of portfolios (of all, by default) come from: names of sources, several with commas."""
    from sigma_assets.reports.gaps.holdings import holdings_of
    from sigma_assets.storage.portfolios import portfolios

    database = open_database()
    chosen = portfolios(database, list(portfolio_ids) or None, include_removed=True)["portfolio_id"]
    found = holdings_of(database, settings(), list(chosen))
    names = {name for each in found.values() for name in each.price_source.split(", ") if name}
    return ", ".join(sorted(names)) or settings().prices
