"""Period returns and realised volatility of symbols."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from sigma_assets.analytics.series.metrics import symbol_metrics
from sigma_assets.analytics.series.periods import reference_days
from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.analytics.series.windows import trailing_volatility
from sigma_assets.storage import schema
from sigma_assets_tests.analytics.histories import first_known_rows, tail
from sigma_assets_tests.analytics.risk_paths import SESSIONS, history_of, random_history

PERIODS = ["return_1d", "return_mtd", "return_ytd", "return_1m", "return_3m", "return_1y"]


def numbered(symbol: str = "AAA"):
    """Return a history from 2021 to 2024 whose close is 100 + the number of its session: any close tells its date."""
    return history_of({symbol: 100.0 + np.arange(len(SESSIONS))})


def close_on(day: str) -> float:
    """Return the numbered close of a session."""
    row = int(np.searchsorted(SESSIONS, np.datetime64(day)))
    assert SESSIONS[row] == np.datetime64(day), f"{day} is not a session"
    return 100.0 + row


def metrics_on(history, day: str) -> pd.Series:
    rows = symbol_metrics(history, np.array([day], dtype="datetime64[D]"))
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.mark.parametrize(
    ("day", "references"),
    [
        # Good Friday 2024-03-29 is no session, 2024-03-31 a Sunday; 2023-12-29 is the last session of 2023.
        (
            "2024-04-01",
            "2024-03-28 2024-03-28 2023-12-29 2024-03-01 2023-12-29 2023-03-31",
        ),
        # The last day of February: a leap day has no namesake a year earlier.
        (
            "2024-02-29",
            "2024-02-28 2024-01-31 2023-12-29 2024-01-29 2023-11-29 2023-02-28",
        ),
        # 31 May has no namesake in February: 29 in a leap year, 28 in others.
        (
            "2024-05-31",
            "2024-05-30 2024-04-30 2023-12-29 2024-04-30 2024-02-29 2023-05-31",
        ),
        (
            "2023-05-31",
            "2023-05-30 2023-04-28 2022-12-30 2023-04-28 2023-02-28 2022-05-31",
        ),
        # First session of the year: month and year begin together; 2 October 2022 and 2 January 2022 are Sundays.
        (
            "2023-01-03",
            "2022-12-30 2022-12-30 2022-12-30 2022-12-02 2022-10-03 2022-01-03",
        ),
        # 4 July 2023 was a holiday, 4 June 2023 a Sunday.
        (
            "2024-07-05",
            "2024-07-03 2024-06-28 2023-12-29 2024-06-05 2024-04-05 2023-07-05",
        ),
    ],
)  # fmt: skip
def test_period_returns_refer_to_these_sessions(day: str, references: str):
    """References of 1d, mtd, ytd, 1m, 3m and 1y."""
    row = metrics_on(numbered(), day)

    for period, reference in zip(PERIODS, references.split(), strict=True):
        assert row[period] == pytest.approx(close_on(day) / close_on(reference) - 1, rel=1e-12), period


def test_reference_days_are_those_of_pandas_offsets():
    for number, session in enumerate(pd.DatetimeIndex(SESSIONS)):
        expected = {
            "mtd": session.replace(day=1) - pd.Timedelta(days=1),
            "ytd": pd.Timestamp(session.year - 1, 12, 31),
            "1m": session - pd.DateOffset(months=1),
            "3m": session - pd.DateOffset(months=3),
            "1y": session - pd.DateOffset(years=1),
        }  # fmt: skip
        found = {period: pd.Timestamp(reference_days(SESSIONS[[number]], period)[0]) for period in expected}
        assert found == expected


def test_a_missing_close_on_the_reference_session_is_replaced_by_the_last_one_before():
    history = numbered()
    for day in ("2024-04-30", "2024-05-30"):
        history.close[history.rows(np.array([day], dtype="datetime64[D]")), 0] = np.nan

    row = metrics_on(history, "2024-05-31")

    assert row["return_mtd"] == pytest.approx(close_on("2024-05-31") / close_on("2024-04-29") - 1)
    assert row["return_1d"] == pytest.approx(close_on("2024-05-31") / close_on("2024-05-29") - 1)


def test_splits_and_dividends_by_hand():
    """100 -> 50 after a 2-for-1 with the holder no poorer; then 1 USD per share goes ex at a close of 49."""
    sessions = SESSIONS[np.searchsorted(SESSIONS, np.datetime64("2024-05-28")) :][:5]  # 28, 29, 30, 31 May and 3 June
    history = history_of({"AAA": [100.0, 50.0, 49.0, 49.0, 53.9]}, sessions)
    history.split_factor[1, 0] = 2.0
    history.dividend[2, 0] = 1.0

    rows = symbol_metrics(history, sessions)

    assert rows["return_1d"].tolist()[1:] == pytest.approx([0.0, 0.0, 0.0, 0.1])
    assert rows["return_mtd"].tolist()[4] == pytest.approx(0.1)
    assert rows["return_1m"].isna().all()


@pytest.mark.parametrize("seed", range(3))
def test_period_returns_compound_the_daily_total_returns(seed: int):
    history = random_history(700, 6, seed=seed)
    sessions = history.sessions[[-1, -40, -190, -300, -420]]
    returns = total_returns(history)

    rows = symbol_metrics(history, sessions)

    for row in rows.to_dict("records"):
        day = np.datetime64(row["session"], "D")
        column = history.column(row["symbol"])
        for period in ("mtd", "ytd", "1m", "3m", "1y"):
            reference = reference_days(np.array([day]), period)[0]
            is_since = (history.sessions > reference) & (history.sessions <= day)
            is_before = history.sessions <= reference
            if np.isfinite(history.close[is_before, column]).any():
                expected = np.prod(1 + np.nan_to_num(returns[is_since, column])) - 1
                if np.isfinite(history.close[is_before, column])[
                    -1
                ]:  # else the first return spans back beyond the reference date
                    assert row[f"return_{period}"] == pytest.approx(expected, rel=1e-9, abs=1e-12), (
                        period,
                        row["symbol"],
                    )
            else:
                assert np.isnan(row[f"return_{period}"])


def test_volatilities_are_the_realized_volatility_of_the_last_21_and_63_returns():
    history = random_history(500, 5, seed=5)
    rows = symbol_metrics(history, history.sessions[-1:]).set_index("symbol")

    returns = pd.DataFrame(total_returns(history), columns=history.symbols)
    for symbol, row in rows.iterrows():
        for window in (21, 63):
            expected = returns[symbol].iloc[-window:].std() * np.sqrt(252)
            assert row[f"volatility_{window}d"] == pytest.approx(expected, rel=1e-12)


def test_only_symbols_with_a_close_on_the_session_have_a_row():
    history = history_of({"AAA": [1.0, 2.0, 3.0], "BBB": [1.0, np.nan, 3.0], "CCC": [np.nan] * 3})

    rows = symbol_metrics(history, history.sessions)

    assert [(row.symbol, row.close) for row in rows.itertuples()] == [
        ("AAA", 1.0), ("BBB", 1.0), ("AAA", 2.0), ("AAA", 3.0), ("BBB", 3.0),
    ]  # fmt: skip


def test_a_new_listing_has_no_return_before_its_first_close():
    history = history_of({"NEW": [np.nan] * 400 + [10.0, 11.0]})

    first, second = symbol_metrics(history, history.sessions[-2:]).to_dict("records")

    assert all(np.isnan(first[period]) for period in PERIODS)
    assert second["return_1d"] == pytest.approx(0.1)
    assert np.isnan(second["return_1y"])
    assert np.isnan(second["volatility_21d"])


def test_the_reference_may_be_the_last_close_before_the_history():
    """A symbol that was silent for two years refers to its last close, wherever the history begins."""
    history = numbered()
    silent = (history.sessions > np.datetime64("2022-03-01")) & (history.sessions < np.datetime64("2024-05-01"))
    history.close[silent, 0] = np.nan
    short = tail(history, int(np.searchsorted(history.sessions, np.datetime64("2024-03-01"))))

    row = metrics_on(short, "2024-05-31")

    assert row["return_1y"] == pytest.approx(close_on("2024-05-31") / close_on("2022-03-01") - 1)
    pd.testing.assert_series_equal(row, metrics_on(history, "2024-05-31"), check_exact=True)


def test_a_history_that_starts_after_the_reference_date_is_refused():
    short = tail(numbered(), len(SESSIONS) - 200)

    with pytest.raises(
        ValueError, match=r"return_ytd of AAA on 2024-12-31 .* on or before 2023-12-31; .* from 260 sessions before"
    ):
        symbol_metrics(short, SESSIONS[-1:])


def test_a_history_without_earlier_prices_is_young_not_wrong():
    young = replace(tail(numbered(), len(SESSIONS) - 30), prior_close=np.array([np.nan]))
    young = replace(young, prior_session=np.array(["NaT"], dtype="datetime64[D]"))

    row = metrics_on(young, "2024-12-31")

    assert np.isnan(row["return_1y"])
    assert row["return_1d"] == pytest.approx(close_on("2024-12-31") / close_on("2024-12-30") - 1)


def test_volatility_equals_that_of_the_volatility_tables():
    history = random_history(500, 5, seed=6)
    rows = symbol_metrics(history, history.sessions[-1:]).set_index("symbol")

    found = trailing_volatility(total_returns(history), np.array([499]), 21, first_known_rows(total_returns(history)))[
        0
    ]

    for symbol, row in rows.iterrows():
        assert row["volatility_21d"] == found[history.column(str(symbol))]


def test_columns_are_those_of_the_table_but_the_revision():
    names = [column.name for column in schema.symbol_metrics.columns if column.name != "prices_revision"]
    history = numbered()

    for sessions in (history.sessions[-1:], np.array([], dtype="datetime64[D]")):
        assert list(symbol_metrics(history, sessions).columns) == names
    with pytest.raises(KeyError, match="sessions outside"):
        symbol_metrics(history, np.array([date(2024, 12, 25)], dtype="datetime64[D]"))
