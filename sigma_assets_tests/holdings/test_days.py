"""Days whose order a file does not show are asked about, or refused with the options that say it."""

from datetime import date

import pytest

from sigma_assets.base.errors import HoldingsError
from sigma_assets.holdings.reader import Holdings, ReadOptions, read_file

TODAY = date(2026, 1, 8)
HEADER = "Symbol,Quantity,Entry Price Per Share,Entry Date"
FLEX = "CurrencyPrimary,AssetClass,Symbol,TradeDate,Quantity,TradePrice,IBCommission"


def read(header: str, row: str, *days: str, **options) -> Holdings:
    """Read a file of one row per day, each with another quantity."""
    rows = [f"{row.format(day=day, quantity=number)}\n" for number, day in enumerate(days, start=1)]
    return read_file("\n".join([header, *rows]).encode(), "book.csv", TODAY, ReadOptions(**options))


def days_of(holdings: Holdings) -> list[str]:
    return holdings.lots["entry_date"].dt.strftime("%Y-%m-%d").to_list()


@pytest.mark.parametrize("days", [["24-03-15", "24-04-02"], ["15-03-24"], ["25/01/2024", "24-03-15"]])
def test_a_year_of_two_digits_before_dashes_is_asked_about(days):
    (doubt,) = read(HEADER, "AAPL,{quantity},150,{day}", *days).doubts

    assert (doubt.code, doubt.question) == ("ERR_POS_013", "does the year, the month or the day come first?")
    assert "`--dates ymd`" in doubt.remedy


@pytest.mark.parametrize(("order", "expected"), [("ymd", "2024-03-15"), ("dmy", "2015-03-24")])
def test_the_answer_says_where_the_year_is(order, expected):
    assert days_of(read(HEADER, "AAPL,{quantity},150,{day}", "24-03-15", dates=order)) == [expected]


@pytest.mark.parametrize("days", [["03-15-24", "03-04-24"], ["03/15/24", "03/04/24"]])
def test_one_day_that_can_only_have_the_month_first_answers_for_the_others(days):
    assert days_of(read(HEADER, "AAPL,{quantity},150,{day}", *days)) == ["2024-03-15", "2024-03-04"]


def test_the_days_of_a_flex_query_are_read_in_the_order_that_they_show():
    row = "USD,STK,AAPL,{day},{quantity},150,-1"

    assert days_of(read(FLEX, row, "05/01/2024", "25/01/2024")) == ["2024-01-05", "2024-01-25"]
    assert days_of(read(FLEX, row, "20240105")) == ["2024-01-05"]
    assert "`--dates dmy`" in read(FLEX, row, "05/01/2024").doubts[0].remedy


def test_a_day_in_another_order_than_a_broker_writes_names_the_option_that_says_it():
    schwab = "Date,Action,Symbol,Description,Quantity,Price,Fees & Comm,Amount"

    with pytest.raises(HoldingsError, match=r"column Date: found '25/01/2024', expected a day as .* `--dates dmy`"):
        read(schwab, "{day},Buy,AAPL,APPLE,{quantity},150,,-150", "25/01/2024")


@pytest.mark.parametrize(
    "header",
    ["Symbol,Quantity,Purchase Price,Purchase Date,Ended on", f"{HEADER},Sold On",
     "Symbol,Quantity,Cost Per Share,Opened Date,Disposed"],
)  # fmt: skip
@pytest.mark.parametrize("day", ["06/03/2024", "06/13/2024", "24-06-03"])
def test_a_further_column_of_days_is_asked_about_in_whatever_order_they_are(header, day):
    doubts = read(header, "AAPL,{quantity},150,01/25/2024,{day}", day, entry_date=date(2024, 1, 25)).doubts

    assert f"the column '{header.rpartition(',')[2]}' is unknown and holds numbers or dates: ignore it?" in {
        doubt.question for doubt in doubts
    }


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (("31-12-24", "28-02-25"), ["2024-12-31", "2025-02-28"]),  # no year first: that would be in the future
        (("10-11-24", "1-25-24"), ["2024-10-11", "2024-01-25"]),  # one digit is no year
        (("15-03-2024", "20-04-24"), ["2024-03-15", "2024-04-20"]),
    ],
)
def test_an_order_that_short_days_show_is_not_asked_for(days, expected):
    holdings = read(HEADER, "AAPL,{quantity},150.5,{day}", *days)

    assert not holdings.doubts
    assert days_of(holdings) == expected


@pytest.mark.parametrize("sign", ["/", "."])
def test_only_dashes_may_begin_with_a_year(sign):
    """A day that was guessed to be of 2005 was "sold before it was bought": refused, and never asked."""
    holdings = read(HEADER, "AAPL,{quantity},150.5,{day}", f"03{sign}04{sign}24")

    (doubt,) = holdings.doubts
    assert doubt.question == "does the month or the day come first?"
    assert days_of(holdings) == ["2024-03-04"]


def test_while_the_order_is_asked_no_problem_is_made_of_a_guess():
    holdings = read("Date,Action,Symbol,Quantity,Price", "{day},Buy,AAPL,{quantity},150.5", "05-06-24", "05-02-25")

    (doubt,) = holdings.doubts
    assert doubt.code == "ERR_POS_013"
