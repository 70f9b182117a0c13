"""Betas and exposures of portfolios: weighted sums by hand on a few lots."""

import warnings

import numpy as np
import pandas as pd
import pytest

from sigma_assets.analytics.factors.exposures import betas, factor_exposures, tidy_factor_exposures
from sigma_assets.analytics.factors.regression import symbol_factors
from sigma_assets.base.conventions import EXPOSURE_FACTORS, FACTORS, SPREAD_FACTORS, FactorModel
from sigma_assets.storage import schema
from sigma_assets_tests.analytics.factor_books import (
    EQUITY,
    MONDAY,
    TUESDAY,
    factors,
    lot,
    positions,
    private_lot,
)
from sigma_assets_tests.analytics.histories import factor_returns, history_of_returns


def names(table):
    return [column.name for column in table.columns]


BETAS = factors({"AAA": {"market": 1.2, "rates": -0.1, "value": 0.5}, "BBB": {"market": 0.8, "value": -1.0}})


def test_columns_are_those_of_the_tables():
    book = positions(lot("1", "AAA", 1000))

    beta_portfolio, beta_position = betas(book, BETAS)
    exposure_portfolio, exposure_position = factor_exposures(book, BETAS)

    assert list(beta_portfolio.columns) == names(schema.betas_by_portfolio)
    assert list(beta_position.columns) == names(schema.betas_by_position)
    assert list(exposure_portfolio.columns) == names(schema.factor_exposures_by_portfolio)
    assert list(exposure_position.columns) == names(schema.factor_exposures_by_position)


def test_portfolio_beta_and_coverage_of_three_lots_by_hand():
    """60,000 in beta 1.2, 30,000 in beta 0.8, 10,000 private: 0.72 + 0.24, and 90 % covered."""
    book = positions(lot("1", "AAA", 60_000), lot("2", "BBB", 30_000), private_lot("3", 10_000))

    by_portfolio, by_position = betas(book, BETAS)

    portfolio = by_portfolio.iloc[0]
    assert portfolio["market_beta"] == pytest.approx(0.96, abs=1e-15)
    assert portfolio["market_coverage"] == pytest.approx(0.9, abs=1e-15)
    assert portfolio["rates_beta"] == pytest.approx(-0.06, abs=1e-15)
    assert portfolio["rates_coverage"] == pytest.approx(0.6, abs=1e-15)
    assert by_position["lot_id"].tolist() == ["1", "2"]
    assert by_position["weight"].tolist() == [0.6, 0.3]
    assert by_position["market_observations"].tolist() == [90, 90]


def test_portfolio_exposure_by_hand():
    book = positions(lot("1", "AAA", 60_000), lot("2", "BBB", 30_000), private_lot("3", 10_000))

    by_portfolio, by_position = factor_exposures(book, BETAS)

    portfolio = by_portfolio.iloc[0]
    assert portfolio["value_exposure"] == pytest.approx(0.6 * 0.5 - 0.3, abs=1e-15)
    assert portfolio["value_exposure_usd"] == pytest.approx(0.0, abs=1e-9)
    assert portfolio["value_coverage"] == pytest.approx(0.9, abs=1e-15)
    assert np.isnan(portfolio["growth_exposure"])
    assert np.isnan(portfolio["growth_exposure_usd"])
    assert portfolio["growth_coverage"] == 0
    assert by_position["value_exposure"].tolist() == pytest.approx([0.3, -0.3], abs=1e-15)


def test_exposure_in_usd_is_exposure_times_equity():
    book = positions(lot("1", "AAA", 60_000), lot("2", "BBB", -25_000))

    portfolio = factor_exposures(book, BETAS)[0].iloc[0]

    assert portfolio["value_exposure_usd"] == pytest.approx(portfolio["value_exposure"] * EQUITY, rel=1e-14)


def test_a_short_takes_beta_away_and_counts_fully_in_coverage():
    book = positions(lot("1", "AAA", 50_000), lot("2", "BBB", -50_000))

    by_portfolio, by_position = betas(book, BETAS)

    assert by_portfolio.loc[0, "market_beta"] == pytest.approx(0.5 * 1.2 - 0.5 * 0.8, abs=1e-15)
    assert by_portfolio.loc[0, "market_coverage"] == 1
    assert by_portfolio.loc[0, "rates_coverage"] == 0.5
    assert by_position["weight"].tolist() == [0.5, -0.5]


