"""A holdings file is taken whole or not at all, and every problem in it is named with its line (SPEC 2.1)."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigma_assets.base.errors import HoldingsError, Problem
from sigma_assets.holdings.brokers.sources import HEADER, read_mapping
from sigma_assets.holdings.files.layout.dialects import MAX_BYTES
from sigma_assets.holdings.files.layout.recognition import SHEET_COLUMNS
from sigma_assets.holdings.reader import LOT_COLUMNS, ReadOptions, mapping_of, read_file, read_holdings
from sigma_assets.storage import schema

TODAY = date(2026, 1, 8)
SHORT_HEADER = "Symbol,Quantity,Entry Price Per Share,Entry Date"
GOOD_ROW = "AAPL,10,150.25,2024-01-02"
OCC = "AAPL260619C00150000"
PUT = {"underlying_symbol": "AAPL", "strike_price": "5", "expiration_date": "2026-06-19", "option_type": "PUT"}


def read(text: str | bytes, file_name: str = "book.csv") -> pd.DataFrame:
    content = text if isinstance(text, bytes) else text.encode()
    return read_holdings(content, file_name, TODAY)


def problems_of(text: str | bytes, file_name: str = "book.csv") -> tuple[Problem, ...]:
    with pytest.raises(HoldingsError) as refusal:
        read(text, file_name)
    return refusal.value.problems


def codes_of(text: str | bytes, file_name: str = "book.csv") -> list[tuple[str, int | None]]:
    return [(problem.code, problem.line) for problem in problems_of(text, file_name)]


def row(**cells: str) -> str:
    """Return a file of one lot; keywords are header names with underscores."""
    lot = {"symbol": "AAPL", "quantity": "10", "entry_price_per_share": "150.25", "entry_date": "2024-01-02"} | cells
    return f"{HEADER}\n" + ",".join(lot.get(name.lower().replace(" ", "_"), "") for name in HEADER.split(","))


def test_columns_are_those_of_the_table_lots_without_its_ids():
    assert tuple(column.name for column in schema.lots.columns)[2:] == LOT_COLUMNS


def test_a_lot_is_read_with_its_types_and_nulls():
    lots = read(f"{SHORT_HEADER}\naapl,-10.5,150.25,2024-01-02\n")

    assert list(lots.columns) == list(LOT_COLUMNS)
    assert lots.loc[0, ["symbol", "quantity", "entry_price", "investment_class"]].tolist() == [
        "AAPL",
        -10.5,
        150.25,
        "PUBLIC",
    ]
    assert lots["entry_date"].to_list() == [pd.Timestamp("2024-01-02")]
    assert lots["entry_date"].dtype == lots["exit_date"].dtype == lots["expiration_date"].dtype == "datetime64[s]"
    assert lots["exit_date"].isna().all()
    assert np.isnan(lots.loc[0, "exit_price"])
    assert lots.loc[0, "underlying_symbol"] is None


def test_the_header_comes_in_any_order_and_case():
    lots = read("entry date,QUANTITY,Entry  Price per Share,symbol\n2024-01-02,3,1.5,MSFT")

    assert lots.loc[0, ["symbol", "quantity", "entry_price"]].tolist() == ["MSFT", 3.0, 1.5]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_byte_order_mark_and_every_line_end_are_fine_and_lines_are_counted_alike(newline):
    good = newline.join(["# mine", "", SHORT_HEADER, ",,,", GOOD_ROW, "  ", "# it's \"open, to the end"])
    bad = good + newline + "MSFT,x,1,2024-01-02"

    lots = read(b"\xef\xbb\xbf" + good.encode())

    assert lots["symbol"].to_list() == ["AAPL"]
    assert codes_of(bad) == [("ERR_POS_005", 8)]


def test_a_quoted_field_over_two_lines_counts_as_two_lines():
    text = f'{SHORT_HEADER}\n"AA\nPL",10,1,2024-01-02\nMSFT,x,1,2024-01-02\n'

    assert codes_of(text) == [("ERR_POS_003", 2), ("ERR_POS_005", 4)]


def test_a_number_over_two_lines_is_none():
    assert codes_of(f'{SHORT_HEADER}\nAAPL,10,"3\n50.25",2024-01-02') == [("ERR_POS_009", 2)]


def test_quoted_cells_and_blanks_around_cells_are_fine():
    assert read(f'{SHORT_HEADER}\n"AAPL", "10" , 1 ,"2024-01-02" ')["quantity"].to_list() == [10.0]


def test_a_quote_within_a_quoted_cell_ends_nothing():
    """A blank behind a closing quote is left out; one behind a quote that is doubled is text, on whatever line."""
    text = '"Symbol " ,Quantity,Price,Date,Notes\nAAPL,1,2,2024-01-02,"a ""b"" , c\n""d"" ,""" \n'
    table = read_file(text.encode(), "book.csv", TODAY)

    assert table.lots["symbol"].to_list() == ["AAPL"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[{"symbol":"AAPL","quantity":100}]', "is JSON"),
        ('{"symbol":"AAPL","quantity":100}\n', "is JSON"),
        ('<?xml version="1.0"?><FlexQueryResponse/>', "is a web page or XML"),
        ("<html><table><tr><td>Symbol</td>", "is a web page or XML"),
    ],
)
def test_a_document_that_is_no_table_is_named(text, found):
    (problem,) = problems_of(text)

    assert (problem.code, problem.message) == ("ERR_CSV_002", found)


