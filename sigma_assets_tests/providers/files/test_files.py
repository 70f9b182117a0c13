"""Price files are taken as traded, refused by file and line, and read again when they change."""

import gzip
import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigma_assets.base.calendar import nyse_calendar
from sigma_assets.base.errors import PriceFileError
from sigma_assets.providers.base import BAR_COLUMNS
from sigma_assets.providers.files.provider import FilesProvider

CALENDAR = nyse_calendar()
TRIAL_DATA = Path(os.environ.get("SIGMA_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
REAL_PRICES = TRIAL_DATA / "prices_2015_2019.csv.gz"
CURRENT = date(2026, 1, 8)
TWO, THREE, FOUR, FIVE = date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4), date(2024, 1, 5)


def written(path: Path, text: str) -> FilesProvider:
    path.write_text(text)
    return FilesProvider(path, CALENDAR, CURRENT)


def refusal(provider: FilesProvider) -> str:
    with pytest.raises(PriceFileError) as error:
        provider.last_session()
    return str(error.value)


def closes(provider: FilesProvider, symbol: str, *days: date) -> list[float]:
    return [close for bars in provider.daily_bars({symbol: days}) for close in bars.rows["close"].to_list()]


def test_rows_are_bars_as_traded_with_nulls_and_defaults_where_cells_are_empty(tmp_path):
    header = "Dividend,SYMBOL,Date,close,open,split_factor"
    text = f"{header}\n0.25,aapl,2024-01-02,101.5,100,2\n,AAPL,2024-01-03,99,,\n"

    (bars,) = written(tmp_path / "prices.csv", text).daily_bars({"AAPL": [THREE, TWO]})

    assert list(bars.rows.columns) == list(BAR_COLUMNS)
    assert bars.rows["session"].dtype == "datetime64[s]"
    assert bars.rows["symbol"].dtype == "str"
    expected = [[100, np.nan, np.nan, 101.5, np.nan, 2, 0.25], [np.nan, np.nan, np.nan, 99, np.nan, 1, 0]]
    np.testing.assert_array_equal(bars.rows[list(BAR_COLUMNS[2:])].to_numpy(float), expected)
    assert (bars.source, bars.unserved, bars.cost.requests) == ("files", (), 0)


def test_a_folder_of_csv_gz_and_parquet_files_is_one_source(tmp_path):
    (tmp_path / "a.csv").write_text("date,symbol,close\n2024-01-02,AAA,1\n")
    (tmp_path / "b.CSV.GZ").write_bytes(gzip.compress(b"date,symbol,close\r\n2024-01-03,AAA,2\r\n"))
    frame = pd.DataFrame({"Symbol": ["AAA", "BBB"], "date": pd.to_datetime(["2024-01-04"] * 2), "Close": [3, 4]})
    frame.to_parquet(tmp_path / "c.parquet")
    (tmp_path / "README.md").write_text("not prices")
    (tmp_path / ".hidden.csv").write_text("not prices")

    provider = FilesProvider(tmp_path, CALENDAR, CURRENT)

    assert provider.last_session() == FOUR
    assert closes(provider, "AAA", TWO, THREE, FOUR) == [1, 2, 3]
    assert closes(provider, "BBB", FOUR) == [4]


def test_the_last_session_is_the_last_one_of_any_symbol(tmp_path):
    provider = written(tmp_path / "p.csv", "date,symbol,close\n2024-01-03,AAA,1\n2024-01-05,BBB,1\n2024-01-02,AAA,1")

    assert provider.last_session() == FIVE


def test_what_is_not_there_is_told_with_its_reason_and_may_be_asked_again(tmp_path):
    rows = ["date,symbol,close", "2024-01-03,AAA,1", "2024-01-05,AAA,1", "2024-03-01,SPY,1"]
    provider = written(tmp_path / "p.csv", "\n".join(rows))
    wanted = {"AAA": [TWO, THREE, FOUR, FIVE, date(2024, 1, 8), date(2024, 2, 1)], "ZZZ": [TWO]}

    (bars,) = provider.daily_bars(wanted)

    told = {(each.symbol, each.reason): (each.sessions, each.next_try) for each in bars.unserved}
    assert told == {
        ("AAA", "not_yet_listed"): ((TWO,), date(2024, 3, 4)),
        ("AAA", "no_bar"): ((FOUR, date(2024, 2, 1)), date(2024, 3, 1)),
        ("AAA", "late"): ((date(2024, 1, 8),), date(2024, 3, 1)),
        ("ZZZ", "unknown_symbol"): ((TWO,), date(2024, 3, 1)),
    }
    assert bars.rows["session"].dt.date.to_list() == [THREE, FIVE]


def test_every_wanted_pair_comes_back_exactly_once(tmp_path):
    sessions = [day.item() for day in CALENDAR.between(date(2024, 1, 2), date(2024, 2, 9))]
    text = "\n".join(f"{day},S{number},1" for number in range(300) for day in sessions[number % 7 :: 3])
    provider = written(tmp_path / "p.csv", f"date,symbol,close\n{text}\n")
    wanted = {f"S{number}": sessions * 2 for number in range(302)}

    answers = list(provider.daily_bars(wanted))

    served = [pair for bars in answers for pair in zip(bars.rows["symbol"], bars.rows["session"].dt.date, strict=True)]
    refused = [(each.symbol, day) for bars in answers for each in bars.unserved for day in each.sessions]
    assert len(answers) == 2
    assert sorted(served + refused) == sorted((symbol, day) for symbol in wanted for day in sessions)


def test_a_price_added_to_a_file_is_served_without_a_restart(tmp_path):
    provider = written(tmp_path / "p.csv", "date,symbol,close\n2024-01-02,AAA,1\n")
    before = provider.last_session()

    (tmp_path / "p.csv").write_text("date,symbol,close\n2024-01-02,AAA,5\n2024-01-03,AAA,2\n")

    assert (before, provider.last_session()) == (TWO, THREE)
    assert closes(provider, "AAA", TWO, THREE) == [5, 2]


def test_a_file_replaced_by_one_of_the_same_size_is_read_again(tmp_path):
    provider = written(tmp_path / "p.csv", "date,symbol,close\n2024-01-02,AAA,1\n")
    before = closes(provider, "AAA", TWO)

    (tmp_path / "p.csv").write_text("date,symbol,close\n2024-01-02,AAA,2\n")
    os.utime(tmp_path / "p.csv", ns=(1, 1))

    assert (before, closes(provider, "AAA", TWO)) == ([1], [2])


def test_a_file_that_joins_or_leaves_a_folder_is_noticed(tmp_path):
    written(tmp_path / "a.csv", "date,symbol,close\n2024-01-02,AAA,1\n")
    provider = FilesProvider(tmp_path, CALENDAR, CURRENT)
    alone = provider.last_session()

    written(tmp_path / "b.csv", "date,symbol,close\n2024-01-04,AAA,1\n")
    together = provider.last_session()
    (tmp_path / "b.csv").unlink()

    assert (alone, together, provider.last_session()) == (TWO, FOUR, TWO)


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("2024-13-01,AAA,1,,", "column date: found '2024-13-01', expected an NYSE session"),
        ("2024-W01-2,AAA,1,,", "column date: found '2024-W01-2'"),
        ("2024-01-06,AAA,1,,", "column date: found '2024-01-06', expected an NYSE session"),
        (",AAA,1,,", "column date: found nothing"),
        ("2024-01-03, ,1,,", "column symbol: found ' ', expected a symbol"),
        *((f"2024-01-03,AAA,{text},,", "column close: found") for text in ("0", "-1", "nan", "1e400", "x", "1_0", "")),
        *((f"2024-01-03,AAA,{text},,", "column close: found") for text in ("1e13", "1e-13")),
        *((f"2024-01-03,AAA,1,{text},", "column split_factor: found") for text in ("-2", "nan", "NA", "1e13")),
        *((f"2024-01-03,AAA,1,,{text}", "column dividend: found") for text in ("-0.1", "NaN", "inf", "1e13")),
    ],
)  # fmt: skip
def test_a_bad_row_is_refused_with_its_physical_line(tmp_path, row, found):
    path = tmp_path / "p.csv"
    text = f'date,symbol,close,split_factor,dividend,note\n\n2024-01-02,AAA,1,,,"a\nb"\n   \n{row},\n'
    path.write_text(text)

    message = refusal(FilesProvider(path, CALENDAR, CURRENT, ("Note",)))

    assert message.startswith(f"{path}:6: {found}")
    assert len(message.splitlines()) == 1


