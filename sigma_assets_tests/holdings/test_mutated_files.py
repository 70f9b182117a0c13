"""Whatever becomes of a file on its way, a reader answers with all of it or with what is wrong: never a traceback or a part.

`SIGMA_FUZZ=100000 pytest --timeout=0` on this file tries so many files instead of a few.
"""

import os
import random
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sigma_assets.base.errors import HoldingsError
from sigma_assets.holdings.files.layout import table, uniform
from sigma_assets.holdings.files.layout.dialects import DELIMITERS, decode, records
from sigma_assets.holdings.files.layout.uniform import uniform_columns
from sigma_assets.holdings.reader import Holdings, ReadOptions, read_file

FILES = sorted((Path(__file__).parent / "files").glob("*.csv"))
TRIES = int(os.environ.get("SIGMA_FUZZ", "500"))
BATCHES = 10
TODAY = date(2026, 1, 8)
OURS = (
    b"Symbol,Quantity,Entry Price Per Share,Entry Date,Exit Date,Exit Price Per Share\n"
    b"AAPL,40,150,2024-01-05,2024-06-03,190\nAAPL,60,150,2024-01-05,,\nBRK/B,1.250,200.00,2024-01-05,,\n"
    b"-AAPL250117C200,2,5.00,2024-06-03,,\nCASH_USD,1000,1,2024-01-05,,\n"
)
GENERIC = (
    b"Ticker;Shares;Purchase Price;Purchase Date;Notes\nAAPL;1.250,5;150,25;05.01.2024;a\nMSFT;10;400,10;25.01.2024;b\n"
)
TOKENS = [
    b"", b",", b";", b"\t", b"|", b'"', b"'", b"\n", b"\r\n", b"\r", b"\x00", b"\xff", b"\xef\xbb\xbf", b"sep=;\n", b"#",
    b"nan", b"inf", b"1e400", b"-", b"--", b"$", b"(", b")", b"1,234.5", b"1.234,5", b"03/04/2024", b"2024-02-30", b"0",
    b"-1", b"99999999999999999999", b"AAPL250117C00200000", b"AAPL250117X", b"SPAXX**", b"CASH", b"Buy", b"Sell", b"EUR",
    "\u00e9\u0661\u2019\u00a0".encode(), b"Header", b"Data", b"Trades", b"Total", b"=cmd()", b"A" * 120,
]  # fmt: skip


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Return a file with some bytes, cells or lines changed, lost, doubled or moved."""
    for _ in range(chance.randrange(1, 5)):
        lines = content.splitlines(keepends=True) or [b""]
        place, cut = chance.randrange(len(content) + 1), chance.randrange(1, 12)
        line = chance.randrange(len(lines))
        match chance.randrange(8):
            case 0:
                content = content[:place] + chance.choice(TOKENS) + content[place:]
            case 1:
                content = content[:place] + content[place + cut :]
            case 2:
                content = content[:place] + chance.choice(TOKENS) + content[place + cut :]
            case 3:
                content = b"".join([*lines[:line], *lines[line + 1 :]])
            case 4:
                content = b"".join([*lines[: line + 1], *lines[line:]])
            case 5:
                cells = lines[line].split(b",")
                cells[chance.randrange(len(cells))] = chance.choice(TOKENS)
                lines[line] = b",".join(cells)
                content = b"".join(lines)
            case 6:
                content = content.replace(b",", chance.choice([b";", b"\t", b"|"]))
            case _:
                text = content.decode("utf-8", errors="replace")
                content = text.encode(chance.choice(["utf-16", "cp1252", "utf-8-sig", "utf-16-le"]), errors="replace")
    return content


def holdings_or_refusal(content: bytes, options: ReadOptions) -> Holdings | HoldingsError:
    try:
        return read_file(content, "download.csv", TODAY, options)
    except HoldingsError as refusal:
        return refusal


def rows_below_the_header(content: bytes, holdings: Holdings) -> int:
    decoded = decode(content, [])
    assert decoded is not None
    delimiter = next(sign for sign, name in DELIMITERS.items() if name == holdings.delimiter)
    return len(list(records(decoded[0], delimiter, []))) - 1


@pytest.mark.parametrize("batch", range(BATCHES))
def test_cut_at_once_or_line_by_line_a_file_is_the_same(batch, monkeypatch):
    """Long plain files are read in another way: both must find the same lots, lines and faults in any file."""
    chance = random.Random(1000 + batch)
    rows = "".join(f"S{n % 7},{n},{n / 4},2024-0{n % 9 + 1}-15,,\n" for n in range(1, 40)).encode()
    originals = [OURS, GENERIC, OURS.splitlines(keepends=True)[0] + rows]
    taken = 0
    for _ in range(TRIES // BATCHES):
        content = mutated(chance.choice(originals), chance)
        options = ReadOptions(entry_date=date(2025, 3, 3), allow_duplicates=chance.random() < 0.5)
        monkeypatch.setattr(uniform, "_AT_ONCE", chance.choice([1, 30, 500_000]))
        columns = []
        monkeypatch.setattr(
            table, "uniform_columns", lambda *of, cut=columns: cut.append(uniform_columns(*of)) or cut[0]
        )
        at_once = holdings_or_refusal(content, options)
        monkeypatch.setattr(table, "uniform_columns", lambda *_: None)
        by_line = holdings_or_refusal(content, options)
        taken += any(each is not None for each in columns)
        if isinstance(at_once, HoldingsError):
            assert isinstance(by_line, HoldingsError), content
            assert at_once.problems == by_line.problems, content
        else:
            assert isinstance(by_line, Holdings), content
            assert at_once.summary() == by_line.summary(), content
            pd.testing.assert_frame_equal(at_once.lots, by_line.lots)
    assert taken > TRIES // BATCHES // 10


@pytest.mark.parametrize("blank", [b" ", b"\t", b"\xc2\xa0"])
@pytest.mark.parametrize("place", [b"\n%sAAPL,150", b"\nAAPL%s,150", b"\nAAPL,150%s"])
def test_blanks_around_a_cell_do_not_count_where_a_line_is_cut_with_others(place, blank):
    """Found among 100,000 mutated files: a tab at the start of a line was taken for a part of the symbol."""
    row = place.replace(b"%s", blank) + b",2024-01-05,10"
    text = b"Symbol,Entry Price Per Share,Entry Date,Quantity" + row + b"\nMSFT,150,2024-01-05,10\n"

    lots = read_file(text, "download.csv", TODAY, ReadOptions()).lots

    assert list(lots["symbol"]) == ["AAPL", "MSFT"]
    assert list(lots["entry_price"]) == [150.0, 150.0]


@pytest.mark.parametrize("name", ["Purchase\nDate", "Purchase\x1cDate", "Purchase\u00a0Date"])
def test_a_column_whose_name_goes_on_in_the_next_line_is_named_in_one(name):
    """Found among 100,000 mutated files: the message broke where the header did."""
    content = f'Ticker,Shares,Purchase Price,"{name}"\nAAPL,10,150,someday\n'.encode()

    refusal = holdings_or_refusal(content, ReadOptions())

    assert isinstance(refusal, HoldingsError)
    assert [problem.describe("download.csv") for problem in refusal.problems] == [
        "download.csv:"
        + f"{2 + name.count(chr(10))}: column Purchase Date: found 'someday', expected a day as YYYY-MM-DD"
        " [ERR_POS_013]"
    ]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_mutated_file_is_read_whole_or_refused_with_what_is_wrong(batch):
    chance = random.Random(batch)
    originals = [file.read_bytes() for file in FILES] + [OURS, GENERIC]
    for _ in range(TRIES // BATCHES):
        content = mutated(chance.choice(originals), chance)
        options = ReadOptions(entry_date=date(2025, 3, 3) if chance.random() < 0.8 else None, allow_duplicates=True)
        holdings = holdings_or_refusal(content, options)
        if isinstance(holdings, HoldingsError):
            assert holdings.problems, content
            assert all(problem.describe("download.csv").isprintable() for problem in holdings.problems), content
            continue
        lots = holdings.lots
        assert len(lots), content
        assert np.isfinite(lots[["quantity", "entry_price"]].to_numpy()).all(), content
        assert (lots["exit_date"].isna() == lots["exit_price"].isna()).all(), content
        if holdings.kind != "transactions" and "activity statement" not in holdings.source:
            assert len(lots) + len(holdings.skipped) == rows_below_the_header(content, holdings), content