def test_a_header_that_cannot_be_read_is_named_and_not_the_row_below_it():
    (problem,) = problems_of('Symbol,Quantity,"Average "Cost""\nAAPL,10,150\n')

    assert (problem.code, problem.line) == ("ERR_CSV_006", 1)
    assert problem.message.startswith("cannot be read")


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#NAME?", "#DIV/0!", "#VALUE!", "#NV"])
@pytest.mark.parametrize(("place", "code"), [*enumerate(["ERR_POS_003", "ERR_POS_005", "ERR_POS_009", "ERR_POS_013"])])
def test_an_error_value_of_a_spreadsheet_is_named_in_any_cell(error, place, code):
    cells = GOOD_ROW.split(",")
    cells[place] = error
    (problem,) = problems_of(f"{SHORT_HEADER}\nMSFT,1,2,2024-01-02\n{','.join(cells)}\n")

    assert (problem.code, problem.line, problem.value) == (code, 3, error)
    assert "an error value of a spreadsheet" in problem.expected


def test_an_account_may_begin_with_a_hash():
    table = (
        "Account,Symbol,Quantity,Price,Date\nX1,AAPL,1,2,2024-01-02\n# sold, later\n#4567,MSFT,3,4,2024-01-02\n#,,,,\n"
    )

    assert read(table)["symbol"].to_list() == ["AAPL", "MSFT"]


def test_a_column_of_row_numbers_may_be_named_with_a_hash():
    table = read_file(f"# mine\n#,{SHORT_HEADER}\n1,{GOOD_ROW}\n".encode(), "book.csv", TODAY)

    assert table.lots["symbol"].to_list() == ["AAPL"]
    assert [doubt.column for doubt in table.doubts] == ["#"]


def test_a_lot_that_is_commented_out_is_listed_as_skipped():
    text = (
        f"# our book, {SHORT_HEADER}\n{SHORT_HEADER}\n{GOOD_ROW}\n#MSFT,1,2,2024-01-02\n# a note, no more\n# note,,,\n"
    )
    holdings = read_file(text.encode(), "book.csv", TODAY)

    assert [(each.line, each.text) for each in holdings.skipped] == [(4, "#MSFT,1,2,2024-01-02")]
    assert holdings.lots["symbol"].to_list() == ["AAPL"]


