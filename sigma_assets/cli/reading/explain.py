"""The command that explains a stored number."""

import json
from datetime import datetime
from typing import TYPE_CHECKING

import click

from sigma_assets.base.errors import ExplainError
from sigma_assets.cli.terminal.options import DAY, SYMBOL, portfolio_argument
from sigma_assets.cli.terminal.world import open_database, open_instance
from sigma_assets.settings import settings

if TYPE_CHECKING:
    from sigma_assets.reports.explain.explanation import Explanation


@click.command()
@portfolio_argument
@click.argument("number", metavar="TABLE.COLUMN")
@click.option("--session", type=DAY, help="Of this session. Default: the last one that is stored.")
@click.option("--symbol", "symbols", type=SYMBOL, multiple=True, help="Of this symbol; twice for a pair.")
@click.option("--factor", help="Of this factor, such as market or value.")
@click.option("--scenario", help="Of this scenario of a stress test.")
@click.option("--lot", help="Of this lot, by its id.")
@click.option("--cluster", type=int, help="Of this cluster, from 1.")
@click.option("--scheme", help="Of an allocation: kind of holding, or a scheme that classify has read.")
@click.option("--class", "class_name", help="Of an allocation: a class of the scheme.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
def explain(
    portfolio_id: str,
    number: str,
    session: datetime | None,
    symbols: tuple[str, ...],
    factor: str | None,
    scenario: str | None,
    lot: str | None,
    cluster: int | None,
    scheme: str | None,
    class_name: str | None,
    as_json: bool,
) -> None:
    """Explain a number: its formula, filled in; its inputs, with source and age; the run that wrote it; and
    whether computing it again gives the same number to the last bit. If not, the exit code is 1.

    TABLE.COLUMN as `export` names them, such as performance.beta or risk.var_99.
    """
    from sigma_assets.reports.explain.explanation import explain as explained
    from sigma_assets.reports.words.table import Which

    table, dot, column = number.partition(".")
    if not dot:
        raise ExplainError(f"{number!r}: expected TABLE.COLUMN, such as portfolio_snapshots.equity")
    day = session.date() if session else None
    which = Which(day, symbols, factor, scenario, lot, cluster, scheme, class_name)
    with open_instance() as instance:
        found = explained(open_database(), settings(), instance, portfolio_id, table, column, which)
    click.echo(json.dumps(found.as_dict(), indent=2) if as_json else "\n".join(lines(found)))
    if found.is_equal is False:
        raise SystemExit(1)


def lines(found: "Explanation") -> list[str]:
    """Return an explanation as lines of text; no number is cut."""
    key = " ".join(f"{name} {value}" for name, value in found.key.items())
    value = repr(found.value) if found.value is not None else f"unknown: {found.unknown}"
    shown = [
        f"{found.table}.{found.column} of {found.name}, {found.session}" + (f", {key}" if key else ""),
        "",
        f"value     {value}",
        f"meaning   {found.meaning}",
        f"formula   {found.formula}",
        f"filled in {found.filled}",
    ]
    if found.source:
        shown.append(f"source    {found.source}")
    written = found.written
    run = f"run {written.run_id} at {written.at[:19]} UTC, {written.run_url}" if written else "Dagster knows of no run"
    version = f"{found.asset} {written.code_version if written else '?'}, this code is {found.code_version}"
    shown += [f"written   {run}", f"version   {version}", f"check     {found.verdict}", "", "Made of:"]
    for each in found.inputs:
        source = f" [{each.source}, loaded {(each.loaded_at or '')[:19]}]" if each.source else ""
        age = f" ({each.sessions_old} sessions old)" if each.sessions_old else ""
        shown.append(f"  {each.table} {each.key}: {each.values}{source}{age}")
    if found.inputs_left_out:
        shown.append(f"  and {found.inputs_left_out} more")
    return shown