def test_bad_rows_are_listed_together_in_order_up_to_fifty(tmp_path):
    rows = "\n".join(f"2024-01-02,S{number},-1" for number in range(70))

    lines = refusal(written(tmp_path / "p.csv", f"date,symbol,close\n2024-01-01,,0\n{rows}")).splitlines()

    assert [line.split(": ")[1] for line in lines[:4]] == [
        "column close",
        "column date",
        "column symbol",
        "column close",
    ]
    assert len(lines) == 51
    assert lines[-1] == "... and 23 more"


def test_bad_rows_of_a_parquet_file_are_named_by_row(tmp_path):
    frame = pd.DataFrame({"date": ["2024-01-02", "2024-01-06"], "symbol": ["A", "B"], "close": [1.0, float("inf")]})
    frame.to_parquet(tmp_path / "p.parquet")

    lines = refusal(FilesProvider(tmp_path, CALENDAR, CURRENT)).splitlines()

    assert [line.split(", expected")[0] for line in lines] == [
        f"{tmp_path}/p.parquet:row 2: column close: found 'inf'",
        f"{tmp_path}/p.parquet:row 2: column date: found '2024-01-06'",
    ]


def test_the_same_row_twice_is_one_row(tmp_path):
    written(tmp_path / "a.csv", "date,symbol,close,volume\n2024-01-02,AAA,1,\n2024-01-02,aaa,1.0,\n")
    written(tmp_path / "b.csv", "date,symbol,close\n2024-01-02,AAA,1\n")

    assert closes(FilesProvider(tmp_path, CALENDAR, CURRENT), "AAA", TWO) == [1]


