"""The command that checks what is stored, without computing anything anew."""

import sys
from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from sigma_assets.base.errors import PortfolioNotFoundError
from sigma_assets.cli.terminal.options import day_range, portfolio_option, range_options
from sigma_assets.cli.terminal.printing import json_option, show
from sigma_assets.cli.terminal.world import open_database, open_instance, open_market, prepare_home

if TYPE_CHECKING:
    from sigma_assets.assets.checks import DomainCheck
    from sigma_assets.assets.tables import Tables
    from sigma_assets.runs.partitions import Scope


@click.command()
@portfolio_option
@range_options
@json_option
def check(portfolio_ids: tuple[str, ...], start: datetime | None, end: datetime | None, as_json: bool) -> None:
    """Run all asset checks on what is stored, and report the outcome to Dagster too.

    Nothing is computed anew. Exit code 1 if a check fails that should hold whatever the prices; warnings are shown only.
    """
    start_day, end_day = day_range(start, end)
    prepare_home()
    open_database()
    from sigma_assets.assets.checks import ERROR, evaluation_of, findings_of

    tables, _ = open_market()
    first, last = start_day or date.min, end_day or date.max
    found: dict[tuple[str, DomainCheck], list[str]] = {}
    for asset, scope in _stored_scopes(tables, portfolio_ids, first, last):
        for one, findings in findings_of(asset, tables, scope).items():
            found.setdefault((asset, one), []).extend(findings)
    with open_instance() as instance:
        for (asset, one), findings in found.items():
            instance.report_runless_asset_event(evaluation_of(asset, one, findings))
    rows = [
        {
            "asset": asset,
            "check": one.name,
            "outcome": "ok" if not findings else "FAILED" if one.severity == ERROR else "warning",
            "findings": len(findings),
            "first": findings[0] if findings else None,
        }
        for (asset, one), findings in found.items()
    ]
    show(rows, as_json=as_json, nothing="nothing is stored in this range")
    if any(row["outcome"] == "FAILED" for row in rows):
        sys.exit(1)


def _stored_scopes(
    tables: "Tables", portfolio_ids: tuple[str, ...], first: date, last: date
) -> "Iterator[tuple[str, Scope]]":
    """Yield each asset with what is stored of it: the universe, unless portfolios are named, then each portfolio."""
    from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, SYMBOL_ASSETS, names
    from sigma_assets.storage.portfolios import portfolios
    from sigma_assets.storage.rows import stored_range
    from sigma_assets.storage.schema import FAMILIES

    active = list(portfolios(tables.database)["portfolio_id"])
    unknown = sorted(set(portfolio_ids).difference(active))
    if unknown:
        raise PortfolioNotFoundError(f"no active portfolio {', '.join(unknown)}; `sigma-assets portfolios` lists them")
    places: list[tuple[str, str | None]] = []
    if not portfolio_ids:
        places += [(asset, None) for asset in names(SYMBOL_ASSETS)]
    places += [(asset, one) for one in portfolio_ids or active for asset in names(PORTFOLIO_ASSETS)]
    for asset, portfolio_id in places:
        stored = stored_range(tables.database, FAMILIES[asset][0], portfolio_id)
        scope = _scope(tables, stored, portfolio_id, first, last)
        if scope is not None:
            yield asset, scope


def _scope(
    tables: "Tables", stored: tuple[date, date] | None, portfolio_id: str | None, first: date, last: date
) -> "Scope | None":
    from sigma_assets.runs.partitions import Scope

    if stored is None:
        return None
    sessions = tables.calendar.between(max(first, stored[0]), min(last, stored[1]))
    return Scope(sessions, (portfolio_id,) if portfolio_id else ()) if len(sessions) else None