def test_all_problems_of_all_rows_are_reported_together_with_line_column_value_and_expectation():
    text = f"# a book\n{SHORT_HEADER}\n{GOOD_ROW}\nMS FT,nan,-1.234567891,2026-01-09\n,0,,2024-02-30\n"

    problems = problems_of(text)

    assert [(each.code, each.line, each.column, each.value) for each in problems] == [
        ("ERR_POS_003", 4, "Symbol", "MS FT"),
        ("ERR_POS_005", 4, "Quantity", "nan"),
        ("ERR_POS_011", 4, "Entry Price Per Share", "-1.234567891"),
        ("ERR_POS_010", 4, "Entry Price Per Share", "-1.234567891"),
        ("ERR_POS_014", 4, "Entry Date", "2026-01-09"),
        ("ERR_POS_001", 5, "Symbol", None),
        ("ERR_POS_006", 5, "Quantity", "0"),
        ("ERR_POS_008", 5, "Entry Price Per Share", None),
        ("ERR_POS_013", 5, "Entry Date", "2024-02-30"),
    ]
    assert all(each.expected and each.message for each in problems)


def test_the_message_names_file_line_column_value_expectation_and_code():
    with pytest.raises(HoldingsError) as refusal:
        read(row(quantity="ten"))

    assert str(refusal.value).startswith("book.csv:2: column Quantity: found 'ten', expected a number such as")
    assert str(refusal.value).endswith("[ERR_POS_005]")


def test_the_message_lists_fifty_problems_and_counts_the_rest():
    with pytest.raises(HoldingsError) as refusal:
        read("\n".join([SHORT_HEADER, *(f"S{number},x,1,2024-01-02" for number in range(1200))]))

    assert len(refusal.value.problems) == 1200
    assert len(str(refusal.value).splitlines()) == 51
    assert str(refusal.value).endswith("... and 1,150 more")


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"symbol": ""}, "ERR_POS_001"),
        *(({"symbol": text}, "ERR_POS_001") for text in ("--", "-", ".", "N/A", "n/a", "N.A.")),
        ({"symbol": "A" * 101}, "ERR_POS_002"),
        ({"symbol": "=cmd()"}, "ERR_POS_003"),
        ({"symbol": "ſPY"}, "ERR_POS_003"),
        ({"quantity": ""}, "ERR_POS_004"),
        ({"quantity": "ten"}, "ERR_POS_005"),
        *(({"quantity": text}, "ERR_POS_005") for text in ("nan", "inf", "-inf", "1e400", "1e3", "1_000", "١٢")),
        *(({"quantity": text}, "ERR_POS_005") for text in ("5%", "5 EUR", "€5", "5-", "1.2.3")),
        ({"quantity": "9" * 400}, "ERR_POS_005"),
        ({"quantity": '"1,00"'}, "ERR_POS_005"),
        ({"quantity": "0"}, "ERR_POS_006"),
        ({"quantity": "-0.000"}, "ERR_POS_006"),
        ({"quantity": "1.123456789"}, "ERR_POS_007"),
        ({"entry_price_per_share": ""}, "ERR_POS_008"),
        ({"entry_price_per_share": "nan"}, "ERR_POS_009"),
        ({"entry_price_per_share": "1e400"}, "ERR_POS_009"),
        ({"entry_price_per_share": "-3"}, "ERR_POS_010"),
        ({"entry_price_per_share": "1.234567891"}, "ERR_POS_011"),
        ({"entry_date": ""}, "ERR_POS_012"),
        ({"entry_date": "01/02/2024"}, "ERR_POS_013"),
        ({"entry_date": "20241302"}, "ERR_POS_013"),
        ({"entry_date": "2023-02-29"}, "ERR_POS_013"),
        ({"entry_date": "2026-01-09"}, "ERR_POS_014"),
        ({"entry_date": "1926-01-07"}, "ERR_POS_015"),
        ({"entry_date": "1990-01-01"}, "ERR_POS_015"),
        ({"investment_class": "CRYPTO"}, "ERR_POS_016"),
        ({"investment_class": "PUBLIC", "investment_subtype": "ART"}, "ERR_POS_017"),
        ({"exit_date": "2024-01-01", "exit_price_per_share": "1"}, "ERR_POS_018"),
        (PUT | {"underlying_symbol": "", "investment_class": "OPTIONS"}, "ERR_POS_019"),
        (PUT | {"underlying_symbol": "A B C"}, "ERR_POS_019"),
        (PUT | {"strike_price": ""}, "ERR_POS_020"),
        (PUT | {"strike_price": "inf"}, "ERR_POS_020"),
        (PUT | {"strike_price": "0"}, "ERR_POS_020"),
        (PUT | {"expiration_date": ""}, "ERR_POS_021"),
        (PUT | {"expiration_date": "June"}, "ERR_POS_021"),
        (PUT | {"option_type": ""}, "ERR_POS_022"),
        (PUT | {"option_type": "STRADDLE"}, "ERR_POS_022"),
        ({"exit_date": "2024-03-01"}, "ERR_POS_024"),
        ({"exit_price_per_share": "7"}, "ERR_POS_024"),
        ({"exit_date": "soon", "exit_price_per_share": "7"}, "ERR_POS_013"),
        ({"exit_date": "2027-01-04", "exit_price_per_share": "7"}, "ERR_POS_014"),
        ({"exit_date": "2024-03-01", "exit_price_per_share": "nan"}, "ERR_POS_009"),
    ],
)  # fmt: skip
def test_each_problem_of_a_lot_has_its_code(cells, code):
    assert codes_of(row(**cells)) == [(code, 2)]


