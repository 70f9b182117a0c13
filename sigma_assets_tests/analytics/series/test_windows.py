"""Sums over trailing windows, against plain slices."""

import numpy as np
import pytest

from sigma_assets.analytics.series.windows import together, trailing_mean, trailing_sum


@pytest.mark.parametrize("window", [1, 2, 5, 21, 63, 128, 250, 252])
def test_a_trailing_sum_is_the_sum_of_a_slice(window: int):
    values = np.random.default_rng(1).normal(size=(2, 300, 3))
    rows = np.array([0, 4, 20, 251, 298, 299])

    found = trailing_sum(values, window, rows)

    expected = np.stack([values[:, max(0, row - window + 1) : row + 1].sum(axis=1) for row in rows], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_rows_before_the_first_one_have_nothing_to_add():
    values = np.ones((10, 1))

    found = trailing_sum(values, 3, np.array([-5, -1, 0, 1, 2]))

    assert found[:, 0].tolist() == [0.0, 0.0, 1.0, 2.0, 3.0]


def test_one_row_of_one_column_alone_has_the_same_bits_as_among_all():
    values = np.random.default_rng(2).normal(size=(400, 5))

    together = trailing_sum(values, 252, np.arange(400))
    alone = np.stack([trailing_sum(values[:, 3:4], 252, np.array([row]))[0] for row in range(0, 400, 7)])

    assert (together[::7, 3:4] == alone).all()


def test_a_history_read_from_later_on_gives_the_same_bits():
    values = np.random.default_rng(3).normal(size=(400, 2))

    assert (trailing_sum(values, 63, np.array([399])) == trailing_sum(values[337:], 63, np.array([62]))).all()


def test_a_mean_skips_what_is_missing_and_needs_four_fifths_of_the_window():
    values = np.array([[1.0], [2.0], [np.nan], [4.0], [5.0], [np.nan]])

    found = trailing_mean(values, 5, np.arange(6))[:, 0]

    np.testing.assert_array_equal(found, [np.nan, np.nan, np.nan, np.nan, 3.0, np.nan])


def test_items_come_together_until_they_are_enough_and_none_is_left_out():
    sizes = [2, 3, 1, 7, 2, 2]

    groups = list(together(sizes, lambda size: size, 5))

    assert groups == [[2, 3], [1, 7], [2, 2]]
    assert list(together([], len, 5)) == []
