"""The demo: two sample portfolios on simulated prices, the whole pipeline, and a report."""

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from time import monotonic

import click

from sigma_assets.base.calendar import as_dates, today
from sigma_assets.base.errors import HoldingsError, SigmaError
from sigma_assets.cli.pipeline import execute_with_progress
from sigma_assets.cli.reading.report import print_report, read_report, write_page
from sigma_assets.cli.terminal.printing import console, program, table
from sigma_assets.cli.terminal.world import open_database, open_instance, open_market, prepare_home
from sigma_assets.providers.base import PriceProvider
from sigma_assets.settings import settings
from sigma_assets.storage.portfolios import NewPortfolio, add_portfolio, portfolios


@click.command()
def demo() -> None:
    """Import two sample portfolios, run the pipeline on simulated prices, and show the numbers."""
    started = monotonic()
    prepare_home()
    if not settings().prices.startswith("simulated"):
        raise click.UsageError(f"the demo runs on simulated prices; SIGMA_PRICES is {settings().prices}: unset it")
    imported = _import_samples()
    from sigma_assets.automation.execution import UpdateRequest

    console.rule("pipeline (simulated market)")
    outcomes = execute_with_progress(UpdateRequest())
    if not outcomes:
        console.print("nothing is missing: every session of every portfolio is up to date")
    failed = [outcome.run_id for outcome in outcomes if not outcome.succeeded]
    if failed:
        raise SigmaError(f"runs failed: {', '.join(failed)}. `sigma-assets runs` says why")
    _show_phases()
    pages = [_show_report(portfolio_id) for portfolio_id in imported]
    command = program()
    console.rule("next", align="left")
    for page in pages:
        click.echo(f"{page.as_uri()}    # the report as a page: for a browser")
    for line in (
        f"{command} report {imported[0][:8]}",
        f"{command} export volatility --portfolio {imported[0]} -o volatility.csv",
        f"{command} import FILE.csv --name NAME --equity USD && {command} run",
        f"{command} dev    # Dagster UI, sensors, schedule, onboarding page",
    ):
        click.echo(line)  # as it is: to be pasted
    console.print(f"done in {monotonic() - started:.1f} s")
    sys.exit(0)


def _show_report(portfolio_id: str) -> Path:
    """Print a portfolio's report; return where it is as a page."""
    found = read_report(portfolio_id)
    print_report(found)
    page = settings().home.resolve() / f"report-{portfolio_id[:8]}.html"
    write_page(found, page)
    return page


def _import_samples() -> list[str]:
    """Import the sample portfolios that are not there yet; return the ids of both."""
    from sigma_assets.holdings.reader import read_holdings
    from sigma_assets.holdings.samples import SAMPLE_SESSIONS, sample_books

    database = open_database()
    _, price_source = open_market()
    there = portfolios(database).set_index("name")["portfolio_id"].to_dict()
    calendar = settings().calendar
    last = price_source.target_session()
    sessions = calendar.between(calendar.shift(last, 1 - SAMPLE_SESSIONS), last)
    ids = []
    for book in sample_books(as_dates(sessions), _close_of(price_source.provider)):
        if book.name not in there:
            lots = read_holdings(book.csv.encode(), book.file_name, today())
            inception = lots["entry_date"].min().date()
            new = NewPortfolio(book.name, book.account_type, book.initial_equity_usd, inception)
            try:
                there[book.name] = add_portfolio(database, new, lots)
                console.print(f"imported {book.name}: {len(lots)} lots")
            except HoldingsError:
                there = portfolios(database).set_index("name")["portfolio_id"].to_dict()
                if book.name not in there:  # and so another demo has not just imported it
                    raise
        ids.append(there[book.name])
    return ids


def _close_of(provider: PriceProvider) -> Callable[[str, date], float]:
    """Return a function that asks a price source for one close."""

    def close_of(symbol: str, session: date) -> float:
        (bars,) = provider.daily_bars({symbol: [session]})
        return float(bars.rows["close"].iloc[0])

    return close_of


def _show_phases() -> None:
    from sigma_assets.runs.history import stories
    from sigma_assets.storage.roster import read_roster

    with open_instance() as instance:
        newest = stories(instance, read_roster(open_database()), settings().calendar, limit=2)
    rows = [
        {"phase": asset.asset, "seconds": asset.seconds and round(asset.seconds, 3), "run": story.cover.run_id[:8]}
        for story in reversed(newest)
        for asset in story.assets
    ]
    console.print(table(rows, "Seconds per phase, latest runs"))