def test_an_option_counts_with_its_underlying_s_beta_and_delta_value():
    """A put worth 2,000 with a delta of -12,000 USD: coverage by market value, beta by delta."""
    put = lot("2", "AAA240119P00100000", 2_000, risk_symbol="AAA", risk_value=-12_000, risk_weight=-0.12)
    book = positions(lot("1", "BBB", 8_000), put)

    portfolio, position = betas(book, BETAS)
    exposure = factor_exposures(book, BETAS)[0].iloc[0]

    assert portfolio.loc[0, "market_beta"] == pytest.approx(0.08 * 0.8 - 0.12 * 1.2, abs=1e-15)
    assert portfolio.loc[0, "rates_coverage"] == pytest.approx(0.2, abs=1e-15)
    assert exposure["value_exposure_usd"] == pytest.approx(-8_000 - 12_000 * 0.5, abs=1e-9)
    assert position["symbol"].tolist() == ["BBB", "AAA240119P00100000"]


def test_an_option_without_a_known_delta_contributes_nothing_and_lowers_coverage():
    blind = lot("2", "AAA240119C00100000", 2_000, risk_symbol="AAA", risk_value=np.nan, risk_weight=np.nan)

    portfolio = betas(positions(lot("1", "BBB", 8_000), blind), BETAS)[0].iloc[0]

    assert portfolio["market_beta"] == pytest.approx(0.08 * 0.8, abs=1e-15)
    assert portfolio["market_coverage"] == pytest.approx(0.8, abs=1e-15)


def test_two_lots_of_a_symbol_weigh_as_one_of_their_sum():
    split = positions(lot("1", "AAA", 12_345.67), lot("2", "AAA", 7_654.33), lot("3", "BBB", 30_000))
    merged = positions(lot("1", "AAA", 20_000), lot("3", "BBB", 30_000))

    for calculation in (betas, factor_exposures):
        numbers = [calculation(book, BETAS)[0].drop(columns=["portfolio_id", "session"]) for book in (split, merged)]
        np.testing.assert_allclose(*(frame.to_numpy(float) for frame in numbers), rtol=1e-12, atol=1e-12)


def test_without_positive_equity_weights_are_unknown_but_usd_exposures_are_not():
    book = positions(lot("1", "AAA", 60_000, risk_weight=np.nan))

    beta, beta_of_lots = betas(book, BETAS)
    exposure, exposure_of_lots = factor_exposures(book, BETAS)

    assert np.isnan(beta.loc[0, "market_beta"])
    assert np.isnan(exposure.loc[0, "value_exposure"])
    assert exposure.loc[0, "value_exposure_usd"] == 30_000
    assert beta.loc[0, "market_coverage"] == exposure.loc[0, "value_coverage"] == 1
    assert beta_of_lots.empty
    assert exposure_of_lots.empty


def test_a_portfolio_of_private_lots_has_unknown_betas_and_no_coverage():
    book = positions(private_lot("1", 10_000), private_lot("2", 20_000))

    beta, beta_of_lots = betas(book, BETAS)
    exposure, exposure_of_lots = factor_exposures(book, BETAS)

    assert np.isnan(beta.loc[0, "market_beta"])
    assert beta.loc[0, "market_coverage"] == 0
    assert exposure[[f"{factor}_exposure" for factor in EXPOSURE_FACTORS]].isna().all(axis=None)
    assert beta_of_lots.empty
    assert exposure_of_lots.empty


def test_lots_that_are_worth_nothing_have_no_coverage_to_speak_of():
    portfolio = betas(positions(lot("1", "AAA", 0.0)), BETAS)[0].iloc[0]

    assert portfolio["market_beta"] == 0
    assert np.isnan(portfolio["market_coverage"])


def test_no_positions_give_no_rows():
    for calculation in (betas, factor_exposures):
        by_portfolio, by_position = calculation(positions(), BETAS)

        assert by_portfolio.empty
        assert by_position.empty
        assert list(by_portfolio.columns[:2]) == ["portfolio_id", "session"]


def test_a_beta_of_another_session_does_not_count():
    book = positions(lot("1", "AAA", 1_000, session=TUESDAY))

    portfolio = betas(book, BETAS)[0].iloc[0]

    assert np.isnan(portfolio["market_beta"])
    assert portfolio["market_coverage"] == 0


def test_betas_twice_for_a_symbol_and_session_are_refused():
    with pytest.raises(pd.errors.MergeError):
        betas(positions(lot("1", "AAA", 1_000)), pd.concat([BETAS, BETAS]))


def random_book(n_portfolios=6, n_lots=40, seed=3):
    random = np.random.default_rng(seed)
    symbols = [f"S{number}" for number in range(25)]
    table = pd.concat(
        [
            factors(
                {symbol: dict(zip(FACTORS, random.normal(0, 1, 12), strict=True)) for symbol in symbols}, session=day
            )
            for day in (MONDAY, TUESDAY)
        ]
    )
    lots = [
        lot(f"{number:03d}", random.choice(symbols), random.normal(0, 1e4), portfolio_id=f"P{portfolio}", session=day)
        for portfolio in range(n_portfolios)
        for day in (MONDAY, TUESDAY)
        for number in range(n_lots)
    ]
    return positions(*lots), table


