"""A portfolio whose computed rows a test writes itself, so that it knows every number."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from sigma_assets.reports.portfolio import PortfolioReport
from sigma_assets.reports.reading import portfolio_report
from sigma_assets.settings import Settings
from sigma_assets.storage import schema
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames.rows import Rows, replace_rows

DAYS = (date(2025, 1, 29), date(2025, 1, 30), date(2025, 1, 31))
EQUITIES = (1000.0, 1100.5, 1234567.5)


class Book:
    """A database in which a test writes what would have been computed."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings

    def write(self, table: sa.Table, **values: Any) -> None:
        """Write a row; columns that must have a value and are not given get a 0 of their kind."""
        row = blank(table)
        self.write_all(table, [row | values])

    def write_all(self, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
        """Write rows that are complete, in one transaction; of a packed table the whole of a session."""
        if table in schema.PACKED:
            of_one = Rows(rows[0]["session"], rows[0]["session"], [rows[0]["portfolio_id"]])
            replace_rows(self.database, {table: pd.DataFrame(rows)}, of_one)
            return
        with self.database.begin() as connection:
            connection.execute(sa.insert(table), rows)

    def portfolio(self, name: str = "Growth", equities: Sequence[float] = (), key: str = "P1") -> str:
        """Write a portfolio and its snapshots on the last days."""
        self.write(schema.portfolios, portfolio_id=key, name=name, account_type="taxable", currency="USD",
                   initial_equity_usd=100.0, inception=DAYS[0])  # fmt: skip
        self.equities(equities, key)
        return key

    def equities(self, equities: Sequence[float], key: str = "P1") -> None:
        """Write snapshots on the last days."""
        for day, equity in zip(DAYS, equities, strict=False):
            self.write(schema.portfolio_snapshots, portfolio_id=key, session=day, equity=equity, daily_pnl=-3.25)
            self.write(schema.price_coverage, portfolio_id=key, session=day)

    def lot(self, symbol: str, lot_id: str, **values: Any) -> None:
        """Write a lot's value on the last day."""
        row = {"risk_symbol": symbol, "investment_class": "PUBLIC", "price_session": DAYS[-1]} | values
        self.write(schema.position_values, portfolio_id="P1", session=DAYS[-1], lot_id=lot_id, symbol=symbol, **row)

    def report(self, session: date | None = None) -> PortfolioReport:
        """Return the report of the only portfolio."""
        return portfolio_report(self.database, self.settings, "P1", session)

    def stored(self, table: sa.Table) -> list[dict[str, Any]]:
        """Return rows of the last day."""
        with self.database.read() as connection:
            rows = connection.execute(sa.select(table).where(table.c.session == DAYS[-1]))
            return [dict(row) for row in rows.mappings()]


def blank(table: sa.Table) -> dict[str, Any]:
    """Return a row whose columns that must have a value have a 0 of their kind."""
    empty: dict[type, Any] = {float: 0.0, int: 0, str: "", bool: False, datetime: datetime(2025, 1, 31, tzinfo=UTC)}
    return {
        column.name: empty[column.type.python_type]
        for column in table.c
        if not column.nullable and column.type.python_type in empty
    }


def write_everything(book: Book) -> None:
    """Write a row in every table: a stock in two lots, an option on it, a short one."""
    book.equities(EQUITIES)
    key = {"portfolio_id": "P1", "session": DAYS[-1]}
    first = {"quantity": 10.0, "price": 50.25, "market_value": 502.5, "weight": 0.2, "risk_weight": 0.2}
    book.lot("AAA", "l1", unrealized_pnl=-20.5, **first)
    book.lot("AAA", "l2", unrealized_pnl=5.25, **first | {"quantity": 5.5, "market_value": 276.375, "weight": 0.1,
             "risk_weight": 0.1})  # fmt: skip
    book.lot("AAA260116C00050000", "l3", quantity=1.0, price=3.0, market_value=300.0, weight=0.1, risk_symbol="AAA",
             risk_weight=0.3, is_modelled=True, investment_class="OPTIONS")  # fmt: skip
    book.lot("BBB", "l4", quantity=-2.0, price=8.0, market_value=-16.0, weight=-0.1, risk_weight=-0.1, is_stale=True,
             price_session=DAYS[0])  # fmt: skip
    for lot_id, symbol, beta in (("l1", "AAA", 1.5), ("l2", "AAA", 1.5), ("l3", "AAA", 1.5), ("l4", "BBB", 0.75)):
        book.write(schema.betas_by_position, **key, lot_id=lot_id, symbol=symbol, market_beta=beta)
    book.write(schema.betas_by_portfolio, **key, market_beta=0.86)
    book.write(schema.factor_exposures_by_portfolio, **key, value_exposure=0.123, value_exposure_usd=456.0)
    book.write(schema.volatility_by_portfolio, **key, realized_21d=0.151, realized_63d=0.162, expected_21d=0.173)
    book.write(schema.correlations_by_portfolio, **key, mean_correlation=0.44)
    book.write(schema.correlations_by_cluster, **key, cluster=1, name="AAA lookalikes", members="AAA,BBB", size=2,
               mean_correlation=0.81, share_of_gross=0.66)  # fmt: skip
    book.write(schema.risk_by_portfolio, **key, realized_63d=0.162, var_99_usd=4321.0, es_95=0.03, exceptions=3,
               backtest_sessions=250, zone="green", specific_share=0.27)  # fmt: skip
    book.write(schema.correlations_by_pair, **key, symbol="AAA", other_symbol="BBB", correlation=0.81, observations=90)
    for symbol, weight, part in (("AAA", 0.6, 0.18), ("BBB", -0.1, -0.018)):
        book.write(schema.risk_by_position, **key, symbol=symbol, weight=weight, volatility_contribution=part,
                   share=part / 0.162, es_contribution=part / 10)  # fmt: skip
    book.write(schema.risk_by_factor, **key, factor="market", beta=0.91, std_error=0.05, variance_share=0.58)
    for number, (scenario, pnl) in enumerate((("market_down_20", -98765.0), ("market_up_10", 54321.0)), 1):
        book.write(
            schema.stress_tests_by_portfolio, **key, scenario=scenario, number=number, pnl_usd=pnl, pnl_share=0.1
        )
    book.write(schema.performance, **key, benchmark="SPY", return_mtd=0.0123, return_ytd=-0.0456, return_1y=0.0789,
               return_since_inception=0.1011, drawdown=-0.055, tracking_error=0.066, alpha=0.0077)  # fmt: skip
