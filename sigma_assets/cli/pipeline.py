"""Commands that run the pipeline in this process and show what is missing."""

import sys
from collections.abc import Collection
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from sigma_assets.base.errors import HoldingsError, ProviderError
from sigma_assets.cli.terminal.holdings import tell_gaps, tell_numbers
from sigma_assets.cli.terminal.options import day_range, portfolio_option, range_options
from sigma_assets.cli.terminal.printing import console, errors, json_option, show
from sigma_assets.cli.terminal.world import open_database, open_instance, open_market, prepare_home, require_active

if TYPE_CHECKING:
    from sigma_assets.automation.execution import Outcome, UpdateRequest


@click.command()
@portfolio_option
@range_options
@click.option("--force", is_flag=True, help="Recompute what is stored already, too.")
@click.option("--outdated", is_flag=True, help="Only recompute what an older method computed.")
@json_option
def run(
    portfolio_ids: tuple[str, ...],
    start: datetime | None,
    end: datetime | None,
    force: bool,
    outdated: bool,
    as_json: bool,
) -> None:
    """Compute what is missing, and what changed holdings or prices affect, with Dagster in this process."""
    first, last = day_range(start, end)
    if force and outdated:
        raise click.UsageError(
            "--force recomputes everything, --outdated only what an older method computed: choose one"
        )
    prepare_home()
    require_active(portfolio_ids)
    _refuse_before_inception(portfolio_ids, last)
    from sigma_assets.automation.execution import UpdateRequest

    request = UpdateRequest(portfolio_ids or None, first, last, force, outdated)
    outcomes = execute_with_progress(request, quiet=as_json)
    rows = [
        {
            "run_id": outcome.run_id,
            "portfolios": len(outcome.planned.portfolio_ids) or "universe",
            "reason": outcome.planned.reason,
            "first": outcome.planned.first,
            "last": outcome.planned.last,
            "assets": len(outcome.planned.assets),
            "status": "done" if outcome.succeeded else "failed",
        }
        for outcome in outcomes
    ]
    word = "outdated" if outdated else "missing"
    _show_rows(rows, portfolio_ids, f"{word}{_range(first, last)}", as_json=as_json)
    if not as_json:
        tell_numbers(portfolio_ids)
    tell_gaps(portfolio_ids)
    if not all(outcome.succeeded for outcome in outcomes):
        click.echo("some runs failed: `sigma-assets runs` shows why", err=True)
        sys.exit(1)


@click.command()
@portfolio_option
@click.option("--outdated", is_flag=True, help="Show what an older method computed, not what is missing.")
@json_option
def missing(portfolio_ids: tuple[str, ...], outdated: bool, as_json: bool) -> None:
    """Show which sessions are missing or out of date, per portfolio and asset."""
    prepare_home()
    require_active(portfolio_ids)
    from sigma_assets.automation.execution import Update, UpdateRequest
    from sigma_assets.automation.reasons.methods import note_newer_methods
    from sigma_assets.runs.watermark import Materialized

    tables, price_source = open_market()
    with open_instance() as instance:
        materialized = Materialized(tables.settings.partition_sessions)
        update = Update(instance, tables, price_source, UpdateRequest(portfolio_ids or None), materialized)
        note_newer_methods(instance, tables.database)
        inputs, needs = update.outdated() if outdated else update.due()
    word = "outdated" if outdated else "missing"
    rows = [
        {
            "portfolio_id": portfolio_id or "universe",
            "asset": asset,
            word: len(days),
            "first": str(days[0]),
            "last": str(days[-1]),
            "target": inputs.target,
            "reason": reason,
        }
        for reason, found in needs.items()
        for (portfolio_id, asset), days in found.items()
        if not portfolio_ids or portfolio_id in portfolio_ids
    ]
    _show_rows(rows, portfolio_ids, f"{word} up to {inputs.target}", as_json=as_json)
    tell_gaps(portfolio_ids)


