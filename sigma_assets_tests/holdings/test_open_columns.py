"""Columns such as Side, Type and Status mean what their cells say, or are asked about: no short becomes a long unseen."""

from datetime import date

import pandas as pd
import pytest

from sigma_assets.base.errors import HoldingsError
from sigma_assets.holdings.brokers.sources import read_mapping
from sigma_assets.holdings.reader import Holdings, ReadOptions, mapping_of, read_file

TODAY, AS_OF = date(2026, 1, 8), date(2025, 3, 3)
OURS = "Symbol,Quantity,Entry Price Per Share,Entry Date"
TABLE = "Ticker,Qty,Price,Bought on"
POSITIONS = "Ticker,Qty,Avg Cost"


def read(text: str, **options) -> Holdings:
    return read_file(text.encode(), "book.csv", TODAY, ReadOptions(**options))


def refused(text: str, **options) -> list[tuple[str, int | None, str | None, str | None]]:
    """Return code, line, column and value of what is wrong, or asked and not answered."""
    try:
        doubts = [doubt.as_problem() for doubt in read(text, **options).doubts]
    except HoldingsError as refusal:
        doubts = list(refusal.problems)
    return [(each.code, each.line, each.column, each.value) for each in doubts]


def quantities(holdings: Holdings) -> list[float]:
    assert not holdings.doubts
    return holdings.lots["quantity"].tolist()


@pytest.mark.parametrize("name", ["Side", "Long/Short", "Position", "Direction", "Type", "L/S"])
@pytest.mark.parametrize("words", [("Long", "Short"), ("LONG", "SHORT"), ("L", "S"), ("", "short")])
@pytest.mark.parametrize("header", [OURS, TABLE, POSITIONS])
def test_the_side_is_the_sign_of_a_quantity_without_one(header, words, name):
    """10 long, 20 short: the shorts were 20 long."""
    day = "" if header == POSITIONS else ",2024-03-12"
    rows = f"AAPL,10,180{day},{words[0]}\nMSFT,20,400{day},{words[1]}\nXOM,-5,90{day},{words[1]}\n"

    holdings = read(f"{header},{name}\n{rows}", entry_date=AS_OF)

    assert quantities(holdings) == [10, -20, -5]
    assert not holdings.warnings


@pytest.mark.parametrize("header", [OURS, TABLE])
@pytest.mark.parametrize("words", [("Buy", "Sell"), ("Long", "Short"), ("1", "-1")])
def test_lots_with_exits_have_the_side_that_they_were_entered_on(header, words):
    rows = f"AAPL,10,180,2024-03-12,{words[0]},2024-03-20,190\nMSFT,20,400,2024-03-12,{words[1]},,\n"

    holdings = read(f"{header},Side,Exit Date,Exit Price Per Share\n{rows}")

    assert holdings.kind == "lots"
    assert quantities(holdings) == [10, -20]


@pytest.mark.parametrize("name", ["Side", "Direction", "Type"])
def test_buy_and_sell_without_exits_are_transactions(name):
    """10 bought and 4 of them sold are 6, not 14."""
    holdings = read(f"{TABLE},{name}\nAAPL,10,180,2024-03-12,Buy\nAAPL,4,190,2024-03-13,Sell\n")

    assert holdings.kind == "transactions"
    assert sorted(quantities(holdings)) == [4, 6]


def test_buy_and_sell_beside_our_own_columns_are_asked_about():
    rows = "AAPL,10,180,2024-03-12,Buy\nAAPL,4,190,2024-03-13,Sell\n"

    assert refused(f"{OURS},Side\n{rows}") == [("ERR_POS_037", 2, "Side", "Buy")]
    assert quantities(read(f"{OURS},Side\n{rows}", ignore_columns=frozenset({"side"}))) == [10, 4]


@pytest.mark.parametrize(
    ("quantity", "word", "found"),
    [
        ("-10", "Long", ("ERR_POS_037", 3, "Side", "Long")),
        ("10", "Flat", ("ERR_POS_037", 3, "Side", "Flat")),
    ],
)
@pytest.mark.parametrize("header", [OURS, TABLE])
def test_a_side_that_contradicts_the_quantity_or_is_none_is_refused(header, quantity, word, found):
    text = f"{header},Side\nMSFT,1,400,2024-03-12,Long\nAAPL,{quantity},180,2024-03-12,{word}\n"

    assert refused(text) == [found]


