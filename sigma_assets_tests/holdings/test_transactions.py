"""What brokers' rows say beyond plain purchases and sales becomes lots and flows, or is refused with what to do."""

from datetime import date

import pandas as pd
import pytest

from sigma_assets.base.errors import HoldingsError
from sigma_assets.holdings.brokers.sources import known_sources, read_mapping
from sigma_assets.holdings.reader import Holdings, ReadOptions, mapping_of, read_file

TODAY = date(2026, 1, 8)
ETRADE = "TransactionDate,TransactionType,SecurityType,Symbol,Quantity,Amount,Price,Commission,Description\n"
SCHWAB = "Date,Action,Symbol,Description,Quantity,Price,Fees & Comm,Amount\n"
FIDELITY = "Run Date,Action,Symbol,Description,Quantity,Price,Commission,Fees,Accrued Interest,Amount\n"
VANGUARD = "Account Number,Trade Date,Settlement Date,Transaction Type,Symbol,Shares,Share Price,Net Amount\n"
ROBINHOOD = "Activity Date,Process Date,Settle Date,Instrument,Description,Trans Code,Quantity,Price,Amount\n"
GENERIC = "Date,Action,Symbol,Quantity,Price,Amount\n"
DESCRIBED = "Date,Description,Quantity,Symbol,Price,Amount\n"
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


# Shares without a trade

