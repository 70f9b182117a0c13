"""Commands that show what has run, and how far a portfolio is."""

import click

from sigma_assets.cli.printing import console, json_option, show, show_one, table
from sigma_assets.cli.world import open_database, open_instance, open_market, prepare_home
from sigma_assets.errors import PortfolioNotFoundError


@click.command()
@click.option("--portfolio", "portfolio_id", help="Only runs that cover this portfolio.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many, newest first.")
@json_option
def runs(portfolio_id: str | None, limit: int, as_json: bool) -> None:
    """Show the history: who started each run, when, over what, how long each asset took, and why it failed."""
    prepare_home()
    from sigma_assets.run_history import headline, stories
    from sigma_assets.settings import settings

    with open_instance() as instance:
        found = stories(instance, settings().calendar, portfolio_id=portfolio_id, limit=limit)
    if as_json:
        show([story.record() for story in found], as_json=True)
        return
    rows = []
    for story in found:
        cover, record = story.cover, story.record()
        slowest = sorted(story.assets, key=lambda asset: -(asset.seconds or 0))[:3]
        rows.append(
            {
                "run": cover.run_id[:8],
                "source": cover.source,
                "status": record["status"],
                "portfolios": _who(cover.portfolio_ids),
                "sessions": f"{cover.first} to {cover.last}",
                "started (UTC)": record["started_at"],
                "seconds": record["seconds"],
                "done": f"{story.cells_done}/{story.cells_total}",
                "slowest": ", ".join(f"{asset.asset} {asset.seconds or 0:.2f} s" for asset in slowest),
                "failure": headline(story.failures),
            }
        )
    show(rows, as_json=False, nothing="no runs yet")


@click.command()
@click.argument("portfolio_id")
@json_option
def status(portfolio_id: str, as_json: bool) -> None:
    """Show how far a portfolio is: sessions done per asset, and its last run."""
    prepare_home()
    from sigma_assets.automation.execution import Wish, plan
    from sigma_assets.run_history import headline, stories
    from sigma_assets.storage.portfolios import portfolios
    from sigma_assets.watermark import Materialized

    if portfolio_id not in set(portfolios(open_database())["portfolio_id"]):
        raise PortfolioNotFoundError(f"no active portfolio {portfolio_id}; `sigma-assets portfolios` lists them")
    tables, price_source = open_market()
    with open_instance() as instance:
        materialized = Materialized(tables.calendar.sessions)
        situation, _ = plan(instance, tables, price_source, materialized, Wish((portfolio_id,)))
        last = stories(instance, tables.calendar, portfolio_id=portfolio_id, limit=1)
    from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names

    total = len(situation.sessions[portfolio_id])
    rows = [
        {"asset": asset, "sessions done": total - len(situation.missing.get((portfolio_id, asset), ())), "of": total}
        for asset in names(PORTFOLIO_ASSETS)
    ]
    done = all(row["sessions done"] == total for row in rows)
    state = "running" if portfolio_id in situation.busy else "up to date" if done else "behind"
    record = {"portfolio_id": portfolio_id, "state": state, "target": situation.target, "assets": rows}
    record["last_run"] = last[0].record() if last else None
    if as_json:
        show_one(record, as_json=True, sentence="")
        return
    console.print(table(rows, f"{portfolio_id}: {state}, target {situation.target}"))
    if last:
        story = last[0]
        why = f": {headline(story.failures)}" if story.failures else ""
        console.print(f"last run {story.cover.run_id[:8]}: {story.cover.status.value.lower()}{why}")


def _who(portfolio_ids: tuple[str, ...]) -> str:
    if not portfolio_ids:
        return "universe"
    return portfolio_ids[0][:8] if len(portfolio_ids) == 1 else f"{len(portfolio_ids)} portfolios"