@pytest.mark.parametrize(
    ("content", "file_name", "found"),
    [
        (b"x" * (MAX_BYTES + 1), "book.csv", [("ERR_CSV_001", None)]),
        (f"{SHORT_HEADER}\n{GOOD_ROW}".encode(), "book.xlsx", [("ERR_CSV_002", None)]),
        (b"", "book.csv", [("ERR_CSV_003", None)]),
        (b"\xef\xbb\xbf\n# nothing\n , \n", "book.csv", [("ERR_CSV_003", None)]),
        (SHORT_HEADER.encode(), "book.csv", [("ERR_CSV_003", None)]),
        (b"Symbol,Quantity\nAAPL,10", "book.csv", [("ERR_CSV_004", 1)]),
        (GOOD_ROW.encode(), "book.csv", [("ERR_CSV_005", 1)]),
        (f"{SHORT_HEADER}\n{GOOD_ROW}\nM\xfcnchen".encode("latin-1"), "book.csv", [("ERR_CSV_006", 3)]),
        (f"{SHORT_HEADER}\n{GOOD_ROW}\nM\x81nchen".encode("latin-1"), "book.csv", [("ERR_CSV_006", 3)]),
        (SHORT_HEADER.encode("utf-16"), "book.csv", [("ERR_CSV_003", None)]),
        (b"PK\x03\x04 a workbook", "book.csv", [("ERR_CSV_002", None)]),
        (f"{SHORT_HEADER}\r\nA\0B,1,1,2024-01-02".encode(), "book.csv", [("ERR_CSV_006", 2)]),
        (f"{SHORT_HEADER}\n{GOOD_ROW},9\nAAPL,10".encode(), "book.csv", [("ERR_CSV_006", 2), ("ERR_CSV_006", 3)]),
        (f'{SHORT_HEADER}\n{GOOD_ROW}\n"AAPL,10\n1\n'.encode(), "book.csv", [("ERR_CSV_006", 3)]),
        (f'{SHORT_HEADER}\n"AA"PL,1\nKO,0,1,2024-01-02'.encode(), "b.csv", [("ERR_CSV_006", 2), ("ERR_POS_006", 3)]),
        (f"{SHORT_HEADER},symbol\n{GOOD_ROW},X".encode(), "book.csv", [("ERR_CSV_006", 1)]),
        (b"," * 1_000_000, "book.csv", [("ERR_CSV_003", None)]),
        (b"Symbol" + b",a" * 1_000_000, "book.csv", [("ERR_CSV_006", 1)]),
        (SHORT_HEADER.encode() + b"\n" + b",a" * 1_000_000, "book.csv", [("ERR_CSV_006", 2)]),
    ],
)  # fmt: skip
def test_each_problem_of_a_file_has_its_code(content, file_name, found):
    assert codes_of(content, file_name) == found