MOVES = {
    "Vanguard conversion": (
        VANGUARD + "1,01/02/2024,01/02/2024,Buy,VFINX,100,400,-40000\n"
        "1,03/04/2024,03/04/2024,Conversion (outgoing),VFINX,-100,420,0\n"
        "1,03/04/2024,03/04/2024,Conversion (incoming),VFIAX,95,442.1,0\n",
        [("ERR_POS_033", 3, "Shares"), ("ERR_POS_033", 4, "Shares")],
    ),
    "Vanguard transfer": (
        VANGUARD + "1,01/02/2024,01/02/2024,Buy,VTI,100,200,-20000\n"
        "1,03/04/2024,03/04/2024,Transfer (outgoing),VTI,-50,0,0\n",
        [("ERR_POS_033", 3, "Shares")],
    ),
    "E*TRADE": (
        ETRADE + "03/04/24,Transfer,EQ,AAPL,100,0,0,0,APPLE INC\n01/02/24,Bought,EQ,MSFT,10,-3700,370,0,MICROSOFT\n",
        [("ERR_POS_033", 2, "Quantity")],
    ),
    "Robinhood": (
        ROBINHOOD + "1/5/2024,1/5/2024,1/5/2024,AAPL,ACAT In,ACATI,10,,$0.00\n"
        "1/2/2024,1/2/2024,1/4/2024,MSFT,Microsoft,Buy,10,$100,($1000)\n",
        [("ERR_POS_033", 2, "Quantity")],
    ),
    "Fidelity": (
        FIDELITY + "03/05/2024,JOURNALED SPP PURCHASE CREDIT APPLE INC (AAPL) (Cash),AAPL,APPLE,10,,,,,1850\n"
        "03/04/2024,TRANSFER OF ASSETS ACAT RECEIVE APPLE INC (AAPL) (Cash),AAPL,APPLE,100,,,,,17000\n"
        "01/02/2024,YOU BOUGHT MICROSOFT (MSFT) (Cash),MSFT,MICROSOFT,10,370,,,,-3700\n",
        [("ERR_POS_033", 2, "Quantity"), ("ERR_POS_033", 3, "Quantity")],
    ),
    "Fidelity, a spin-off to shares that are held": (
        FIDELITY + "04/02/2024,DISTRIBUTION GE VERNOVA INC (GEV) (Cash),GEV,GE VERNOVA,25,,,,,\n"
        "03/27/2024,YOU BOUGHT GE VERNOVA (GEV) (Cash),GEV,GE VERNOVA,5,130,,,,-650\n",
        [("ERR_POS_033", 2, "Action")],
    ),
    "Schwab": (
        SCHWAB + "03/04/2024,Journal,AAPL,JOURNAL TO ...,-50,,,\n01/02/2024,Buy,AAPL,APPLE,100,$180,,-$18000.00\n",
        [("ERR_POS_033", 2, "Quantity")],
    ),
    "a table": (
        GENERIC + "2024-01-02,Buy,AAPL,10,100,-1000\n2024-01-03,Transfer,AAPL,-10,,0\n"
        "2024-01-04,Transfer,MSFT,10,400,4000\n",
        [("ERR_POS_033", 3, "Quantity"), ("ERR_POS_033", 4, "Quantity")],
    ),
    "a dividend in shares": (
        GENERIC + "2024-01-02,Buy,AAPL,10,100,-1000\n2024-01-03,Dividend,AAPL,0.5,100,0\n",
        [("ERR_POS_033", 3, "Quantity")],
    ),
    "cash without an amount": (
        GENERIC + "2024-01-02,Buy,AAPL,10,100,-1000\n2024-01-03,Transfer,SPAXX,500,1,0\n",
        [("ERR_POS_033", 3, "Quantity")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MOVES)
def test_shares_that_come_or_go_without_a_trade_are_refused(case):
    """Taken for cash they would vanish, or be a deposit of their value besides the shares that are missing."""
    text, expected = MOVES[case]

    assert refusals_of(text) == expected


def test_cash_that_is_moved_is_a_flow_and_a_core_position_is_left_out():
    rows = (
        "03/06/2024,REDEMPTION FROM CORE ACCOUNT FDIC INSURED DEPOSIT (FCASH),FCASH,FDIC,-100,1,,,,100\n"
        "03/05/2024,TRANSFER OF ASSETS ACAT RES.CREDIT,,,0.000,,,,,250\n"
        "03/04/2024,TRANSFERRED FROM BROKERAGE,SPAXX,FIDELITY MONEY MARKET,500,1,,,,500\n"
        "01/02/2024,YOU BOUGHT MICROSOFT (MSFT) (Cash),MSFT,MICROSOFT,10,370,,,,-3700\n"
    )

    holdings = read(FIDELITY + rows)

    assert [lot[:2] for lot in lots_of(holdings)] == [("MSFT", 10.0)]
    assert flows_of(holdings) == [("2024-03-04", "external", 500.0), ("2024-03-05", "external", 250.0)]


def test_a_dividend_of_less_than_a_cent_is_no_dividend_in_shares():
    """0.01 shares at 0.25 are a quarter of a cent, which Trading 212 writes as 0.00."""
    rows = "2024-01-02,Buy,AAPL,10,100,-1000\n2024-01-03,Dividend,AAPL,0.01,0.25,0.00\n"

    assert [lot[:2] for lot in lots_of(read(GENERIC + rows))] == [("AAPL", 10.0)]


def test_a_name_of_cash_with_another_price_than_1_is_a_ticker():
    """USD is a fund of ProShares and CASH is Pathward; at a price of 1 both are the money."""
    rows = (
        "2024-01-03,Buy,USD,100,60.5,\n2024-01-04,Buy,CASH,50,55.3,\n2024-01-05,Sell,usd,40,61,\n"
        "2024-01-08,Buy,USD,1000,1,\n2024-01-09,Buy,CASH,70,,-70\n"
    )

    holdings = read(GENERIC + rows)

    assert lots_of(holdings) == [
        ("USD", 40.0, 60.5, "2024-01-03", "2024-01-05", 61.0),
        ("USD", 60.0, 60.5, "2024-01-03", None, None),
        ("CASH", 50.0, 55.3, "2024-01-04", None, None),
    ]
    assert [each.line for each in holdings.skipped] == [5, 6]


def test_a_lot_with_a_name_of_cash_and_a_price_is_one_of_shares():
    holdings = read("Ticker,Shares,Purchase Price,Purchase Date\nUSD,100,60.5,2024-01-02\nUSD,500,1,2024-01-02\n")

    assert [lot[:3] for lot in lots_of(holdings)] == [("USD", 100.0, 60.5), ("CASH_USD", 500.0, 1.0)]


# Splits

SPLIT_DAY = (
    "01/10/2024,Stock Split,SPL,SPLIT CO,50,,,\n"
    "01/10/2024,Sell,SPL,SPLIT CO,10,$28.50,,$285.00\n"
    "01/08/2024,Buy,SPL,SPLIT CO,50,$56.00,,-$2800.00\n"
)


@pytest.mark.parametrize("rows", [SPLIT_DAY.splitlines(True), SPLIT_DAY.splitlines(True)[::-1]])
def test_trades_on_the_day_of_a_split_are_in_new_shares(rows):
    """50 for 50 is 2 for 1: 10 of the 100 are 5 of the 50 that were bought, in either order of the file."""
    assert lots_of(read(SCHWAB + "".join(rows))) == [
        ("SPL", 5.0, 56.0, "2024-01-08", "2024-01-10", 28.5),
        ("SPL", 45.0, 56.0, "2024-01-08", None, None),
    ]


def test_shares_bought_on_the_day_of_a_split_are_not_split():
    """90 for 10 is 10 for 1; with the 10 of that day it would be 5.5 for 1."""
    rows = (
        "2024-01-02,Buy,NVDA,10,1200,\n2024-06-10,Buy,NVDA,10,121,\n2024-06-10,Split,NVDA,90,,\n"
        "2024-07-01,Sell,NVDA,100,120,\n"
    )

    assert lots_of(read(GENERIC + rows)) == [
        ("NVDA", 10.0, 1200.0, "2024-01-02", "2024-07-01", 120.0),
        ("NVDA", 10.0, 121.0, "2024-06-10", None, None),
    ]


@pytest.mark.parametrize(
    "rows",
    [
        "2024-01-02,Buy,SPL,100,56,\n2024-01-10,Buy,SPL,20,57,\n2024-01-10,Split,SPL,120,,\n",
        "2024-01-02,Buy,SPL,50,56,\n2024-01-10,Sell,SPL,10,57,\n2024-01-10,Split,SPL,40,,\n",
        "2024-01-02,Buy,XYZ,50,56,\n2024-01-10,Buy,SPL,50,57,\n2024-01-10,Split,SPL,50,,\n",
    ],
)
def test_a_split_that_counts_the_trades_of_its_day_is_refused(rows):
    """2 for 1 of 120, 40 and 50; of the 100, 50 and 0 before these trades it would be 2.2 and 1.8 for 1, and none."""
    assert refusals_of(GENERIC + rows) == [("ERR_POS_031", 4, "Quantity")]


def test_a_split_in_two_rows_takes_the_old_shares_and_gives_the_new_ones():
    """Trading 212 closes all 10 old shares and opens 100 new ones, both without a sign."""
    rows = (
        "Action,Time,ISIN,Ticker,Name,No. of shares,Price / share,Currency (Price / share),Total,Currency (Total)\n"
        "Market buy,2024-03-04 14:30:00,US67066G1040,NVDA,NVIDIA,10,850,USD,8500,USD\n"
        "Stock split close,2024-06-10 06:00:00,US67066G1040,NVDA,NVIDIA,10,1200,USD,12000,USD\n"
        "Stock split open,2024-06-10 06:00:00,US67066G1040,NVDA,NVIDIA,100,120,USD,12000,USD\n"
        "Market sell,2024-07-01 14:30:00,US67066G1040,NVDA,NVIDIA,40,124,USD,4960,USD\n"
    )

    assert lots_of(read(rows)) == [
        ("NVDA", 4.0, 850.0, "2024-03-04", "2024-07-01", 124.0),
        ("NVDA", 6.0, 850.0, "2024-03-04", None, None),
    ]


def test_a_distribution_that_makes_a_common_split_is_one_and_says_so():
    """Fidelity's word for 10 for 1: 90 more on the 10 that are held."""
    rows = (
        "06/10/2024,DISTRIBUTION NVIDIA CORP (NVDA) (Cash),NVDA,NVIDIA,90,,,,,\n"
        "06/12/2024,YOU SOLD NVIDIA (NVDA) (Cash),NVDA,NVIDIA,-40,124,,,,4960\n"
        "01/02/2024,YOU BOUGHT NVIDIA (NVDA) (Cash),NVDA,NVIDIA,10,480,,,,-4800\n"
    )

    holdings = read(FIDELITY + rows)

    assert lots_of(holdings) == [
        ("NVDA", 4.0, 480.0, "2024-01-02", "2024-06-12", 124.0),
        ("NVDA", 6.0, 480.0, "2024-01-02", None, None),
    ]
    (warning,) = [line for line in holdings.warnings if "taken for" in line]
    assert warning.startswith("line 2: 90 shares of NVDA are taken for a split of 10 for 1 of the 10 held; if they are")


def test_shares_that_were_sold_short_are_split_too():
    rows = "2024-01-02,Short,SPL,10,56,\n2024-01-10,Split,SPL,-10,,\n2024-01-11,Cover,SPL,20,27,\n"

    assert lots_of(read(GENERIC + rows)) == [("SPL", -10.0, 56.0, "2024-01-02", "2024-01-11", 27.0)]


# Sections of Interactive Brokers

IB_TRADES = (
    "Statement,Header,Field Name,Field Value\n"
    "Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,Comm/Fee,Code\n"
    'Trades,Data,Order,Stocks,USD,NVDA,"2024-03-04, 09:30:00",10,850,-1,O\n'
    'Trades,Data,Order,Stocks,USD,NVDA,"2024-06-07, 09:30:00",-2,1200,-1,C\n'
    'Trades,Data,Order,Stocks,USD,NVDA,"2024-06-10, 09:30:00",-8,120,-1,C\n'
    'Trades,Data,Order,Stocks,USD,AMC,"2023-08-01, 09:30:00",25,4,-1,O\n'
)
IB_ACTIONS = (
    "Corporate Actions,Header,Asset Category,Currency,Report Date,Date/Time,Description,Quantity,Proceeds,Value,Code\n"
)
IB_SPLITS = (
    'Corporate Actions,Data,Stocks,USD,2024-06-10,"2024-06-07, 20:25:00",'
    '"NVDA(US67066G1040) Split 10 for 1 (NVDA, NVIDIA CORP, US67066G1040)",{},0,0,\n'
    'Corporate Actions,Data,Stocks,USD,2023-08-24,"2023-08-23, 20:25:00",'
    '"AMC(US00165C1045) Split 1 for 10 (AMC, AMC ENTERTAINMENT HLDS-CL A, US00165C3025)",2,0,0,\n'
    'Corporate Actions,Data,Stocks,USD,2023-08-24,"2023-08-23, 20:25:00",'
    '"AMC(US00165C1045) Split 1 for 10 (AMC.OLD, AMC ENTERTAINMENT HLDS-CL A, US00165C1045)",-25,0,0,\n'
    "Corporate Actions,Data,Total,,,,,,0,0,\n"
)


def test_the_splits_of_interactive_brokers_are_in_its_corporate_actions():
    """8 NVDA are 80 from 2024-06-10 on, when a split of the evening before counts; 25 AMC are 2, half a share is paid."""
    lots = lots_of(read(IB_TRADES + IB_ACTIONS + IB_SPLITS.format(72)))

    assert lots[1:] == [
        ("NVDA", 2.0, 850.0, "2024-03-04", "2024-06-07", 1200.0),
        ("NVDA", 0.8, 850.0, "2024-03-04", "2024-06-10", 120.0),
        ("NVDA", 7.2, 850.0, "2024-03-04", None, None),
    ]
    assert lots[0][:2] == ("AMC", 25.0)


def test_a_split_of_more_shares_than_a_statement_has_bought_is_refused():
    """900 come to 100 shares, 92 of which were bought before the statement begins."""
    assert refusals_of(IB_TRADES + IB_ACTIONS + IB_SPLITS.format(900)) == [("ERR_POS_031", 8, "Quantity")]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            IB_ACTIONS + 'Corporate Actions,Data,Stocks,USD,2024-04-02,"2024-04-01, 20:25:00",'
            '"GE(US3696043013) Spinoff  1 for 4 (GEV, GE VERNOVA INC, US36828A1016)",25,0,3400,\n',
            ("ERR_POS_033", 8, "Description"),
        ),
        (
            IB_ACTIONS + 'Corporate Actions,Data,Equity and Index Options,USD,2024-06-10,"2024-06-07, 20:25:00",'
            '"NVDA 17JAN25 1200 C(705) Split 10 for 1 (NVDA 17JAN25 120 C, NVDA 17JAN25 120 C, --)",9,0,0,\n',
            ("ERR_POS_033", 8, "Description"),
        ),
        (
            "Transfers,Header,Asset Category,Currency,Symbol,Date,Type,Direction,Xfer Company,Xfer Account,Qty,Xfer Price,"
            "Market Value,Realized P/L,Cash Amount,Code\n"
            "Transfers,Data,Stocks,USD,AAPL,2024-05-01,ACATS,In,--,123,100,--,17000,0,0,\n"
            "Transfers,Data,Total,,,,,,,,,,17000,0,0,\n",
            ("ERR_POS_033", 8, "Symbol"),
        ),
        (
            "Grant Activity,Header,Symbol,Report Date,Description,Award Date,Vesting Date,Quantity,Price,Value\n"
            "Grant Activity,Data,IBKR,2024-05-01,Stock Award Grant,2024-05-01,2025-05-01,0.5,120,60\n",
            ("ERR_POS_033", 8, "Symbol"),
        ),
    ],
    ids=["spin-off", "option", "transfer", "grant"],
)
def test_what_else_changes_shares_in_a_statement_of_interactive_brokers_is_refused(rows, expected):
    assert refusals_of(IB_TRADES + rows) == [expected]