def test_a_side_far_below_that_is_not_understood_is_refused_with_its_line():
    rows = "".join(f"S{number},10,5,2024-03-12,Long\n" for number in range(2_000))

    assert refused(f"{TABLE},Side\n{rows}AAPL,1,2,2024-03-12,Flat\n") == [("ERR_POS_037", 2_002, "Side", "Flat")]


def test_the_total_cost_of_a_short_that_a_word_makes_one_has_the_sign_of_its_quantity():
    holdings = read(
        "Ticker,Qty,Cost Basis,Bought on,Side\nMSFT,20,8000,2024-03-12,Short\nXOM,-5,-450,2024-03-12,Short\n"
    )

    assert quantities(holdings) == [-20, -5]
    assert holdings.lots["entry_price"].tolist() == [400, 90]


def test_a_brokers_positions_with_a_side_have_its_sign():
    text = "CurrencyPrimary,Symbol,Quantity,CostBasisPrice,Side\nUSD,AAPL,-10,180,Short\nUSD,MSFT,5,400,Long\n"
    unsigned = "Symbol,Quantity,Average Cost,Total Cost,Side\nAAPL,10,180,1800,Short\n"

    assert quantities(read(text, entry_date=AS_OF)) == [-10, 5]
    assert quantities(read(unsigned, entry_date=AS_OF)) == [-10]


@pytest.mark.parametrize("name", ["Type", "Asset Type", "Security Type", "Asset Class"])
def test_a_kind_in_words_is_the_class(name):
    """A bond of 10,000 at 98 is 9,800 USD; cash is no share."""
    text = (
        f"{TABLE},{name}\nAAPL,10,180,2024-03-12,Stock\nVTI,1,250,2024-03-12,ETF\nUST5Y,10000,98,2024-03-12,Bond\n"
        "AAPL250117C00200000,2,5,2024-03-12,Option\nSAVINGS,500,1,2024-03-12,Cash\nSWVXX,7,1,2024-03-12,Mutual Fund\n"
    )

    holdings = read(text)

    assert holdings.lots[["investment_class", "investment_subtype"]].to_numpy().tolist() == [
        ["PUBLIC", "STOCK"], ["PUBLIC", "ETF"], ["PUBLIC", "BOND"], ["OPTIONS", None], ["PUBLIC", "CASH"],
        ["PUBLIC", "MONEY_MARKET"],
    ]  # fmt: skip
    assert holdings.summary()["total_cost_usd"] == 1_800 + 250 + 9_800 + 1_000 + 500 + 7


def test_a_kind_in_words_is_the_class_of_our_own_format_too_and_a_stated_class_goes_first():
    bond = f"{OURS},Type\nUST5Y,10000,98,2024-03-12,Bond\n"
    stated = f"{OURS},Investment Class,Type\nUST5Y,10000,98,2024-03-12,PUBLIC,Bond\n"

    assert read(bond).lots["investment_subtype"].tolist() == ["BOND"]
    assert read(stated).lots["investment_subtype"].tolist() == [None]
    (warning, _) = read(stated).warnings
    assert warning.startswith("line 2: the column 'Type' is not used, though it says 'Bond'")


def test_kinds_of_which_some_are_unknown_are_asked_about():
    """Cash and Margin are kinds of accounts: AAPL in a cash account is no cash."""
    accounts = f"{TABLE},Type\nAAPL,10,180,2024-03-12,Cash\nMSFT,1,400,2024-03-12,Margin\n"

    assert refused(accounts) == [("ERR_POS_037", 3, "Type", "Margin")]
    assert read(accounts, ignore_columns=frozenset({"type"})).lots["investment_subtype"].tolist() == [None, None]
    for action in ("", ",Action"):
        text = f"{TABLE},Type{action}\nAAPL,10,180,2024-03-12,Cash{action and ',Buy'}\n"
        assert refused(text) == [("ERR_POS_016", 2, "Type", "Cash")]
        assert quantities(read(text, ignore_columns=frozenset({"type"}))) == [10]


