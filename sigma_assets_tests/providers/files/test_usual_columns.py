"""Files as data vendors write them: usual names, actions without a close, adjusted closes, columns that nobody knows."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from sigma_assets.base.calendar import nyse_calendar, today
from sigma_assets.base.errors import PriceFileError, SettingsError
from sigma_assets.providers.files.provider import FilesProvider
from sigma_assets_tests.providers.sources import source_of

CALENDAR = nyse_calendar()
CURRENT = date(2024, 1, 31)
DAYS = [day.item() for day in CALENDAR.between(date(2024, 1, 8), date(2024, 1, 12))]


def written(folder: Path, header: str, *rows: str, ignore: tuple[str, ...] = ()) -> FilesProvider:
    (folder / "p.csv").write_text("\n".join([header, *rows]) + "\n")
    return FilesProvider(folder / "p.csv", CALENDAR, CURRENT, ignore)


def bars(provider: FilesProvider, symbol: str = "AAA") -> dict[date, tuple[float, float, float]]:
    """Return close, split and dividend per session."""
    rows = [row for answer in provider.daily_bars({symbol: DAYS}) for row in answer.rows.itertuples()]
    return {row.session.date(): (row.close, row.split_factor, row.dividend) for row in rows}


def refusal(provider: FilesProvider) -> str:
    with pytest.raises(PriceFileError) as error:
        provider.last_session()
    return str(error.value)


def test_vendors_columns_are_known_by_their_usual_names_and_a_split_of_0_is_none(tmp_path):
    """v0.1 dropped both columns without a word: a 10-for-1 split cut a holding to a tenth."""
    header = "Date,Ticker,Close,Dividends,Stock Splits"
    provider = written(tmp_path, header, f"{DAYS[0]},AAA,1200,0.0,0.0", f"{DAYS[1]},AAA,120.5,1.5,10.0")

    assert bars(provider) == {DAYS[0]: (1200.0, 1.0, 0.0), DAYS[1]: (120.5, 10.0, 1.5)}


@pytest.mark.parametrize(
    "header", ["date,symbol,close,divCash,splitFactor", "DATE,SYMBOL,Close/Last,Dividend Amount,split"]
)
def test_other_vendors_names(tmp_path, header):
    assert bars(written(tmp_path, header, f"{DAYS[0]},AAA,10,0.5,2")) == {DAYS[0]: (10.0, 2.0, 0.5)}


def test_an_unknown_column_is_refused_by_name_unless_it_is_to_be_left_out(tmp_path):
    header, row = "date,symbol,close,Capital Gains,rating", f"{DAYS[0]},AAA,10,0.7,A"

    message = refusal(written(tmp_path, header, row))

    assert "p.csv: unknown column 'Capital Gains, rating'" in message
    assert message.endswith("`files:PATH?ignore=Capital Gains,rating`")
    assert bars(written(tmp_path, header, row, ignore=("capital_gains", "Rating"))) == {DAYS[0]: (10.0, 1.0, 0.0)}


@pytest.mark.parametrize("name", ["Dividend %", "Dividends (%)", "dividend ¢", "Close £", "Split %"])
def test_a_column_in_another_unit_is_unknown_and_can_be_left_out(tmp_path, name):
    header, row = f"Date,Symbol,Close,{name}", f"{DAYS[0]},AAA,100,1.5"

    assert f"unknown column '{name}'" in refusal(written(tmp_path, header, row))
    assert bars(written(tmp_path, header, row, ignore=(name,))) == {DAYS[0]: (100.0, 1.0, 0.0)}


def test_the_columns_to_leave_out_stand_behind_the_path(tmp_path):
    written(tmp_path, ",date,symbol,close,rating", f"0,{DAYS[0]},AAA,10,A")

    provider = source_of(f"files:{tmp_path}?ignore=unnamed,Rating", CURRENT)

    assert provider.last_session() == DAYS[0]
    with pytest.raises(SettingsError, match="no path"):
        source_of("files:")
    with pytest.raises(SettingsError, match="expected files:PATH"):
        source_of("files:?ignore=a")


def test_an_action_without_a_close_takes_effect_at_the_next_close(tmp_path):
    """A halted session: 100 before, halted with a 2-for-1 and 1.00 in cash, then 3-for-1 and 0.50: 100 -> (17 + .5) * 6.

    In cash per share after both splits: 0.50, and 1.00 of before the second one, a third.
    """
    rows = [f"{DAYS[0]},AAA,100,,", f"{DAYS[1]},AAA,,2,1.0", f"{DAYS[2]},AAA,17,3,0.5", f"{DAYS[2]},SPY,5,,"]
    provider = written(tmp_path, "date,symbol,close,split_factor,dividend", *rows)

    found = bars(provider)
    (answer,) = provider.daily_bars({"AAA": DAYS[:3]})

    assert set(found) == {DAYS[0], DAYS[2]}
    assert found[DAYS[2]] == pytest.approx((17.0, 6.0, 0.5 + 1.0 / 3.0))
    ((gap),) = answer.unserved
    assert (gap.sessions, gap.reason, gap.next_try) == ((DAYS[1],), "no_bar", None)
    assert "its split or dividend is in the row of 2024-01-10" in gap.detail


def test_an_empty_close_without_an_action_is_refused_with_its_line(tmp_path):
    message = refusal(written(tmp_path, "date,symbol,close,split_factor", f"{DAYS[0]},AAA,1,", f"{DAYS[1]},AAA,,0"))

    assert ":3: column close: found nothing, expected a number above 0" in message


def test_closes_divided_by_later_splits_are_multiplied_back(tmp_path):
    """As Yahoo has it: 1,000 and then 10-for-1; before the split 100 stands in the file, and the dividend of 2 as 0.2."""
    header = "Date,Ticker,Close,Volume,Adj Close,Dividends,Stock Splits"
    adjusted_before = 100.0 * (1.0 - 0.2 / 100.0)
    rows = [
        f"{DAYS[0]},AAA,100.0,5000,{adjusted_before},0,0",
        f"{DAYS[1]},AAA,101.0,5000,101.0,0.2,0",
        f"{DAYS[2]},AAA,103.0,600,103.0,0,10",
    ]

    found = bars(written(tmp_path, header, *rows))

    assert found == {
        DAYS[0]: (1000.0, 1.0, 0.0),
        DAYS[1]: (1010.0, 1.0, 2.0),
        DAYS[2]: (103.0, 10.0, 0.0),
    }


def test_closes_as_traded_beside_adjusted_ones_are_left_as_they_are(tmp_path):
    header = "date,symbol,close,adj_close,split_factor,dividend"
    rows = [f"{DAYS[0]},AAA,1000,{100 * (1 - 0.2 / 100.2)},,", f"{DAYS[1]},AAA,100,100,10,0.2"]

    assert bars(written(tmp_path, header, *rows))[DAYS[0]] == (1000.0, 1.0, 0.0)


def test_an_adjusted_close_that_tells_of_an_unknown_dividend_is_refused_with_its_line(tmp_path):
    """The close stays at 100, the adjusted one gains 1 %: a dividend of about 1.00 that the file does not have."""
    rows = [f"{DAYS[0]},AAA,100,99.0", f"{DAYS[1]},AAA,100,100.0"]

    message = refusal(written(tmp_path, "date,symbol,close,adj close", *rows))

    assert (
        "p.csv:3: column adj_close: AAA moves by 1.01% since 2024-01-08, close, split and dividend by 0.00%" in message
    )
    assert bars(written(tmp_path, "date,symbol,close,adj close", *rows, ignore=("Adj Close",)))[DAYS[1]][0] == 100.0


def test_adjusted_closes_alone_are_refused_with_what_to_do(tmp_path):
    message = refusal(written(tmp_path, "date,symbol,Adj Close", f"{DAYS[0]},AAA,1"))

    assert "missing column close" in message
    assert "rename that column to close" in message


def test_a_row_of_the_future_is_refused_with_its_line(tmp_path):
    """v0.1 took its day for the source's last session, and asked for nothing before it: prices froze for months."""
    future = CALENDAR.on_or_after(today() + timedelta(days=1))

    message = refusal(written(tmp_path, "date,symbol,close", f"{DAYS[0]},AAA,1", f"{future},AAA,9"))

    assert f"p.csv:3: column date: found '{future}', expected an NYSE session from 1990-01-02 to " in message