# Signs

CANCELLED = {
    "a table": GENERIC + "2024-01-02,Buy,AAPL,10,100,-1000\n2024-01-02,Buy,AAPL,4,100,-400\n"
    "2024-01-03,Buy,AAPL,-10,100,1000\n",
    "a table without amounts": "Date,Action,Symbol,Quantity,Price\n2024-01-02,Buy,AAPL,10,100\n2024-01-02,Buy,AAPL,4,100\n"
    "2024-01-03,Buy,AAPL,-10,100\n",
    "Schwab": SCHWAB + "01/03/2024,Buy,AAPL,APPLE,-10,$100,,$1000\n01/02/2024,Buy,AAPL,APPLE,10,$100,,-$1000\n"
    "01/02/2024,Buy,AAPL,APPLE,4,$100,,-$400\n",
    "Fidelity": FIDELITY + "01/03/2024,YOU BOUGHT CANCELLED TRADE APPLE (AAPL) (Cash),AAPL,APPLE,-10,100,,,,1000\n"
    "01/02/2024,YOU BOUGHT APPLE (AAPL) (Cash),AAPL,APPLE,10,100,,,,-1000\n"
    "01/02/2024,YOU BOUGHT APPLE (AAPL) (Cash),AAPL,APPLE,4,100,,,,-400\n",
    "Fidelity, a sale": FIDELITY + "01/06/2024,YOU SOLD CANCELLED TRADE APPLE (AAPL) (Cash),AAPL,APPLE,3,110,,,,-330\n"
    "01/05/2024,YOU SOLD APPLE (AAPL) (Cash),AAPL,APPLE,-3,110,4.95,,,325.05\n"
    "01/04/2024,YOU SOLD APPLE (AAPL) (Cash),AAPL,APPLE,-3,110,,,,330\n"
    "01/02/2024,YOU BOUGHT APPLE (AAPL) (Cash),AAPL,APPLE,7,100,,,,-700\n",
}  # fmt: skip


