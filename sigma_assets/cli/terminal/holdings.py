"""Print what is not known of holdings."""

from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING

from sigma_assets.cli.terminal.printing import console, errors
from sigma_assets.cli.terminal.world import open_database

if TYPE_CHECKING:
    from sigma_assets.reports.stored import Holdings


def tell_holdings(holdings: "Holdings", current_session: date) -> None:
    """Print where prices come from and how old they are, and each gap with reason and remedy."""
    newest = f"up to {holdings.newest_price}" if holdings.newest_price else "none of any holding"
    source = "simulated: every number is made up" if holdings.is_simulated else f"from {holdings.price_source}"
    console.print(
        f"{holdings.counted_symbols} have prices, {source}; {newest}, current session {current_session}",
        highlight=False,
    )
    for gap in holdings.gaps:
        console.print(f"warning: {gap}", style="yellow", markup=False, highlight=False, soft_wrap=True)


def tell_gaps(portfolio_ids: Collection[str] = ()) -> None:
    """Print on stderr which active portfolios lack something, and that prices are simulated.

    Parameters
    ----------
    portfolio_ids : only these; by default all.
    """
    from sigma_assets.reports.stored import holdings_of
    from sigma_assets.settings import settings
    from sigma_assets.storage.portfolios import portfolios

    database = open_database()
    active = portfolios(database)
    names = dict(zip(active["portfolio_id"], active["name"], strict=True))
    found = holdings_of(database, settings(), [key for key in names if not portfolio_ids or key in portfolio_ids])
    for portfolio_id, holdings in found.items():
        if holdings.gaps:
            _warn(f"{names[portfolio_id]}: {holdings.named}; `sigma-assets status {portfolio_id}` says why")
    if any(holdings.is_simulated for holdings in found.values()):
        _warn("prices are simulated; SIGMA_PRICES names real sources")


def tell_import(portfolio_id: str) -> None:
    """Print on stderr what is known at once of a new portfolio's prices: simulated ones, entry prices that do not match."""
    from sigma_assets.reports.stored import holdings_of
    from sigma_assets.settings import settings

    holdings = holdings_of(open_database(), settings(), [portfolio_id])[portfolio_id]
    for gap in holdings.gaps:
        _warn(str(gap))
    if holdings.is_simulated:
        _warn("prices are simulated: every number will be made up; SIGMA_PRICES names real sources")


def _warn(text: str) -> None:
    errors.print(f"warning: {text}", style="yellow", markup=False, highlight=False, soft_wrap=True)
