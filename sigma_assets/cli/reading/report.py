"""The command that shows a portfolio's report: in the terminal, as a page in one file, or as JSON."""

from contextlib import nullcontext
from datetime import date, datetime
from pathlib import Path

import click
from rich.columns import Columns
from rich.console import Console
from rich.table import Table

from sigma_assets.base.errors import StorageError
from sigma_assets.cli.terminal.holdings import older_numbers
from sigma_assets.cli.terminal.options import DAY, portfolio_argument
from sigma_assets.cli.terminal.printing import console, print_rows
from sigma_assets.cli.terminal.world import known_instance, open_database
from sigma_assets.reports.portfolio import PortfolioReport
from sigma_assets.reports.reading import portfolio_report
from sigma_assets.reports.words.figures import Figures, figures
from sigma_assets.reports.words.table import TextTable
from sigma_assets.reports.words.tables import tables
from sigma_assets.settings import settings

SPARKS = "▁▂▃▄▅▆▇█"
MOST_SPARKS = 60
WIDE = 100
"""Columns of a terminal from which tables have all of theirs."""


@click.command()
@portfolio_argument
@click.option("--session", type=DAY, help="Of this session. Default: the last one that is stored.")
@click.option("--html", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write a page to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
def report(portfolio_id: str, session: datetime | None, file: Path | None, as_json: bool) -> None:
    """Show a portfolio: what is not known, equity, returns, risk, holdings, stress.

    With --html as one file that needs nothing else: to open, mail or print.
    """
    if file is not None and as_json:
        raise click.UsageError("--html writes a page and --json prints JSON: choose one")
    day = session.date() if session else None
    found = read_report(portfolio_id, day)
    if as_json:
        click.echo(found.json(indent=2))
    elif file is not None:
        write_page(found, file)
        click.echo(f"{found.name}, {found.session or 'nothing computed yet'}: {file}")
    else:
        print_report(found)


def read_report(portfolio_id: str, session: date | None = None) -> PortfolioReport:
    """Return a portfolio's report, with the runs that computed it if there is a Dagster instance."""
    older = older_numbers([portfolio_id]).get(portfolio_id, ())
    with known_instance() or nullcontext() as instance:
        return portfolio_report(open_database(), settings(), portfolio_id, session, instance=instance, older=older)


def write_page(found: PortfolioReport, file: Path) -> None:
    """Write a report as one self-contained HTML file.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    from sigma_assets.reports.page import report_page

    try:
        file.write_text(report_page(found, is_alone=True), encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"{file}: cannot be written ({error.strerror}); name a file in a folder that is there and yours"
        ) from error


def print_report(found: PortfolioReport, paper: Console = console) -> None:
    """Print a report; no number is cut, whatever the width."""
    source = "simulated prices" if found.is_all_simulated else f"prices from {found.price_source}"
    close = f"close of {found.session}" if found.session else "nothing computed yet"
    paper.rule(style="dim")
    paper.print(found.name, style="bold", markup=False, highlight=False, soft_wrap=True)
    paper.print(f"{close}, {source}", highlight=False, markup=False)
    for gap in found.warnings:
        paper.print(f"warning: {gap}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    if found.session is None:
        return
    paper.print()
    paper.print(Columns([_box(each) for each in figures(found)], padding=(0, 4)))
    if len(found.series) > 1:
        span = f"{found.series[0].session} to {found.series[-1].session}"
        paper.print(f"Equity, {span}", style="bold", highlight=False)
        paper.print(sparkline([point.equity for point in found.series]), highlight=False)
        paper.print()
    for table in tables(found):
        _print_table(table, paper)


def _print_table(table: TextTable, paper: Console) -> None:
    is_narrow = paper.is_terminal and paper.width < WIDE
    if is_narrow and table.is_wide and table.rows:
        paper.print(f"{table.title}: shown from {WIDE} columns on", style="dim", highlight=False)
        paper.print()
        return
    spare = table.spare if is_narrow else ()
    columns = [column for column in table.columns if column not in (*spare, *table.only_on_page)]
    rows = [{name: row[table.columns.index(name)] for name in columns} for row in table.rows]
    if rows:
        print_rows(rows, table.title, paper)
    else:
        paper.print(table.title, style="bold", highlight=False)
    notes = [table.note] if table.note else []
    if spare:
        notes.append(f"A wider terminal shows {' and '.join(spare)}, too.")
    for note in notes:
        paper.print(note, style="dim", highlight=False, markup=False, soft_wrap=not paper.is_terminal)
    paper.print()


def sparkline(values: list[float]) -> str:
    """Return a line of blocks, at most sixty: the lowest value is the lowest block."""
    step = max(-(-len(values) // MOST_SPARKS), 1)
    shown = values[::-1][::step][::-1]  # the last one always
    low, high = min(shown), max(shown)
    scale = (len(SPARKS) - 1) / ((high - low) or 1.0)
    return "".join(SPARKS[round((value - low) * scale)] for value in shown)


def _box(group: Figures) -> Table:
    shown = Table(
        title=group.title, title_justify="left", title_style="bold", show_header=False, box=None, padding=(0, 1)
    )
    shown.add_column(no_wrap=True)
    shown.add_column(justify="right", no_wrap=True)
    for label, text, _ in group.lines:
        shown.add_row(label, text)
    shown.add_row("", "")
    return shown
