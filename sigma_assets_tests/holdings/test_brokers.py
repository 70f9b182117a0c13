"""Each broker's file becomes the lots and flows of its statement; `files/` is written after the documented columns."""

import re
import shlex
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from sigma_assets.base.errors import HoldingsError
from sigma_assets.holdings.brokers.sources import known_sources, read_mapping
from sigma_assets.holdings.reader import Holdings, ReadOptions, mapping_of, read_file, read_holdings

TODAY = date(2026, 1, 8)
AS_OF = date(2025, 3, 3)
OPTION = "AAPL250117C00200000"


def _file(name: str) -> str:
    return (Path(__file__).parent / "files" / name).read_text()


FIDELITY_POSITIONS = _file("fidelity_positions.csv")
FIDELITY_TRANSACTIONS = _file("fidelity_transactions.csv")
SCHWAB_POSITIONS = _file("schwab_positions.csv")
SCHWAB_TRANSACTIONS = _file("schwab_transactions.csv")
VANGUARD = _file("vanguard.csv")
ROBINHOOD = _file("robinhood.csv")
ETRADE_TRANSACTIONS = _file("etrade_transactions.csv")
ETRADE_ACTIVITY = _file("etrade_activity.csv")
ETRADE_POSITIONS = _file("etrade_positions.csv")
IB_ACTIVITY = _file("ib_activity.csv")
FLEX_TRADES = _file("flex_trades.csv")
FLEX_POSITIONS = _file("flex_positions.csv")
TRADING_212 = _file("trading_212.csv")
DEGIRO = _file("degiro.csv")
WEBULL = _file("webull.csv")


def read(text: str, **options) -> Holdings:
    return read_file(text.encode(), "download.csv", TODAY, ReadOptions(**options))


def lots_of(holdings: Holdings) -> list[tuple]:
    """Return symbol, quantity, price, entry day, exit day and exit price of each lot."""
    lots = holdings.lots
    columns = ["symbol", "quantity", "entry_price", "entry_date", "exit_date", "exit_price"]
    return [
        tuple(
            None if pd.isna(value) else str(value.date()) if isinstance(value, pd.Timestamp) else value for value in row
        )
        for row in lots[columns].itertuples(index=False)
    ]


def flows_of(holdings: Holdings) -> list[tuple[str, str, float]]:
    return [(str(day.date()), kind, amount) for day, amount, kind in holdings.flows.itertuples(index=False)]


POSITIONS = [
    (
        "Fidelity positions",
        FIDELITY_POSITIONS,
        [("SPAXX", 12345.67, 1.0), ("AAPL", 1250.5, 150.0), (OPTION, -2.0, 5.0)],
    ),
    ("Schwab positions", SCHWAB_POSITIONS, [("SCHB", 1000.0, 20.0), ("BRK.B", 10.0, 350.0), ("CASH_USD", 2500.0, 1.0)]),
    (
        "E*TRADE positions",
        ETRADE_POSITIONS,
        [("MSFT", 10.0, 350.25), (OPTION, -1.0, 5.0), ("VMFXX", 2500.5, 1.0), ("CASH_USD", 1000.0, 1.0)],
    ),
    ("Interactive Brokers Flex query, positions", FLEX_POSITIONS, [("BRK.B", 10.0, 350.0)]),
    (
        "Robinhood positions",
        'Symbol,Description,Quantity,Average Cost,Total Cost\nAAPL,Apple,10,$185.00,"$1,850.00"\n',
        [("AAPL", 10.0, 185.0)],
    ),
    (
        "Vanguard positions",
        "Account Number,Investment Name,Symbol,Shares,Share Price,Total Value,\n1,VTI ETF,VTI,12,240.00,2880.00,\n",
        [("VTI", 12.0, 240.0)],
    ),
]


@pytest.mark.parametrize(("source", "text", "expected"), POSITIONS, ids=[case[0] for case in POSITIONS])
def test_positions_are_recognised_by_content_and_counted_from_the_day_that_is_asked_for(source, text, expected):
    asked = read(text)
    holdings = read(text, entry_date=AS_OF)

    assert holdings.source == source
    assert [lot[:3] for lot in lots_of(holdings)] == expected
    assert {lot[3] for lot in lots_of(holdings)} == {"2025-03-03"}
    assert [doubt.remedy for doubt in asked.doubts] == ["`--entry-date YYYY-MM-DD`"]
    assert not holdings.doubts


def test_fidelity_lists_what_it_skips_with_line_and_reason():
    skipped = read(FIDELITY_POSITIONS, entry_date=AS_OF).skipped

    assert [(each.line, each.reason) for each in skipped] == [
        (5, "pending activity is not settled yet"),
        (7, "a line of text, not a row"),
        (9, "a line of text, not a row"),
    ]


