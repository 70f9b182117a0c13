"""Commands about portfolios: import, list, remove, cash flows, positions."""

from datetime import date, datetime
from pathlib import Path

import click

from sigma_assets.base.calendar import today
from sigma_assets.base.conventions import ACCOUNT_TYPES
from sigma_assets.base.errors import HoldingsError
from sigma_assets.cli.onboarding import prepare_onboarding
from sigma_assets.cli.terminal.printing import formatted, json_option, show, show_one
from sigma_assets.cli.terminal.world import CONFIGURATION, open_database, open_instance
from sigma_assets.settings import settings
from sigma_assets.storage import portfolios as tables


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="Name of the portfolio, unique among yours.")
@click.option("--equity", required=True, help="Equity at inception, USD.")
@click.option("--account-type", default="taxable", show_default=True, help=", ".join(ACCOUNT_TYPES))
@json_option
def import_(file: Path, name: str, equity: str, account_type: str, as_json: bool) -> None:
    """Check a holdings file and import it as a new portfolio: all of it, or nothing and every problem found."""
    from sigma_assets.holdings.portfolio import check_portfolio
    from sigma_assets.holdings.reader import read_holdings

    database = open_database()
    existing = tables.portfolios(database)["name"]
    problems = check_portfolio(name, equity, account_type, set(existing))
    try:
        lots = read_holdings(file.read_bytes(), file.name, today())
    except HoldingsError as error:
        raise HoldingsError.of(file.name, [*problems, *error.problems]) from error
    if problems:
        raise HoldingsError.of(file.name, problems)
    inception = lots["entry_date"].min().date()
    portfolio = tables.NewPortfolio(name.strip(), account_type, float(equity), inception)
    launch = prepare_onboarding(inception)
    portfolio_id = tables.add_portfolio(database, portfolio, lots, adopted_by="import" if launch else None)
    record = {"portfolio_id": portfolio_id, "name": name.strip(), "lots": len(lots), "inception": inception}
    record["run_id"] = launch(database, portfolio_id) if launch else None
    show_one(record, as_json=as_json, sentence=portfolio_id)


@click.command()
@json_option
def portfolios(as_json: bool) -> None:
    """List the active portfolios."""
    active = tables.portfolios(open_database()).drop(columns=["deleted_at"])
    rows = formatted(active.to_dict("records"), inception=lambda day: str(day)[:10])
    show(
        rows if as_json else formatted(rows, initial_equity_usd=lambda value: f"{value:,.2f}"),
        as_json=as_json,
        nothing="no portfolios yet; import one: sigma-assets import FILE.csv --name NAME --equity USD",
    )


@click.command()
@click.argument("portfolio_id")
@json_option
def remove(portfolio_id: str, as_json: bool) -> None:
    """Remove a portfolio and cancel its runs; its history stays readable."""
    database = open_database()
    tables.remove_portfolio(database, portfolio_id)
    if (settings().home / CONFIGURATION).exists():
        from sigma_assets.automation.housekeeping import cancel_runs_of
        from sigma_assets.storage.roster import read_roster

        with open_instance() as instance:
            for run_id in cancel_runs_of(instance, read_roster(database), portfolio_id):
                click.echo(f"canceled run {run_id}", err=True)
    show_one({"portfolio_id": portfolio_id, "removed": True}, as_json=as_json, sentence=f"removed {portfolio_id}")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("portfolio_id")
@click.argument("day", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("amount", type=float)
@json_option
def flow(portfolio_id: str, day: datetime, amount: float, as_json: bool) -> None:
    """Record a cash flow: a contribution, or a withdrawal if negative.

    Flows count from the day after the inception on: what was there at the inception is the initial equity.
    """
    database = open_database()
    inception = tables.portfolios(database, [portfolio_id])["inception"].iloc[0].date()
    _check_flow_day(day.date(), inception)
    flow_id = tables.add_cash_flow(database, portfolio_id, day.date(), amount)
    record = {"flow_id": flow_id, "portfolio_id": portfolio_id, "flow_date": day.date(), "amount_usd": amount}
    show_one(record, as_json=as_json, sentence=f"{amount:+,.2f} USD on {day.date()} recorded as {flow_id}")


def _check_flow_day(day: date, inception: date) -> None:
    if not inception < day <= today():
        raise HoldingsError(
            f"cash flow on {day}: expected a day after the portfolio's inception {inception}"
            f" (the initial equity is what was there then), and not after today, {today()} in New York"
        )


@click.command()
@click.argument("portfolio_id")
@json_option
def positions(portfolio_id: str, as_json: bool) -> None:
    """List the lots of a portfolio, as entered."""
    rows = tables.lots(open_database(), [portfolio_id]).drop(columns=["portfolio_id"])
    days = {name: lambda day: str(day)[:10] for name in ("entry_date", "exit_date", "expiration_date")}
    kept = rows.dropna(axis="columns", how="all") if not as_json else rows
    records = kept.astype(object).where(kept.notna(), None).to_dict("records")
    show(formatted(records, **days), as_json=as_json, nothing="no lots")