@pytest.mark.parametrize("case", CANCELLED)
def test_a_reversal_undoes_the_trade_of_the_same_quantity_price_and_amount(case):
    holdings = read(CANCELLED[case])

    assert [lot[:3] for lot in lots_of(holdings) if not lot[4]] == [("AAPL", 4.0, 100.0)]
    assert [each.reason.split(" line")[0] for each in holdings.skipped if "cancel" in each.reason] in (
        ["was cancelled", "cancels"],
        ["cancels", "was cancelled"],
    )


@pytest.mark.parametrize(
    "rows",
    [
        "2024-01-02,Buy,AAPL,10,100,-1000\n2024-01-03,Buy,AAPL,-9,100,900\n",
        "2024-01-02,Buy,AAPL,10,100,-1000\n2024-01-03,Buy,AAPL,-10,101,1010\n",
        "2024-01-02,Buy,AAPL,10,100,-1000\n2024-01-03,Sell,AAPL,5,100,-500\n",
        "2024-01-02,Buy,AAPL,10,100,-1000\n2024-01-01,Buy,AAPL,-10,100,1000\n",
    ],
    ids=["quantity", "price", "amount of a sale", "day"],
)
def test_a_reversal_of_no_trade_in_the_file_is_refused(rows):
    assert refusals_of(GENERIC + rows) == [("ERR_POS_034", 3, "Quantity")]


def test_sales_may_have_either_sign_and_cost_more_than_they_bring():
    """Two contracts at 0.01 bring 2.00 and cost 9.95."""
    rows = (
        "2024-01-02,Buy,AAPL,10,100,-1000\n2024-01-03,Sell,AAPL,-5,110,550\n2024-01-04,Sell,AAPL,4,110,440\n"
        "2024-01-05,Buy,AAPL250117C00200000,2,1,-200\n2024-01-08,Sell,AAPL250117C00200000,2,0.01,-7.95\n"
    )

    assert [lot[1] for lot in lots_of(read(GENERIC + rows))] == [5.0, 4.0, 1.0, 2.0]


def test_in_a_file_without_negative_amounts_withdrawals_fees_and_taxes_are_paid():
    rows = (
        "2024-01-02,Buy,AAPL,10,100,1000\n2024-01-03,Withdrawal,,,,500\n2024-01-04,Deposit,,,,700\n2024-01-05,Fee,,,,5\n"
        "2024-01-05,Tax,,,,3\n2024-01-08,Interest,,,,2\n"
    )

    assert flows_of(read(GENERIC + rows)) == [
        ("2024-01-03", "external", -500.0),
        ("2024-01-04", "external", 700.0),
        ("2024-01-05", "fee", -5.0),
        ("2024-01-05", "tax", -3.0),
        ("2024-01-08", "interest", 2.0),
    ]


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ("2024-01-02,Buy,AAPL,10,100,1000\n2024-01-03,Transfer,,,,500\n", (3, "Action")),
        ("2024-01-02,Buy,AAPL,10,100,-1000\n2024-01-03,Withdrawal,,,,500\n", (3, "Amount")),
    ],
    ids=["no file with signs", "a file with signs"],
)
def test_cash_that_may_have_been_paid_or_received_is_refused(rows, place):
    assert refusals_of(GENERIC + rows) == [("ERR_POS_035", *place)]


