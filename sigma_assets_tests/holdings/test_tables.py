"""Tables that people keep themselves: dated lots under the usual names of columns."""

from datetime import date

import pytest

from sigma_assets.base.errors import HoldingsError
from sigma_assets.holdings.brokers.sources import read_mapping
from sigma_assets.holdings.reader import Holdings, ReadOptions, mapping_of, read_file

TODAY = date(2026, 1, 8)


def read(text: str) -> Holdings:
    return read_file(text.encode(), "book.csv", TODAY, ReadOptions())


def prices(holdings: Holdings) -> dict[str, float]:
    return dict(zip(holdings.lots["symbol"], holdings.lots["entry_price"], strict=True))


def refusal(text: str) -> str:
    with pytest.raises(HoldingsError) as refused:
        read(text)
    return str(refused.value)


def test_the_total_cost_of_dated_lots_is_divided_by_their_shares():
    """A contract is 100 shares; a short has the sign of its quantity on both sides."""
    holdings = read(
        "Ticker,Shares,Cost Basis,Purchase Date\n"
        "AAPL,10,1800,2025-03-04\nMSFT,-2,-800,2025-03-04\nGIFT,5,0,2025-03-04\nAAPL250117C00200000,2,1000,2024-12-04\n"
    )

    assert prices(holdings) == {"AAPL": 180, "MSFT": 400, "GIFT": 0, "AAPL250117C00200000": 5}


@pytest.mark.parametrize("header", ["Symbol,Qty,Total Cost,Bought on", "Symbol,Qty,Price,Bought on"])
def test_a_lot_without_cost_and_without_price_is_refused(header):
    assert "book.csv:3: column" in refusal(f"{header}\nAAPL,10,1800,2025-03-04\nXOM,1,,2025-03-04\n")


def test_todays_value_is_not_what_a_dated_lot_cost():
    said = refusal("Symbol,Qty,Market Value,Bought on\nAAPL,10,1800,2025-03-04\n")

    assert "column Entry Price Per Share: missing" in said


def test_a_cost_that_may_be_of_a_share_or_of_the_lot_is_refused_with_both_names():
    said = refusal("Symbol,Qty,Cost,Bought on\nAAPL,10,180,2025-03-04\n")

    assert "expected the column Cost to be named Cost Per Share or Total Cost: of which is it?" in said


def test_a_price_that_contradicts_the_total_cost_is_used_and_said():
    holdings = read("Symbol,Qty,Price,Cost Basis,Bought on\nAAPL,3,33.33,100,2025-03-04\nMSFT,3,40,100,2025-03-04\n")

    assert prices(holdings) == {"AAPL": 33.33333333, "MSFT": 40}
    assert holdings.warnings == (
        "line 3: MSFT has a price of 40 and a total cost that makes 33.333333 each: the price is used",
    )


@pytest.mark.parametrize(
    ("header", "alike"),
    [
        ("Symbl,Quantity,Entry Price Per Share,Entry Date", "'Symbl' looks like Symbol. "),
        ("Symbol,Quanty,Entry Prise,Entry Date",
         "'Quanty' looks like Quantity, 'Entry Prise' looks like Entry Price Per Share. "),
        ("Name,ISIN,Pieces,Value", "Entry Date. "),
    ],
)  # fmt: skip
def test_what_looks_like_a_missing_column_is_named_and_nothing_else(header, alike):
    said = refusal(f"{header}\nAAPL,10,180,2025-03-04\n")

    assert f"{alike}For a file of another shape" in said
    assert said.count("looks like") == alike.count("looks like")


def test_a_part_of_a_share_keeps_its_average_price_where_the_cost_is_in_cents():
    """0.01 shares at 519.91 cost 5.20: no contradiction, and 5.20 / 0.01 would be the worse price."""
    holdings = read(
        "Symbol,Qty,Price,Cost Basis,Bought on\nNVDA,0.01,519.91,5.20,2025-03-04\nXOM,0.01,540,5.20,2025-03-04\n"
    )

    assert prices(holdings) == {"NVDA": 519.91, "XOM": 540}
    assert [warning.split(":")[0] for warning in holdings.warnings] == ["line 3"]


