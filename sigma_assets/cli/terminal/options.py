"""Options that several commands share: which portfolios, and which days."""

import shlex
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import click
from click.shell_completion import CompletionItem

from sigma_assets.base.calendar import today
from sigma_assets.base.errors import HoldingsError, SigmaError

DAY = click.DateTime(["%Y-%m-%d"])
SHORT_ID = 8
"""Characters of an id that tell portfolios apart."""


class PortfolioName(click.ParamType):
    """A portfolio by its id, the beginning of its id, or its name; the command gets the id."""

    name = "portfolio"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id.

        Raises
        ------
        PortfolioNotFoundError
            None or several could be meant.
        """
        from sigma_assets.cli.terminal.world import open_database
        from sigma_assets.storage.edits import find_portfolio

        return find_portfolio(open_database(), value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the active portfolios whose name begins as typed; one that a shell would split by its id instead."""
        from sigma_assets.cli.terminal.world import open_database
        from sigma_assets.storage.portfolios import portfolios

        try:
            active = portfolios(open_database())
        except SigmaError:
            return []  # a message in the middle of a line that is being typed helps nobody; the command says it
        return [
            CompletionItem(name if shlex.quote(name) == name else portfolio_id[:SHORT_ID], help=name)
            for portfolio_id, name in zip(active["portfolio_id"], active["name"], strict=True)
            if name.lower().startswith(incomplete.lower()) or portfolio_id.startswith(incomplete)
        ]


class SymbolName(click.ParamType):
    """A symbol in any of the usual notations; the command gets the spelling under which it is stored."""

    name = "symbol"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the spelling that is stored. Characters of no holding are let through: a benchmark may be ^GSPC.

        Raises
        ------
        HoldingsError
            It is no symbol; names the option, what was found and what was expected.
        """
        from sigma_assets.base.contracts import instrument_of, is_symbol

        instrument, fault = instrument_of(value.strip())
        if instrument is not None:
            return instrument.symbol
        if fault is not None and is_symbol(value.strip().upper()):
            _, expected, message = fault
            raise HoldingsError(f"--symbol: found {value!r}, expected {expected}: {message}")
        return value.strip().upper()


PORTFOLIO = PortfolioName()
SYMBOL = SymbolName()
portfolio_argument = click.argument("portfolio_id", metavar="PORTFOLIO", type=PORTFOLIO)

portfolio_option = click.option(
    "--portfolio",
    "portfolio_ids",
    type=PORTFOLIO,
    multiple=True,
    help="Only this portfolio, by id, beginning of the id, or name; repeatable. Default: all.",
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
