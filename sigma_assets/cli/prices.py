"""Commands for stored prices."""

from datetime import datetime

import click
from rich.progress import Progress

from sigma_assets.base.errors import StorageError
from sigma_assets.cli.terminal.options import SYMBOL, day_range, range_options
from sigma_assets.cli.terminal.printing import console, json_option, show
from sigma_assets.cli.terminal.world import open_database, open_market
from sigma_assets.prices.storing import stored_symbols
from sigma_assets.storage.frames.rows import stored_range
from sigma_assets.storage.schema import market_prices


@click.group()
def prices() -> None:
    """Maintain the stored prices."""


@prices.command(short_help="Fetch stored prices again and correct differences.")
@click.option(
    "--symbol", "symbols", type=SYMBOL, multiple=True, help="Only this symbol; repeatable. Default: all stored symbols."
)
@range_options
@json_option
def reload(symbols: tuple[str, ...], start: datetime | None, end: datetime | None, as_json: bool) -> None:
    """Fetch stored prices again from the price source, and correct those that differ.

    Prints the differences. Rows that the source no longer has stay as they are. The daemon recomputes what depends on
    corrected prices; if it is not running, `sigma-assets run` does.
    """
    start_day, end_day = day_range(start, end)
    stored = stored_range(open_database(), market_prices)
    if stored is None:
        raise StorageError("no prices are stored yet: `sigma-assets run` loads them")
    first, last = start_day or stored[0], end_day or stored[1]
    if unknown := sorted({*symbols} - stored_symbols(open_database(), symbols, first, last)):
        raise StorageError(
            f"no price of {', '.join(unknown)} is stored from {first} to {last}: `sigma-assets run` loads what is held"
        )
    tables, price_source = open_market()
    before = tables.prices_revision()
    with Progress(console=console, disable=as_json) as progress:
        task = progress.add_task(f"{price_source.provider.name}, {first} to {last}", total=None)
        found = price_source.reload(symbols or None, first, last, lambda count: progress.advance(task, count))
    rows = [vars(correction) for correction in found.corrections]
    summary = f"{found.rows} rows requested, {found.served} received, {found.corrected_rows} corrected"
    show(rows, as_json=as_json, nothing="nothing differs")
    click.echo(summary, err=True)
    if behind := tables.portfolios_behind_prices(since=before):
        click.echo(
            f"{len(behind)} portfolio(s) may depend on these prices: the daemon, or `sigma-assets run`, looks which do",
            err=True,
        )