def test_negative_quantities_of_what_is_held_are_asked_to_say_that_they_are_sales():
    """A list of trades without actions would be a long and a short lot of one symbol, without a word."""
    trades = "2025-03-04,VTI,10,200\n2025-03-05,VTI,-4,210\n2025-03-05,SPY,-1,600\n"

    holdings = read(f"Trade Date,Symbol,Quantity,Price\n{trades}")

    (warning,) = holdings.warnings
    assert warning.startswith("VTI: bought and sold short at the same time")
    assert "add a column Action" in warning


def test_a_typographic_minus_is_a_minus():
    holdings = read("Ticker,Shares,Price,Purchase Date\nAAPL,\u221210,180,2025-03-04\n")

    assert holdings.lots["quantity"].tolist() == [-10]


def test_a_disclaimer_as_wide_as_a_table_of_trades_is_listed_as_skipped():
    holdings = read(
        "Date,Action,Symbol,Quantity,Price,Notes\n2025-03-04,Buy,VTI,10,200,\n"
        '"","","","","","The data provided is for informational purposes only."\n'
    )

    assert holdings.lots["symbol"].tolist() == ["VTI"]
    assert [(each.line, each.reason) for each in holdings.skipped] == [(3, "a line of text, not a row")]


def test_a_total_in_our_own_format_is_listed_and_a_lot_of_that_name_has_a_day():
    rows = "AAPL,10,150,2024-01-02\nMSFT,5,400,2024-01-02\n"

    holdings = read(f"Symbol,Quantity,Entry Price Per Share,Entry Date\n{rows}Total,15,3500,\n")

    assert list(holdings.lots["symbol"]) == ["AAPL", "MSFT"]
    assert [(each.line, each.reason) for each in holdings.skipped] == [(4, "a total")]
    named = read(f"Symbol,Quantity,Entry Price Per Share,Entry Date\n{rows}TOTAL,15,3,2024-01-02\n")
    assert list(named.lots["symbol"]) == ["AAPL", "MSFT", "TOTAL"]


def test_a_line_of_text_as_wide_as_the_table_is_listed_and_a_lot_without_its_numbers_is_refused():
    """A spreadsheet fills each line up with empty cells."""
    rows = "Ticker,Shares,Purchase Price,Purchase Date\nAAPL,10,150,2024-01-02\n"

    holdings = read(rows + "Prices as of the close; values are estimates,,,\n")

    assert [(each.line, each.reason) for each in holdings.skipped] == [(3, "a line of text, not a row")]
    for incomplete in ("MSFT", "AAPL 01/17/2025 200.00 C"):
        with pytest.raises(HoldingsError, match="ERR_POS_004"):
            read(f"{rows}{incomplete},,,\n")


TODAYS = "Symbol,Quantity,Price,Market Value"


def test_a_price_that_makes_the_market_value_is_todays_and_not_what_was_paid():
    """100 at 150 and 50 at 200 cost 25,000; they were entered at today's 43,000, and their gain was gone."""
    rows = 'AAPL,100,$230.00,"$23,000.00","$15,000.00"\nMSFT,50,$400.00,"$20,000.00","$10,000.00"\n'

    holdings = read_file(
        f"{TODAYS},Cost Basis\n{rows}".encode(), "book.csv", TODAY, ReadOptions(entry_date=date(2025, 3, 4))
    )

    assert prices(holdings) == {"AAPL": 150, "MSFT": 200}
    assert "the column 'Price' is today's price, since Market Value is that times the quantity" in holdings.warnings[0]


@pytest.mark.parametrize(
    "rows", ["AAPL,100,150,23000,15000\n", "AAPL,100,230,23000,23000\nMSFT,50,200,20000,10000\n"], ids=["cost", "both"]
)
def test_a_price_that_makes_the_cost_is_what_was_paid(rows):
    holdings = read_file(
        f"{TODAYS},Cost Basis\n{rows}".encode(), "book.csv", TODAY, ReadOptions(entry_date=date(2025, 3, 4))
    )

    assert prices(holdings)["AAPL"] in (150, 230)
    assert prices(holdings).get("MSFT", 200) == 200
    assert not holdings.warnings


def test_positions_with_todays_price_alone_say_that_they_lack_a_cost():
    holdings = read_file(
        f"{TODAYS}\nAAPL,100,230,23000\n".encode(), "book.csv", TODAY, ReadOptions(entry_date=date(2025, 3, 4))
    )

    assert prices(holdings) == {"AAPL": 230}
    assert "no cost in the file and are entered at its price" in holdings.warnings[0]