def test_a_column_that_is_not_ours_is_refused_once_if_anything_stands_in_it():
    text = f"{SHORT_HEADER},Exit Dat,\n{GOOD_ROW},,\nMSFT,1,1,2024-01-02,2024-03-01,\nKO,1,1,2024-01-02,2024-03-01,"

    (problem,) = problems_of(text)

    assert (problem.code, problem.line, problem.column, problem.value) == ("ERR_CSV_006", 3, "Exit Dat", "2024-03-01")
    assert "did you mean Exit Date?" in problem.expected


@pytest.mark.parametrize("name", ["Last Price", "Market Value", "Gain/Loss ($)", "% of Account", "Unrealized P&L"])
def test_what_a_broker_says_of_today_is_left_out(name):
    """Prices come from the price source; without these names, three usual columns were three errors to a new user."""
    lots = read(f"{SHORT_HEADER},{name}\n{GOOD_ROW},175.10")

    assert list(lots["symbol"]) == ["AAPL"]
    assert codes_of(f"{SHORT_HEADER},Lucky Number\n{GOOD_ROW},175.10") == [("ERR_CSV_006", 2)]


def test_an_empty_day_names_the_option_that_fills_it():
    (problem,) = problems_of(f"{SHORT_HEADER}\n{GOOD_ROW}\nMSFT,1,400,")

    assert problem.expected == "a day as YYYY-MM-DD, or `--entry-date YYYY-MM-DD` for all rows without one"


def test_an_empty_column_that_is_not_ours_is_harmless():
    assert len(read(f"{SHORT_HEADER},Notes,\n{GOOD_ROW},,")) == 1


def test_empty_columns_are_harmless_up_to_the_width_of_a_spreadsheet():
    """Cell by cell a header of a million columns took four seconds to refuse, and the first row was blamed."""
    beside = "," * (SHEET_COLUMNS - 4)

    assert read(f"{SHORT_HEADER}{beside}\n{GOOD_ROW}{beside}\n")["symbol"].tolist() == ["AAPL"]
    (problem,) = problems_of(f"{SHORT_HEADER}{beside},\n{GOOD_ROW}{beside},\n")
    assert (problem.code, problem.line, problem.message) == ("ERR_CSV_006", 1, "has 16,385 columns")


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [(OCC, "OPTIONS"), ("CASH_USD", "PRIVATE"), ("BRK.B", "PUBLIC")],
)
def test_a_blank_class_is_told_from_the_symbol(symbol, expected):
    assert read(row(symbol=symbol))["investment_class"].to_list() == [expected]


def test_an_occ_code_fills_the_option_columns():
    lot = read(row(symbol=OCC)).loc[0]

    assert [lot["underlying_symbol"], lot["strike_price"], lot["option_type"]] == ["AAPL", 150.0, "CALL"]
    assert lot["expiration_date"] == pd.Timestamp("2026-06-19")


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"underlying_symbol": "MSFT"}, "ERR_POS_019"),
        ({"strike_price": "15"}, "ERR_POS_020"),
        ({"expiration_date": "2026-06-18"}, "ERR_POS_021"),
        ({"option_type": "PUT"}, "ERR_POS_022"),
        ({"investment_subtype": "PUT"}, "ERR_POS_017"),
        ({"investment_class": "PUBLIC"}, "ERR_POS_016"),
    ],
)
def test_columns_that_contradict_the_occ_code_are_problems(cells, code):
    assert codes_of(row(symbol=OCC, **cells)) == [(code, 2)]


