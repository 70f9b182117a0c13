"""Reads a portfolio's report from the database, all of it as it is at one moment."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from sigma_assets.base.conventions import EXPOSURE_FACTORS
from sigma_assets.base.errors import PortfolioNotFoundError, StorageError
from sigma_assets.reports.allocation import allocation_of
from sigma_assets.reports.gaps.general import carried_prices, general_gaps, not_stored
from sigma_assets.reports.gaps.holdings import Holdings, holdings_of
from sigma_assets.reports.gaps.kinds import Gap
from sigma_assets.reports.heat_map import heat_map_of
from sigma_assets.reports.histories import MOST_SESSIONS, benchmarked, evenly_spaced, month_ends
from sigma_assets.reports.portfolio import Exposure, Holding, Month, Point, PortfolioReport, Row
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
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

if TYPE_CHECKING:
    import dagster as dg


def portfolio_report(
    database: Database,
    settings: Settings,
    portfolio_id: str,
    session: date | None = None,
    uncomputed: Collection[str] = (),
    instance: "dg.DagsterInstance | None" = None,
    older: Sequence[Gap] = (),
) -> PortfolioReport:
    """Return the report of a portfolio.

    Parameters
    ----------
    session : by default the last one that is stored.
    uncomputed : assets that are not there on its last session: what they lack is no gap of the data.
    instance : Dagster's, to be asked which runs computed the session; without, `computed` stays empty.
    older : what an older version of a method computed: said with the warnings.

    Raises
    ------
    PortfolioNotFoundError
        There is no such portfolio.
    StorageError
        Nothing is stored for the session that was asked for.
    """

    def read() -> PortfolioReport:
        holdings = holdings_of(database, settings, [portfolio_id], {portfolio_id: uncomputed}, {portfolio_id: older})[
            portfolio_id
        ]
        with database.read() as connection:
            return _Reader(database, connection, settings, portfolio_id, holdings).report(session)

    found = database.at_one_moment(read)
    if instance is None or found.session is None:
        return found
    from sigma_assets.reports.computed import computed_by

    return replace(found, computed=computed_by(instance, database, settings, portfolio_id, found.session))


class _Reader:
    def __init__(
        self, database: Database, connection: sa.Connection, settings: Settings, portfolio_id: str, holdings: Holdings
    ) -> None:
        self.database = database
        self.connection = connection
        self.settings = settings
        self.portfolio_id = portfolio_id
        self.known = holdings

    def report(self, asked: date | None) -> PortfolioReport:
        """Return the report; long because each of its fields is read here, in the order of the page, and no more is done."""
        portfolio = self._portfolio()
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
        of_performance = self._row(performance, session)
        benchmark = str(of_performance.get("benchmark") or self.settings.benchmark)
        points, benchmark_returns = self._history(session, benchmark)
        sessions = [point.session for point in points]
        spaced = evenly_spaced(sessions, MOST_SESSIONS)
        holdings = self._holdings(positions, session)
        clusters = self._rows(correlations_by_cluster, session)
        correlations = self._row(correlations_by_portfolio, session)
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
                *general_gaps(self.known, session, last, current, age, portfolio.inception),
                *carried_prices(positions, self.known),
                *self.known.gaps,
            ),
            snapshot=row,
            performance=of_performance,
            betas=self._row(betas_by_portfolio, session),
            volatility=self._row(volatility_by_portfolio, session),
            risk=self._row(risk_by_portfolio, session),
            correlations=correlations,
            benchmark=benchmark,
            benchmark_returns=benchmark_returns,
            series=points,
            months=self._months(sessions),
            volatility_history=self._on(
                volatility_by_portfolio, spaced, ("realized_21d", "realized_63d", "expected_21d")
            ),
            exposure_history=self._on(
                factor_exposures_by_portfolio, spaced, tuple(f"{factor}_exposure" for factor in EXPOSURE_FACTORS)
            ),
            holdings=holdings,
            factor_exposures=tuple(_exposure(factor, exposures) for factor in EXPOSURE_FACTORS if exposures),
            risk_by_factor=self._rows(risk_by_factor, session),
            stress_tests=self._rows(stress_tests_by_portfolio, session, stress_tests_by_portfolio.c.number),
            clusters=clusters,
            allocation=allocation_of(self.connection, self.portfolio_id, session, positions),
            heat_map=heat_map_of(self.database, self.portfolio_id, session, holdings, clusters, correlations),
        )

    def _portfolio(self) -> sa.Row:
        query = sa.select(portfolios).where(portfolios.c.portfolio_id == self.portfolio_id)
        found = self.connection.execute(query).one_or_none()
        if found is None:
            raise PortfolioNotFoundError(f"no portfolio has the id {self.portfolio_id}")
        return found

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

    def _history(self, session: date | None, benchmark: str) -> tuple[tuple[Point, ...], Row]:
        if session is None:
            return (), {}
        table, falls = portfolio_snapshots.c, performance.c
        both = sa.and_(table.portfolio_id == falls.portfolio_id, table.session == falls.session)
        query = (
            sa.select(table.session, table.equity, table.cumulative_capital_flow, falls.drawdown)
            .select_from(portfolio_snapshots.outerjoin(performance, both))
            .where(table.portfolio_id == self.portfolio_id, table.session <= session)
            .order_by(table.session)
        )
        return benchmarked(self.database, self.settings.calendar, benchmark, list(self.connection.execute(query)))

    def _months(self, sessions: Sequence[date]) -> tuple[Month, ...]:
        rows: Sequence[Any] = self._on(performance, month_ends(sessions), ("return_mtd", "return_ytd"))
        return tuple(Month(**row) for row in rows)

    def _on(self, table: sa.Table, sessions: Sequence[date], columns: Sequence[str]) -> tuple[Row, ...]:
        """Return `session` and some columns of the portfolio's rows on some sessions, ascending."""
        chosen = [table.c[name] for name in ("session", *columns)]
        query = sa.select(*chosen).where(table.c.portfolio_id == self.portfolio_id, table.c.session.in_(sessions))
        rows = self.connection.execute(query.order_by(table.c.session)).mappings()
        return tuple(dict(row) for row in rows)

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
        risk_share=share("share"),
        es_contribution=share("es_contribution"),
        lot_id=lots[0]["lot_id"] if len(lots) == 1 else None,
        has_own_risk=own is not None and own == risk.get("weight") and lots[0]["risk_symbol"] == symbol,
    )


def _total(values: Iterable[float | None]) -> float | None:
    """Return the sum; None if any of them is not known."""
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)


def _exposure(factor: str, row: dict[str, Any]) -> Exposure:
    return Exposure(factor, *(row[f"{factor}_{what}"] for what in ("exposure", "exposure_usd", "coverage")))
