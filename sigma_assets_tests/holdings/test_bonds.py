"""Bonds count as face value x price in per cent of par / 100, whatever a broker calls their multiplier or class (SPEC 2)."""

from datetime import date

import pytest

from sigma_assets.base.errors import HoldingsError
from sigma_assets.holdings.reader import Holdings, ReadOptions, read_file

TODAY, AS_OF = date(2026, 1, 8), date(2025, 3, 3)
ACTIVITY = (
    "Statement,Header,Field Name,Field Value\n"
    "Open Positions,Header,DataDiscriminator,Asset Category,Currency,Symbol,Quantity,Mult,Cost Price,Cost Basis,"
    "Close Price,Value,Unrealized P/L,Code\n"
    "Open Positions,Data,Summary,Bonds,USD,912828ZT0,10000,1,98,9800,99,9900,100,\n"
)
FLEX_POSITIONS = (
    "CurrencyPrimary,Symbol,Quantity,MarkPrice,PositionValue,CostBasisPrice,AssetClass,Multiplier\n"
    "USD,912828ZT0,10000,99,9900,98,BOND,1\n"
)
FLEX_TRADES = (
    "CurrencyPrimary,AssetClass,Symbol,TradeDate,Quantity,TradePrice,IBCommission,Multiplier\n"
    "USD,BOND,912828ZT0,20240312,10000,98,0,1\n"
)
FIDELITY = (
    "Account Number,Account Name,Symbol,Description,Quantity,Last Price,Current Value,Cost Basis Total,Average Cost Basis\n"
    "X1,Test,{symbol},{description},10000,$99.00,$9900.00,$9800.00,$98.00\n"
)
LOTS = "Symbol,Quantity,Entry Price Per Share,Entry Date"


def read(text: str, **options) -> Holdings:
    return read_file(text.encode(), "book.csv", TODAY, ReadOptions(**options))


def problems(text: str, **options) -> list[tuple[str, int | None, str | None]]:
    with pytest.raises(HoldingsError) as refused:
        read(text, **options)
    return [(each.code, each.line, each.column) for each in refused.value.problems]


def cost_of(holdings: Holdings) -> float:
    return holdings.summary()["total_cost_usd"]


@pytest.mark.parametrize("text", [ACTIVITY, FLEX_POSITIONS, FLEX_TRADES, "Ticker,Qty,Price,Bought on,Multiplier,Investment"
                                  " Class,Investment Subtype\n912828ZT0,10000,98,2024-03-12,1,PUBLIC,BOND\n"])  # fmt: skip
def test_a_brokers_multiplier_of_1_is_not_that_of_a_bond(text):
    """10,000 of face value at 98 % cost 9,800 USD, not 980,000."""
    holdings = read(text, entry_date=None if "Date" in text or "Bought" in text else AS_OF)

    assert holdings.lots[["investment_subtype", "entry_price"]].to_numpy().tolist() == [["BOND", 98.0]]
    assert cost_of(holdings) == 9_800.0


def test_the_multiplier_of_a_bond_in_our_own_format_is_what_its_owner_says():
    text = f"{LOTS},Investment Subtype,Multiplier\nBABY,40,24.5,2024-03-12,BOND,1\n"

    assert cost_of(read(text)) == 980.0


@pytest.mark.parametrize("header", [LOTS, "Ticker,Qty,Price,Bought on"])
def test_a_cusip_of_debt_is_a_bond_and_is_said_to_be(header):
    """The issue in 912828ZT0 is ZT; a share's, as the 10 in 037833100, has two digits."""
    holdings = read(f"{header}\n912828ZT0,10000,98,2024-03-12\n037833100,10,180,2024-03-12\n912828ZT1,1,1,2024-03-12\n")

    assert holdings.lots["investment_subtype"].tolist() == ["BOND", None, None]
    assert cost_of(holdings) == 9_800.0 + 1_800.0 + 1.0
    assert [warning.split(":")[0] for warning in holdings.warnings] == ["912828ZT0"]