def test_dated_lots_with_todays_price_alone_are_asked_about():
    (doubt,) = read(f"{TODAYS},Bought on\nAAPL,100,230,23000,2025-03-04\n").doubts

    assert doubt.code == "ERR_POS_036"
    assert "`--ignore-column 'Market Value'`" in doubt.remedy


@pytest.mark.parametrize("cost", ["2000", "-2000"])
@pytest.mark.parametrize("table", ["Symbol,Qty,Total Cost,Bought on\nTSLA,-10,{},2025-03-04\n",
                                   "Symbol,Qty,Side,Total Cost,Bought on\nTSLA,10,Short,{},2025-03-04\n"])  # fmt: skip
def test_the_cost_of_a_short_has_either_sign(table, cost):
    holdings = read(table.format(cost))

    assert prices(holdings) == {"TSLA": 200}
    assert holdings.lots["quantity"].tolist() == [-10]
    assert not holdings.warnings


def test_amounts_of_both_signs_are_not_lots_without_a_question():
    """100 bought and 40 sold were 140 bought."""
    (doubt,) = read(
        "Symbol,Qty,Price,Date,Amount\nAAPL,100,150,2025-03-04,-15000\nAAPL,40,190,2025-06-03,7600\n"
    ).doubts

    assert (doubt.code, doubt.line, doubt.value) == ("ERR_POS_027", 3, "7600")


def test_fees_of_lots_are_said():
    (warning,) = read("Symbol,Qty,Price,Date,Commission\nAAPL,100,150,2025-03-04,9.99\n").warnings

    assert warning.startswith("fees of 9.99 USD in Commission are not entered")


@pytest.mark.parametrize("word", ["short", "Sold", "sold 40 at 190", "YOU SOLD APPLE INC", "Closed"])
def test_a_note_that_a_lot_is_short_or_sold_is_asked_about(word):
    text = f"Symbol,Qty,Purchase Price,Bought on,Notes\nAAPL,100,150,2025-03-04,{word}\nXOM,1,90,2025-03-04,\n"

    (doubt,) = read(text).doubts
    answered = read_file(text.encode(), "book.csv", TODAY, ReadOptions(ignore_columns=frozenset({"notes"})))

    assert (doubt.code, doubt.line, doubt.column, doubt.value) == ("ERR_POS_037", 2, "Notes", word)
    assert not answered.doubts


def test_names_of_instruments_are_no_such_notes():
    names = ["Short-Term Bond ETF", "Salesforce Inc", "Call Corp", "Treasury Fund", "SOLDIER CO"]
    rows = "".join(f"AAPL,{number},150,2025-03-04,{name}\n" for number, name in enumerate(names, 1))

    holdings = read(f"Symbol,Qty,Purchase Price,Bought on,Description\n{rows}")

    assert not holdings.doubts
    assert holdings.kind == "lots"


def test_an_option_at_the_price_of_a_contract_is_pointed_at():
    holdings = read_file(
        b"Symbol,Quantity,Average Cost,Market Value\nAAPL 01/15/2027 200.00 C,2,500,1100\n",
        "book.csv",
        TODAY,
        ReadOptions(entry_date=date(2025, 3, 4)),
    )

    assert "if the price is that of a contract, divide it by 100" in holdings.warnings[0]


def test_a_position_without_a_symbol_is_refused_and_a_line_without_a_quantity_too_is_none():
    said = refusal("Symbol,Description,Shares,Average Cost\nN/A,FUND,50,20\n--,Pending,--,\nAAPL,Apple,1,150\n")

    assert "book.csv:2: column Symbol: found 'N/A', expected a symbol such as AAPL [ERR_POS_001]" in said
    assert "book.csv:3" not in said


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        (
            "CurrencyPrimary,AssetClass,Symbol,TradeDate,Quantity,TradePrice,LevelOfDetail\n"
            "USD,STK,AAPL,20240105,100,150,ORDER\nUSD,STK,MSFT,20240105,100,150,ORDER\nUSD,CASH,EUR.USD,20240105,1,1,\n",
            "2: a summary of executions that are listed themselves; 1: a currency conversion",
        ),
        ("Symbol,Shares,Price,Date\nTotal,5,6,\n", "1: a total"),
    ],
)
def test_a_file_of_which_all_lines_are_left_out_says_why_and_what_can_be_done(text, reasons):
    said = refusal(text)

    assert f"has no holdings, all its lines are left out ({reasons}), expected one line per lot" in said
    assert "--show-mapping" in said