def test_fidelity_transactions_are_lots_first_in_first_out_and_flows_of_their_kind():
    holdings = read(FIDELITY_TRANSACTIONS)

    assert lots_of(holdings) == [
        ("AAPL", 30.0, 150.0, "2024-01-05", "2024-06-14", 190.0),
        ("AAPL", 10.0, 185.5, "2024-02-01", "2024-06-14", 190.0),
        ("AAPL", 20.0, 185.5, "2024-02-01", None, None),
    ]
    assert flows_of(holdings) == [
        ("2024-02-01", "fee", -4.95),
        ("2024-05-10", "external", -1000.0),
        ("2024-06-14", "fee", -0.05),
        ("2024-06-28", "interest", 1.25),
    ]
    assert any("1 dividends of 25.00 USD are not entered" in warning for warning in holdings.warnings)


def test_schwab_splits_option_notations_and_as_of_days():
    """10 NVDA split 10 for 1: 50 of the 100 sold are 5 of the 10 that were bought."""
    holdings = read(SCHWAB_TRANSACTIONS)

    assert lots_of(holdings) == [
        ("NVDA", 5.0, 1200.0, "2025-01-06", "2025-02-10", 130.0),
        ("NVDA", 5.0, 1200.0, "2025-01-06", None, None),
        ("AAPL250417C00200000", -1.0, 5.0, "2025-03-03", "2025-03-04", 2.0),
        ("AAPL250417C00200000", -1.0, 5.0, "2025-03-03", None, None),
    ]
    assert flows_of(holdings) == [
        ("2025-03-03", "fee", -1.3), ("2025-03-04", "fee", -0.65), ("2025-06-09", "tax", -11.25),
    ]  # fmt: skip


def test_what_a_split_leaves_of_many_lots_can_be_sold_whole():
    """Three lots of one share, 1 for 3: each is a third of the one share that is left, and no crumb of it stays."""
    trades = read(
        "Date,Action,Symbol,Quantity,Price\n2024-03-04,Buy,XYZ,1,10\n2024-03-05,Buy,XYZ,1,11\n2024-03-06,Buy,XYZ,1,12\n"
        "2024-06-03,Split,XYZ,-2,\n2024-06-04,Sell,XYZ,1,33\n"
    )

    assert lots_of(trades) == [
        ("XYZ", 1, 10, "2024-03-04", "2024-06-04", 33),
        ("XYZ", 1, 11, "2024-03-05", "2024-06-04", 33),
        ("XYZ", 1, 12, "2024-03-06", "2024-06-04", 33),
    ]


def test_thousands_of_trades_of_one_symbol_are_matched_in_order():
    """Each sale closes what was bought just before: the count of open lots must not be summed up again at each trade."""
    buys = "".join(f"2024-03-04,Buy,XYZ,1,{n}\n" for n in range(1, 30_001))
    sales = "".join(f"2024-03-05,Sell,XYZ,1,{n}\n" for n in range(1, 30_001))

    trades = read(f"Date,Action,Symbol,Quantity,Price\n{buys}{sales}", allow_duplicates=True)

    assert (trades.lots["exit_price"] == trades.lots["entry_price"]).all()
    assert len(trades.lots) == 30_000


def test_vanguards_two_tables_give_the_lots_of_the_second_one():
    holdings = read(VANGUARD)

    assert holdings.source == "Vanguard transactions"
    assert lots_of(holdings) == [
        ("VTI", 10.0, 250.0, "2024-04-10", None, None), ("VTI", 2.0, 260.0, "2024-06-28", None, None),
    ]  # fmt: skip
    assert any("also holds Vanguard positions" in warning for warning in holdings.warnings)


def test_robinhood_reads_options_from_the_description_and_days_of_any_width():
    holdings = read(ROBINHOOD)

    assert lots_of(holdings) == [
        ("AAPL", 10.0, 185.0, "2024-03-12", None, None), ("TSLA240621C00200000", -1.0, 3.0, "2024-03-13", None, None),
    ]  # fmt: skip
    assert flows_of(holdings) == [("2024-03-14", "external", 5000.0)]


EXPIRED = (
    '"6/24/2024","6/24/2024","6/24/2024","TSLA","Option Expiration for TSLA 6/21/2024 Call $200.00","OEXP","1S","",""\n'
)
ROBINHOOD_EXPIRED = ROBINHOOD.replace('"3/14/2024","3/14/2024"', f'{EXPIRED}"3/14/2024","3/14/2024"')