def test_a_fee_without_a_minus_among_amounts_with_signs_is_a_refund_and_is_named():
    holdings = read(GENERIC + "2024-01-02,Buy,AAPL,10,100,-1000\n2024-01-03,Fee,,,,5\n2024-01-04,Fee,,,,-7\n")

    assert flows_of(holdings) == [("2024-01-03", "fee", 5.0), ("2024-01-04", "fee", -7.0)]
    assert [each for each in holdings.warnings if each.startswith("line 3: a fee of 5.00 USD")]


@pytest.mark.parametrize(("first", "second", "expected"), [(-1, -4.95, -4.95), (1, 4.95, -4.95), (1, -0.25, 0.25)])
def test_commissions_that_are_all_negative_are_paid_and_among_positive_ones_a_rebate(first, second, expected):
    rows = f"2024-01-02,Buy,AAPL,10,100,{first}\n2024-01-03,Buy,MSFT,10,100,{second}\n"

    assert flows_of(read("Date,Action,Symbol,Quantity,Price,Commission\n" + rows)) == [("2024-01-03", "fee", expected)]


# Money besides the price

T212 = (
    "Action,Time,ISIN,Ticker,Name,No. of shares,Price / share,Currency (Price / share),Total,Currency (Total),"
    "Withholding tax,Currency (Withholding tax),Currency conversion fee,Currency (Currency conversion fee)\n"
    "Market buy,2024-03-04 14:30:00,US0378331005,AAPL,Apple,10,170,USD,1700,USD,,,,\n"
)


def test_the_tax_that_was_withheld_from_a_dividend_is_paid_though_the_dividend_comes_with_the_prices():
    row = "Dividend (Ordinary),2024-05-16 14:30:00,US0378331005,AAPL,Apple,10,0.25,USD,2.12,USD,0.38,USD,,\n"

    assert flows_of(read(T212 + row)) == [("2024-05-16", "tax", -0.38)]


def test_tax_in_another_currency_is_refused_and_a_fee_of_the_account_is_listed():
    fee = "Market buy,2024-03-05 14:30:00,US0378331005,AAPL,Apple,10,170,USD,1567.5,EUR,,,2.35,EUR\n"
    tax = "Dividend (Ordinary),2024-05-16 14:30:00,US0378331005,AAPL,Apple,10,0.25,USD,2.12,USD,0.35,EUR,,\n"

    listed = read(T212 + fee)

    assert [(each.line, each.text) for each in listed.skipped] == [(3, "a fee of -2.35 EUR")]
    assert flows_of(listed) == []
    assert refusals_of(T212 + tax) == [("ERR_POS_028", 3, "Withholding tax")]


def test_a_commission_in_another_currency_is_refused_or_left_out_by_a_mapping():
    text = (
        "CurrencyPrimary,AssetClass,Symbol,TradeDate,Quantity,TradePrice,IBCommission,IBCommissionCurrency\n"
        "USD,STK,MSFT,20240304,10,400,-1,USD\nUSD,STK,AAPL,20240305,10,170,-1,EUR\n"
    )

    mapping = mapping_of(text.encode(), "flex.csv").replace(
        "kind: transactions", "kind: transactions\nforeign_fees: skip"
    )
    holdings = read(text, source=read_mapping(mapping, "my.yaml"))

    assert refusals_of(text) == [("ERR_POS_028", 3, "IBCommissionCurrency")]
    assert [(each.line, each.text) for each in holdings.skipped] == [(3, "a fee of -1.00 EUR")]
    assert len(holdings.lots) == 2


def test_interest_accrued_on_a_bond_is_paid_by_who_buys_and_received_by_who_sells():
    """9,800 and 10.00 of interest were paid, 4,950 and 12.50 received; the price is that of the bond alone."""
    mapping = read_mapping(
        "kind: transactions\ncolumns: {date: Date, action: Action, symbol: Symbol, class: Type, quantity: Quantity,"
        " price: Price, fees: Fees, accrued: Accrued, amount: Amount}\nactions: [[buy, buy], [sell, sell]]\n"
        "classes: {bond: [PUBLIC, BOND], stock: [PUBLIC, STOCK]}\n",
        "my.yaml",
    )
    text = (
        "Date,Action,Symbol,Type,Quantity,Price,Fees,Accrued,Amount\n2024-01-02,Buy,MSFT,Stock,1,370,,,-370\n"
        "2024-01-03,Buy,912828ZT0,Bond,10000,,1,10,-9811\n2024-03-04,Sell,912828ZT0,Bond,-5000,,1,12.5,4961.5\n"
    )

    holdings = read(text, source=mapping)

    assert lots_of(holdings)[1:] == [
        ("912828ZT0", 5000.0, 98.0, "2024-01-03", "2024-03-04", 99.0),
        ("912828ZT0", 5000.0, 98.0, "2024-01-03", None, None),
    ]
    assert flows_of(holdings) == [
        ("2024-01-03", "fee", -1.0),
        ("2024-01-03", "interest", -10.0),
        ("2024-03-04", "fee", -1.0),
        ("2024-03-04", "interest", 12.5),
    ]


@pytest.mark.parametrize("name", ["Fidelity transactions", "Vanguard transactions"])
def test_the_interest_accrued_of_brokers_is_no_fee(name):
    (source,) = (each for each in known_sources() if each.name == name)

    assert "Accrued Interest" in source.columns["accrued"]
    assert not any("Accrued" in column for column in source.columns["fees"])