@pytest.mark.parametrize("value", ["pending", "EUR 500", "#N/A", "n.a."])
def test_a_market_value_that_is_no_number_is_no_reason_to_refuse_a_lot(value):
    holdings = read(f"Symbol,Qty,Purchase Price,Bought on,Market Value\nAAPL,10,150,2025-03-04,{value}\n")

    assert prices(holdings) == {"AAPL": 150}
    assert not holdings.doubts


def ask(text: str, *ignored: str) -> Holdings:
    options = ReadOptions(entry_date=date(2025, 3, 4), ignore_columns=frozenset(ignored))
    return read_file(text.encode(), "book.csv", TODAY, options)


@pytest.mark.parametrize(
    "row",
    [
        "TSLA,-10,250,2024-01-02,,,,short",
        "TSLA,10,250,2024-01-02,Short,,,short",
        "TSLA,10,250,2024-01-02,,2024-05-01,180,sold",
    ],
)
def test_a_note_that_says_what_the_row_says_is_not_asked_about(row):
    assert not read(f"Symbol,Quantity,Price,Date,Side,Exit Date,Exit Price,Notes\n{row}\n").doubts


@pytest.mark.parametrize("note", ["Bought after earnings", "Sold covered calls on these", "Sold KO to buy this"])
def test_prose_in_notes_makes_no_sale_of_a_lot(note):
    holdings = read(
        "Symbol,Shares,Price,Date,Notes\nAAPL,100,150,2023-01-03,Bought the dip\nAAPL,50,160,2023-03-01,"
        f"{note}\nAAPL,20,165,2023-04-03,{note}\n"
    )

    assert holdings.kind == "lots"
    assert holdings.lots["quantity"].tolist() == [100, 50, 20]
    assert not holdings.doubts


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("Symbol,Quantity,Price,Market Value,Date\nAAPL,10,150,1500,2024-01-02\n", "market value"),
        ("Symbol,Qty,Price,Date,Amount\nAAPL,100,150,2025-03-04,-15000\nMSFT,40,190,2025-06-03,7600\n", "amount"),
        ("Symbol,Qty,Price,Date,Notes\nAAPL,100,150,2025-03-04,sold\n", "notes"),
        ("Symbol,Qty,Price,Date,CCY\nAAPL,100,150,2025-03-04,EUR\n", "ccy"),
    ],
)
def test_the_remedy_of_each_question_about_a_column_answers_it(text, column):
    if column == "ccy":
        assert "ERR_POS_028" in refusal(text)
    else:
        (doubt,) = ask(text).doubts
        assert "--ignore-column" in doubt.remedy

    answered = ask(text, column)

    assert not answered.doubts
    assert answered.lots["entry_price"].tolist()[0] == 150


@pytest.mark.parametrize(
    "rows", ["AAPL,100,150,2025-03-04,,,-15000\nTSLA,-40,190,2025-06-03,,,7600\n",
             "AAPL,100,150,2025-03-04,2025-05-01,160,16000\nMSFT,40,190,2025-06-03,,,-7600\n"]
)  # fmt: skip
def test_amounts_of_shorts_and_of_exits_are_no_question(rows):
    assert not read(f"Symbol,Qty,Price,Date,Exit Date,Exit Price,Amount\n{rows}").doubts


@pytest.mark.parametrize("cell", ["free", "\u2014", "0.5%"])
@pytest.mark.parametrize("column", ["Commission", "Amount"])
def test_a_cell_beside_a_lot_that_is_no_number_is_no_reason_to_refuse_it(cell, column):
    assert read(f"Symbol,Shares,Price,Date,{column}\nAAPL,10,150.5,2024-01-02,{cell}\n").lots["quantity"].tolist() == [
        10
    ]