def execute_with_progress(request: "UpdateRequest", *, quiet: bool = False) -> "list[Outcome]":
    """Run an update request with a live progress display; return the outcomes."""
    import dagster as dg

    from sigma_assets.automation.execution import bring_up_to_date
    from sigma_assets.automation.failed_plan import record_failed_plan
    from sigma_assets.definitions import definitions_for
    from sigma_assets.runs.fold.events import raised_by
    from sigma_assets.runs.tags import PlannedRun
    from sigma_assets.settings import settings

    tables, price_source = open_market()
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with open_instance() as instance, Progress(*columns, console=console, disable=quiet) as progress:
        tasks: dict[PlannedRun, TaskID] = {}

        def say(line: str) -> None:
            if not quiet:
                progress.console.print(line)

        def on_event(planned: PlannedRun, event: dg.DagsterEvent) -> None:
            if planned not in tasks:
                who = f"{len(planned.portfolio_ids)} portfolio(s)" if planned.portfolio_ids else "universe"
                label = f"{who}, {planned.first} to {planned.last}"
                tasks[planned] = progress.add_task(label, total=len(planned.assets))
            if event.event_type == dg.DagsterEventType.STEP_SUCCESS and event.step_key in planned.assets:
                progress.advance(tasks[planned])
                say(f"  {event.step_key}: {event.step_success_data.duration_ms / 1000:.2f} s")
            if event.event_type == dg.DagsterEventType.STEP_FAILURE:
                raised, _, _ = raised_by(event.step_failure_data.error)
                errors.print(f"  {event.step_key} failed: {raised}", style="red", markup=False, soft_wrap=True)
            if event.is_run_failure and (failure := event.job_failure_data.error) is not None:
                errors.print(f"  the run failed: {failure.message.strip()}", style="red", markup=False, soft_wrap=True)

        def on_wait(busy: Collection[str]) -> None:
            say(f"waiting: another run is working on {_named(busy)}")

        try:
            return bring_up_to_date(
                definitions_for(settings()),
                instance,
                tables,
                price_source,
                request,
                on_event=on_event,
                on_wait=on_wait,
                source="admin",
            )
        except ProviderError as error:
            run_id = record_failed_plan(definitions_for(settings()), instance, tables, error, "admin")
            error.add_note(f"kept in the history as run {run_id}: `sigma-assets runs`")
            raise


def _show_rows(rows: list[dict[str, Any]], portfolio_ids: Collection[str], sought: str, *, as_json: bool) -> None:
    """Print rows, or that nothing was found: not that all is well, if something else is to be told, which comes then."""
    told, age = _beyond_the_prices(portfolio_ids)
    nothing = "no session that can be computed is" if told else "nothing is"
    show(rows, as_json=as_json, nothing=f"{nothing} {sought}; {age}")
    for line in told:
        click.echo(line, err=True)


def _range(first: date | None, last: date | None) -> str:
    """Return the range that was asked for, in words; empty if none was: whatever lies outside of it may be missing."""
    if first and last:
        return f" from {first} to {last}"
    return f" from {first} on" if first else f" up to {last}" if last else ""


def _named(busy: Collection[str]) -> str:
    count = len(set(busy) - {""})
    return " and ".join([*(["the universe"] if "" in busy else []), *([f"{count} portfolio(s)"] if count else [])])


def _refuse_before_inception(portfolio_ids: Collection[str], last: date | None) -> None:
    """Raise HoldingsError if every portfolio that was asked for begins after the last day of a range."""
    from sigma_assets.storage.portfolios import portfolios

    chosen = portfolios(open_database(), list(portfolio_ids) or None)
    if last is not None and len(chosen) and (chosen["inception"].dt.date > last).all():
        begins = chosen["inception"].min().date()
        which = "the portfolio" if len(chosen) == 1 else "the first portfolio"
        raise HoldingsError(
            f"--end {last}: nothing to compute, since {which} begins on {begins}; expected --end {begins} or later"
        )


def _why_too_late(begins: date, current: date, target: date) -> str:
    if begins > current:
        return f"and the current session is {current}: nothing can be computed yet"
    return (
        f"but the price source ends on {target}: nothing can be computed yet. Check SIGMA_PRICES and the newest prices of"
        " that source"
    )


def _beyond_the_prices(portfolio_ids: Collection[str]) -> tuple[list[str], str]:
    """Return a line for each portfolio that begins after the price source ends, one if the source's last session has too few
    prices, one if what it has may be other than what is stored, and how old the newest price is."""
    from sigma_assets.prices.source_state import price_age
    from sigma_assets.storage.portfolios import portfolios

    tables, price_source = open_market()
    current = tables.settings.current_session()
    age = price_age(tables.database, tables.calendar, current)
    waiting = price_source.unfinished()
    target, chosen = price_source.target_session(), portfolios(tables.database, list(portfolio_ids) or None)
    late_starts = [
        f"{row.name}: begins on {row.inception:%Y-%m-%d}, {_why_too_late(row.inception.date(), current, target)}"
        for row in chosen.itertuples(index=False)
        if row.inception.date() > target
    ]
    told = [*late_starts, *([f"warning: {waiting}"] if waiting else [])]
    if not price_source.is_asked():
        told.append(
            "the price source has changed since it was asked for all symbols: `sigma-assets run` asks again, and computes"
            " what that changes"
        )
    return told, age