def test_cash_in_lieu_of_a_fraction_is_income():
    schwab = "03/04/2024,Cash In Lieu,AAPL,APPLE,,,,$50.00\n01/02/2024,Buy,AAPL,APPLE,100,$180,,-$18000.00\n"
    robinhood = (
        "3/4/2024,3/4/2024,3/4/2024,AAPL,Cash in lieu,CIL,,,$50.00\n"
        "1/2/2024,1/2/2024,1/4/2024,AAPL,Apple,Buy,100,$180,($18000)\n"
    )

    for text in (SCHWAB + schwab, ROBINHOOD + robinhood):
        assert flows_of(read(text)) == [("2024-03-04", "interest", 50.0)]


def test_the_fee_of_a_dividend_is_paid_and_that_of_a_fee_is_the_fee_itself():
    rows = "2024-01-02,Buy,AAPL,10,100,-1000,\n2024-01-08,Dividend,AAPL,,,10,0.5\n2024-01-09,Fee,,,,-0.02,0.02\n"

    assert flows_of(read("Date,Action,Symbol,Quantity,Price,Amount,Fees\n" + rows)) == [
        ("2024-01-08", "fee", -0.5), ("2024-01-09", "fee", -0.02),
    ]  # fmt: skip


def test_a_fee_of_a_deposit_that_may_be_a_part_of_it_is_refused():
    rows = "2024-01-02,Buy,AAPL,10,100,-1000,1\n2024-01-05,Deposit,,,,1000,25\n"

    assert refusals_of("Date,Action,Symbol,Quantity,Price,Amount,Fees\n" + rows) == [("ERR_POS_035", 3, "Amount")]


# Amount and price


@pytest.mark.parametrize(
    ("rows", "numbers"),
    [
        ("2024-01-02,Buy,NVDA,10,800,-7000\n", "make 8,000.00 USD, but the amount without fees is 7,000.00"),
        ("2024-01-02,Buy,NVDA,10,800,8500\n", "make 8,000.00 USD, but the amount without fees is 8,500.00"),
        ("2024-01-02,Buy,NVDA,10,0,-8000\n", "make 0.00 USD, but the amount without fees is 8,000.00"),
        (
            "2024-01-02,Buy,NVDA,1,8,-8\n2024-01-03,Buy,CASH,70,,-3871\n",
            "make 70.00 USD, but the amount without fees is 3,871.00",
        ),
    ],
)
def test_a_trade_whose_amount_and_price_differ_is_named(rows, numbers):
    (warning,) = [each for each in read(GENERIC + rows).warnings if "quantity and price" in each]

    assert warning.startswith(f"line {1 + rows.count(chr(10))}: ")
    assert numbers in warning


@pytest.mark.parametrize(
    "row",
    [
        "2024-01-02,Buy,NVDA,10,8,-8000",
        "2024-01-02,Buy,NVDA,10000,98,-9800",
        "2024-01-02,Buy,AAPL250117C00200000,1,500,-500.65",
    ],
    ids=["in cents", "a bond in per cent", "an option per contract"],
)
def test_a_trade_whose_amount_or_price_is_off_by_100_is_refused(row):
    assert refusals_of(GENERIC + row) == [("ERR_POS_035", 2, "Amount")]


def test_fees_and_rounding_are_no_difference():
    """1,000.00 + 0.65; 0.0123 a share printed as 0.01 would be 23 %, but of 1.23; 5 cents of 0.001 shares."""
    rows = (
        "2024-01-02,Buy,NVDA,10,100,-1000.65\n2024-01-02,Buy,PENNY,100,0.01,-1.23\n2024-01-02,Buy,BRK.B,0.0001,400,-0.05\n"
        "2024-01-02,Buy,AAPL250117C00200000,10,5,-5006.50\n"
    )

    assert not [each for each in read(GENERIC + rows).warnings if "quantity and price" in each]


@pytest.mark.parametrize(("came", "makes"), [(90, 100), (100, 110), (50, 60), (15, 25), (-9, 1)])
def test_a_split_of_a_table_says_how_it_is_read(came, makes):
    """100, the new total of 10 for 1, was a split of 11 for 1, and nothing said so."""
    holdings = read(f"{GENERIC}2024-01-05,Buy,NVDA,10,500,-5000\n2024-06-10,Split,NVDA,{came},,\n")

    (warning,) = holdings.warnings
    assert warning.startswith(f"line 3: a split makes {makes} of 10 shares of NVDA: its quantity is what came")


@pytest.mark.parametrize(
    "rows",
    [
        "2024-01-02,Buy,AAPL,100,150,-15000\n2024-05-01,Dividend,AAPL,100,0.25,25\n2024-05-02,Dividend,AAPL,100,0.25,-25\n",
        "2024-01-02,Buy,AAPL,100,150,-15000\n2024-02-01,Dividend,DRIP,100,0.24,-24\n",
    ],
    ids=["taken back", "a ticker"],
)
def test_a_dividend_that_was_paid_back_buys_no_shares(rows):
    holdings = read(GENERIC + rows)

    assert holdings.lots[["symbol", "quantity"]].to_numpy().tolist() == [["AAPL", 100.0]]


def test_a_dividend_that_is_paid_on_a_short_does_not_close_it():
    holdings = read(f"{GENERIC}2024-02-01,Sell Short,TSLA,100,200,20000\n2024-05-02,Dividend,TSLA,100,0.25,-25\n")

    assert holdings.lots["quantity"].tolist() == [-100]
    assert holdings.lots["exit_date"].isna().all()