def test_a_bond_and_an_option_that_lost_almost_all_are_read_where_the_cost_agrees():
    holdings = ask(
        "Symbol,Type,Quantity,Avg Cost,Total Cost,Market Value\n"
        "225401AA0,Bond,10000,98.5,9850,100\nAAPL 01/15/2027 200.00 C,Option,2,5,1000,10\n"
    )

    assert list(prices(holdings).values()) == [98.5, 5]
    assert not [warning for warning in holdings.warnings if "contract" in warning]


def test_values_that_no_lot_uses_leave_the_decimal_sign_alone():
    text = (
        'Ticker,Shares,Purchase Price,Purchase Date,Market Value,Notes\nAAPL,10,150,2024-01-02,"1,800","core, long"\n'
    )

    assert not read(text).doubts


def test_the_printed_price_of_a_penny_stock_is_used_not_the_rounded_value():
    assert prices(ask("Symbol,Qty,Price,Market Value\nMILL,3,0.0123,0.04\n")) == {"MILL": 0.0123}


@pytest.mark.parametrize("comment", ["# IRA,MSFT,5,300.5,2024-01-02", "# sold: IRA,MSFT,5,300.5,2024-01-02"])
def test_a_lot_that_is_commented_out_is_none_where_the_first_column_is_the_account(comment):
    holdings = read(
        f"Account,Symbol,Quantity,Price,Date\nIRA,AAPL,10,150.5,2024-01-02\n{comment}\n#4567,XOM,1,90,2024-01-02\n"
    )

    assert holdings.lots["symbol"].tolist() == ["AAPL", "XOM"]


def test_a_number_that_excel_kept_as_text_is_one():
    assert read("Symbol,Qty,Price,Date\nAAPL,'10,'150.25,2024-01-02\n").lots["quantity"].tolist() == [10]


CASH = "CASH,500,1,500,,2024-03-14\n"


def test_cash_tells_nothing_of_a_price():
    header = "Symbol,Quantity,Price,Market Value,Cost Basis,Date\n"

    assert prices(ask(f"{header}AAPL,10,200,2000,1500,2024-03-14\n{CASH}"))["AAPL"] == 150
    assert not ask(f"{header}AAPL,10,150,n/a,,2024-03-14\n{CASH}").doubts
    assert not ask(
        "Ticker,Shares,Price,Date,Amount\nAAPL,10,150,2024-03-14,-1500\nCASH,5000,1,2024-03-14,5000\n"
    ).doubts


def test_a_lot_without_a_cost_beside_todays_prices_is_refused():
    said = refusal(
        "Symbol,Quantity,Price,Market Value,Cost Basis,Date\nAAPL,10,200,2000,1500,2024-03-14\nMSFT,5,300,1500,,2024-03-14\n"
    )

    assert "book.csv:3: column Cost Basis" in said


@pytest.mark.parametrize(("price", "value"), [("0.00001", "20"), ("0.005", "8000")])
def test_a_price_of_less_than_a_cent_is_proven_by_its_value_alone(price, value):
    assert not ask(f"Symbol,Quantity,Price,Market Value,Date\nXYZ,1000000,{price},{value},2024-03-14\n").doubts


@pytest.mark.parametrize(
    "text",
    [
        "Symbol,Quantity,Price,Market Value,Cost Basis,Date\nAAPL,10,200,2000,1500,2024-03-14\n",
        "Ticker,Shares,Purchase Price,Purchase Date,Market Value,Fees\nAAPL,10,150,2024-03-14,pending,none\n",
        "Ticker,Shares,Purchase Price,Purchase Date,Amount\nAAPL,10,150,2024-03-14,-1500\nAAPL,5,150,2024-03-14,-750\n",
    ],
)
def test_a_mapping_that_is_printed_for_a_table_reads_it_alike(text):
    own = read_mapping(mapping_of(text.encode(), "book.csv"), "my.yaml")

    assert prices(read_file(text.encode(), "book.csv", TODAY, ReadOptions(source=own))) == {"AAPL": 150}
    assert prices(read(text)) == {"AAPL": 150}


@pytest.mark.parametrize(
    ("name", "cell", "ignored"), [("Trans Type", "", ()), ("B/S", "", ()), ("Trans Type", "Lot", ("trans type",))]
)
def test_a_column_of_actions_that_is_empty_or_ignored_makes_no_transactions(name, cell, ignored):
    holdings = ask(f"Ticker,Shares,Purchase Price,Purchase Date,{name}\nAAPL,10,150,2024-03-14,{cell}\n", *ignored)

    assert holdings.kind == "lots"


