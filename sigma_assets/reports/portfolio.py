"""A portfolio's report: what is stored of it on one session, as one set of data for the terminal, the page and the API."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import sqlalchemy as sa

from sigma_assets.base.conventions import EXPOSURE_FACTORS
from sigma_assets.base.errors import PortfolioNotFoundError, StorageError
from sigma_assets.reports.gaps import Gap
from sigma_assets.reports.stored import Holdings, holdings_of
from sigma_assets.reports.warnings import carried_prices, general_gaps, not_stored
from sigma_assets.settings import Settings
from sigma_assets.storage.database import Database
from sigma_assets.storage.schema import (
    betas_by_portfolio,
    betas_by_position,
    correlations_by_cluster,
    correlations_by_portfolio,
    factor_exposures_by_portfolio,
    performance,
    portfolio_snapshots,
    portfolios,
    position_values,
    risk_by_factor,
    risk_by_portfolio,
    risk_by_position,
    stress_tests_by_portfolio,
    volatility_by_portfolio,
)

Cell = float | int | str | bool | date | None
Row = dict[str, Cell]
"""A row of a table: its columns without the key; empty where the table has no such row."""


@dataclass(frozen=True)
class Point:
    """Equity (USD) at the close of a session, and the fall of the time-weighted index from its peak (<= 0)."""

    session: date
    equity: float
    drawdown: float | None


@dataclass(frozen=True)
class Holding:
    """All open lots of a symbol.

    Attributes
    ----------
    price : USD; None where lots without any price stand at different entry prices.
    price_session : session of the price; None where it is an entry price.
    value, unrealized_pnl, daily_pnl : USD, summed over lots.
    weight : value / equity.
    volatility_contribution : per year; as `risk_by_position`, which has a row per symbol whose returns count: where an
        option and its underlying share one, by risk weight, in which both contributions are linear.
    es_contribution : share of equity; likewise.
    """

    symbol: str
    quantity: float
    price: float | None
    price_session: date | None
    is_stale: bool
    is_modelled: bool
    value: float
    weight: float | None
    unrealized_pnl: float
    daily_pnl: float
    market_beta: float | None
    volatility_contribution: float | None
    es_contribution: float | None


@dataclass(frozen=True)
class Exposure:
    """Exposure to a factor; `coverage` is the share of |market value| with a beta."""

    factor: str
    exposure: float | None
    exposure_usd: float | None
    coverage: float | None


@dataclass(frozen=True)
class PortfolioReport:
    """What is stored of a portfolio on one session. None = not known; fractions (0.01 = 1 %), USD, volatility per year.

    Attributes
    ----------
    session : the session of all numbers; None while nothing is computed, and then all that follows is empty.
    last_session : the last one that is stored.
    gaps_session : session that `warnings` about single symbols speak of: the last one with coverage.
    newest_price_age : sessions between the newest price of any symbol ever held and the current session.
    snapshot, performance, betas, volatility, risk, correlations : the portfolio's row of the table of that name.
    holdings : by |value|, largest first.
    risk_by_factor, stress_tests, clusters : rows of their tables.
    """

    portfolio_id: str
    name: str
    account_type: str
    currency: str
    inception: date
    session: date | None
    last_session: date | None
    current_session: date
    price_source: str
    is_simulated: bool
    newest_price: date | None
    newest_price_age: int | None
    gaps_session: date | None
    warnings: tuple[Gap, ...]
    snapshot: Row
    performance: Row
    betas: Row
    volatility: Row
    risk: Row
    correlations: Row
    series: tuple[Point, ...]
    holdings: tuple[Holding, ...]
    factor_exposures: tuple[Exposure, ...]
    risk_by_factor: tuple[Row, ...]
    stress_tests: tuple[Row, ...]
    clusters: tuple[Row, ...]

    def json(self) -> str:
        """Return the report as a JSON object; days as YYYY-MM-DD."""
        return json.dumps(asdict(self), default=date.isoformat, allow_nan=False, indent=2)


def portfolio_report(
    database: Database,
    settings: Settings,
    portfolio_id: str,
    session: date | None = None,
    uncomputed: Collection[str] = (),
    older: Sequence[Gap] = (),
) -> PortfolioReport:
    """Return the report of a portfolio.

    Parameters
    ----------
    session : by default the last one that is stored.
    uncomputed, older : as of `holdings_of`.

    Raises
    ------
    PortfolioNotFoundError
        There is no such portfolio.
    StorageError
        Nothing is stored for the session that was asked for.
    """
    known = holdings_of(database, settings, [portfolio_id], {portfolio_id: uncomputed}, {portfolio_id: older})

    def read(connection: sa.Connection) -> PortfolioReport:
        return _Reader(connection, settings, portfolio_id, known[portfolio_id]).report(session)

    return database.in_snapshot(read)


class _Reader:
    def __init__(self, connection: sa.Connection, settings: Settings, portfolio_id: str, holdings: Holdings) -> None:
        self.connection = connection
        self.settings = settings
        self.portfolio_id = portfolio_id
        self.known = holdings

    def report(self, asked: date | None) -> PortfolioReport:
        portfolio = self.connection.execute(
            sa.select(portfolios).where(portfolios.c.portfolio_id == self.portfolio_id)
        ).one_or_none()
        if portfolio is None:
            raise PortfolioNotFoundError(f"no portfolio has the id {self.portfolio_id}")
        first, last = self._range()
        session = asked or last
        row = self._row(portfolio_snapshots, session)
        if asked is not None and not row:
            raise StorageError(not_stored(portfolio.name, asked, first, last))
        current = self.settings.current_session()
        positions = self._rows(position_values, session)
        newest = self.known.newest_price
        age = None if newest is None else self._sessions_between(newest, current)
        exposures = self._row(factor_exposures_by_portfolio, session)
        return PortfolioReport(
            portfolio_id=self.portfolio_id,
            name=portfolio.name,
            account_type=portfolio.account_type,
            currency=portfolio.currency,
            inception=portfolio.inception,
            session=session,
            last_session=last,
            current_session=current,
            price_source=self.known.price_source,
            is_simulated=self.known.is_simulated,
            newest_price=newest,
            newest_price_age=age,
            gaps_session=self.known.session,
            warnings=(
                *general_gaps(self.known, session, last, current, age),
                *carried_prices(positions, self.known),
                *self.known.gaps,
            ),
            snapshot=row,
            performance=self._row(performance, session),
            betas=self._row(betas_by_portfolio, session),
            volatility=self._row(volatility_by_portfolio, session),
            risk=self._row(risk_by_portfolio, session),
            correlations=self._row(correlations_by_portfolio, session),
            series=self._series(session) if session else (),
            holdings=self._holdings(positions, session),
            factor_exposures=tuple(_exposure(factor, exposures) for factor in EXPOSURE_FACTORS if exposures),
            risk_by_factor=self._rows(risk_by_factor, session),
            stress_tests=self._rows(stress_tests_by_portfolio, session, stress_tests_by_portfolio.c.number),
            clusters=self._rows(correlations_by_cluster, session),
        )

    def _range(self) -> tuple[date | None, date | None]:
        table = portfolio_snapshots.c
        query = sa.select(sa.func.min(table.session), sa.func.max(table.session))
        first, last = self.connection.execute(query.where(table.portfolio_id == self.portfolio_id)).one()
        return first, last

    def _rows(self, table: sa.Table, session: date | None, *order: sa.Column) -> tuple[Row, ...]:
        """Return the portfolio's rows of a session, by default in the order of their key, without portfolio and session."""
        if session is None:
            return ()
        columns = [column for column in table.c if column.name not in ("portfolio_id", "session")]
        query = sa.select(*columns).where(table.c.portfolio_id == self.portfolio_id, table.c.session == session)
        rows = self.connection.execute(query.order_by(*(order or table.primary_key.columns))).mappings()
        return tuple(dict(row) for row in rows)

    def _row(self, table: sa.Table, session: date | None) -> Row:
        return next(iter(self._rows(table, session)), {})

    def _series(self, session: date) -> tuple[Point, ...]:
        table, falls = portfolio_snapshots.c, performance.c
        both = sa.and_(table.portfolio_id == falls.portfolio_id, table.session == falls.session)
        query = (
            sa.select(table.session, table.equity, falls.drawdown)
            .select_from(portfolio_snapshots.outerjoin(performance, both))
            .where(table.portfolio_id == self.portfolio_id, table.session <= session)
            .order_by(table.session)
        )
        return tuple(Point(row.session, row.equity, row.drawdown) for row in self.connection.execute(query))

    def _holdings(self, positions: Sequence[Row], session: date | None) -> tuple[Holding, ...]:
        betas = {row["lot_id"]: row["market_beta"] for row in self._rows(betas_by_position, session)}
        risks = {row["symbol"]: row for row in self._rows(risk_by_position, session)}
        by_symbol: dict[str, list[Row]] = {}
        for row in positions:
            by_symbol.setdefault(str(row["symbol"]), []).append(row)
        found = [_holding(symbol, rows, betas, risks) for symbol, rows in by_symbol.items()]
        return tuple(sorted(found, key=lambda each: (-abs(each.value), each.symbol)))

    def _sessions_between(self, session: date, later: date) -> int:
        ends = np.searchsorted(self.settings.calendar.sessions, np.array([session, later], dtype="datetime64[D]"))
        return max(int(ends[1] - ends[0]), 0)