def test_rows_that_contradict_each_other_are_refused_with_both_places(tmp_path):
    written(tmp_path / "a.csv", "date,symbol,close\n2024-01-03,AAA,1\n2024-01-02,AAA,1\n")
    written(tmp_path / "b.csv", "date,symbol,close\n2024-01-02,AAA,1.5\n")

    message = refusal(FilesProvider(tmp_path, CALENDAR, CURRENT))

    assert message.startswith(f"{tmp_path}/b.csv:2: column close: found AAA on 2024-01-02 a second time")
    assert message.endswith(f"{tmp_path}/a.csv:3")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (b"date,symbol,close", "no price rows"),
        (b"date,symbol,price\n2024-01-02,A,1", "missing column close; found 'date,symbol,price'"),
        (b"date;symbol;close\n", "missing column date, symbol, close"),
        (b"date,symbol,close,Close\n", "column close occurs twice"),
        (b"date,symbol,close\n2024-01-02,A,1\n2024-01-03,A\n", "p.csv:3: 2 fields, expected 3"),
        (b"date,symbol,close\n2024-01-02,\xff,1\n", "p.csv:2: byte 0xff is not UTF-8"),
    ],
)
def test_a_file_that_is_no_price_file_is_refused(tmp_path, content, found):
    (tmp_path / "p.csv").write_bytes(content)

    assert found in refusal(FilesProvider(tmp_path / "p.csv", CALENDAR, CURRENT))


def test_a_gz_file_cut_short_and_a_parquet_file_of_nonsense_are_refused(tmp_path):
    (tmp_path / "p.csv.gz").write_bytes(gzip.compress(b"date,symbol,close\n" * 100)[:-9])
    (tmp_path / "p.parquet").write_bytes(b"PAR1 nonsense PAR1")

    assert "cannot be read" in refusal(FilesProvider(tmp_path / "p.csv.gz", CALENDAR, CURRENT))
    assert "cannot be read" in refusal(FilesProvider(tmp_path / "p.parquet", CALENDAR, CURRENT))


def test_a_parquet_column_of_another_kind_is_refused(tmp_path):
    frame = pd.DataFrame({"date": ["2024-01-02"], "symbol": ["A"], "close": [[1.0]]})
    frame.to_parquet(tmp_path / "p.parquet")

    assert "column close has type" in refusal(FilesProvider(tmp_path, CALENDAR, CURRENT))


