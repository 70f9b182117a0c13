"""Realised volatility, trend and percentile of symbols."""

import numpy as np
import pandas as pd
import pytest

from sigma_assets.analytics.risk.volatility import volatility
from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.analytics.series.windows import first_return_rows, trailing_volatility
from sigma_assets.base.conventions import VolatilityModel
from sigma_assets.storage import schema
from sigma_assets_tests.analytics.histories import first_known_rows
from sigma_assets_tests.analytics.risk_paths import SESSIONS, book, history_of, history_of_returns, random_history

MODEL = VolatilityModel()
LAST = SESSIONS[-1]


def realized_volatility(returns, rows, window):
    """Return realised volatility of histories that begin with their first known return."""
    return trailing_volatility(returns, rows, window, first_known_rows(returns))


def of_symbol(returns, model=MODEL):
    """Return the row of a symbol with these returns, held on the last session."""
    by_symbol = volatility(book({"AAA": 1000.0}, LAST), history_of_returns({"AAA": returns}), model)[1]
    return by_symbol.iloc[0]


@pytest.mark.parametrize("window", [21, 63])
def test_realized_volatility_is_the_sample_deviation_that_pandas_gives(window: int):
    returns = total_returns(random_history(300, 6, seed=1))
    rows = np.array([299, 298, 250, 120])

    found = realized_volatility(returns, rows, window)

    frame = pd.DataFrame(returns)
    expected = frame.rolling(window, min_periods=int(np.ceil(0.8 * window))).std(ddof=1).to_numpy() * np.sqrt(252)
    first = np.isfinite(returns).argmax(axis=0)
    expected[np.arange(300)[:, None] - window + 1 < first] = np.nan
    np.testing.assert_allclose(found, expected[rows], rtol=1e-12)
    assert np.isfinite(found).any()
    assert np.isnan(found).any()


def test_three_returns_by_hand():
    """1 %, -1 %, 1 %: mean 1/3 %, squares (4 + 16 + 4) / 9, over 2: sd 1.1547 %, x sqrt(252) = 18.33 %."""
    returns = np.array([[0.01], [-0.01], [0.01]])

    found = realized_volatility(returns, np.array([2]), 3)

    assert found[0, 0] == pytest.approx(0.01 * np.sqrt(4 / 3) * np.sqrt(252))


def test_a_window_of_21_returns_needs_22_prices():
    returns = np.random.default_rng(1).normal(0, 0.01, (40, 1))
    returns[:10] = np.nan

    found = realized_volatility(returns, np.array([29, 30]), 21)

    assert np.isnan(found[0, 0])
    assert found[1, 0] == pytest.approx(np.std(returns[10:31], ddof=1) * np.sqrt(252))


def test_gaps_are_skipped_until_more_than_a_fifth_is_missing():
    random = np.random.default_rng(2)
    four_missing = random.normal(0, 0.01, 42)
    four_missing[[25, 30, 31, 40]] = np.nan
    five_missing = four_missing.copy()
    five_missing[35] = np.nan

    found = realized_volatility(np.stack([four_missing, five_missing], axis=1), np.array([41]), 21)

    present = four_missing[21:][np.isfinite(four_missing[21:])]
    assert found[0, 0] == pytest.approx(np.std(present, ddof=1) * np.sqrt(252))
    assert np.isnan(found[0, 1])


def test_an_early_gap_does_not_hide_that_the_symbol_traded_before():
    """The window starts in a gap, but after the first close: what counts is that its prices were known."""
    closes = 100 * np.cumprod(1 + np.random.default_rng(3).normal(0, 0.01, 60))
    closes[38:41] = np.nan
    late = np.where(np.arange(60) < 41, np.nan, closes)

    by_symbol = volatility(book({"LATE": 1.0, "OLD": 1.0}, LAST), history_of({"OLD": closes, "LATE": late}), MODEL)[1]

    assert by_symbol["symbol"].tolist() == ["OLD"]


def test_symbol_of_constant_20_percent_volatility_has_20_percent_everywhere():
    signs = np.where(np.arange(400) % 2 == 0, 1.0, -1.0)

    row = of_symbol(signs * 0.2 / np.sqrt(252))

    assert row["expected_21d"] == pytest.approx(0.2, rel=1e-9)
    assert row["realized_21d"] == pytest.approx(0.2, rel=0.03)
    assert (row["trend"], row["observations"]) == ("stable", 252)
    assert np.isnan(row["r_squared"])


@pytest.mark.parametrize(("factor", "trend"), [(2.0, "increasing"), (0.5, "decreasing"), (1.0, "stable")])
def test_trend_tells_whether_the_last_month_moved_more_than_the_quarter(factor: float, trend: str):
    returns = np.where(np.arange(400) % 2 == 0, 0.01, -0.01)
    returns[-21:] *= factor

    row = of_symbol(returns)

    quarter = np.sqrt((42 + 21 * factor**2) / 63)
    assert row["trend"] == trend
    assert row["trend_ratio"] == pytest.approx(factor / quarter, rel=0.02)