@pytest.mark.parametrize(
    "action", ["Dividend reinvestment", "Stock dividend", "Dividend tax", "Sell open", "Buy (rejected)"]
)
def test_an_action_that_is_known_by_one_word_alone_is_refused(action):
    with pytest.raises(HoldingsError, match="ERR_POS_027"):
        read(f"{GENERIC}2024-01-02,Buy,AAPL,100,150,-15000\n2024-02-01,{action},AAPL,1,150,-150\n")


@pytest.mark.parametrize("action", ["Buy to Cover", "Bought to cover", "Cover Short"])
def test_a_short_is_bought_back_in_the_usual_words(action):
    holdings = read(f"{GENERIC}2024-01-02,Sell Short,AAPL,40,190,7600\n2024-02-01,{action},AAPL,10,150,-1500\n")

    assert lots_of(holdings) == [
        ("AAPL", -10.0, 190.0, "2024-01-02", "2024-02-01", 150.0),
        ("AAPL", -30.0, 190.0, "2024-01-02", None, None),
    ]


@pytest.mark.parametrize("action", ["Reinvestment", "Reinvest Shares"])
def test_a_reinvestment_is_the_purchase_that_a_dividend_pays_for(action):
    rows = f"2024-01-02,Buy,AAPL,10,150,-1500\n2024-03-01,Dividend,AAPL,,,5\n2024-03-01,{action},AAPL,0.1,50,-5\n"

    holdings = read(GENERIC + rows)

    assert [lot[1:3] for lot in lots_of(holdings)] == [(10.0, 150.0), (0.1, 50.0)]
    assert not len(holdings.flows)


@pytest.mark.parametrize("action", ["Split", "Stock split", "Stock Split", "Forward split"])
def test_a_split_has_the_name_that_messages_give_it(action):
    """`a split is named Stock split`, and a table that did so was refused."""
    rows = f"2024-01-05,Buy,AAPL,10,150,-1500\n2024-03-05,{action},AAPL,30,,\n2024-04-05,Sell,AAPL,20,60,1200\n"

    assert lots_of(read(GENERIC + rows))[0] == ("AAPL", 5.0, 150.0, "2024-01-05", "2024-04-05", 60.0)


# Accounts


ACCOUNTS = "Account,Date,Action,Symbol,Quantity,Price\n"


def test_each_account_sells_its_own_shares():
    """B sold what it had bought at 160, a month before A sold of its own at 150: 100 and 125 of profit, as each states."""
    rows = "A,2024-01-05,Buy,AAPL,10,150\nB,2024-01-06,Buy,AAPL,10,160\n"
    rows += "B,2024-02-05,Sell,AAPL,10,170\nA,2024-02-06,Sell,AAPL,5,175\n"

    holdings = read(ACCOUNTS + rows)

    assert lots_of(holdings) == [
        ("AAPL", 5.0, 150.0, "2024-01-05", "2024-02-06", 175.0),
        ("AAPL", 5.0, 150.0, "2024-01-05", None, None),
        ("AAPL", 10.0, 160.0, "2024-01-06", "2024-02-05", 170.0),
    ]


def test_what_an_account_sells_beyond_its_own_was_moved_to_it_and_this_is_said():
    """The oldest lots of the others: all of C, which bought first, and 4 of the 10 of A."""
    rows = "A,2024-01-05,Buy,AAPL,10,150\nB,2024-01-06,Buy,AAPL,5,160\nC,2024-01-02,Buy,AAPL,2,140\n"
    rows += "B,2024-02-05,Sell,AAPL,11,170\n"

    holdings = read(ACCOUNTS + rows)

    assert lots_of(holdings) == [
        ("AAPL", 2.0, 140.0, "2024-01-02", "2024-02-05", 170.0),
        ("AAPL", 4.0, 150.0, "2024-01-05", "2024-02-05", 170.0),
        ("AAPL", 6.0, 150.0, "2024-01-05", None, None),
        ("AAPL", 5.0, 160.0, "2024-01-06", "2024-02-05", 170.0),
    ]
    assert any("account B sells 11 AAPL and holds 5" in line for line in holdings.warnings)


def test_accounts_cannot_sell_more_than_all_of_them_hold():
    rows = "A,2024-01-05,Buy,AAPL,10,150\nB,2024-01-06,Buy,AAPL,5,160\nB,2024-02-05,Sell,AAPL,16,170\n"

    with pytest.raises(HoldingsError, match=r"at most 5, what the file has bought before in account B"):
        read(ACCOUNTS + rows)


def test_an_account_that_is_short_sells_nothing_of_the_others():
    """It says that it sells short, or it is a mistake: what it lacks was not moved to it."""
    rows = "A,2024-01-05,Buy,AAPL,50,150\nB,2024-01-06,Sell Short,AAPL,5,160\nB,2024-02-05,Sell,AAPL,10,170\n"

    with pytest.raises(HoldingsError, match=r"at most 0, what the file has bought before in account B"):
        read(ACCOUNTS + rows)


def test_a_split_is_of_the_shares_of_its_account_and_a_cancellation_of_its_trades():
    rows = "A,2024-01-05,Buy,AAPL,10,150\nB,2024-01-05,Buy,AAPL,10,150\nB,2024-03-05,Split,AAPL,10,\n"
    rows += "A,2024-03-05,Split,AAPL,10,\nB,2024-03-06,Sell,AAPL,20,80\n"

    holdings = read(ACCOUNTS + rows)

    assert not holdings.doubts
    assert [(lot[1], lot[4]) for lot in lots_of(holdings)] == [(10.0, "2024-03-06"), (10.0, None)]


def test_cash_and_margin_are_one_account():
    rows = "Cash,2024-01-05,Buy,AAPL,10,150\nMargin,2024-02-05,Sell,AAPL,4,170\n"

    assert [lot[1] for lot in lots_of(read(ACCOUNTS + rows))] == [4.0, 6.0]


