"""Portfolios, lots and flows: stored whole, read in one order, removed softly."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from sigma_assets.base.errors import HoldingsError, PortfolioNotFoundError, StorageError
from sigma_assets.prices.tables import write_prices
from sigma_assets.prices.universe import held_symbols, universe
from sigma_assets.storage import schema
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.portfolios import (
    LOT_COLUMNS,
    NewPortfolio,
    add_portfolio,
    cash_flows,
    check_flow,
    lots,
    portfolios,
    remove_portfolio,
)
from sigma_assets_tests.storage import builders
from sigma_assets_tests.storage.builders import EVENING, add, add_cash_flow, bars, dump

CONTRACT = {
    "symbol": "SPY260320C00600000",
    "investment_class": "OPTIONS",
    "underlying_symbol": "SPY",
    "strike_price": 600.0,
    "expiration_date": date(2026, 3, 20),
    "option_type": "CALL",
}


def test_a_portfolio_comes_back_as_it_was_added(database: Database) -> None:
    portfolio = NewPortfolio("Growth", "roth_ira", 250_000.5, date(2026, 1, 2))

    portfolio_id = add_portfolio(database, portfolio, builders.lots({"quantity": -3.5}, CONTRACT))

    stored = portfolios(database).iloc[0]
    assert stored[["portfolio_id", "name", "account_type", "currency", "initial_equity_usd"]].tolist() == [
        portfolio_id, "Growth", "roth_ira", "USD", 250_000.5,
    ]  # fmt: skip
    assert stored["inception"] == pd.Timestamp("2026-01-02")
    assert stored["created_at"].tzinfo is not None
    held = lots(database).set_index("symbol")
    assert held["quantity"].to_dict() == {"AAPL": -3.5, "SPY260320C00600000": 100.0}
    assert held["expiration_date"].dtype == "datetime64[s]"
    assert held.loc["AAPL", "underlying_symbol"] is None
    assert np.isnan(held.loc["AAPL", "exit_price"])


def test_lots_come_in_one_order_whatever_the_order_of_import(database: Database) -> None:
    add(
        database,
        "A",
        {"symbol": "b", "entry_date": date(2026, 1, 5)},
        {"symbol": "C", "entry_date": date(2026, 1, 5)},
        {"symbol": "Z", "entry_date": date(2026, 1, 2)},
    )

    assert lots(database)["symbol"].tolist() == ["Z", "C", "b"]


def test_a_name_is_taken_while_its_portfolio_is_active(database: Database) -> None:
    first = add(database, "Growth", {})
    before = dump(database, schema.portfolios, schema.lots)

    with pytest.raises(HoldingsError, match="'Growth' exists"):
        add(database, "Growth", {})
    assert dump(database, schema.portfolios, schema.lots) == before

    remove_portfolio(database, first)
    second = add(database, "Growth", {})
    assert portfolios(database)["portfolio_id"].tolist() == [second]


def test_lots_that_do_not_fit_leave_no_portfolio_behind(database: Database) -> None:
    wrong = builders.lots({}, {"quantity": None})

    with pytest.raises(StorageError, match=r"lots\.quantity: found no value"):
        add_portfolio(database, NewPortfolio("Bad", "ira", 1.0, date(2026, 1, 2)), wrong)

    assert portfolios(database).empty


def test_a_portfolio_may_be_empty(database: Database) -> None:
    portfolio = NewPortfolio("Empty", "ira", 1.0, date(2026, 1, 2))

    portfolio_id = add_portfolio(database, portfolio, pd.DataFrame(columns=list(LOT_COLUMNS)))

    assert lots(database, [portfolio_id]).empty


def test_a_removed_portfolio_leaves_the_lists_but_stays_readable(database: Database) -> None:
    gone, stays = add(database, "Gone", {}), add(database, "Stays", {})

    remove_portfolio(database, gone)

    assert portfolios(database)["portfolio_id"].tolist() == [stays]
    assert portfolios(database, include_removed=True)["portfolio_id"].tolist() == [gone, stays]
    assert lots(database)["portfolio_id"].tolist() == [stays]
    assert lots(database, [gone])["symbol"].tolist() == ["AAPL"]
    with pytest.raises(PortfolioNotFoundError, match="removed"):
        remove_portfolio(database, gone)


def test_unknown_portfolios_are_named(database: Database) -> None:
    known = add(database, "A", {})

    for read in (portfolios, lots, cash_flows, held_symbols):
        with pytest.raises(PortfolioNotFoundError, match="nobody"):
            read(database, [known, "nobody"])
    with pytest.raises(PortfolioNotFoundError, match="nobody"):
        add_cash_flow(database, "nobody", date(2026, 1, 5), 10.0)


def test_cash_flows_are_signed_amounts(database: Database) -> None:
    portfolio = add(database, "A", {})

    add_cash_flow(database, portfolio, date(2026, 1, 6), -500.0)
    add_cash_flow(database, portfolio, date(2026, 1, 5), 1_000.0)

    assert cash_flows(database)["amount_usd"].tolist() == [1_000.0, -500.0]
    for amount in (0.0, np.nan, np.inf):
        with pytest.raises(HoldingsError, match="expected an amount"):
            check_flow(date(2026, 1, 6), amount, "external")


def test_the_universe_is_what_was_ever_held_or_priced(database: Database) -> None:
    """Contracts and their underlyings count, private lots never, lots of removed portfolios only once priced."""
    first = add(database, "A", {}, CONTRACT, {"symbol": "CASH_USD", "investment_class": "PRIVATE"})
    second = add(database, "B", {"symbol": "MSFT", "exit_date": date(2026, 1, 5), "exit_price": 1.0})
    remove_portfolio(database, add(database, "C", {"symbol": "GONE"}))
    write_prices(database, bars({"VTI": {"2026-01-02": 1.0, "2026-01-05": 1.0}}), "test", EVENING)

    held = held_symbols(database, [first])

    assert held["symbol"].tolist() == ["AAPL", "SPY", "SPY260320C00600000"]
    assert held_symbols(database)["portfolio_id"].value_counts().to_dict() == {first: 3, second: 1}
    assert universe(database) == ["AAPL", "MSFT", "SPY", "SPY260320C00600000", "VTI"]