def _holding(symbol: str, lots: Sequence[dict[str, Any]], betas: dict, risks: dict) -> Holding:
    prices = {(lot["price"], lot["price_session"]) for lot in lots}
    price, price_session = prices.pop() if len(prices) == 1 else (None, None)
    risk: dict[str, Any] = risks.get(lots[0]["risk_symbol"], {})
    own = _total(lot["risk_weight"] for lot in lots)

    def share(column: str) -> float | None:
        whole, total = risk.get(column), risk.get("weight")
        return None if whole is None or own is None or not total else whole * own / total

    return Holding(
        symbol=symbol,
        quantity=sum(lot["quantity"] for lot in lots),
        price=price,
        price_session=price_session,
        is_stale=any(lot["is_stale"] for lot in lots),
        is_modelled=any(lot["is_modelled"] for lot in lots),
        value=sum(lot["market_value"] for lot in lots),
        weight=_total(lot["weight"] for lot in lots),
        unrealized_pnl=sum(lot["unrealized_pnl"] for lot in lots),
        daily_pnl=sum(lot["daily_pnl"] for lot in lots),
        market_beta=betas.get(lots[0]["lot_id"]),
        volatility_contribution=share("volatility_contribution"),
        es_contribution=share("es_contribution"),
    )


def _total(values: Iterable[float | None]) -> float | None:
    """Return the sum; None if any of them is not known."""
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)


def _exposure(factor: str, row: dict[str, Any]) -> Exposure:
    return Exposure(factor, *(row[f"{factor}_{what}"] for what in ("exposure", "exposure_usd", "coverage")))