def test_each_account_of_a_consolidated_statement_has_its_own_shares_and_splits():
    """B's sale closes what B had bought; the split of each account is stated by itself, in another table of the file."""
    trades = "Trades,Header,DataDiscriminator,Asset Category,Currency,Account,Symbol,Date/Time,Quantity,T. Price,Code\n"
    for account, day, size, price, code in (
        ("A", 1, 10, 1000, "O"),
        ("B", 2, 20, 1010, "O"),
        ("B", 20, -200, 120, "C"),
    ):
        trades += f'Trades,Data,Order,Stocks,USD,{account},NVDA,"2024-06-{day:02}, 10:00:00",{size},{price},{code}\n'
    actions = "Corporate Actions,Header,Asset Category,Currency,Account,Report Date,Description,Quantity\n"
    for account, more in (("A", 90), ("B", 180)):
        text = "NVDA(US67066G1040) Split 10 for 1 (NVDA, NVIDIA CORP, US67066G1040)"
        actions += f'Corporate Actions,Data,Stocks,USD,{account},2024-06-10,"{text}",{more}\n'

    holdings = read(trades + actions)

    assert lots_of(holdings) == [
        ("NVDA", 10.0, 1000.0, "2024-06-01", None, None),
        ("NVDA", 20.0, 1010.0, "2024-06-02", "2024-06-20", 120.0),
    ]
    assert holdings.warnings == ("2 accounts in one file are imported as one portfolio",)


# Purchases that close


@pytest.mark.parametrize(
    ("header", "cover"),
    [
        (SCHWAB, "01/10/2024,Buy to Close,AAPL 01/19/2024 200.00 C,CALL,1,$2.00,,-$200.00\n"),
        (SCHWAB, "01/10/2024,Cover Short,AAPL,APPLE,10,$200.00,,-$2000.00\n"),
        (ETRADE, "01/10/24,Bought To Cover,EQ,AAPL,10,-2000,200,0,APPLE\n"),
        (FIDELITY, "01/10/2024,YOU BOUGHT CLOSING TRANSACTION CALL,-AAPL240119C200,CALL,1,2,,,,-200\n"),
        (FIDELITY, "01/10/2024,YOU BOUGHT SHORT COVER APPLE INC,AAPL,APPLE INC,10,200,,,,-2000\n"),
        (ROBINHOOD, "1/10/2024,1/10/2024,1/11/2024,AAPL,AAPL 1/19/2024 Call $200.00,BTC,1,$2.00,($200.00)\n"),
        (GENERIC, "2024-01-10,Buy to Cover,AAPL,10,200,-2000\n"),
        (DESCRIBED, "2024-01-10,Bought to Cover 10 AAPL @ 200,10,AAPL,200,-2000\n"),
        ("CurrencyPrimary,Symbol,TradeDate,Quantity,TradePrice,Open/CloseIndicator\n", "USD,AAPL,20240110,10,200,C\n"),
    ],
)
def test_a_purchase_that_closes_what_was_never_sold_is_refused(header, cover):
    """The sale is older than the export: with the purchase alone a short would become a long position."""
    with pytest.raises(HoldingsError, match=r"at most 0, what the file has sold short or written before; export from"):
        read(header + cover)


def test_a_purchase_closes_no_more_than_was_sold_and_stands_before_or_after_the_sale_of_its_day():
    rows = "2024-01-10,Buy to Cover,AAPL,10,190,-1900\n2024-01-10,Sell Short,AAPL,10,200,2000\n"

    assert lots_of(read(GENERIC + rows)) == [("AAPL", -10.0, 200.0, "2024-01-10", "2024-01-10", 190.0)]
    with pytest.raises(HoldingsError, match=r"at most 10, what the file has sold short"):
        read(GENERIC + rows.replace("Cover,AAPL,10", "Cover,AAPL,15"))


def test_what_an_account_covers_beyond_its_own_short_was_moved_to_it_and_this_is_said():
    rows = "A,2024-01-05,Sell Short,AAPL,10,150\nB,2024-02-05,Buy to Cover,AAPL,4,140\n"

    holdings = read(ACCOUNTS + rows)

    assert [lot[1:] for lot in lots_of(holdings)] == [
        (-4.0, 150.0, "2024-01-05", "2024-02-05", 140.0),
        (-6.0, 150.0, "2024-01-05", None, None),
    ]
    assert any("account B covers 4 AAPL and holds 0" in line for line in holdings.warnings)


# Order within a day


@pytest.mark.parametrize("times", [("15:00", "10:00", "9:31"), ("3:00 PM", "10:00 AM", "9:31 AM")])
def test_trades_of_one_day_are_in_the_order_of_their_times(times):
    """Newest first, and all on one day: only the times tell that the shares at 150 were the first."""
    trades = ("Sell,AAPL,10,152", "Buy,AAPL,10,151", "Buy,AAPL,10,150")
    rows = "".join(f"2024-01-02 {time},{trade}\n" for time, trade in zip(times, trades, strict=True))

    holdings = read("Date,Action,Symbol,Quantity,Price\n" + rows)

    assert [(lot[2], lot[5]) for lot in lots_of(holdings)] == [(150.0, 152.0), (151.0, None)]


def test_a_file_by_symbol_is_not_newest_first_because_its_last_symbol_was_traded_earlier():
    rows = "2024-06-03,Buy,AAPL,10,150,-1500\n2024-06-03,Buy,AAPL,10,151,-1510\n2024-06-04,Sell,AAPL,10,152,1520\n"
    rows += "2024-02-01,Buy,TSLA,1,200,-200\n"

    holdings = read(GENERIC + rows)

    assert [(lot[2], lot[5]) for lot in lots_of(holdings)] == [(200.0, None), (150.0, 152.0), (151.0, None)]
