"""How well the holdings of portfolios are known on their last session."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from sigma_assets.base.conventions import FACTOR_ETFS
from sigma_assets.prices.changes import portfolios_behind_prices
from sigma_assets.prices.universe import everyones_symbols
from sigma_assets.reports.gaps.entered import Entered, EnteredReader
from sigma_assets.reports.gaps.kinds import (
    RECENT,
    SIMULATED,
    Gap,
    StoredPortfolio,
    entry_price_gaps,
    gaps_of,
    holdings_changed,
    lots_without_price,
    no_longer_computed,
    outdated,
    partly_simulated,
    prices_corrected,
    without_factor_prices,
    without_quotes,
)
from sigma_assets.reports.gaps.stored import StoredReader
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.holdings import changed_holdings

NAMED = 20
"""Most symbols that a line names."""


@dataclass(frozen=True)
class Holdings:
    """How well the holdings of a portfolio are known on its last session.

    Attributes
    ----------
    session : the portfolio's last session; None while there is none.
    symbols, priced : symbols that it ever needed, factor ETFs included, and how many of them have prices.
    positions : lots that it ever had.
    lots, lots_without_price : open lots.
    price_source : where its prices come from, several with commas; what the settings name while there are none. It has
        `simulated` if any price of its symbols, of the factor ETFs or of the benchmark is made up, of any session.
    newest_price : last session on which any symbol that it holds has a price.
    changed_from : first session whose numbers are of before a change of its lots or cash flows; None = there is none.
    is_behind_prices : whether prices were corrected since, and nobody has looked yet whether that changes its numbers.
    """

    session: date | None
    symbols: int
    priced: int
    positions: int
    lots: int
    lots_without_price: int
    price_source: str
    newest_price: date | None
    gaps: tuple[Gap, ...]
    changed_from: date | None = None
    is_behind_prices: bool = False

    @property
    def summary(self) -> str:
        """What is not known, in a few words; empty where nothing lacks."""
        parts = [f"{self.lots_without_price} of {self.lots} without prices"] if self.lots_without_price else []
        others = {gap.symbol for gap in self.gaps if gap.symbol} - set(self.without_price)
        if others:
            parts.append(f"{len(others)} with {'other ' if parts else ''}gaps")
        parts.extend(f"without {gap.lacks}" for gap in self.gaps if not gap.symbol)
        return ", ".join(parts)

    @property
    def named(self) -> str:
        """The summary, with the symbols that lack something (prices, if any lack these); at most `NAMED` of them."""
        symbols = self.without_price or sorted({gap.symbol for gap in self.gaps if gap.symbol})
        more = f" and {len(symbols) - NAMED} more" if len(symbols) > NAMED else ""
        return f"{self.summary} ({', '.join(symbols[:NAMED])}{more})" if symbols else self.summary

    @property
    def without_price(self) -> tuple[str, ...]:
        """The symbols without a price, or with one that is too old."""
        return tuple(gap.symbol for gap in self.gaps if gap.symbol and gap.lacks.startswith(("price", "recent price")))

    @property
    def counted_symbols(self) -> str:
        """How many symbols have prices: `27 symbols`, or `18 of 27 symbols`."""
        return f"{self.symbols} symbols" if self.priced == self.symbols else f"{self.priced} of {self.symbols} symbols"

    @property
    def is_simulated(self) -> bool:
        """Whether any price is made up."""
        return SIMULATED in self.price_source.split(", ")

    @property
    def is_all_simulated(self) -> bool:
        """Whether every price is made up; if only some are, a gap says which."""
        return self.price_source == SIMULATED


def holdings_of(
    database: Database,
    settings: Settings,
    portfolio_ids: Sequence[str],
    uncomputed: Mapping[str, Collection[str]] | None = None,
    older: Mapping[str, Sequence[Gap]] | None = None,
) -> dict[str, Holdings]:
    """Return how well the holdings of portfolios are known.

    Parameters
    ----------
    uncomputed : portfolio id -> assets that are not there on its last session: what they lack is no gap of the data.
    older : portfolio id -> what an older version of a method computed: said with the gaps.
    """
    known, _ = _known(database, settings, portfolio_ids, uncomputed or {})
    start = settings.history_start
    changed = _changed(database, portfolio_ids)
    before = {key: day for key, day in changed.items() if day < start}
    if before:  # seldom
        computable = _changed(database, list(before), start)
        changed = {key: day for key, day in changed.items() if key not in before} | computable
    behind = set(portfolios_behind_prices(database, everyones_symbols(settings), start, portfolio_ids))
    told = {}
    for key, each in known.items():
        more = [holdings_changed(changed[key])] if key in changed else []
        more += [no_longer_computed("its lots or cash flows changed", before[key], start)] if key in before else []
        more += [prices_corrected()] if key in behind else []
        gaps = (*each.gaps, *more, *(older or {}).get(key, ()))
        told[key] = replace(each, gaps=gaps, changed_from=changed.get(key), is_behind_prices=key in behind)
    return told


def _changed(database: Database, portfolio_ids: Sequence[str], since: date = date.min) -> dict[str, date]:
    """Return portfolio id -> first session from a day on whose numbers are of before a change."""
    changed = changed_holdings(database, portfolio_ids, since=since)
    return {row.portfolio_id: row.first_session.date() for row in changed.itertuples()}


def imported_holdings(
    database: Database, settings: Settings, portfolio_id: str
) -> tuple[Holdings, list[tuple[str, date, float, float | None]]]:
    """Return how well the holdings of a new portfolio are known, and the entries of its shares without a stored close.

    The entries are as `entry_price_gaps` takes them.
    """
    known, entered = _known(database, settings, [portfolio_id], {})
    return known[portfolio_id], [entry for entry in entered[portfolio_id].shares if entry[3] is None]


def _known(
    database: Database, settings: Settings, ids: Sequence[str], uncomputed: Mapping[str, Collection[str]]
) -> tuple[dict[str, Holdings], dict[str, Entered]]:
    etfs = {*FACTOR_ETFS, *settings.factor_model.etfs}
    with database.read() as connection:
        reader = EnteredReader(connection, settings, ids)
        entered = reader.entered()
        used = {symbol for each in entered.values() for symbol in each.symbols} | etfs | {settings.benchmark}
        judge = _Judge(settings, etfs, reader.priced_on(used), reader.simulated(used))
        stored = StoredReader(connection, settings.calendar, ids, uncomputed).stored()
    return {key: judge.holdings(entered[key], stored.get(key)) for key in ids}, entered


@dataclass(frozen=True)
class _Judge:
    """Says how well a portfolio is known.

    Attributes
    ----------
    etfs : the factor ETFs; every portfolio needs them and the benchmark.
    priced_on : symbol -> last session with a price, and its source.
    made_up : symbol -> last session with a simulated price.
    """

    settings: Settings
    etfs: set[str]
    priced_on: Mapping[str, tuple[date, str]]
    made_up: Mapping[str, date]

    def holdings(self, entered: Entered, stored: StoredPortfolio | None) -> Holdings:
        """Return how well a portfolio is known, of which this was entered and that is stored."""
        priced_on = self.priced_on
        priced = [priced_on[symbol] for symbol in entered.symbols if symbol in priced_on]
        sources = {source for _, source in priced} or {self.settings.prices.partition(":")[0]}
        used = entered.symbols | self.etfs | {self.settings.benchmark}
        simulated = {symbol: last for symbol, last in self.made_up.items() if symbol in used}
        source = ", ".join(sorted(sources | ({SIMULATED} if simulated else set())))
        newest = max((session for session, _ in priced), default=None)
        total = len(entered.symbols | self.etfs)
        far = tuple(entry_price_gaps(entered.shares))
        if simulated and source != SIMULATED:
            far = (partly_simulated(simulated), *far)
        if stored is None:
            return Holdings(None, total, total, entered.positions, 0, 0, source, newest, far)
        late = self.settings.calendar.shift(stored.session, -RECENT)
        old = {symbol for symbol in used - entered.symbols if symbol not in priced_on or priced_on[symbol][0] < late}
        needed = old & {*self.settings.factor_model.etfs, self.settings.benchmark}
        lost = (stored.unpriced | outdated(stored).keys()) - without_quotes(stored)
        if needed and entered.symbols:
            far, lost = (without_factor_prices(old, needed, stored.session), *far), lost | (old & self.etfs)
        return Holdings(
            session=stored.session,
            symbols=total,
            priced=total - len(lost),
            positions=entered.positions,
            lots=len(stored.lots),
            lots_without_price=lots_without_price(stored),
            price_source=source,
            newest_price=newest,
            gaps=(*gaps_of(stored), *far),
        )
