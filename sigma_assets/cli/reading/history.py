"""Commands that show the history of runs and the progress of a portfolio."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from sigma_assets.cli.terminal.holdings import older_numbers, tell_gaps, tell_holdings
from sigma_assets.cli.terminal.options import PORTFOLIO, portfolio_argument
from sigma_assets.cli.terminal.printing import console, json_option, show, show_one, table
from sigma_assets.cli.terminal.world import open_database, open_instance, open_market, prepare_home, require_active

if TYPE_CHECKING:
    from sigma_assets.runs.history import RunStory


@click.command()
@click.option("--portfolio", "portfolio_id", type=PORTFOLIO, help="Only runs that cover this portfolio.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many, newest first.")
@json_option
def runs(portfolio_id: str | None, limit: int, as_json: bool) -> None:
    """Show the history: who started each run, when, over what, how long each asset took, and why it failed."""
    prepare_home()
    from sigma_assets.runs.history import stories
    from sigma_assets.settings import settings
    from sigma_assets.storage.portfolios import portfolios
    from sigma_assets.storage.roster import read_roster

    database = open_database()
    if portfolio_id is not None:
        portfolios(database, [portfolio_id])  # an unknown one is an error; a removed one keeps its history

    with open_instance() as instance:
        found = stories(instance, read_roster(database), settings().calendar, portfolio_id=portfolio_id, limit=limit)
    if as_json:
        show([story.record() for story in found], as_json=True)
        return
    for story in found:
        _tell(story)
    if not found:
        console.print("no runs yet")
    if portfolio_id is not None:
        tell_gaps([portfolio_id])


def _tell(story: "RunStory") -> None:
    """Print a run: one line about it, one about its assets, one for each failure."""
    cover, record = story.cover, story.record()
    sessions = cover.first if cover.first == cover.last else f"{cover.first} to {cover.last}"
    started = record["started_at"]
    when = f"{started:%Y-%m-%d %H:%M:%S} UTC" if isinstance(started, datetime) else "not started"
    lasted = f", {record['seconds']:,.1f} s" if record["seconds"] is not None else ""
    style = {"success": "green", "failure": "red", "canceled": "yellow"}.get(str(record["status"]), "")
    console.print(
        f"[bold]{cover.run_id[:8]}[/bold] [{style or 'default'}]{record['status']}[/] {cover.source} ({cover.reason}):"
        f" {_who(cover.portfolio_ids)}, {sessions}; {when}{lasted}; {story.cells_done:,} of {story.cells_total:,} done"
    )
    seconds = ", ".join(f"{asset.asset} {asset.seconds:.1f} s" for asset in story.assets if asset.seconds is not None)
    if seconds:
        console.print(f"    {seconds}", style="dim")
    for asset, kind, message in story.failures:
        console.print(f"    {asset or 'run'}: {kind}: {message}", style="red", markup=False)


@click.command()
@portfolio_argument
@json_option
def status(portfolio_id: str, as_json: bool) -> None:
    """Show the progress of a portfolio: sessions done per asset, what is not known and why, the last run."""
    prepare_home()
    from sigma_assets.automation.execution import Update, UpdateRequest
    from sigma_assets.reports.gaps.holdings import holdings_of
    from sigma_assets.runs.history import headline, stories
    from sigma_assets.runs.watermark import Materialized

    require_active([portfolio_id])
    tables, price_source = open_market()
    with open_instance() as instance:
        materialized = Materialized(tables.settings.partition_sessions)
        update = Update(instance, tables, price_source, UpdateRequest((portfolio_id,)), materialized)
        inputs, needs = update.due()
        last = stories(instance, inputs.roster, tables.calendar, portfolio_id=portfolio_id, limit=1)
    from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names

    total = len(inputs.sessions[portfolio_id])
    due = {
        asset: {day for found in needs.values() for day in found.get((portfolio_id, asset), ())}
        for asset in names(PORTFOLIO_ASSETS)
    }
    rows = [{"asset": asset, "sessions done": total - len(days), "of": total} for asset, days in due.items()]
    done = all(row["sessions done"] == total for row in rows)
    state = "running" if portfolio_id in inputs.busy else "up to date" if done else "behind"
    if not total:
        state = "nothing computed yet, since it begins after the last session with prices"
    record = {"portfolio_id": portfolio_id, "state": state, "target": inputs.target, "assets": rows}
    uncomputed = [asset for asset in due if (portfolio_id, asset) in inputs.missing]
    found = holdings_of(
        tables.database, tables.settings, [portfolio_id], {portfolio_id: uncomputed}, older_numbers([portfolio_id])
    )
    holdings = found[portfolio_id]
    record |= {
        "price_source": holdings.price_source,
        "newest_price": holdings.newest_price,
        "current_session": tables.settings.current_session(),
        "symbols": holdings.symbols,
        "symbols_priced": holdings.priced,
        "warnings": [vars(gap) for gap in holdings.gaps],
        "last_run": last[0].record() if last else None,
    }
    if as_json:
        show_one(record, as_json=True, sentence="")
        return
    console.print(f"{portfolio_id}: {state}, target {inputs.target}", style="bold", highlight=False, soft_wrap=True)
    console.print(table(rows))
    tell_holdings(holdings, tables.settings.current_session())
    if last:
        story = last[0]
        why = f": {headline(story.failures)}" if story.failures else ""
        console.print(f"last run {story.cover.run_id[:8]}: {story.cover.status.value.lower()}{why}")


def _who(portfolio_ids: tuple[str, ...]) -> str:
    if not portfolio_ids:
        return "universe"
    return portfolio_ids[0][:8] if len(portfolio_ids) == 1 else f"{len(portfolio_ids)} portfolios"