def test_call_and_put_as_kinds_are_the_type_of_the_option():
    terms = "Underlying,Strike,Expiry"
    rows = "AAPL,2,5,2024-03-12,Put,AAPL,200,2024-06-21\nMSFT,1,400,2024-03-12,Stock,,,\n"
    code = f"{TABLE},Type\nAAPL250117C00200000,2,5,2024-03-12,%s\n"

    holdings = read(f"{TABLE},Type,{terms}\n{rows}")

    assert holdings.lots["symbol"].tolist() == ["AAPL240621P00200000", "MSFT"]
    assert holdings.lots["option_type"].tolist() == ["PUT", None]
    assert read(code % "Call").lots["option_type"].tolist() == ["CALL"]
    assert refused(code % "Put") == [("ERR_POS_022", 2, "Type", "Put")]


@pytest.mark.parametrize("name", ["Type", "Asset Class", "Category"])
def test_a_fund_of_bonds_is_no_bond(name):
    """100 of BND at 72 are 7,200 USD; in per cent of par they would be 72."""
    text = f"{TABLE},{name}\nVTI,10,250,2024-03-12,Equity\nBND,100,72,2024-03-12,Bonds\n"
    stated = f"{TABLE},{name},Investment Subtype\nVTI,10,250,2024-03-12,Equity,\nUSTB,100,72,2024-03-12,Bonds,BOND\n"

    assert refused(text) == [("ERR_POS_016", 3, name, "Bonds")]
    assert read(stated).summary()["total_cost_usd"] == 2_572


def test_a_column_type_that_is_about_something_else_is_ignored_as_before():
    holdings = read(f"{TABLE},Type\nAAPL,10,180,2024-03-12,IRA\n")

    assert holdings.warnings == ("ignored columns: Type",)


@pytest.mark.parametrize("header", [OURS, TABLE])
def test_a_lot_that_is_closed_by_its_status_needs_an_exit(header):
    rows = "AAPL,10,180,2024-03-12,Closed,2024-03-20,190\nMSFT,1,400,2024-03-12,Open,,\n"
    ended = read(f"{header},Status,Exit Date,Exit Price Per Share\n{rows}")

    assert ended.lots["exit_price"].tolist()[0] == 190
    assert refused(f"{header},Status\nAAPL,10,180,2024-03-12,Closed\nMSFT,1,400,2024-03-12,Open\n") == [
        ("ERR_POS_024", 2, "Status", "Closed")
    ]


def test_an_unused_column_that_says_short_is_pointed_at_with_its_line_and_word():
    holdings = read(f"{TABLE},Strategy\nAAPL,10,180,2024-03-12,\nMSFT,1,400,2024-03-12,short puts\n")

    assert holdings.warnings == (
        "line 3: the column 'Strategy' is not used, though it says 'short puts': if that changes the lot, say so in Quantity"
        " (negative for a short), Investment Class and Subtype, or Exit Date",
        "ignored columns: Strategy",
    )


def test_a_users_mapping_can_name_the_side_and_is_warned_where_it_does_not():
    text = "Kürzel;Stück;Kurs;Tag;Richtung\nAAPL;10;180;2024-03-12;Short\n"
    mapping = "kind: lots\ncolumns: {symbol: Kürzel, quantity: Stück, price: Kurs, date: Tag%s}"

    named = read(text, source=read_mapping(mapping % ", direction: Richtung", "my.yaml"))
    unnamed = read(text, source=read_mapping(mapping % "", "my.yaml"))

    assert quantities(named) == [-10]
    assert "the column 'Richtung' is not used, though it says 'Short'" in unnamed.warnings[0]


def test_the_mapping_that_is_shown_of_such_a_table_reads_it_alike():
    text = f"{TABLE},Side,Type\nAAPL,10,180,2024-03-12,Short,Stock\nUST5Y,10000,98,2024-03-12,Long,Bond\n"

    shown = read_mapping(mapping_of(text.encode(), "book.csv"), "my.yaml")

    pd.testing.assert_frame_equal(read(text, source=shown).lots, read(text).lots)
    assert quantities(read(text)) == [-10, 10_000]


