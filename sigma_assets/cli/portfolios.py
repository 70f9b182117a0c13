"""Commands for portfolios: list, remove, cash flows, positions."""

from datetime import date, datetime
from uuid import uuid4

import click

from sigma_assets.base.calendar import today
from sigma_assets.base.conventions import FLOW_KINDS
from sigma_assets.base.errors import HoldingsError
from sigma_assets.cli.terminal.options import portfolio_argument
from sigma_assets.cli.terminal.printing import after, formatted, json_option, show, show_one
from sigma_assets.cli.terminal.world import CONFIGURATION, open_database, open_instance
from sigma_assets.settings import settings
from sigma_assets.storage import portfolios as tables
from sigma_assets.storage.edits import apply_edit


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
@portfolio_argument
@json_option
def remove(portfolio_id: str, as_json: bool) -> None:
    """Remove a portfolio and cancel its runs; its history stays readable."""
    database = open_database()
    tables.remove_portfolio(database, portfolio_id)
    if (settings().home / CONFIGURATION).exists():
        from sigma_assets.automation.housekeeping import cancel_runs_of
        from sigma_assets.storage.roster import read_roster

        done = (
            f"portfolio {portfolio_id} is removed; the next tick of a sensor, or `sigma-assets run`, cancels its runs"
        )
        with after(done), open_instance() as instance:
            for run_id in cancel_runs_of(instance, read_roster(database), portfolio_id):
                click.echo(f"canceled run {run_id}", err=True)
    show_one({"portfolio_id": portfolio_id, "removed": True}, as_json=as_json, sentence=f"removed {portfolio_id}")


@click.command(context_settings={"ignore_unknown_options": True})
@portfolio_argument
@click.argument("day", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("amount", type=float)
@click.option(
    "--kind",
    type=click.Choice(FLOW_KINDS),
    default="external",
    show_default=True,
    help="external: contribution or withdrawal; the others count as profit and loss (-5 is a cost).",
)
@json_option
def flow(portfolio_id: str, day: datetime, amount: float, kind: str, as_json: bool) -> None:
    """Record a cash flow: a contribution (negative: a withdrawal), a fee, interest or tax.

    A flow must be dated after the inception: the initial equity includes everything up to that day.
    """
    from sigma_assets.holdings.portfolio import check_flow_amount

    check_flow_amount(amount)
    database = open_database()
    inception = tables.portfolios(database, [portfolio_id])["inception"].iloc[0].date()
    _check_flow_day(day.date(), inception)
    tables.check_flow(day.date(), amount, kind)
    flow_id = str(uuid4())
    row = {"flow_date": day.date(), "amount_usd": amount, "kind": kind}
    words = f"{amount:+,.2f} USD on {day.date()}, {kind}"
    apply_edit(database, portfolio_id, f"flow of {words}", flows={flow_id: row})
    record = {"flow_id": flow_id, "portfolio_id": portfolio_id, **row}
    show_one(record, as_json=as_json, sentence=f"{words}, recorded as {flow_id}")


@click.command()
@portfolio_argument
@json_option
def flows(portfolio_id: str, as_json: bool) -> None:
    """List the cash flows of a portfolio."""
    rows = tables.cash_flows(open_database(), [portfolio_id]).drop(columns=["portfolio_id"])
    records = formatted(rows.to_dict("records"), flow_date=lambda day: str(day)[:10])
    show(records, as_json=as_json, nothing="no cash flows")


def _check_flow_day(day: date, inception: date) -> None:
    if not inception < day <= today():
        raise HoldingsError(
            f"cash flow on {day}: expected a day after the portfolio's inception {inception}"
            f" (the initial equity is what was there then), and not after today, {today()} in New York"
        )


@click.command()
@portfolio_argument
@json_option
def lots(portfolio_id: str, as_json: bool) -> None:
    """List the lots of a portfolio, as entered."""
    rows = tables.lots(open_database(), [portfolio_id]).drop(columns=["portfolio_id"])
    days = {name: lambda day: str(day)[:10] for name in ("entry_date", "exit_date", "expiration_date")}
    kept = rows.dropna(axis="columns", how="all") if not as_json else rows
    records = kept.astype(object).where(kept.notna(), None).to_dict("records")
    show(formatted(records, **days), as_json=as_json, nothing="no lots")
