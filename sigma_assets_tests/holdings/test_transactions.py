"""What brokers' rows say beyond plain purchases and sales becomes lots and flows, or is refused with what to do."""

from datetime import date

import pandas as pd
import pytest

from sigma_assets.base.errors import HoldingsError
from sigma_assets.holdings.reader import Holdings, ReadOptions, read_file

TODAY = date(2026, 1, 8)
ETRADE = "TransactionDate,TransactionType,SecurityType,Symbol,Quantity,Amount,Price,Commission,Description\n"
SCHWAB = "Date,Action,Symbol,Description,Quantity,Price,Fees & Comm,Amount\n"
FIDELITY = "Run Date,Action,Symbol,Description,Quantity,Price,Commission,Fees,Accrued Interest,Amount\n"
VANGUARD = "Account Number,Trade Date,Settlement Date,Transaction Type,Symbol,Shares,Share Price,Net Amount\n"
ROBINHOOD = "Activity Date,Process Date,Settle Date,Instrument,Description,Trans Code,Quantity,Price,Amount\n"
GENERIC = "Date,Action,Symbol,Quantity,Price,Amount\n"
WRITTEN_CALL = "01/02/24,Sold To Open,OPTN,SPXW  240119C04700000,-1,4499.35,45,0.65,SPXW\n"


def read(text: str, **options) -> Holdings:
    return read_file(text.encode(), "download.csv", TODAY, ReadOptions(**options))


def lots_of(holdings: Holdings) -> list[tuple]:
    """Return symbol, quantity, price, entry day, exit day and exit price of each lot."""
    columns = ["symbol", "quantity", "entry_price", "entry_date", "exit_date", "exit_price"]
    return [
        tuple(
            None if pd.isna(value) else str(value.date()) if isinstance(value, pd.Timestamp) else value for value in row
        )
        for row in holdings.lots[columns].itertuples(index=False)
    ]


def flows_of(holdings: Holdings) -> list[tuple[str, str, float]]:
    return [(str(day.date()), kind, amount) for day, amount, kind in holdings.flows.itertuples(index=False)]


def refusals_of(text: str, **options) -> list[tuple[str, int | None, str | None]]:
    """Return code, line and column of each problem."""
    with pytest.raises(HoldingsError) as refusal:
        read(text, **options)
    assert all(problem.expected for problem in refusal.value.problems)
    return [(problem.code, problem.line, problem.column) for problem in refusal.value.problems]


# Options that end


def test_an_index_option_that_is_assigned_ends_at_what_it_was_settled_for():
    """4,839 - 4,700 = 139 a unit: 13,900 for a contract; the commission of 0.65 is not a part of it."""
    rows = "01/19/24,Option Assignment,OPTN,SPXW  240119C04700000,1,-13900.65,0,0.65,SPXW Jan 19 24 $4700 Call\n"

    holdings = read(ETRADE + rows + WRITTEN_CALL)

    assert lots_of(holdings) == [("SPXW240119C04700000", -1.0, 45.0, "2024-01-02", "2024-01-19", 139.0)]
    assert flows_of(holdings) == [("2024-01-19", "fee", -0.65)]


def test_an_index_option_that_is_exercised_ends_at_what_it_was_settled_for():
    rows = (
        "01/19/2024,Exchange or Exercise,SPX 01/19/2024 4700.00 C,,-2,,,$27800.00\n"
        "01/02/2024,Buy to Open,SPX 01/19/2024 4700.00 C,,3,$45.00,,-$13500.00\n"
    )

    assert lots_of(read(SCHWAB + rows)) == [
        ("SPX240119C04700000", 2.0, 45.0, "2024-01-02", "2024-01-19", 139.0),
        ("SPX240119C04700000", 1.0, 45.0, "2024-01-02", None, None),
    ]


@pytest.mark.parametrize("amount", ["", "0"])
def test_an_index_option_that_is_assigned_without_its_cash_is_refused(amount):
    rows = f"01/19/24,Option Assignment,OPTN,SPXW  240119C04700000,1,{amount},0,0,SPXW\n"

    assert refusals_of(ETRADE + rows + WRITTEN_CALL) == [("ERR_POS_029", 2, "Amount")]


def test_an_index_option_that_expires_is_worth_nothing_without_a_word():
    rows = "01/19/24,Option Expired,OPTN,SPXW  240119C04700000,1,0,0,0,SPXW\n"

    assert lots_of(read(ETRADE + rows + WRITTEN_CALL))[0][5] == 0.0


def test_the_strike_that_is_paid_for_the_shares_is_not_what_an_option_was_settled_for():
    """100 x 200 = 20,000, of which a fee of 9.95 was taken: the shares have their own row, at the strike."""
    rows = (
        "01/17/25,Assigned,OPTN,AAPL  250117C00200000,1,19990.05,0,0,AAPL\n"
        "01/17/25,Sold,EQ,AAPL,-100,20000,200,0,APPLE INC\n"
        "01/02/24,Sold To Open,OPTN,AAPL  250117C00200000,-1,500,5,0,AAPL\n"
        "01/02/24,Bought,EQ,AAPL,100,-18000,180,0,APPLE INC\n"
    )

    assert lots_of(read(ETRADE + rows)) == [
        ("AAPL", 100.0, 180.0, "2024-01-02", "2025-01-17", 200.0),
        ("AAPL250117C00200000", -1.0, 5.0, "2024-01-02", "2025-01-17", 0.0),
    ]
