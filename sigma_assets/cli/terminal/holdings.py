"""Print what is not known of holdings."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING

from sigma_assets.cli.terminal.printing import console, errors
from sigma_assets.cli.terminal.world import open_database, open_instance
from sigma_assets.storage.connection.database import Database

if TYPE_CHECKING:
    from sigma_assets.reports.gaps.holdings import Holdings
    from sigma_assets.reports.gaps.kinds import Gap
LINES = 50
"""Most portfolios that get a line."""


def tell_holdings(holdings: "Holdings", current_session: date) -> None:
    """Print where prices come from and how old they are, and each gap with reason and remedy."""
    newest = f"up to {holdings.newest_price}" if holdings.newest_price else "none of any holding"
    source = "simulated: every number is made up" if holdings.is_all_simulated else f"from {holdings.price_source}"
    known = (
        "nothing is computed yet; prices" if holdings.session is None else f"{holdings.counted_symbols} have prices,"
    )
    console.print(f"{known} {source}; {newest}, current session {current_session}", highlight=False, soft_wrap=True)
    for gap in holdings.gaps:
        console.print(f"warning: {gap}", style="yellow", markup=False, highlight=False, soft_wrap=True)


def older_numbers(portfolio_ids: Collection[str]) -> "dict[str, list[Gap]]":
    """Return what to say of portfolios whose numbers an older method computed; portfolios without any are left out."""
    from sigma_assets.storage.methods import has_older_numbers
    from sigma_assets.storage.roster import read_roster

    database = open_database()
    if not has_older_numbers(database):
        return {}
    from sigma_assets.automation.reasons.methods import OlderNumbers
    from sigma_assets.settings import settings

    with open_instance() as instance:
        older = OlderNumbers(instance, database, settings().history_start)
        return older.gaps(read_roster(database), portfolio_ids, ends_only=len(portfolio_ids) > 1)


def tell_gaps(portfolio_ids: Collection[str] = ()) -> None:
    """Print on stderr which active portfolios lack something, and that prices are simulated.

    Parameters
    ----------
    portfolio_ids : only these; by default all.
    """
    from sigma_assets.reports.gaps.holdings import holdings_of
    from sigma_assets.settings import settings

    database = open_database()
    names = _names(database, portfolio_ids)
    found = holdings_of(database, settings(), list(names), older=older_numbers(names))
    for portfolio_id, holdings in found.items():
        if holdings.gaps:
            _warn(f"{names[portfolio_id]}: {holdings.named}; `sigma-assets status {portfolio_id}` says why")
    if any(holdings.is_all_simulated for holdings in found.values()):
        _warn("prices are simulated; SIGMA_PRICES names real sources")


def tell_numbers(portfolio_ids: Collection[str] = ()) -> None:
    """Print a line per active portfolio: equity, the day, volatility, warnings.

    Parameters
    ----------
    portfolio_ids : only these; by default all, at most `LINES` of them.
    """
    from sigma_assets.reports.forms import percent, signed_percent, signed_usd, usd
    from sigma_assets.reports.gaps.holdings import holdings_of
    from sigma_assets.reports.summaries import summaries
    from sigma_assets.settings import settings

    database = open_database()
    names = _names(database, portfolio_ids)
    shown = list(names)[:LINES]
    known = summaries(database, shown)
    gaps = {
        key: len(holdings.gaps) + holdings.is_all_simulated
        for key, holdings in holdings_of(database, settings(), shown).items()
    }
    for key in shown:
        if (line := known.get(key)) is None:
            console.print(f"{names[key]}: nothing is computed yet", markup=False, highlight=False, soft_wrap=True)
            continue
        day = f"day {signed_usd(line.daily_pnl)} ({signed_percent(line.daily_return)})"
        warned = f"{gaps[key]} warning{'' if gaps[key] == 1 else 's'}" if gaps[key] else "no warnings"
        text = (
            f"{names[key]}, {line.session}: {usd(line.equity)} USD, {day},"
            f" volatility {percent(line.volatility)}, {warned}"
        )
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    if len(names) > len(shown):
        console.print(
            f"and {len(names) - len(shown):,} more: `sigma-assets report PORTFOLIO` shows each", highlight=False
        )


def _names(database: Database, portfolio_ids: Collection[str]) -> dict[str, str]:
    """Return the names of some active portfolios, by id; of all if none are named."""
    from sigma_assets.storage.portfolios import portfolios

    active = portfolios(database)
    return {
        key: name
        for key, name in zip(active["portfolio_id"], active["name"], strict=True)
        if not portfolio_ids or key in portfolio_ids
    }


def tell_import(portfolio_id: str) -> None:
    """Print on stderr what is known at once of a new portfolio's prices.

    That they are simulated, symbols that the source does not know, entry prices that do not match. Where nothing is stored
    yet, a source on this machine is asked; a live one is not: what it has, the first run says.
    """
    from sigma_assets.reports.gaps.holdings import imported_holdings
    from sigma_assets.settings import settings

    holdings, entries = imported_holdings(open_database(), settings(), portfolio_id)
    for gap in (*holdings.gaps, *_gaps_at_hand(entries)):
        _warn(str(gap))
    if holdings.is_all_simulated:
        _warn("prices are simulated: every number will be made up; SIGMA_PRICES names real sources")


def _gaps_at_hand(entries: Sequence[tuple[str, date, float, float | None]]) -> "list[Gap]":
    """Return the symbols that a source on this machine does not know, and the entry prices far from its closes."""
    from sigma_assets.base.errors import ProviderError
    from sigma_assets.prices.source import PriceSource
    from sigma_assets.reports.gaps.kinds import Remark, entry_price_gaps, unknown_symbol
    from sigma_assets.settings import settings

    wanted: dict[str, set[date]] = {}
    for symbol, session, *_ in entries:
        wanted.setdefault(symbol, set()).add(session)
    if not wanted:
        return []
    source = PriceSource(settings(), open_database)
    try:
        closes, unknown = source.closes_at_hand({symbol: sorted(days) for symbol, days in wanted.items()})
    except ProviderError as error:
        _warn(f"entry prices were not compared with closes: {error}")
        return []
    name = source.provider.name
    lacking = [
        unknown_symbol(symbol, Remark(said.reason, said.detail, name, said.next_try))
        for symbol, said in unknown.items()
    ]
    far = entry_price_gaps(
        (symbol, session, price, closes.get((symbol, session))) for symbol, session, price, _ in entries
    )
    return [*lacking, *far]


def _warn(text: str) -> None:
    errors.print(f"warning: {text}", style="yellow", markup=False, highlight=False, soft_wrap=True)
