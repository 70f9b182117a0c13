"""The command that checks the stored rows without recomputing anything."""

import sys
from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click

from sigma_assets.cli.terminal.options import day_range, portfolio_option, range_options
from sigma_assets.cli.terminal.printing import console, json_option, show
from sigma_assets.cli.terminal.world import open_database, open_instance, open_market, prepare_home, require_active

if TYPE_CHECKING:
    from sigma_assets.assets.checks.evaluation import Checked
    from sigma_assets.assets.tables import Tables
    from sigma_assets.runs.partitions import Scope

SESSIONS_AT_ONCE = 63
"""Sessions that are checked together: a quarter of a year."""


@click.command()
@portfolio_option
@range_options
@json_option
def check(portfolio_ids: tuple[str, ...], start: datetime | None, end: datetime | None, as_json: bool) -> None:
    """Run all asset checks on the stored rows, list the findings and report them to Dagster.

    Recomputes nothing. Exit code 1 if a check of severity ERROR fails; warnings are only shown.
    """
    start_day, end_day = day_range(start, end)
    prepare_home()
    open_database()
    from sigma_assets.assets.checks.evaluation import checked

    tables, _ = open_market()
    first, last = start_day or date.min, end_day or date.max
    by_asset: dict[str, Checked] = {}
    for asset, scope in _stored_scopes(tables, portfolio_ids, first, last):
        found = checked(asset, tables, scope)
        by_asset[asset] = by_asset[asset].merged(found) if asset in by_asset else found
    with open_instance() as instance:
        for found in by_asset.values():
            for evaluation in found.evaluations():
                instance.report_runless_asset_event(evaluation)
    rows = [row for found in by_asset.values() for row in _outcomes(found)]
    show(
        rows if as_json else [{**row, "findings": len(row["findings"])} for row in rows],
        as_json=as_json,
        nothing="nothing is stored in this range",
    )
    if not as_json:
        for row in rows:
            for finding in row["findings"]:
                console.print(f"{row['outcome']} {row['asset']}.{row['check']}: {finding}", soft_wrap=True)
    if any(row["outcome"] == "FAILED" for row in rows):
        sys.exit(1)


def _outcomes(found: "Checked") -> "Iterator[dict[str, Any]]":
    from sigma_assets.assets.checks.domain import ERROR

    for one, findings in found.found.items():
        outcome = "ok" if not findings else "FAILED" if one.severity == ERROR else "warning"
        readable = [found.readable(finding) for finding in findings]
        yield {"asset": found.asset, "check": one.name, "outcome": outcome, "findings": readable}


def _stored_scopes(
    tables: "Tables", portfolio_ids: tuple[str, ...], first: date, last: date
) -> "Iterator[tuple[str, Scope]]":
    """Yield each asset with what is stored of it: the universe, unless portfolios are named, then each portfolio.

    A few months at a time: what a check reads at once stays small, however long the history is.
    """
    from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, SYMBOL_ASSETS, names
    from sigma_assets.runs.partitions import Scope
    from sigma_assets.storage.frames.rows import stored_range
    from sigma_assets.storage.portfolios import portfolios
    from sigma_assets.storage.schema import FAMILIES

    require_active(portfolio_ids)
    active = list(portfolios(tables.database)["portfolio_id"])
    places: list[tuple[str, str | None]] = []
    if not portfolio_ids:
        places += [(asset, None) for asset in names(SYMBOL_ASSETS)]
    places += [(asset, one) for one in portfolio_ids or active for asset in names(PORTFOLIO_ASSETS)]
    for asset, portfolio_id in places:
        stored = stored_range(tables.database, FAMILIES[asset][0], portfolio_id)
        if stored is None:
            continue
        sessions = tables.calendar.between(max(first, stored[0]), min(last, stored[1]))
        for start in range(0, len(sessions), SESSIONS_AT_ONCE):
            part = sessions[start : start + SESSIONS_AT_ONCE]
            yield asset, Scope(part, (portfolio_id,) if portfolio_id else ())