@pytest.mark.parametrize(
    ("header", "bought", "sold"),
    [
        ("Date,B/S,Symbol,Quantity,Price", "2024-01-05,B,AAPL,100,150", "2024-06-03,S,AAPL,40,190"),
        ("Date,Type,Symbol,Quantity,Price", "2024-01-05,Purchase,AAPL,100,150", "2024-06-03,Redemption,AAPL,40,190"),
        (
            "Date,Description,Quantity,Symbol,Price,Amount",
            "2024-01-05,Bought 100 AAPL @ 150,100,AAPL,150,-15000",
            "2024-06-03,YOU SOLD APPLE INC,40,AAPL,190,7600",
        ),
    ],
)
def test_sales_are_none_of_the_lots(header, bought, sold):
    """140 shares were entered."""
    holdings = read(f"{header}\n{bought}\n{sold}\n")

    assert holdings.kind == "transactions"
    assert quantities(holdings) == [40, 60]
    assert holdings.lots["exit_price"].tolist()[:1] == [190]


@pytest.mark.parametrize("name", ["Action", "Side", "Buy/Sell", "B/S", "Type", "Transaction Type"])
@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Date,{},Symbol,Quantity,Price", "{},AAPL,{},150,"),
        ("Date,{},Symbol,Quantity,Price,", "{},AAPL,{},150"),
        ("Date,{},Symbol,Quantity,Price,Notes", "{},AAPL,{},150"),
    ],
    ids=["comma behind rows", "comma behind the header", "last column left off"],
)
def test_actions_are_read_in_rows_that_are_not_as_wide_as_the_header(header, row, name):
    """No row was looked at, and sales became lots."""
    rows = f"2024-01-05,{row.format('Buy', 10)}\n2024-03-05,{row.format('Sell', 4)}\n"

    holdings = read(f"{header.format(name)}\n{rows}")

    assert holdings.kind == "transactions"
    assert sorted(quantities(holdings)) == [4, 6]


@pytest.mark.parametrize(
    "terms",
    [
        "Underlying,Strike,Expiry,Put/Call",
        "underlying,strike,expiration,call/put",
        "UNDERLYING,Strike,Expiry Date,Option Type",
    ],
)
def test_terms_of_an_option_in_our_own_format_may_have_their_usual_names(terms):
    """Two contracts at 5.00 cost 1,000 USD; the columns were asked about, and without them it was two shares for 10 USD."""
    holdings = read(f"{OURS},{terms}\nAAPL,2,5,2024-06-03,AAPL,200,2025-01-17,Call\nMSFT,10,300,2024-06-03,,,,\n")

    assert not holdings.doubts
    assert holdings.lots["symbol"].tolist() == ["AAPL250117C00200000", "MSFT"]
    assert holdings.summary()["total_cost_usd"] == 4_000.0


@pytest.mark.parametrize("names", ["Sale Date,Sale Price", "Date Sold,Sell Price", "Close Date,Exit Price"])
def test_the_exit_in_our_own_format_may_have_its_usual_names(names):
    holdings = read(f"{OURS},{names}\nAAPL,40,150,2024-01-05,2024-06-03,190\nAAPL,60,150,2024-01-05,,\n")

    assert not holdings.doubts
    assert holdings.lots["exit_price"].tolist()[:1] == [190.0]
    assert holdings.lots["exit_date"].isna().tolist() == [False, True]


def test_a_lot_that_is_the_same_in_another_account_is_another_lot():
    holdings = read(f"Account,{OURS}\nA,AAPL,10,150,2024-01-05\nB,AAPL,10,150,2024-01-05\n")

    assert quantities(holdings) == [10, 10]
    assert holdings.warnings == ("2 accounts in one file are imported as one portfolio",)


def test_columns_may_be_named_with_underscores():
    """As programs write them, ours among them."""
    header = "symbol,quantity,entry_price_per_share,entry_date,exit_date,exit_price,investment_class"

    holdings = read(f"{header}\nAAPL,40,150,2024-01-05,2024-06-03,190,PUBLIC\n")

    assert holdings.source == "our own format"
    assert holdings.lots[["entry_price", "exit_price"]].to_numpy().tolist() == [[150.0, 190.0]]