LOTS = "AAPL,10,01/14/2023,1250.70\nAAPL,5,02/06/2023,649.30\nMSFT,2,02/06/2023,800\n"


@pytest.mark.parametrize(
    ("header", "lots", "total", "line"),
    [
        ("Symbol,Quantity,Date Acquired,Cost Basis", LOTS, "AAPL,15,01/14/2023,1900.00\n", 2),
        ("Symbol,Quantity,Cost Basis", "AAPL,10,1250.70\nAAPL,5,649.30\n", "AAPL,15,1900\n", 2),
        ("Symbol,Quantity,Cost Basis,Account", "AAPL,-10,1250.7,A\nAAPL,-5,649.3,B\n", "AAPL,-15,1900,All\n", 2),
    ],
)
def test_a_position_above_its_lots_is_not_counted_twice(header, lots, total, line):
    text = f"{header}\n{total}{lots}"

    (doubt,) = [each for each in read(text).doubts if each.code == "ERR_POS_023"]

    assert (doubt.line, doubt.value, doubt.answer) == (line, "AAPL", "allow_duplicates")
    assert "as much as all other lots of AAPL together" in doubt.question
    allowed = read_file(text.encode(), "book.csv", TODAY, ReadOptions(allow_duplicates=True, entry_date=TODAY))
    assert len(allowed.lots) == len(text.splitlines()) - 1
    assert not allowed.doubts


def test_in_our_own_format_each_line_is_a_lot_whatever_the_others_add_up_to():
    days = ("2024-01-02", "2024-02-01", "2024-03-01")
    rows = "".join(f"AAPL,{quantity},50,{day}\n" for quantity, day in zip((10, 10, 20), days, strict=True))

    assert not read(f"Symbol,Quantity,Entry Price Per Share,Entry Date\n{rows}").doubts


@pytest.mark.parametrize(("symbol", "price"), [("CASH_USD", "1"), ("SPAXX", "1"), ("912828YY0", "100")])
def test_what_always_has_one_price_is_no_total(symbol, price):
    """Cash and bonds at par: any three numbers of which one is the sum of the others would do."""
    rows = "".join(f"{symbol},{quantity},{price},2024-03-14\n" for quantity in (1000, 400, 600))

    assert not read(f"Ticker,Shares,Purchase Price,Purchase Date\n{rows}").doubts


def test_a_cost_that_no_price_confirms_is_asked_about_before_it_makes_a_price():
    """It may be the cost of one share."""
    table = "Symbol,Quantity,Avg Price,Cost,Date\nAAPL,10,50,{}\nMSFT,10,,60,2024-01-02\n"

    with pytest.raises(HoldingsError, match="named Cost Per Share or Total Cost"):
        read(table.format("51,2024-01-02"))
    assert prices(read(table.format("500,2024-01-02"))) == {"AAPL": 50, "MSFT": 6}


def test_cash_and_private_holdings_are_not_taken_for_names_of_companies():
    table = "Ticker,Shares,Purchase Price,Purchase Date,Investment Class"

    (warning,) = read(
        f"{table}\nCash,10,1,2024-03-14,\nStartup,1,5,2024-03-14,PRIVATE\nFord,10,12,2024-03-14,\n"
    ).warnings

    assert warning.startswith("Ford: read as symbols")