def test_an_option_that_robinhood_lets_expire_ends_on_its_day_and_no_share_does():
    """The description has words before the contract, and the quantity of a written option is 1S."""
    shares = '"3/12/2024","3/12/2024","3/14/2024","TSLA","Tesla","Buy","5","$170.00","($850.00)"\n\n'
    holdings = read(ROBINHOOD_EXPIRED.replace("\n\n", f"\n{shares}"))

    assert lots_of(holdings) == [
        ("AAPL", 10.0, 185.0, "2024-03-12", None, None),
        ("TSLA", 5.0, 170.0, "2024-03-12", None, None),
        ("TSLA240621C00200000", -1.0, 3.0, "2024-03-13", "2024-06-21", 0.0),
    ]


ENDS = {
    "Fidelity": (
        "Run Date,Action,Symbol,Description,Quantity,Price,Amount\n"
        "01/21/2025,EXPIRED CALL (AAPL) APPLE INC JAN 17 25 $200 (100 SHS),-AAPL250117C200,CALL,1,,\n"
        "03/12/2024,YOU SOLD OPENING TRANSACTION CALL (AAPL),-AAPL250117C200,CALL,-2,5,1000\n"
        "03/11/2024,YOU BOUGHT APPLE INC (AAPL),AAPL,APPLE INC,10,170,-1700\n"
    ),
    "Schwab": (
        "Date,Action,Symbol,Description,Quantity,Price,Fees & Comm,Amount\n"
        "01/21/2025 as of 01/17/2025,Assigned,AAPL 01/17/2025 200.00 C,CALL APPLE INC,1,,,\n"
        "03/12/2024,Sell to Open,AAPL 01/17/2025 200.00 C,CALL APPLE INC,2,5,,1000\n"
        "03/11/2024,Buy,AAPL,APPLE INC,10,170,,-1700\n"
    ),
    "E*TRADE": (
        "TransactionDate,TransactionType,SecurityType,Symbol,Quantity,Amount,Price,Commission,Description\n"
        "01/21/25,Option Expired,OPTN,AAPL,1,0,0,0,EXPIRED CALL AAPL   01/17/25   200.000\n"
        "03/12/24,Sold Short,OPTN,AAPL,-2,1000,5,0,CALL AAPL   01/17/25   200.000\n"
        "03/11/24,Bought,EQ,AAPL,10,-1700,170,0,APPLE INC\n"
    ),
    "Robinhood": (
        "Activity Date,Process Date,Settle Date,Instrument,Description,Trans Code,Quantity,Price,Amount\n"
        "1/21/2025,1/21/2025,1/21/2025,AAPL,Option Assignment for AAPL 1/17/2025 Call $200.00,OASGN,1S,,\n"
        "3/12/2024,3/12/2024,3/13/2024,AAPL,AAPL 1/17/2025 Call $200.00,STO,2,$5.00,$1000\n"
        "3/11/2024,3/11/2024,3/13/2024,AAPL,Apple,Buy,10,$170.00,($1700)\n"
    ),
    "Vanguard": (
        "Account Number,Trade Date,Settlement Date,Transaction Type,Symbol,Shares,Share Price,Net Amount\n"
        "1,01/21/2025,01/21/2025,Expired,AAPL250117C00200000,1,,0\n"
        "1,03/12/2024,03/13/2024,Sell short,AAPL250117C00200000,-2,5,1000\n"
        "1,03/11/2024,03/12/2024,Buy,AAPL,10,170,-1700\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("broker", ENDS)
def test_half_of_two_written_options_ends_on_the_day_of_expiry_and_the_shares_stay(broker):
    holdings = read(ENDS[broker])

    assert holdings.source.startswith(broker)
    assert lots_of(holdings) == [
        ("AAPL", 10.0, 170.0, "2024-03-11", None, None),
        (OPTION, -1.0, 5.0, "2024-03-12", "2025-01-17", 0.0),
        (OPTION, -1.0, 5.0, "2024-03-12", None, None),
    ]


def test_an_option_that_is_bought_and_expires_on_one_day_ends_in_either_order_of_the_file():
    bought = "01/17/25,Bought to open,OPTN,AAPL,1,-50,0.5,0,CALL AAPL 01/17/25 200.000\n"
    expired = "01/17/25,Option Expired,OPTN,AAPL,-1,0,0,0,CALL AAPL 01/17/25 200.000\n"
    header = "TransactionDate,TransactionType,SecurityType,Symbol,Quantity,Amount,Price,Commission,Description\n"

    for rows in (bought + expired, expired + bought):
        assert lots_of(read(header + rows)) == [(OPTION, 1.0, 0.5, "2025-01-17", "2025-01-17", 0.0)]


@pytest.mark.parametrize("text", [ETRADE_TRANSACTIONS, ETRADE_ACTIVITY])
def test_etrade_in_both_forms(text):
    holdings = read(text)

    assert lots_of(holdings) == [
        ("AAPL", 10.0, 185.5, "2024-03-13", None, None), ("IWM240621P00200000", -1.0, 2.13, "2024-03-14", None, None),
    ]  # fmt: skip
    assert flows_of(holdings) == [("2024-03-14", "fee", -0.51)]


def test_an_activity_statement_of_interactive_brokers_is_trades_and_flows_of_its_sections():
    holdings = read(IB_ACTIVITY)

    assert holdings.source == "Interactive Brokers activity statement, trades"
    assert lots_of(holdings) == [
        ("AAPL", 4.0, 185.0, "2024-03-12", "2024-05-14", 190.0),
        ("AAPL", 6.0, 185.0, "2024-03-12", None, None),
        (OPTION, -2.0, 5.0, "2024-03-13", None, None),
    ]
    assert flows_of(holdings) == [
        ("2024-03-13", "fee", -1.3),
        ("2024-04-02", "external", 5000.0),
        ("2024-05-03", "interest", 3.0),
        ("2024-05-14", "fee", -1.0),
        ("2024-05-16", "tax", -0.22),
    ]
    assert [each.line for each in holdings.skipped if each.reason == "a currency conversion"] == [8]


def test_the_positions_of_that_statement_can_be_asked_for():
    (source,) = (each for each in known_sources() if each.name == "Interactive Brokers activity statement, positions")

    holdings = read(IB_ACTIVITY, source=source, entry_date=AS_OF)

    assert [lot[:3] for lot in lots_of(holdings)] == [("AAPL", 6.0, 185.1), (OPTION, -2.0, 4.9935)]


def test_flex_trades():
    assert lots_of(read(FLEX_TRADES)) == [
        ("AAPL", 10.0, 185.0, "2024-03-12", None, None), (OPTION, -2.0, 5.0, "2024-03-13", None, None),
    ]  # fmt: skip


def test_trading_212_keeps_fractions_of_eight_decimals():
    holdings = read(TRADING_212)

    assert lots_of(holdings) == [
        ("AAPL", 0.23456789, 185.5, "2024-03-12", "2024-05-14", 190.0), ("AAPL", 1.0, 185.5, "2024-03-12", None, None),
    ]  # fmt: skip
    assert flows_of(holdings) == [("2024-04-02", "external", 500.0)]
    assert any("1,000.00 USD up to 2024-03-12" in warning for warning in holdings.warnings)


def test_webull_counts_what_was_filled_at_its_average_price():
    """Not the limit, not the size of the order, not an order that was cancelled, and a spread by its legs."""
    holdings = read(WEBULL)

    assert holdings.source == "Webull orders"
    assert lots_of(holdings) == [
        ("AAPL", 40.0, 185.02, "2025-03-13", "2025-03-17", 190.01),
        ("AAPL", 60.0, 185.02, "2025-03-13", None, None),
        ("SPY250417C00580000", 2.0, 3.25, "2025-03-18", None, None),
        ("SPY250417C00590000", -2.0, 2.0, "2025-03-18", None, None),
    ]
    assert [(each.line, each.reason) for each in holdings.skipped] == [
        (3, "an order of which nothing was filled"),
        (5, "an order of several legs; its legs have lines of their own"),
    ]
    assert not holdings.doubts


def test_a_table_of_filled_orders_is_one_of_transactions():
    text = (
        "Symbol,Side,Filled Qty,Avg Price,Filled Time\n"
        "AAPL,BUY,10,185.5,03/14/2025 09:31:05 EDT\nAAPL,SELL,4,190,03/18/2025 10:00:00 EDT\n"
    )

    holdings = read(text)

    assert holdings.kind == "transactions"
    assert lots_of(holdings) == [
        ("AAPL", 4.0, 185.5, "2025-03-14", "2025-03-18", 190.0), ("AAPL", 6.0, 185.5, "2025-03-14", None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("column", ["Cost Basis Per Share", "Avg. Price", "Avg. Cost", "Cost Price", "Trade Price"])
def test_the_usual_names_of_a_price_are_known(column):
    (lot,) = lots_of(read(f"Ticker,Shares,{column},Purchase Date\nAAPL,10,185.25,2024-03-14\n"))

    assert lot[:4] == ("AAPL", 10.0, 185.25, "2024-03-14")


_TOTALLED = [
    "Ticker,Shares,Avg. Cost,Cost Basis\nTOT,10,185.5,1855\nMSFT,1,300,300\n{},,,2155\n",
    "Ticker,Shares,Avg. Cost\nTOT,10,185.5\nMSFT,1,300\n{},11,\n",
    "Ticker,Shares,Avg. Cost\nTOT,10,185.5\nMSFT,1,300\n{},11,195.9\n",
    "Name,Ticker,Shares,Avg. Cost\nTotal SE,TOT,10,185.5\nMicrosoft,MSFT,1,300\n{},,11,\n",
    'Symbol,Description,Quantity,Average Cost,Total Cost\nTOT,Total,10,$185.50,"$1,855.00"\nMSFT,M,1,300,300\n'
    '{},,,,"$2,155.00"\n',
]


@pytest.mark.parametrize("words", ["Total", "Totals", "TOTAL:", "Grand total", "Account Total", "Total value"])
@pytest.mark.parametrize("text", _TOTALLED, ids=["cost", "quantity", "price", "name first", "a broker's"])
def test_a_line_that_adds_up_the_others_is_listed_as_skipped(text, words):
    """It names no holding, whatever it adds up; a name such as Total SE is one."""
    holdings = read(text.format(words), entry_date=AS_OF)

    assert [lot[:3] for lot in lots_of(holdings)] == [("TOT", 10.0, 185.5), ("MSFT", 1.0, 300.0)]
    assert [(each.line, each.reason) for each in holdings.skipped] == [(4, "a total")]


def test_degiro_in_dutch_needs_tickers_and_keeps_no_other_currency():
    mapping = mapping_of(DEGIRO.encode(), "Transactions.csv")

    with pytest.raises(HoldingsError, match=r"symbols: \{US0378331005: TICKER\}"):
        read(DEGIRO)
    named = read_mapping(mapping.replace("symbols: {}", "symbols: {US0378331005: AAPL}"), "my.yaml")
    holdings = read(DEGIRO, source=named)

    assert lots_of(holdings) == [
        ("AAPL", 4.0, 1185.5, "2024-04-03", "2024-05-14", 1190.0), ("AAPL", 6.0, 1185.5, "2024-04-03", None, None),
    ]  # fmt: skip
    assert [(each.line, each.text) for each in holdings.skipped] == [
        (2, "a fee of -2.00 EUR"),
        (3, "a fee of -2.00 EUR"),
    ]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (TRADING_212.replace("185.50,USD", "185.50,GBP"), "ERR_POS_028", "another currency"),
        (SCHWAB_TRANSACTIONS.replace('"Sell",', '"Vanish",'), "ERR_POS_027", "not understood"),
        (FIDELITY_TRANSACTIONS.replace("Cash,-40,", "Cash,-61,"), "ERR_POS_030", "more sold than held"),
        (ROBINHOOD_EXPIRED.replace('"OEXP","1S"', '"OEXP","2S"'), "ERR_POS_030", "more expired than held"),
        (
            ROBINHOOD_EXPIRED.replace("Option Expiration for TSLA 6/21", "TSLA 6/28"),
            "ERR_POS_030",
            "more expired than held",
        ),
        (
            ENDS["Schwab"].replace("Assigned,AAPL 01/17", "Assigned,MSFT 01/17"),
            "ERR_POS_030",
            "more exercised than held",
        ),
        (
            ROBINHOOD_EXPIRED.replace("Option Expiration for TSLA 6/21/2024 Call $200.00", "TSLA"),
            "ERR_POS_032",
            "expired, but no option",
        ),
        (
            ENDS["Schwab"].replace("Assigned,AAPL 01/17/2025 200.00 C", "Assigned,AAPL"),
            "ERR_POS_032",
            "exercised, but no option",
        ),
        (
            ROBINHOOD_EXPIRED.replace("for TSLA 6/21/2024", "for TSLA 6/31/2024"),
            "ERR_POS_025",
            "looks like an option contract, but is none",
        ),
        (
            ETRADE_ACTIVITY.replace("PUT  IWM    06/21/24", "PUT  IWM  21 of June"),
            "ERR_POS_025",
            "looks like an option contract, but is none",
        ),
        (ETRADE_ACTIVITY.replace("10,185.5,-1859.95", "10,,"), "ERR_POS_008", "empty"),
        (SCHWAB_POSITIONS.replace('"Equity"', '"Futures"'), "ERR_POS_016", "a kind of instrument that is not known"),
        (FLEX_TRADES.replace('"20240312"', '"20241312"'), "ERR_POS_013", "not a day"),
    ],
)
def test_what_cannot_be_placed_is_refused_with_line_column_value_and_remedy(text, code, message):
    with pytest.raises(HoldingsError) as refusal:
        read(text, entry_date=AS_OF)

    problem = next(problem for problem in refusal.value.problems if problem.code == code)
    assert problem.line
    assert problem.column
    assert (problem.message, bool(problem.expected)) == (message, True)


ROUND_TRIP = [(FIDELITY_POSITIONS, True), (FIDELITY_TRANSACTIONS, False), (ROBINHOOD, False), (IB_ACTIVITY, False)]


@pytest.mark.parametrize(("text", "positions"), ROUND_TRIP)
def test_the_mapping_that_is_shown_reads_the_file_as_the_built_in_one_does(text, positions):
    options = {"entry_date": AS_OF} if positions else {}

    shown = read_mapping(mapping_of(text.encode(), "download.csv"), "my.yaml")

    pd.testing.assert_frame_equal(read(text, source=shown, **options).lots, read(text, **options).lots)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("columns: {symbol: Symbol", "is not YAML"),
        ("- 1\n- 2\n", "expected one mapping"),
        ("columns: {ticker: Symbol}", "unknown field under `columns` ticker"),
        ("columns: {symbol: Symbol}\nkind: lot", "`kind` is 'lot'"),
        ("columns: {symbol: 5}", "`columns: symbol:` is 5"),
        ("columns: {symbol: S, quantity: Q}\nactions: [[buy, purchase]]", "unknown action purchase"),
        ("columns: {symbol: S, quantity: Q}\nactions: [['(', buy]]", "is no pattern"),
        ("columns: {symbol: S, quantity: Q, action: A}\nkind: lots", "`columns: action:` is a field of transactions"),
        ("columns: {symbol: S, direction: D}\nkind: transactions", "`columns: direction:` is a field of lots and"),
        ("columns: {symbol: S, quantity: Q}\nclasses: 7", "cannot be used as a mapping"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused_by_name(text, match):
    with pytest.raises(HoldingsError, match=rf"my\.yaml: .*{match}"):
        read_mapping(text, "my.yaml")


def test_the_remedy_of_an_unknown_column_can_be_pasted_into_a_shell():
    text = 'Ticker,Shares,Avg. Cost,Purchase Date,"Tom\'s ""best"" $"\nAAPL,10,185.25,2024-03-14,4\n'

    (doubt,) = read(text).doubts

    _, column = shlex.split(doubt.remedy.split("`")[1])
    assert not read(text, ignore_columns=frozenset({column.lower()})).doubts
    assert shlex.split(doubt.remedy.split("`")[1]) == ["--ignore-column", 'Tom\'s "best" $']


ETRADE_REINVESTED = """TransactionDate,TransactionType,SecurityType,Symbol,Quantity,Amount,Price,Commission,Description
12/30/25,Dividend,EQ,GILD,31.518,-3926.73,124.58692,0,GILEAD SCIENCE DIVIDEND REINVESTMENT
12/30/25,Dividend,EQ,GILD,0,3926.73,0,0,GILEAD SCIENCE CASH DIV
12/29/25,Dividend,EQ,CSWC,5,-125,0,0,CAPITAL SOUTHWEST CORP  REIN @  25.00  REC 12/15/25
06/10/25,Dividend,EQ,GILD,5000,-100,0,0,GILEAD SCIENCE CASH DIV TAKEN BACK
01/05/24,Bought,EQ,GILD,5000,-400000,80,0,GILEAD SCIENCE
"""


def test_a_reinvested_dividend_of_etrade_is_a_purchase():
    """Its shares were lost; one that was taken back bought nothing."""
    holdings = read(ETRADE_REINVESTED)

    bought = [(symbol, quantity, price) for symbol, quantity, price, *_ in lots_of(holdings)]
    assert bought == [("GILD", 5000, 80), ("CSWC", 5, 25), ("GILD", 31.518, 124.58692)]
    assert any(each.startswith("2 dividends of 3,826.73 USD are not entered") for each in holdings.warnings)


FLEX_LOTS = """CurrencyPrimary,AssetClass,Symbol,Quantity,MarkPrice,PositionValue,CostBasisPrice,Multiplier,LevelOfDetail
USD,STK,AAPL,100,230,23000,150,1,SUMMARY
USD,STK,AAPL,60,230,13800,145,1,LOT
USD,STK,AAPL,40,230,9200,157.5,1,LOT
"""


@pytest.mark.parametrize(
    ("left_out", "quantities"), [("nothing", [100]), ("SUMMARY", [60, 40]), ("LOT", [100])], ids=["both", "lots", "one"]
)
def test_flex_positions_are_not_counted_once_more_by_their_lots(left_out, quantities):
    text = "".join(line for line in FLEX_LOTS.splitlines(True) if not line.strip().endswith(left_out))

    assert read(text, entry_date=AS_OF).lots["quantity"].tolist() == quantities


def test_fidelity_spells_share_classes_without_a_dot_and_has_a_bank_for_cash():
    holdings = read(
        "Account Number,Account Name,Symbol,Description,Quantity,Last Price,Current Value,Cost Basis Total\n"
        'X1,Ind,BRKB,BERKSHIRE HATHAWAY,10,$450.00,"$4,500.00","$3,500.00"\n',
        entry_date=AS_OF,
    )
    history = read(
        "Run Date,Action,Symbol,Description,Price,Quantity,Amount\n"
        "01/08/2024,YOU BOUGHT APPLE INC,AAPL,APPLE INC,150,100,-15000\n"
        "01/31/2024,REINVESTMENT FDIC INSURED DEPOSIT AT CITIBANK,QPIFQ,FDIC INSURED DEPOSIT,1,3.21,-3.21\n"
        "01/31/2024,INTEREST EARNED FDIC INSURED DEPOSIT,QPIFQ,FDIC INSURED DEPOSIT,,0,3.21\n"
    )

    assert holdings.lots["symbol"].tolist() == ["BRK.B"]
    assert history.lots["symbol"].tolist() == ["AAPL"]
    assert flows_of(history) == [("2024-01-31", "interest", 3.21)]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Symbol,Quantity,Entry Price Per Share,Entry Date,{}", "SAP,100,150,2024-01-05,EUR"),
        ("Ticker,Shares,Purchase Price,Bought on,{}", "SAP,100,150,2024-01-05,EUR"),
        ("Symbol,Last Price $,Quantity,Price Paid $,Value $,{}", "SAP,230,100,150,23000,EUR"),
        ("Run Date,Action,Symbol,Quantity,Price,Amount,{}", "01/08/2024,YOU BOUGHT,SAP,100,150,-15000,EUR"),
    ],
    ids=["ours", "table", "etrade", "fidelity"],
)
@pytest.mark.parametrize("name", ["Currency", "CCY", "Price Currency"])
def test_another_currency_is_refused_in_any_file(header, row, name):
    """Euros were taken for dollars."""
    with pytest.raises(HoldingsError, match=f"column {name}: found 'EUR', expected USD"):
        read(f"{header.format(name)}\n{row}\n", entry_date=AS_OF)


@pytest.mark.parametrize("action", ["Dividend", "Capital Gain", "LT Cap Gain Distribution"])
def test_a_reinvestment_that_is_taken_back_leaves_with_its_purchase(action):
    head, *rows = (
        "TransactionDate,TransactionType,SecurityType,Symbol,Quantity,Amount,Price,Commission,Description",
        "03/13/24,Bought,EQ,T,10,-1000,100,0,X",
        f"12/20/24,{action},EQ,T,0.25,-25.5,0,0,X REIN @ 102.0000",
        f"12/21/24,{action},EQ,T,-0.25,25.5,0,0,X REIN @ 102.0000 REVERSAL",
    )

    kept, undone = (read("\n".join([head, *rows[:count]]) + "\n") for count in (2, 3))

    assert [(quantity, price) for _, quantity, price, *_ in lots_of(kept)] == [(10, 100), (0.25, 102)]
    assert [quantity for _, quantity, *_ in lots_of(undone)] == [10]


def test_fees_in_the_currency_of_the_account_are_refused():
    with pytest.raises(HoldingsError, match=r"column Comm in EUR: found .*ERR_POS_028"):
        read(IB_ACTIVITY.replace("Comm/Fee", "Comm in EUR"))


@pytest.mark.parametrize(("time", "is_asked"), [("14/02/24 13:30", False), ("02/03/24 13:30", True)])
def test_days_of_a_broker_that_writes_the_year_first_are_not_read_so_with_slashes(time, is_asked):
    """A spreadsheet had saved the file: lots of 2014, and of 2012, without a word."""
    holdings = read(TRADING_212.replace("2024-03-12 13:30:02.123", time))

    assert bool(holdings.doubts) == is_asked
    assert holdings.lots["entry_date"].dt.year.min() == 2024


def test_a_second_header_with_columns_without_a_name_goes_on_with_the_section():
    """As for conversions of currencies, of which an account in euros has many: a ValueError."""
    lines = IB_ACTIVITY.splitlines(True)
    last = max(number for number, line in enumerate(lines) if line.startswith("Trades,"))
    lines[last + 1 : last + 1] = [
        "Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,,Proceeds,Comm in EUR,,,"
        "MTM in EUR,Code\n",
        'Trades,Data,Order,Forex,USD,EUR.USD,"2024-01-10, 10:00:00",1000,1.1,,-1100,-2,,,0.1,\n',
    ]

    found, expected = read("".join(lines)), read(IB_ACTIVITY)

    assert lots_of(found) == lots_of(expected)
    assert flows_of(found) == flows_of(expected)


YAHOO = (
    "Symbol,Current Price,Date,Time,Change,Open,High,Low,Volume,Trade Date,Purchase Price,Quantity,Commission,High Limit,"
    "Low Limit,Comment,Transaction Type\n"
)


def yahoo(
    symbol: str, day: str, price: str, quantity: str, fee: str = "", comment: str = "", action: str = "BUY"
) -> str:
    quote = "189.5,2026/01/07,16:00 EST,1.5,188.0,190.0,187.0,50000000"
    return f"{symbol},{quote},{day},{price},{quantity},{fee},,,{comment},{action}\n"


def test_a_portfolio_of_yahoo_finance_is_read_without_a_question():
    """Newest first, as Yahoo writes it; what is only watched has no quantity; small quantities are written like Java's."""
    holdings = read(
        YAHOO
        + yahoo("AAPL", "20240603", "190", "4.0", "1.5", action="SELL")
        + yahoo("AAPL", "20240104", "180.5", "10.0", "0.0", "my first")
        + yahoo("TSLA", "", "", "", action="")
        + yahoo("BTC-USD", "20240105", "0.0", "9.0E-6")
    )

    assert lots_of(holdings) == [
        ("AAPL", 4.0, 180.5, "2024-01-04", "2024-06-03", 190.0),
        ("AAPL", 6.0, 180.5, "2024-01-04", None, None),
        ("BTC-USD", 0.000009, 0.0, "2024-01-05", None, None),
    ]
    assert flows_of(holdings) == [("2024-06-03", "fee", -1.5)]
    assert [(each.line, each.reason) for each in holdings.skipped] == [(4, "a symbol that is watched")]
    assert not holdings.doubts
    assert not holdings.warnings


def test_an_older_portfolio_of_yahoo_finance_has_lots():
    rows = yahoo("AAPL", "20240104", "180.5", "10.0") + yahoo("MSFT", "20240105", "400", "-2")

    holdings = read(YAHOO.replace(",Transaction Type", "") + rows.replace(",BUY", ""))

    assert [lot[:4] for lot in lots_of(holdings)] == [
        ("AAPL", 10.0, 180.5, "2024-01-04"), ("MSFT", -2.0, 400.0, "2024-01-05"),
    ]  # fmt: skip
    assert not holdings.doubts


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (yahoo("NVDA", "20240610", "120", "120", comment="Stock Split")
         + yahoo("NVDA", "20240607", "1200", "12", comment="Stock Split", action="SELL"), "a split is named Stock split"),
        (yahoo("$$CASH_TX", "20240610", "", "5000", action="DEPOSIT"), "record it with `sigma-assets flow`"),
        (yahoo("VAN.F", "20240610", "102", "5"), "`.F` is Germany, EUR"),
    ],
)  # fmt: skip
def test_what_yahoo_finance_cannot_say_in_dollars_and_trades_is_refused(rows, said):
    """Yahoo writes a split as a sale of all old shares and a purchase of the new ones, a weekend apart."""
    with pytest.raises(HoldingsError, match=re.escape(said)):
        read_holdings((YAHOO + yahoo("NVDA", "20240104", "480", "12") + rows).encode(), "quotes.csv", TODAY)


