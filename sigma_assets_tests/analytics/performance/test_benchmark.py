"""The benchmark beside a portfolio, by hand."""

import numpy as np
import pytest

from sigma_assets.analytics.performance.benchmark import benchmark_beside
from sigma_assets.base.frames import PriceHistory

DAYS = np.array(["2024-12-30", "2024-12-31", "2025-01-02", "2025-01-03"], dtype="datetime64[D]")


def history(closes, prior=np.nan, splits=(1, 1, 1, 1), dividends=(0, 0, 0, 0)) -> PriceHistory:
    return PriceHistory(
        sessions=DAYS[: len(closes)],
        symbols=np.array(["SPY"], dtype=object),
        close=np.array(closes, dtype=float)[:, None],
        split_factor=np.array(splits[: len(closes)], dtype=float)[:, None],
        dividend=np.array(dividends[: len(closes)], dtype=float)[:, None],
        volume=np.full((len(closes), 1), np.nan),
        prior_close=np.array([prior]),
        prior_session=np.array(["NaT"], dtype="datetime64[D]"),
    )


def test_the_same_money_grows_with_the_benchmark_and_takes_the_flows_at_their_close():
    """1,000 x 1.10 = 1,100, + 400 = 1,500, x 0.5 = 750, x 2 / 1 = 1,500; the first session's own return does not count."""
    beside = benchmark_beside(history([100, 110, 55, 110], prior=1.0), 1_000.0, np.array([999.0, 400.0, 0.0, 0.0]))

    np.testing.assert_allclose(beside.value, [1_000, 1_500, 750, 1_500])
    np.testing.assert_allclose(beside.drawdown, [0, 0, -0.5, 0])


def test_returns_are_total_and_of_the_portfolios_periods():
    """A split of 2 and a dividend of 1: 100 -> 2 x (54 + 1) = +10 %. The year and the month begin on 31 December."""
    beside = benchmark_beside(
        history([100, 54, 54, 59.4], splits=(1, 2, 1, 1), dividends=(0, 1, 0, 0)), 1.0, np.zeros(4)
    )

    assert beside.returns["return_since_inception"] == pytest.approx(1.1 * 1.1 - 1)
    assert beside.returns["return_ytd"] == beside.returns["return_mtd"] == pytest.approx(0.1)
    assert np.isnan(beside.returns["return_1y"]), "a portfolio of four days has no year"


def test_a_period_that_began_before_the_portfolio_counts_from_its_first_close():
    beside = benchmark_beside(history([100, 120], prior=50.0), 1.0, np.zeros(2))

    assert beside.returns["return_ytd"] == pytest.approx(0.2)
    assert beside.returns["return_since_inception"] == pytest.approx(0.2)


def test_a_session_without_a_close_is_not_known_and_the_next_return_spans_it():
    beside = benchmark_beside(history([100, np.nan, 121]), 1_000.0, np.zeros(3))

    np.testing.assert_allclose(beside.value, [1_000, np.nan, 1_210])
    np.testing.assert_allclose(beside.drawdown, [0, np.nan, 0])
    ends = benchmark_beside(history([100, 110, np.nan]), 1_000.0, np.zeros(3))
    assert all(np.isnan(value) for value in ends.returns.values())


@pytest.mark.parametrize(
    ("closes", "equity", "flows", "known"),
    [
        ([np.nan, 100, 110], 1_000.0, [0, 0, 0], [False, False, False]),
        ([100, 110, 121], -5.0, [0, 0, 0], [False, False, False]),
        ([100, 110, 121], 1_000.0, [0, -1_200, 5_000], [True, False, False]),
    ],
    ids=["no close to begin with", "no equity to begin with", "all is withdrawn"],
)
def test_what_cannot_be_compared_is_not_known(closes, equity, flows, known):
    beside = benchmark_beside(history(closes), equity, np.array(flows, dtype=float))

    assert np.isfinite(beside.value).tolist() == known