@pytest.mark.parametrize(("root", "underlying"), [("BRKB", "BRK.B"), ("SPXW", "SPX"), ("AAPL1", "AAPL")])
def test_a_root_may_differ_from_its_underlying_as_exchanges_have_it(root, underlying):
    lots = read(row(symbol=f"{root}260619P00150500", underlying_symbol=underlying))

    assert lots.loc[0, ["underlying_symbol", "strike_price"]].tolist() == [underlying, 150.5]


def test_an_adjusted_root_does_not_say_its_underlying():
    assert codes_of(row(symbol="AAPL1260619P00150500")) == [("ERR_POS_019", 2)]


def test_an_option_that_expired_before_its_entry_is_pointed_at():
    (warning,) = read_file(row(symbol="AAPL230120C00150000").encode(), "book.csv", TODAY).warnings

    assert "line 2: AAPL230120C00150000 had expired on 2023-01-20, before its entry on 2024-01-02" in warning


@pytest.mark.parametrize(
    "symbol",
    ["AAPL-250117C200", "AAPL20250117C200", "AAPL-250117-C-200", "AAPL250117CALL200", "AAPL-17JAN25-200-C",
     "AAPL--250117C00200000", "AAPL20250117C00200000", "AAPL.250117C200", "AAPL-2025-01-17-C-200"],
)  # fmt: skip
def test_a_contract_in_any_notation_is_an_option_on_its_underlying(symbol):
    lot = read(row(symbol=symbol)).iloc[0]

    assert (lot["symbol"], lot["underlying_symbol"], lot["investment_class"]) == (
        "AAPL250117C00200000", "AAPL", "OPTIONS",
    )  # fmt: skip


@pytest.mark.parametrize(
    "symbol",
    ["BRK.B", "BAC.PL", "BTC-USD", "MY-CALL", "SERIES-P-20240115", "FUND-20240115-P", "NOTE-2025-06-30", "912828ZT0",
     "GS.PA", "A.1", "ROUND-2021-C", "FUND-01-USD-01-C-2"],
)  # fmt: skip
def test_a_symbol_with_some_parts_of_a_contract_is_none(symbol):
    assert read(row(symbol=symbol)).loc[0, ["symbol", "underlying_symbol"]].tolist() == [symbol, None]


@pytest.mark.parametrize(
    "symbol",
    ["AAPL261319C00150000", "AAPL250117C00200", "XYZ 13/17/2025 20 C", "AAPL250117C0", "AAPL_250117C200",
     "AAPL-250117-200-C", "AAPL-C-250117-200", "AAPL-32JAN25-200-C", "AAPL-251317-C-200"],
)  # fmt: skip
def test_what_looks_like_a_contract_and_is_none_is_refused_and_never_a_share(symbol):
    assert codes_of(row(symbol=symbol)) == [("ERR_POS_025", 2)]


def test_the_subtype_says_the_option_type_where_nothing_else_does():
    lots = read(row(**PUT | {"symbol": "MYPUT", "investment_subtype": "put", "option_type": ""}))

    assert lots.loc[0, "option_type"] == "PUT"


CALL = {"underlying_symbol": "UND", "strike_price": "95", "expiration_date": "2024-08-16", "option_type": "CALL"}


@pytest.mark.parametrize(
    ("symbol", "underlying", "code"),
    [
        ("UND", "UND", "UND240816C00095000"),
        ("brk/b", "BRK-B", "BRKB240816C00095000"),
        ("BRKB", "BRK.B", "BRKB240816C00095000"),
        ("SPXW", "SPX", "SPXW240816C00095000"),
        ("MYCALL", "UND", "MYCALL"),
    ],
)
def test_an_option_with_the_symbol_of_its_underlying_gets_the_code_of_its_terms(symbol, underlying, code):
    """The share's price would be taken for the contract's; a name of its own may have quotes in a price file."""
    lot = read(row(**CALL | {"symbol": symbol, "underlying_symbol": underlying})).loc[0]

    assert lot["symbol"] == code
    assert [lot["strike_price"], lot["expiration_date"]] == [95.0, pd.Timestamp("2024-08-16")]