@pytest.mark.parametrize("calculation", [betas, factor_exposures])
def test_rows_are_the_same_bit_for_bit_alone_together_and_in_any_order(calculation):
    book, table = random_book()
    together = calculation(book, table)

    shuffled = calculation(book.sample(frac=1, random_state=1), table.sample(frac=1, random_state=2))
    for expected, found in zip(together, shuffled, strict=True):
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    for (portfolio, session), own in book.groupby(["portfolio_id", "session"]):
        for expected, found in zip(together, calculation(own, table), strict=True):
            part = expected[(expected["portfolio_id"] == portfolio) & (expected["session"] == session)]
            pd.testing.assert_frame_equal(found, part.reset_index(drop=True), check_exact=True)


def test_portfolio_exposures_are_the_sums_of_their_lots_exposures():
    book, table = random_book()

    by_portfolio, by_position = factor_exposures(book, table)

    columns = [f"{factor}_exposure" for factor in EXPOSURE_FACTORS]
    sums = by_position.groupby(["portfolio_id", "session"])[columns].sum()
    np.testing.assert_allclose(by_portfolio[columns], sums, rtol=1e-12, atol=1e-12)


def test_portfolio_betas_are_the_betas_of_the_portfolio_s_returns():
    """Regression is linear in returns, shorts included, so both roads to a portfolio's betas must meet."""
    weights = {"AAA": 0.7, "BBB": -0.4, "CCC": 0.5}
    random = np.random.default_rng(5)
    returns = factor_returns(200)
    returns |= {symbol: returns["SPY"] * random.uniform(0.5, 1.5) + random.normal(0, 0.01, 200) for symbol in weights}
    returns["PORT"] = sum(weight * returns[symbol] for symbol, weight in weights.items())
    history = history_of_returns(returns)
    of_symbols = symbol_factors(history, history.sessions[-1:], FactorModel())
    monday = of_symbols.assign(session=MONDAY.as_unit("s"))
    book = positions(*(lot(symbol, symbol, weight * EQUITY) for symbol, weight in weights.items()))

    portfolio = pd.concat([betas(book, monday)[0].iloc[0], factor_exposures(book, monday)[0].iloc[0]])

    directly = of_symbols.set_index("symbol").loc["PORT"]
    for factor in ("market", "rates"):
        assert portfolio[f"{factor}_beta"] == pytest.approx(directly[f"{factor}_beta"], abs=1e-12)
    for factor in EXPOSURE_FACTORS:
        assert portfolio[f"{factor}_exposure"] == pytest.approx(directly[f"{factor}_beta"], abs=1e-12)


def test_tidy_exposures_have_one_row_per_portfolio_session_and_factor():
    book = positions(lot("1", "AAA", 60_000), private_lot("2", 40_000))

    tidy = tidy_factor_exposures(factor_exposures(book, BETAS)[0]).set_index("factor")

    assert tidy.index.tolist() == list(EXPOSURE_FACTORS)
    assert tidy.columns.tolist() == ["portfolio_id", "session", "exposure", "exposure_usd", "coverage"]
    assert tidy.loc["value", ["exposure", "exposure_usd", "coverage"]].tolist() == pytest.approx([0.3, 30_000, 0.6])
    assert np.isnan(tidy.loc["size_spread", "exposure"])
    assert tidy.loc["size_spread", "coverage"] == 0


def test_tidy_exposures_of_lots_are_those_that_are_known():
    known = {"AAA": {"value": 0.5, "size": 1.0}, "BBB": dict.fromkeys(SPREAD_FACTORS, 2.0)}
    book = positions(lot("2", "BBB", 10_000), lot("1", "AAA", 60_000))

    tidy = tidy_factor_exposures(factor_exposures(book, factors(known))[1])

    assert tidy.columns.tolist() == ["portfolio_id", "session", "lot_id", "symbol", "factor", "exposure"]
    assert tidy["factor"].tolist() == ["value", "size", *SPREAD_FACTORS]
    assert tidy["lot_id"].tolist() == ["1", "1", "2", "2", "2", "2"]
    assert tidy["exposure"].tolist() == pytest.approx([0.3, 0.6, 0.2, 0.2, 0.2, 0.2])


def test_unknown_numbers_make_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        for book in (positions(), positions(private_lot("1", 0.0)), positions(lot("1", "ZZZ", 5.0))):
            betas(book, BETAS)
            tidy_factor_exposures(factor_exposures(book, BETAS)[0])