def test_steady_volatility_seldom_raises_a_trend():
    """Sampling alone moves the ratio by 1/sqrt(42) x sqrt(2/3) = 13 %: nine times in ten within 22 %."""
    random = np.random.default_rng(4)
    returns = {f"S{number:03d}": random.normal(0, 0.01, 90) for number in range(300)}

    by_symbol = volatility(book(dict.fromkeys(returns, 1.0), LAST), history_of_returns(returns), MODEL)[1]

    assert (by_symbol["trend"] == "stable").mean() > 0.85
    assert by_symbol["trend_ratio"].std() == pytest.approx(0.126, abs=0.02)


def test_prices_that_do_not_move_have_no_trend():
    row = of_symbol(np.zeros(400))

    assert (row["realized_21d"], row["realized_63d"], row["percentile"]) == (0.0, 0.0, 1.0)
    assert np.isnan(row["trend_ratio"])
    assert pd.isna(row["trend"])


@pytest.mark.parametrize("seed", range(3))
def test_percentile_is_the_share_of_last_years_values_not_above_todays(seed: int):
    history = random_history(420, 6, seed=seed)
    by_symbol = volatility(book(dict.fromkeys(history.symbols, 1.0), LAST), history, MODEL)[1].set_index("symbol")

    every_day = realized_volatility(total_returns(history), np.arange(420), 21)
    for symbol, row in by_symbol.iterrows():
        values = [value for value in every_day[-252:, history.column(str(symbol))].tolist() if np.isfinite(value)]
        if len(values) < 126:
            assert np.isnan(row["percentile"])
        else:
            assert row["percentile"] == sum(value <= values[-1] for value in values) / len(values)


def test_equal_volatilities_count_as_equal_whatever_the_order_of_their_returns():
    """Returns that repeat after 21 sessions: every window holds the same ones, so no day was above today's."""
    month = np.random.default_rng(4).normal(0, 0.01, 21)
    percentiles = {of_symbol(np.resize(np.roll(month, shift), 272))["percentile"] for shift in range(21)}

    assert percentiles == {1.0}


@pytest.mark.parametrize(("n_returns", "is_known"), [(145, False), (146, True)])
def test_percentile_needs_126_values(n_returns: int, is_known: bool):
    row = of_symbol(np.random.default_rng(5).normal(0, 0.01, n_returns))

    assert np.isfinite(row["percentile"]) == is_known


@pytest.mark.parametrize(
    ("n_returns", "known"),
    [
        (20, None),
        (21, {"realized_21d"}),
        (62, {"realized_21d"}),
        (63, {"realized_21d", "realized_63d", "trend", "trend_ratio"}),
    ],
)
def test_each_number_appears_when_history_is_long_enough(n_returns: int, known: set[str] | None):
    returns = {"AAA": np.random.default_rng(6).normal(0, 0.01, n_returns)}

    by_symbol = volatility(book({"AAA": 1.0}, LAST), history_of_returns(returns), MODEL)[1]

    found = {str(name) for row in by_symbol.to_dict("records") for name, value in row.items() if pd.notna(value)}
    assert found - {"portfolio_id", "session", "symbol"} == (known or set())
    assert len(by_symbol) == (0 if known is None else 1)


def test_columns_are_those_of_the_tables_also_when_nothing_is_held():
    history = random_history(400, 3, seed=7)
    for positions in (book({"S00": 1.0}, LAST), book({"S00": 1.0}, LAST).iloc[:0]):
        for table, rows in zip(schema.FAMILIES["volatility"], volatility(positions, history, MODEL), strict=True):
            assert list(rows.columns) == [column.name for column in table.columns]
            assert rows["session"].dtype == "datetime64[s]"
            assert rows["trend"].dtype == rows["portfolio_id"].dtype == "str"


def test_a_session_outside_the_history_is_an_error():
    with pytest.raises(KeyError, match="sessions outside"):
        volatility(book({"S00": 1.0}, np.datetime64("2019-01-02")), random_history(400, 3, seed=7), MODEL)


def test_the_first_return_comes_after_the_first_close_wherever_the_history_begins():
    nan = np.nan
    history = history_of(
        {"GAP": [nan, nan, 1.0, 2.0], "NEW": [nan, 1.0, nan, 2.0], "NONE": [nan] * 4, "OLD": [1.0] * 4}
    )
    assert first_return_rows(history).tolist() == [3, 2, 5, 1]

    history.prior_close[:] = [1.0, nan, nan, 1.0]

    assert first_return_rows(history).tolist() == [0, 2, 5, 0]
