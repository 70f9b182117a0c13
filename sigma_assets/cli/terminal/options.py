"""Options that several commands share: which portfolios, and which days."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import click

from sigma_assets.base.calendar import today

DAY = click.DateTime(["%Y-%m-%d"])

portfolio_option = click.option(
    "--portfolio", "portfolio_ids", multiple=True, help="Only this portfolio; repeatable. Default: all."
)


def range_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--start` and `--end`; `day_range` checks them."""
    command = click.option("--end", type=DAY, help="Only sessions up to this day.")(command)
    return click.option("--start", type=DAY, help="Only sessions from this day on.")(command)


def day_range(start: datetime | None, end: datetime | None) -> tuple[date | None, date | None]:
    """Return the days of `--start` and `--end`; None where one is not given.

    Raises
    ------
    click.BadParameter
        No session can lie in this range: it ends before it starts, or starts in the future.
    """
    first, last = start.date() if start else None, end.date() if end else None
    if first and first > today():
        raise click.BadParameter(f"{first} is in the future; expected {today()} or earlier", param_hint="'--start'")
    if first and last and first > last:
        raise click.BadParameter(f"{last} is before --start {first}", param_hint="'--end'")
    return first, last