def test_a_row_of_a_session_that_is_not_over_waits_until_it_is(tmp_path):
    rows = [f"{DAYS[0]},AAA,1", f"{DAYS[1]},AAA,9"]
    written(tmp_path, "date,symbol,close", *rows)

    before = FilesProvider(tmp_path, CALENDAR, DAYS[0])
    after = FilesProvider(tmp_path, CALENDAR, DAYS[1])

    assert (before.last_session(), after.last_session()) == (DAYS[0], DAYS[1])
    assert set(bars(before)) == {DAYS[0]}


@pytest.mark.parametrize(("priced", "expected"), [(1, 0), (2, 0), (3, 1), (5, 1)])
def test_a_session_is_there_once_half_of_the_symbols_have_a_price(tmp_path, priced, expected):
    """v0.1 went on to a session that one symbol of five had: the others' lots stood at old prices."""
    rows = [f"{DAYS[0]},S{number},1" for number in range(5)] + [f"{DAYS[1]},S{number},1" for number in range(priced)]
    provider = written(tmp_path, "date,symbol,close", *rows)

    assert provider.last_session() == DAYS[expected]


def test_symbols_that_ended_long_ago_are_not_waited_for(tmp_path):
    """Four of five symbols end in 2022; the one that goes on is the market then."""
    old = CALENDAR.between(date(2022, 1, 3), date(2022, 1, 31))
    new = CALENDAR.between(date(2023, 12, 1), date(2024, 1, 12))
    rows = [f"{day},S{number},1" for day in old for number in range(5)] + [f"{day},S0,1" for day in new]

    assert written(tmp_path, "date,symbol,close", *rows).last_session() == date(2024, 1, 12)


