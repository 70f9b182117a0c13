"""The backtest of value at risk: published statistics, counts by hand, and a market in which the truth is known."""

import numpy as np
import pytest
from scipy.stats import binom, chi2

from sigma_assets.analytics.risk.backtest import backtest, chi_squared_p, christoffersen_ratio, kupiec_ratio, zone


@pytest.mark.parametrize(("exceptions", "expected"), [(3, 0.09494), (7, 5.49699)])
def test_kupiec_of_250_sessions_at_99_percent(exceptions: int, expected: float):
    assert kupiec_ratio(250, exceptions, 0.01) == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize("exceptions", [0, 1, 12, 250])
def test_kupiec_is_the_ratio_of_two_binomial_likelihoods(exceptions: int):
    expected = 2 * (binom.logpmf(exceptions, 250, exceptions / 250) - binom.logpmf(exceptions, 250, 0.01))

    assert kupiec_ratio(250, exceptions, 0.01) == pytest.approx(expected, rel=1e-9)


def test_christoffersen_of_a_worked_example():
    assert christoffersen_ratio([[44, 2], [2, 1]]) == pytest.approx(2.298890, abs=5e-7)


def test_independence_cannot_be_judged_without_pairs_and_is_certain_without_exceptions():
    assert np.isnan(christoffersen_ratio([[0, 0], [0, 0]]))
    assert christoffersen_ratio([[[1, 249], [0, 0]], [[0, 0], [0, 0]]]).tolist() == [0.0, 0.0]


def test_p_values_are_those_of_scipy():
    ratio = np.array([0.0, 0.09494, 3.84, 5.49699, 40.0])

    np.testing.assert_allclose(chi_squared_p(ratio), chi2.sf(ratio, 1), rtol=1e-12)
    assert np.isnan(chi_squared_p([np.nan])).all()


def test_every_session_counts_that_can_be_judged_and_pairs_of_neighbours():
    is_judged = np.array([False, True, False, True, True])
    is_exception = np.array([False, True, False, False, True])

    found = backtest(is_judged, is_exception, 250)

    assert found.sessions.tolist() == [0, 1, 1, 2, 3]
    assert found.exceptions.tolist() == [0, 1, 1, 1, 2]
    assert found.transitions[:, :, -1].tolist() == [[0, 1], [0, 0]]


def test_the_window_ends_at_the_session_and_pairs_lie_inside_it():
    is_exception = np.array([False, True, True, False, True, False])

    found = backtest(np.array([False, True, True, True, True, True]), is_exception, 3)

    assert found.sessions[-1] == 3
    assert found.exceptions[-1] == 1  # sessions 4 to 6: none, one, none
    assert found.transitions[:, :, -1].tolist() == [[0, 1], [1, 0]]


def test_portfolios_side_by_side_are_counted_each_alone():
    flags = np.random.default_rng(3).random((2, 4, 30)) < 0.5

    found = backtest(flags[0], flags[0] & flags[1], 7)

    for number in range(4):
        alone = backtest(flags[0, number], flags[0, number] & flags[1, number], 7)
        assert found.sessions[number].tolist() == alone.sessions.tolist()
        assert found.exceptions[number].tolist() == alone.exceptions.tolist()
        assert found.transitions[:, :, number].tolist() == alone.transitions.tolist()


def test_zones_are_basels():
    exceptions = np.array([0, 4, 5, 9, 10, 30, 0])

    assert zone(exceptions, np.array([250] * 6 + [0])).tolist() == [
        "green", "green", "yellow", "yellow", "red", "red", None,
    ]  # fmt: skip


def test_kupiec_rejects_a_right_value_at_risk_one_time_in_twenty_and_half_of_it_nearly_always():
    """2,000 portfolios of 1,000 sessions: over 250, the number of exceptions is too coarse for a test of 5 %."""
    returns = np.random.default_rng(5).normal(0, 0.01, (2000, 1001))
    right = 0.01 * 2.3263478740408408

    def rejected(var: float) -> float:
        judged = backtest(np.ones(returns.shape, dtype=bool), returns < -var, 1000)
        assert (judged.sessions[:, -1] == 1000).all()
        return float((chi_squared_p(kupiec_ratio(1000, judged.exceptions[:, -1], 0.01)) < 0.05).mean())

    assert 0.03 <= rejected(right) <= 0.07
    assert rejected(right / 2) > 0.99


def test_kupiec_of_one_session_and_of_none():
    """-2 ln(0.99) without an exception, -2 ln(0.01) with one; of no session nothing is known."""
    ratios = kupiec_ratio(np.array([1, 1, 0]), np.array([0, 1, 0]), 0.01)

    np.testing.assert_allclose(ratios, [0.0201006717, 9.2103403720, np.nan], rtol=1e-9)


def test_a_single_pair_says_nothing_against_independence():
    """One pair follows from one state to one state: whichever, both likelihoods are 1, and the ratio is 0."""
    for before, after in ((0, 0), (0, 1), (1, 0), (1, 1)):
        transitions = np.zeros((2, 2, 1), dtype=np.int64)
        transitions[before, after] = 1

        assert christoffersen_ratio(transitions).tolist() == [0.0]