def test_a_name_of_two_contracts_or_of_a_share_is_no_contracts_name():
    first, second, third, share = (
        row(**cells).splitlines()[1]
        for cells in (
            CALL | {"symbol": "OPT"},
            CALL | {"symbol": "OPT", "strike_price": "100"},
            CALL | {"symbol": "AAPL", "option_type": "PUT"},
            {},
        )
    )

    lots = read("\n".join([HEADER, first, second, third, share]))

    assert lots["symbol"].tolist() == ["UND240816C00095000", "UND240816C00100000", "UND240816P00095000", "AAPL"]


@pytest.mark.parametrize("cells", [{"strike_price": "95.0625"}, {"underlying_symbol": "TOOLONG", "symbol": "TOOLONG"}])
def test_an_option_with_the_symbol_of_its_underlying_that_no_code_can_say_is_refused(cells):
    assert codes_of(row(**CALL | {"symbol": "UND"} | cells)) == [("ERR_POS_025", 2)]


def test_trailing_zeros_are_not_decimals():
    assert read(row(quantity="1.00000000", entry_price_per_share="2.500000")).loc[0, "entry_price"] == 2.5


@pytest.mark.parametrize("day", ["1990-01-02", "2026-01-08"])
def test_a_lot_may_be_as_old_as_the_calendar_and_may_be_of_today(day):
    assert read(row(entry_date=day))["entry_date"].to_list() == [pd.Timestamp(day)]


def test_two_fills_of_a_day_are_two_lots_and_the_same_row_twice_is_asked_about():
    fills = f"{SHORT_HEADER}\n{GOOD_ROW}\nAAPL,1,1,2024-01-03\naapl,7,9,2024-01-02\n"

    assert len(read(fills)) == 3
    (problem,) = problems_of(fills + GOOD_ROW)
    assert (problem.code, problem.line, problem.message) == (
        "ERR_POS_023", 5, "the same as line 2: are both intended?",
    )  # fmt: skip
    confirmed = read_file((fills + GOOD_ROW).encode(), "book.csv", TODAY, ReadOptions(allow_duplicates=True))
    assert len(confirmed.lots) == 4
    assert not confirmed.doubts


def test_ten_megabytes_of_nonsense_are_refused_with_a_bounded_list():
    content = SHORT_HEADER.encode() + b"\na" * 5_000_000

    assert len(problems_of(content)) == 100_001


def lots_or_problems(content: bytes) -> pd.DataFrame | HoldingsError:
    try:
        return read(content)
    except HoldingsError as refusal:
        return refusal


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", SHORT_HEADER.encode() + b"\n", HEADER.encode() + b"\r\n"]))
def test_any_bytes_are_either_lots_or_a_list_of_problems(tail, head):
    answer = lots_or_problems(head + tail)

    if isinstance(answer, HoldingsError):
        assert all(problem.describe("book.csv").isprintable() for problem in answer.problems)
    else:
        assert len(answer)


_CELL = st.one_of(
    st.sampled_from(["", "AAPL", OCC, "CASH_USD", "10", "-1.5", "0", "nan", "2024-01-02", "2026-06-19", "CALL"]),
    st.text(max_size=8),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(_CELL, min_size=13, max_size=13), min_size=1, max_size=4))
def test_any_cells_are_either_one_lot_per_row_or_a_list_of_problems(rows):
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in cells) for cells in rows]
    answer = lots_or_problems("\n".join([HEADER, *quoted]).encode(errors="replace"))

    if isinstance(answer, HoldingsError):
        assert answer.problems
    else:
        assert np.isfinite(answer[["quantity", "entry_price"]].to_numpy()).all()
        assert len(answer) <= len(rows)


