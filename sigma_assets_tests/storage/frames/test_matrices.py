"""Correlations are stored as matrices and read as pairs; nothing is lost in between."""

from datetime import date
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from sigma_assets.base.errors import StorageError
from sigma_assets.storage.frames.matrices import packed, unpacked
from sigma_assets.storage.frames.rows import Rows, read_rows, replace_rows
from sigma_assets.storage.schema import correlation_matrices, correlations_by_pair

JANUARY = Rows(date(2026, 1, 1), date(2026, 1, 31))


def pairs(portfolio_id: str, day: str, symbols: str, seed: int = 0) -> pd.DataFrame:
    """Return a whole upper triangle of made-up correlations."""
    random = np.random.default_rng(seed)
    both = list(combinations(sorted(symbols.split()), 2))
    made = pd.DataFrame(
        {
            "portfolio_id": portfolio_id,
            "session": pd.Timestamp(day).as_unit("s"),
            "symbol": [first for first, _ in both],
            "other_symbol": [second for _, second in both],
            "correlation": random.uniform(-1, 1, len(both)),
            "observations": random.integers(30, 91, len(both)),
        }
    )
    return made.astype({"portfolio_id": object, "symbol": object, "other_symbol": object})


def some() -> pd.DataFrame:
    """Return pairs of two portfolios on two sessions; the second one holds a single pair."""
    parts = [pairs("a", "2026-01-08", "AAA BBB CCC BRK.B"), pairs("a", "2026-01-09", "AAA CCC", 1)]
    return pd.concat([*parts, pairs("b", "2026-01-08", "Z É1 É2", 2)], ignore_index=True)


def test_packing_and_unpacking_gives_the_same_bits():
    rows = some()

    back = unpacked(packed(rows.sample(frac=1.0, random_state=3)))

    pd.testing.assert_frame_equal(back, rows.sort_values(list(back.columns[:4]), ignore_index=True), check_exact=True)
    assert len(packed(rows)) == 3


def test_no_pairs_are_no_matrices():
    empty = some().iloc[:0]

    assert packed(empty).empty
    pd.testing.assert_frame_equal(unpacked(packed(empty)), empty, check_dtype=False)


def test_half_a_triangle_is_refused():
    with pytest.raises(StorageError, match=r"the 5 pairs of a on 2026-01-08 are not a whole upper triangle"):
        packed(pairs("a", "2026-01-08", "AAA BBB CCC BRK.B").drop(index=[2]))


def test_the_database_holds_a_row_per_matrix_and_gives_pairs(database):
    rows = some()
    replace_rows(database, {correlations_by_pair: rows}, JANUARY)

    found = read_rows(database, correlations_by_pair, JANUARY)

    assert len(read_rows(database, correlation_matrices, JANUARY)) == 3
    key = ["portfolio_id", "session", "symbol", "other_symbol"]
    pd.testing.assert_frame_equal(found, rows.sort_values(key, ignore_index=True), check_exact=True)
    only = Rows(JANUARY.first, JANUARY.last, ["a"], ["AAA"])
    assert read_rows(database, correlations_by_pair, only, ["other_symbol"])["other_symbol"].tolist() == [
        "BBB", "BRK.B", "CCC", "CCC",
    ]  # fmt: skip


def test_replacing_a_portfolio_without_pairs_removes_its_matrices(database):
    replace_rows(database, {correlations_by_pair: some()}, JANUARY)

    of_a = Rows(JANUARY.first, JANUARY.last, ["a"])
    replace_rows(database, {correlations_by_pair: some().iloc[:0]}, of_a)

    assert set(read_rows(database, correlations_by_pair, JANUARY)["portfolio_id"]) == {"b"}