def test_lots_that_add_up_to_another_one_at_another_cost_are_lots():
    assert not read(f"Symbol,Quantity,Date Acquired,Cost Basis\nAAPL,15,01/14/2023,2000\n{LOTS}").doubts


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Symbol,Shares,Unit Cost,Price,Value,Unrealized Gain/Loss ($),Day's Change,Purchase Date",
         "AAPL,10,180,200,2000,200,5,2024-01-15"),  # Merrill Edge
        ("Ticker,Shares Owned,Purchase Price ($),Last,Mark,% Total Gain/Loss,$ Total Gain/Loss,P/L Open,Bought",
         "AAPL,10,180,200,200,11,200,200,2024-01-15"),
        ("Symbol,# of Shares,Purchase Price,Current Price,Change,Open,High,Low,Volume,Time,Bid,Purchase Date",
         "AAPL,10,180,200,1,199,201,198,5000000,16:00,200,2024-01-15"),
        ("Symbol,Quantity,Unit Cost USD,Price,Cost,CUSIP,Order ID,Trade Date,Settlement Date",
         "AAPL,10,180,200,1800,037833100,77,2024-01-15,2024-01-17"),
        ("Symbol/CUSIP,Security,Quantity,Cost Per Share,Long-term capital gain/loss,Est. Annual Income,Date Acquired",
         "AAPL,APPLE INC,10,180,200,5,2024-01-15"),  # Vanguard's lots
        ("Symbol,Quantity,Price *,Value,Cost Basis,Purchase Date", "AAPL,10,200,2000,1800,2024-01-15"),
    ],
)  # fmt: skip
def test_usual_columns_about_today_leave_nothing_open(header, row):
    holdings = read(f"{header}\n{row}\n")

    assert prices(holdings) == {"AAPL": 180}
    assert str(holdings.lots["entry_date"][0].date()) == "2024-01-15"
    assert not holdings.doubts


def test_each_of_two_columns_of_one_name_is_looked_into():
    (doubt,) = read("Symbol,Qty,Unit Cost,Bought on,Extra,Extra\nAAPL,10,180,2024-01-15,55,text\n").doubts

    assert (doubt.column, doubt.value) == ("Extra", "55")


@pytest.mark.parametrize("name", ["Open", "Low", "Settlement Date"])
def test_a_column_of_days_that_may_be_those_of_the_lots_is_asked_about(name):
    (doubt, *_) = read(f"Symbol,Quantity,Unit Cost,{name}\nAAPL,10,180,2024-01-15\n").doubts

    assert doubt.column == name


def test_a_price_that_every_cost_contradicts_is_asked_about():
    text = "Symbol,Qty,Price,Cost Basis,Bought on\nAAPL,10,189.5,1250.7,2025-03-04\nMSFT,2,400,500,2025-03-04\n"

    (doubt,) = read(text).doubts
    by_cost, by_price = (
        read_file(text.encode(), "book.csv", TODAY, ReadOptions(ignore_columns=frozenset({name})))
        for name in ("price", "cost basis")
    )

    assert "`--ignore-column Price` if it is today's price; `--ignore-column 'Cost Basis'` if it is" in doubt.remedy
    assert prices(by_cost) == {"AAPL": 125.07, "MSFT": 250}
    assert prices(by_price) == {"AAPL": 189.5, "MSFT": 400}


def test_a_cost_beside_todays_price_is_asked_to_say_whether_it_is_of_a_share():
    (doubt, *_) = read("Symbol,Quantity,Price,Market Value,Cost\nAAPL,10,189.5,1895,1250.7\n").doubts

    assert doubt.column == "Cost"
    assert "Cost Per Share or Total Cost" in doubt.remedy


def test_a_sale_in_any_column_is_no_lot():
    (doubt,) = read("Symbol,Qty,Price,Bought on,Was\nAAPL,10,125,2023-01-04,buy\nAAPL,4,150,2023-02-04,Sold\n").doubts

    assert (doubt.code, doubt.line, doubt.value) == ("ERR_POS_037", 3, "Sold")


@pytest.mark.parametrize("name", ["Event", "Activity Type", "Operation", "Buy / Sell"])
def test_actions_have_further_names(name):
    holdings = read(f"{name},Symbol,Qty,Price,Date\nBUY,AAPL,10,125,2023-01-04\nSELL,AAPL,4,150,2023-02-04\n")

    assert sorted(holdings.lots["quantity"]) == [4, 6]


def test_the_number_of_a_day_in_a_spreadsheet_is_refused_with_that_day():
    said = refusal("Symbol,Qty,Price,Bought on\nAAPL,10,180,44930\n")

    assert (
        "found '44930', expected a day as YYYY-MM-DD; format what a spreadsheet counts from 1900 as 2023-01-04" in said
    )


def test_names_of_companies_that_are_read_as_symbols_are_pointed_at():
    (warning,) = read("Stock,Qty,Price,Bought on\nFord,10,12,2023-01-04\nibm,1,200,2023-01-04\n").warnings

    assert warning == "Ford: read as symbols; if these are names of companies, put their tickers there"