@pytest.mark.parametrize(
    ("held", "spelled"), [("BRK.B", "BRK-B"), ("BRK.B", "BRK/B"), ("BRK-B", "BRK.B"), ("BAC.PB", "BAC-PRB")]
)
def test_a_share_class_is_found_however_the_file_spells_it(tmp_path, held, spelled):
    found = bars(written(tmp_path, "date,symbol,close", f"{DAYS[0]},{spelled},10", f"{DAYS[0]},BRK,9"), held)

    assert found == {DAYS[0]: (10.0, 1.0, 0.0)}


@pytest.mark.parametrize(
    "spelled", ["SPY   240621C00520000", "O:SPY240621C00520000", ".SPY240621C520", "SPY 06/21/2024 520.00 C"]
)
def test_an_option_is_found_however_the_file_spells_it(tmp_path, spelled):
    found = bars(written(tmp_path, "date,symbol,close", f"{DAYS[0]},{spelled},10"), "SPY240621C00520000")

    assert found == {DAYS[0]: (10.0, 1.0, 0.0)}


def test_rows_of_one_symbol_in_two_spellings_are_rows_of_one_symbol(tmp_path):
    """A split of 50 for 1 that stands in the other spelling's row counts."""
    rows = (f"{DAYS[0]},BRK.B,360,", f"{DAYS[1]},BRK-B,7.22,50", f"{DAYS[2]},brk/b,7.3,", f"{DAYS[2]},BRK.B,7.3,")

    provider = written(tmp_path, "date,symbol,close,split", *rows)

    for symbol in ("BRK.B", "BRK-B"):
        assert bars(provider, symbol) == {
            DAYS[0]: (360.0, 1.0, 0.0), DAYS[1]: (7.22, 50.0, 0.0), DAYS[2]: (7.3, 1.0, 0.0),
        }  # fmt: skip


def test_two_spellings_that_contradict_each_other_are_refused_with_both_lines(tmp_path):
    provider = written(tmp_path, "date,symbol,close", f"{DAYS[0]},BRK-B,10", f"{DAYS[0]},BRK.B,11")

    told = refusal(provider)
    assert "p.csv:3: column close: found BRK.B" in told
    assert told.endswith("p.csv:2")