def test_a_class_that_is_stated_goes_before_the_cusip():
    stated = f"{LOTS},Investment Class,Investment Subtype\n912828ZT0,1,98,2024-03-12,PUBLIC,STOCK\n"
    public = f"{LOTS},Investment Class\n912828ZT0,10000,98,2024-03-12,PUBLIC\n"

    assert read(stated).lots["investment_subtype"].tolist() == ["STOCK"]
    assert read(public).lots["investment_subtype"].tolist() == ["BOND"]


@pytest.mark.parametrize(
    ("symbol", "description"),
    [("912828ZT0", ""), ("037833100", "APPLE INC 2.4% DUE 05/03/2033"), ("912828ZT1", "UNITED STATES TREAS NTS")],
)
def test_fidelitys_bonds_are_told_from_their_cusip_and_description(symbol, description):
    holdings = read(FIDELITY.format(symbol=symbol, description=description), entry_date=AS_OF)

    assert holdings.lots[["investment_subtype", "entry_price"]].to_numpy().tolist() == [["BOND", 98.0]]
    assert cost_of(holdings) == 9_800.0


def test_words_of_bonds_make_no_bond_of_a_fund():
    text = "Ticker,Name,Qty,Price,Bought on\nTLT,ISHARES 20+ YEAR TREASURY BOND ETF,10,90,2024-03-12\n"

    assert read(text).lots["investment_subtype"].tolist() == [None]


def test_a_price_a_hundred_times_what_the_file_says_it_adds_up_to_is_refused():
    """10,000 x 98 is not 9,800: per cent of par, and neither a bond's symbol nor a class. It was imported as 980,000."""
    unnamed = FIDELITY.format(symbol="UST5Y", description="A NOTE OF 5 YEARS")
    table = "Ticker,Qty,Price,Cost Basis,Bought on\nUST5Y,10000,98,9800,2024-03-12\n"
    contract = "Ticker,Qty,Price,Cost Basis,Bought on\nAAPL250117C00200000,2,500,1000,2024-03-12\n"
    in_units = "Ticker,Qty,Price,Cost Basis,Bought on,Investment Subtype\nBB,10000,98,980000,2024-03-12,BOND\n"

    assert problems(unnamed, entry_date=AS_OF) == [
        ("ERR_POS_036", 2, "Average Cost Basis"), ("ERR_POS_036", 2, "Last Price"),
    ]  # fmt: skip
    for text in (table, contract, in_units):
        assert problems(text) == [("ERR_POS_036", 2, "Price")]


def test_a_share_that_lost_nearly_all_is_no_bond():
    """Its value is a hundredth of its cost, and its own price says so."""
    text = FIDELITY.format(symbol="LOST", description="LOST INC").replace(
        "$99.00,$9900.00,$9800.00", "$0.98,$9800,$980000"
    )

    holdings = read(text, entry_date=AS_OF)

    assert cost_of(holdings) == 980_000.0


@pytest.mark.parametrize(("quantity", "price"), [(10, 995), (10_000, 0.995)])
@pytest.mark.parametrize("actions", [False, True])
def test_a_price_that_is_hardly_in_per_cent_of_par_is_pointed_at(quantity, price, actions):
    """Ten bonds at 995 USD each, and 10,000 of face value at 0.995 of it, cost 9,950 USD; as they stand it is 99.50."""
    lots = f"{LOTS}\n912828ZT0,{quantity},{price},2024-03-12\n"
    trades = f"Date,Action,Symbol,Quantity,Price\n2024-03-12,Buy,912828ZT0,{quantity},{price}\n"

    holdings = read(trades if actions else lots)

    assert [warning for warning in holdings.warnings if f"is a bond at {price} % of par" in warning]


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("Date,Action,Symbol,Quantity,Price,Amount\n2024-01-02,Buy,912828ZT0,10,95.5,-9550\n", "ERR_POS_035"),
        ("Symbol,Quantity,Price,Total Cost,Date\n912828ZT0,10,95.5,9550,2024-01-02\n", "ERR_POS_036"),
    ],
)
def test_a_number_of_bonds_whose_price_is_in_per_cent_of_par_is_refused(file, code):
    """Ten bonds of 1,000 at 95.5 cost 9,550; as a face value of 10 they would be 9.55."""
    with pytest.raises(HoldingsError, match=code):
        read(file)