def test_a_split_of_yahoo_finance_is_one_line_with_the_shares_that_came():
    split = yahoo("NVDA", "20240610", "", "108", comment="Stock Split", action="Stock split")

    holdings = read(
        YAHOO + yahoo("NVDA", "20240701", "125", "60", action="SELL") + split + yahoo("NVDA", "20240104", "480", "12")
    )

    assert [lot[1] for lot in lots_of(holdings)] == [6, 6]


REVOLUT = "Date,Ticker,Type,Quantity,Price per share,Total Amount,Currency,FX Rate\n"


@pytest.mark.parametrize("money", ["${}", "USD {}"])
def test_a_statement_of_revolut_is_read_with_its_splits_and_fees(money):
    """The quantity of a split is what came to the shares held: 30 for 10 are 4 for 1."""
    rows = (
        f"2024-01-03T10:00:00.000Z,,CASH TOP-UP,,,{money.format('3000')},USD,1.1\n"
        f"2024-01-04T14:31:00.123456Z,AAPL,BUY - MARKET,10,{money.format('180')},{money.format('1800')},USD,1.1\n"
        f"2024-02-04T14:31:00.123456Z,AAPL,DIVIDEND,,,{money.format('2.10')},USD,1.1\n"
        f"2024-03-01T00:00:00.000Z,AAPL,STOCK SPLIT,30,,{money.format('0')},USD,1.1\n"
        f"2024-03-04T14:31:00.123456Z,AAPL,SELL - LIMIT,20,{money.format('50')},{money.format('1000')},USD,1.1\n"
        f"2024-03-14T14:31:00.123456Z,,CUSTODY FEE,,,{money.format('-0.50')},USD,1.1\n"
    )

    holdings = read(REVOLUT + rows)

    assert holdings.source == "Revolut transactions"
    assert lots_of(holdings) == [
        ("AAPL", 5.0, 180.0, "2024-01-04", "2024-03-04", 50.0), ("AAPL", 5.0, 180.0, "2024-01-04", None, None),
    ]  # fmt: skip
    assert flows_of(holdings) == [("2024-03-14", "fee", -0.5)]
    assert not holdings.doubts


def test_what_revolut_holds_in_euros_is_refused():
    with pytest.raises(HoldingsError, match="found 'EUR'"):
        read(REVOLUT + "2025-06-05T07:26:04.809Z,TSLA,BUY - MARKET,0.5,€88.94,€44.47,EUR,1.0\n")