def test_cash_entered_at_another_price_than_1_is_warned_of():
    """1,000 of cash at 5.00 would lose 4,000 at its first close."""
    content = (
        b"Symbol,Quantity,Entry Price Per Share,Entry Date\nCASH_USD,1000,5,2024-01-05\nCASH_USD,10,1,2024-01-05\n"
    )

    (warning,) = read_file(content, "book.csv", date(2026, 1, 8)).warnings

    assert warning.startswith("line 2: CASH_USD is cash, worth 1.00 each")
    assert "was entered at 5: enter the amount as the quantity" in warning


@pytest.mark.parametrize("kind", ["Entry Price,Entry Date", "Price,Basis"])
def test_another_currency_is_refused_in_lots_and_positions(kind):
    """150 EUR are not 150 USD."""
    text = (
        "AAPL,10,150,2024-01-05,USD\nSAP,10,150,2024-01-05,EUR\nMSFT,1,2,2024-01-05,US Dollar\nIBM,1,2,2024-01-05,US$\n"
    )
    content = f"Symbol,Quantity,{kind},Currency\n{text}".encode()

    with pytest.raises(HoldingsError) as refused:
        read_file(content, "book.csv", date(2026, 1, 8), ReadOptions(ignore_columns=frozenset({"*"})))

    found = [(each.code, each.line, each.value) for each in refused.value.problems if each.line is not None]
    assert found == [("ERR_POS_028", 3, "EUR")]


def test_the_mapping_of_an_unknown_header_is_one_to_fill_in():
    content = b"Wertpapier;Anzahl;Price;Kaufdatum\nAAPL;10;150,25;2024-01-05\n"

    guessed = mapping_of(content, "depot.csv")
    filled = read_mapping(
        guessed.replace("symbol: '?'", "symbol: Wertpapier").replace("quantity: '?'", "quantity: Anzahl")
        .replace("date: '?'", "date: Kaufdatum"), "my.yaml"
    )  # fmt: skip

    assert "line 1 names Wertpapier, Anzahl, Price, Kaufdatum" in guessed
    (lot,) = read_file(content, "depot.csv", date(2026, 1, 8), ReadOptions(source=filled)).lots.to_dict("records")
    assert (lot["symbol"], lot["quantity"], lot["entry_price"]) == ("AAPL", 10.0, 150.25)


def test_a_file_without_a_header_is_told_to_add_one():
    with pytest.raises(HoldingsError, match=r"expected a line with the names of the columns above the rows") as refused:
        mapping_of(b"AAPL,10,150,2024-01-05\n", "book.csv")

    assert "--show-mapping" not in str(refused.value)


@pytest.mark.parametrize("symbol", ["CASH", "usd"])
def test_a_name_of_cash_is_cash_at_a_price_of_1_and_the_ticker_at_another_or_where_the_lot_says_so(symbol):
    lots = [
        row(symbol=symbol, quantity=quantity, entry_price_per_share=price, investment_subtype=subtype).splitlines()[1]
        for quantity, price, subtype in (("1", "1", ""), ("2", "1.00", "CASH"), ("3", "70", ""), ("4", "1", "STOCK"))
    ]
    read_back = read("\n".join([HEADER, *lots]))
    option = read(row(**PUT | {"symbol": symbol, "underlying_symbol": symbol, "entry_price_per_share": "1"}))

    assert read_back["symbol"].to_list() == ["CASH_USD", "CASH_USD", symbol.upper(), symbol.upper()]
    assert read_back["investment_subtype"].to_list() == ["CASH", "CASH", None, "STOCK"]
    assert option["underlying_symbol"].to_list() == [symbol.upper()]
    assert option["symbol"].to_list() == [f"{symbol.upper()}260619P00005000"]