@pytest.mark.parametrize(
    ("column", "cells", "found"),
    [
        ("date", pa.array([2**62], pa.timestamp("us")), "column date has a moment beyond the year 9999"),
        ("date", pa.array([2**31 - 1], pa.date32()), "column date has a moment beyond the year 9999"),
        ("date", pa.array([datetime(2024, 1, 2, 16)]), "row 1: column date: found '2024-01-02 16:00:00'"),
        ("date", pa.array([20240102]), "row 1: column date: found '20240102'"),
        ("date", pa.array([{"day": "2024-01-02"}]), "column date has type struct"),
        ("date", pa.array([["2024-01-02"]]), "column date has type list"),
        ("date", pa.nulls(1), "row 1: column date: found nothing"),
        ("symbol", pa.array([b"\xff"]), "column symbol has type binary, expected string"),
        ("symbol", pa.array([["A"]]), "column symbol has type list"),
        ("close", pa.array([True]), "column close has type bool, expected double"),
        ("close", pa.array([1], pa.duration("s")), "column close has type duration"),
        ("close", pa.nulls(1), "row 1: column close: found nothing"),
    ],
)  # fmt: skip
def test_odd_parquet_types_are_refused_with_their_column(tmp_path, column, cells, found):
    whole = {"date": pa.array([TWO]), "symbol": pa.array(["A"]), "close": pa.array([1.0])}
    pq.write_table(pa.table(whole | {column: cells}), tmp_path / "p.parquet")

    message = refusal(FilesProvider(tmp_path, CALENDAR, CURRENT))

    assert message.startswith(f"{tmp_path}/p.parquet")
    assert found in message


def test_parquet_types_that_mean_the_same_are_taken(tmp_path):
    tables = {
        "AAA": {"date": pa.array([datetime(2024, 1, 2, tzinfo=UTC)]), "close": pa.array([Decimal("1.25")])},
        "BBB": {"date": pa.array(["2024-01-02"]).dictionary_encode(), "close": pa.array(["1.25"])},
        "CCC": {"date": pa.array([TWO], pa.date64()), "close": pa.array([1.25], pa.float32())},
    }
    for symbol, columns in tables.items():
        names = pa.array([symbol], pa.large_string())
        pq.write_table(pa.table(columns | {"symbol": names, "volume": pa.nulls(1)}), tmp_path / f"{symbol}.parquet")

    provider = FilesProvider(tmp_path, CALENDAR, CURRENT)

    assert [closes(provider, symbol, TWO) for symbol in tables] == [[1.25]] * 3


def test_a_path_without_prices_is_refused_with_what_is_expected(tmp_path):
    (tmp_path / "p.txt").write_text("")

    assert "no such file or folder" in refusal(FilesProvider(tmp_path / "missing", CALENDAR, CURRENT))
    assert "expected files that end in .csv, .csv.gz, .parquet" in refusal(FilesProvider(tmp_path, CALENDAR, CURRENT))
    assert "not a price file by its name" in refusal(FilesProvider(tmp_path / "p.txt", CALENDAR, CURRENT))


@settings(max_examples=200, deadline=None)
@given(tail=st.binary(max_size=200))
def test_any_bytes_are_either_prices_or_refused(tmp_path_factory, tail):
    path = tmp_path_factory.mktemp("fuzz") / "p.csv"
    path.write_bytes(b"date,symbol,close\n2024-01-02,AAA,1\n" + tail)
    provider = FilesProvider(path, CALENDAR, CURRENT)

    try:
        last = provider.last_session()
    except PriceFileError as error:
        last = str(error)

    assert last == TWO or str(path) in str(last)


@pytest.mark.skipif(not REAL_PRICES.exists(), reason=f"real prices are not there: {REAL_PRICES}")
def test_real_prices_are_served_whole():
    provider = FilesProvider(REAL_PRICES, CALENDAR, CURRENT)
    sessions = [day.item() for day in CALENDAR.between(date(2015, 12, 31), date(2019, 12, 31))]
    expected = pd.read_csv(REAL_PRICES).query("symbol == 'MSFT'").sort_values("date")["close"].to_list()

    assert provider.last_session() == date(2019, 12, 31)
    assert closes(provider, "MSFT", *sessions) == expected
