"""A cell is read as the one number or day that it stands for, or not at all."""

from decimal import Decimal

import pytest

from sigma_assets.base.numerals import written_number


@pytest.mark.parametrize(
    "text", ["10 20", "4 10", "5'6", "1 250,000", "1,250 000.5", "1 2 3", "5$5", "10USD20", "1 25"]
)
def test_a_number_is_not_assembled_of_two(text):
    assert written_number(text) is None


@pytest.mark.parametrize("text", ["($-500)", "(-500)", "-(500)", "(-$500)", "--5"])
def test_a_number_that_is_negative_twice_is_refused(text):
    assert written_number(text) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("1 250 000.5", "1250000.5"), ("1'250", "1250"), ("($ 1,250.50)", "-1250.50"), ("$ (5)", "-5"), ("- $5 ", "-5"),
     ("5 USD", "5"), ("US$ 5.", "5"), ("150\u202f155", "150155")],
)  # fmt: skip
def test_groups_of_thousands_and_signs_around_a_number_are_read(text, number):
    assert written_number(text) == Decimal(number)
