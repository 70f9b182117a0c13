"""Cells that are read many at once mean what they mean one by one."""

import random
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from sigma_assets.base.errors import HoldingsError
from sigma_assets.base.numerals import written_number
from sigma_assets.holdings.files.layout.column import Column, distinct_rows
from sigma_assets.holdings.reader import ReadOptions, read_file

TODAY = date(2026, 1, 8)


@pytest.mark.parametrize("decimal", [".", ","])
def test_numbers_read_at_once_are_those_read_exactly_one_by_one(decimal):
    """Python's decimals are the oracle: to the last bit, in every notation, and nothing is read that they refuse."""
    chance = random.Random(7)
    alphabet = ["0", "1", "9", "5", "000", "123", ".", ",", "-", "+", "$", "(", ")", " ", "e", "'", "USD"]
    cells = ["".join(chance.choices(alphabet, k=chance.randrange(9))) for _ in range(20_000)]
    cells += [f"{chance.uniform(-1e6, 1e6):,.{chance.randrange(10)}f}" for _ in range(5_000)]
    cells += ["999999999999999.99999999", "0.1", "(1,250.50)", "(1.250,50)", "-$5", "$-5", "5.", ".5", "(-5)", "-(5)"]

    values, is_read = Column(pa.array(cells)).plain_numbers(decimal)

    exact = [written_number(cell, decimal) for cell in cells]
    assert not any(number is None for number, read in zip(exact, is_read, strict=True) if read)
    assert all(float(number) == value for number, value in zip(exact, values, strict=True) if not np.isnan(value))  # type: ignore[arg-type]
    assert np.array_equal(np.isnan(values), ~is_read)
    assert is_read[-8:].tolist() == [decimal == ".", decimal == ",", True, False, decimal == ".", False, False, False]
    assert is_read.sum() > 2_000


def test_rows_that_are_the_same_are_those_of_python():
    chance = np.random.default_rng(3)
    codes = [chance.integers(0, 4, 500) for _ in range(3)]

    first, of_row = distinct_rows(*codes)

    rows = list(zip(*(each.tolist() for each in codes), strict=True))
    assert [rows[place] for place in first] == list(dict.fromkeys(rows))
    assert [rows[first[place]] for place in of_row] == rows


def test_a_long_plain_file_is_read_with_its_footers():
    """Rows are cut at once as far as they are plain: the line of text, the total and the note below stay what they are."""
    rows = "".join(f"S{n % 400},{n}.5,{n % 900 + 1}.25,2024-03-04\n" for n in range(1, 20_001))
    text = f'Symbol,Qty,Price,Bought on\n{rows}\nTotal,1,,\n"Not, a row"\nXOM,2,50.00,2024-03-05\n'

    holdings = read_file(text.encode(), "download.csv", TODAY, ReadOptions())

    assert holdings.lots["quantity"].sum() == sum(n + 0.5 for n in range(1, 20_001)) + 2
    assert [(each.line, each.reason) for each in holdings.skipped] == [
        (20_003, "a total"), (20_004, "a line of text, not a row"),
    ]  # fmt: skip


def test_a_bad_cell_far_down_a_long_file_is_named_with_its_line():
    rows = [f"S{n % 400},{n}.5,{n % 900 + 1}.25,2024-03-04\n" for n in range(1, 20_001)]
    rows[15_000] = "S1,1e3,5,2024-03-04\n"

    text = "Symbol,Qty,Price,Bought on\n" + "".join(rows)
    with pytest.raises(HoldingsError, match=r"download\.csv:15002: column Qty: found '1e3', expected a number"):
        read_file(text.encode(), "download.csv", TODAY, ReadOptions())
