"""Factor betas: planted truths, gaps, caps and what cannot be known."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sigma_assets.analytics.factors.least_squares import centre, factor_design, fit
from sigma_assets.analytics.factors.regression import MEASURES, symbol_factors, tidy_symbol_factors
from sigma_assets.base.conventions import FACTORS, SPREAD_FACTORS, STYLE_FACTORS, FactorModel
from sigma_assets.storage.schema import symbol_factors as symbol_factors_table
from sigma_assets_tests.analytics.histories import (
    FACTOR_SYMBOLS,
    factor_returns,
    history_of_returns,
    only,
    random_history,
)

MODEL = FactorModel()
SPREAD_MEASURES = [f"{factor}_{measure}" for factor in SPREAD_FACTORS for measure in ("beta", "std_error")]


def last_row(history, symbol, model=MODEL):
    """Return the measures of one symbol on the last session; all unknown if there is no row."""
    rows = symbol_factors(history, history.sessions[-1:], model).set_index("symbol")
    return rows.loc[symbol] if symbol in rows.index else pd.Series(np.nan, index=MEASURES)


@pytest.fixture
def factors():
    return factor_returns(200)


def test_columns_are_those_of_the_table_in_its_order(factors):
    history = history_of_returns(factors)

    rows = symbol_factors(history, history.sessions[-3:], MODEL)

    assert list(rows.columns) == [column.name for column in symbol_factors_table.columns][:-1]
    assert rows["session"].dtype == "datetime64[s]"
    assert rows["symbol"].dtype == "str"
    pd.testing.assert_frame_equal(rows, rows.sort_values(["session", "symbol"], ignore_index=True))


@pytest.mark.parametrize(
    ("factor", "returns_of"),
    [
        ("market", lambda r: r["SPY"]),
        ("rates", lambda r: r["TLT"]),
        ("growth_value_spread", lambda r: r["VUG"] - r["VTV"]),
        ("momentum_spread", lambda r: r["MTUM"] - r["SPY"]),
        ("size_spread", lambda r: r["IWM"] - r["SPY"]),
        ("quality_spread", lambda r: r["QUAL"] - r["SPY"]),
    ],
)
def test_a_planted_beta_is_recovered_exactly_when_there_is_no_noise(factors, factor, returns_of):
    row = last_row(history_of_returns({**factors, "AAA": 0.0003 + 1.7 * returns_of(factors)}), "AAA")

    assert row[f"{factor}_beta"] == pytest.approx(1.7, abs=1e-11)
    assert row[f"{factor}_std_error"] == pytest.approx(0, abs=1e-11)
    assert row[f"{factor}_r_squared"] == pytest.approx(1, abs=1e-12)
    if factor == "market":
        assert row["market_alpha"] == pytest.approx(0.0003, abs=1e-13)


def test_six_planted_style_betas_are_recovered_when_the_penalty_vanishes(factors):
    planted = dict(zip(STYLE_FACTORS, [0.5, -0.4, 0.3, 1.2, -0.7, 0.1], strict=True))
    path = sum(beta * factors[MODEL.styles[factor]] for factor, beta in planted.items())

    row = last_row(history_of_returns({**factors, "AAA": path}), "AAA", replace(MODEL, ridge_alpha=1e-10))

    for factor, beta in planted.items():
        assert row[f"{factor}_beta"] == pytest.approx(beta, abs=1e-8)


def test_spy_has_a_market_beta_of_one_and_no_alpha(factors):
    row = last_row(history_of_returns(factors), "SPY")

    assert row["market_beta"] == pytest.approx(1, abs=1e-14)
    assert row["market_alpha"] == pytest.approx(0, abs=1e-16)


def test_the_window_is_the_last_90_returns_and_180_for_spreads(factors):
    """A beta of 2 until the window starts and of 1 inside it must be seen as 1."""
    path = factors["SPY"].copy()
    path[:-90] *= 2
    spread = factors["MTUM"] - factors["SPY"]
    spread[:-180] *= 2

    rows = history_of_returns({**factors, "AAA": path, "BBB": spread})

    assert last_row(rows, "AAA")["market_beta"] == pytest.approx(1, abs=1e-12)
    assert last_row(rows, "AAA")["market_observations"] == 90
    assert last_row(rows, "BBB")["momentum_spread_beta"] == pytest.approx(1, abs=1e-12)
    assert last_row(rows, "BBB")["momentum_spread_observations"] == 180


@pytest.mark.parametrize(("n_returns", "has_single", "has_spread"), [(29, 0, 0), (30, 1, 0), (59, 1, 0), (60, 1, 1)])
def test_a_late_listing_has_betas_from_30_returns_on_and_spread_betas_from_60(
    factors, n_returns, has_single, has_spread
):
    history = history_of_returns({**factors, "NEW": 1.5 * factors["SPY"]})
    history.close[: -n_returns - 1, history.column("NEW")] = np.nan

    row = last_row(history, "NEW")

    assert row.notna()[["market_beta", "rates_beta", "value_beta"]].tolist() == [has_single] * 3
    assert row.notna()[SPREAD_MEASURES].tolist() == [has_spread] * len(SPREAD_MEASURES)
    if has_single:
        assert row["market_beta"] == pytest.approx(1.5, abs=1e-12)
        assert row["market_observations"] == n_returns


def test_a_gap_takes_its_own_symbol_s_session_out_and_nobody_else_s(factors):
    """No noise: the return that spans the gap is planted as one on the market of that single session."""
    path = 0.8 * factors["SPY"]
    history = history_of_returns({**factors, "AAA": path, "BBB": 0.8 * factors["SPY"]})
    column = history.column("AAA")
    history.close[150, column] = np.nan
    history.close[151:, column] *= history.close[149, column] * (1 + path[150]) / history.close[151, column]

    assert last_row(history, "AAA")["market_observations"] == 89
    assert last_row(history, "AAA")["market_beta"] == pytest.approx(0.8, abs=1e-12)
    assert last_row(history, "BBB")["market_observations"] == 90


def test_a_gap_in_a_factor_shortens_only_the_regressions_on_it(factors):
    history = history_of_returns({**factors, "AAA": factors["SPY"]})
    history.close[150, history.column("QUAL")] = np.nan

    row = last_row(history, "AAA")

    assert row["market_observations"] == row["rates_observations"] == 90
    assert row["style_observations"] == 89
    assert row["quality_spread_observations"] == 179
    assert row["momentum_spread_observations"] == 180


def test_a_delisted_symbol_keeps_betas_while_its_window_holds_enough_returns(factors):
    history = history_of_returns({**factors, "AAA": 1.2 * factors["SPY"]})
    history.close[140:, history.column("AAA")] = np.nan  # last return in row 139: 61 sessions of 201 are gone

    market = symbol_factors(history, history.sessions, MODEL).query("symbol == 'AAA'").set_index("session")

    last = market["market_beta"].last_valid_index()
    assert last == history.sessions[139 + 60]
    assert market.loc[last, "market_observations"] == 30
    assert market.loc[last, "market_beta"] == pytest.approx(1.2, abs=1e-12)


def test_a_factor_etf_that_is_not_there_leaves_its_regressions_unknown(factors):
    history = history_of_returns({**factors, "AAA": factors["SPY"]})
    without = only(history, [symbol for symbol in history.symbols if symbol != "MTUM"])

    row, full = last_row(without, "AAA"), last_row(history, "AAA")

    unknown = [name for name in MEASURES if name.startswith(("style", "momentum_spread", *STYLE_FACTORS))]
    unknown = [name for name in unknown if not name.startswith(("quality_spread", "size_spread"))]
    unknown = [name for name in unknown if not name.startswith("growth_value_spread")]
    assert row[unknown].isna().all()
    pd.testing.assert_series_equal(row.drop(unknown), full.drop(unknown), check_exact=True)


def test_a_factor_that_never_moves_leaves_its_regressions_unknown(factors):
    row = last_row(history_of_returns({**factors, "TLT": np.full(200, 0.001), "AAA": factors["SPY"]}), "AAA")

    assert np.isnan(row["rates_beta"])
    assert np.isnan(row["rates_observations"])
    assert row["market_beta"] == pytest.approx(1, abs=1e-12)


def test_a_symbol_that_never_moves_has_zero_betas_and_no_r_squared(factors):
    row = last_row(history_of_returns({**factors, "CASH": np.zeros(200)}), "CASH")

    assert row[[f"{factor}_beta" for factor in FACTORS]].tolist() == pytest.approx([0] * 12, abs=1e-14)
    assert row[[name for name in MEASURES if name.endswith("r_squared")]].isna().all()


@pytest.mark.parametrize(("planted", "stored"), [(8.0, 5.0), (-8.0, -5.0), (4.9, 4.9)])
def test_betas_beyond_five_are_stored_as_exactly_five_and_flagged(factors, planted, stored):
    history = history_of_returns({**factors, "AAA": planted * factors["TLT"]})
    rows = symbol_factors(history, history.sessions[-1:], MODEL)

    tidy = tidy_symbol_factors(rows, MODEL).set_index(["symbol", "factor"]).loc[("AAA", "rates")]

    assert tidy["beta"] == (stored if planted != stored else pytest.approx(stored, abs=1e-11))
    assert tidy["is_capped"] == (planted != stored)


def test_no_row_is_written_where_no_beta_is_known(factors):
    history = history_of_returns({**factors, "NEW": factors["SPY"]})
    history.close[:-20, history.column("NEW")] = np.nan

    rows = symbol_factors(history, history.sessions[[5, -1]], MODEL)

    assert set(rows["symbol"]) == set(FACTOR_SYMBOLS)
    assert set(rows["session"]) == {pd.Timestamp(history.sessions[-1])}


def test_tidy_rows_have_full_history_from_81_of_90_and_162_of_180_returns(factors):
    history = history_of_returns({**factors, "AAA": factors["SPY"], "BBB": factors["SPY"], "CCC": factors["SPY"]})
    for symbol, n_returns in (("AAA", 80), ("BBB", 81), ("CCC", 162)):
        history.close[: -n_returns - 1, history.column(symbol)] = np.nan

    tidy = tidy_symbol_factors(symbol_factors(history, history.sessions[-1:], MODEL), MODEL)

    quality = tidy.set_index(["symbol", "factor"])["quality"]
    assert quality[("AAA", "market")] == "limited_history"
    assert quality[("BBB", "market")] == quality[("BBB", "size")] == "full_history"
    assert quality[("BBB", "size_spread")] == "limited_history"
    assert quality[("CCC", "size_spread")] == "full_history"


def test_tidy_rows_are_the_known_betas_and_only_the_market_has_an_alpha(factors):
    history = history_of_returns({**factors, "NEW": factors["SPY"]})
    history.close[:-41, history.column("NEW")] = np.nan  # 40 returns: eight betas, no spreads

    tidy = tidy_symbol_factors(symbol_factors(history, history.sessions[-1:], MODEL), MODEL)

    new = tidy[tidy["symbol"] == "NEW"]
    assert new["factor"].tolist() == list(FACTORS[:8])
    assert new.loc[new["alpha"].notna(), "factor"].tolist() == ["market"]
    assert new["observations"].tolist() == [40] * 8
    assert list(tidy.columns[:5]) == ["session", "symbol", "factor", "beta", "r_squared"]
    assert list(tidy.columns[5:]) == ["observations", "std_error", "quality", "is_capped", "alpha"]


def test_nothing_asked_is_nothing_answered_in_the_same_shape(factors):
    history = history_of_returns(factors)

    none = symbol_factors(history, history.sessions[:0], MODEL)

    pd.testing.assert_frame_equal(none, symbol_factors(history, history.sessions[-1:], MODEL).iloc[:0])
    assert tidy_symbol_factors(none, MODEL).empty


def test_a_day_that_is_no_session_is_refused(factors):
    history = history_of_returns(factors)

    with pytest.raises(KeyError):
        symbol_factors(history, np.array(["2024-01-06"], dtype="datetime64[D]"), MODEL)


def test_missing_and_short_histories_make_no_warnings():
    history = random_history(70)

    with warnings.catch_warnings():
        warnings.simplefilter("error")

        symbol_factors(history, history.sessions, replace(MODEL, min_observations=1, spread_min_observations=1))


def test_a_symbol_with_a_gap_has_betas_when_it_is_asked_for_alone(factors):
    history = history_of_returns({**factors, "GAPPY": 1.5 * factors["SPY"]})
    history.close[-40, history.column("GAPPY")] = np.nan

    (row,) = symbol_factors(history, history.sessions[-1:], MODEL).query("symbol == 'GAPPY'").to_dict("records")

    assert row["market_observations"] == 89
    assert row["market_beta"] == pytest.approx(1.5, abs=0.05)


def test_rounding_of_prices_is_no_movement_that_a_fit_could_explain():
    """A price that never moves has returns of 1e-16 when it is stored as a ratio: no R^2 is taken of those."""
    random = np.random.default_rng(1)
    x, y = random.normal(0, 0.01, (90, 1, 1)), 1e-14 * random.standard_normal((90, 1, 1))
    valid = np.ones((90, 1), dtype=bool)

    found = fit(factor_design(x, valid, penalty=0.0, min_observations=30), centre(y, valid))

    assert np.isnan(found.r_squared).all()
