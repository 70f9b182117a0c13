"""Cells on their way into a table: what is kept to the last digit, and what is named when it is refused."""

import pandas as pd
import pytest
import sqlalchemy as sa

from sigma_assets.base.errors import StorageError
from sigma_assets.storage.contract import broken_promises
from sigma_assets.storage.frames.columns import checked_columns
from sigma_assets.storage.schema import correlations_by_pair, market_prices, price_loads

BEYOND_FLOATS = 2**53 + 1
"""The first whole number that a float cannot hold: it would become 2**53."""


def test_whole_numbers_keep_every_digit():
    loads = pd.DataFrame(
        {
            "revision": [BEYOND_FLOATS],
            "rows": [1],
            "source": "test",
            "loaded_at": pd.to_datetime(["2026-01-08"], utc=True),
        }
    )

    assert checked_columns(price_loads, loads)["revision"].values.tolist() == [BEYOND_FLOATS]


def test_part_of_a_whole_number_is_refused_by_place():
    loads = pd.DataFrame(
        {"revision": [1, 2], "source": "test", "loaded_at": pd.to_datetime(["2026-01-08"] * 2, utc=True)}
    ).assign(rows=[1.0, 2.5])

    with pytest.raises(
        StorageError, match=r"price_loads.rows: found 2.5 in the row revision 2; expected whole numbers"
    ):
        checked_columns(price_loads, loads)


def test_a_date_with_a_time_of_day_is_refused_by_place():
    keys = pd.DataFrame({"symbol": ["AAA", "BBB"], "session": pd.to_datetime(["2026-01-08 00:00", "2026-01-09 16:00"])})

    with pytest.raises(
        StorageError, match=r"session: found 2026-01-09T16:00.* in the row session 2026-01-09, symbol BBB"
    ):
        checked_columns(market_prices, _with_nothing_else(market_prices, keys))


def test_one_null_among_others_breaks_the_promise_that_there_is_none():
    keys = {"portfolio_id": "P", "session": pd.Timestamp("2026-01-08"), "symbol": "AAA"}
    pairs = pd.DataFrame({"other_symbol": ["BBB", "CCC"], "correlation": [0.5, None], "observations": 90}).assign(
        **keys
    )

    assert list(broken_promises(correlations_by_pair, pairs)) == [
        "correlations_by_pair.correlation is null on 1 rows, first P, 2026-01-08 00:00:00, AAA, CCC: nan"
    ]


def test_a_broken_promise_names_the_first_row_that_breaks_it_and_counts_them():
    keys = {"portfolio_id": "P", "session": pd.Timestamp("2026-01-08"), "symbol": "AAA"}
    figures = {"other_symbol": ["BBB", "CCC", "DDD"], "correlation": [0.5, 1.5, -2.0], "observations": [90, 90, 90]}
    pairs = pd.DataFrame(figures).assign(**keys)

    (found,) = broken_promises(correlations_by_pair, pairs)

    assert found.startswith("correlations_by_pair.correlation is outside -1 to 1 on 2 rows, first P, ")
    assert "AAA, CCC: 1.5" in found


def _with_nothing_else(table: sa.Table, rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(**{column.name: None for column in table.columns if column.name not in rows})[
        [column.name for column in table.columns]
    ]
