"""Properties that every correlation matrix has, whatever is missing."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sigma_assets.analytics.risk.correlation.matrix import clusters, correlation_matrix, pairwise_correlation

N_SESSIONS = 40


@st.composite
def returns_with_gaps(draw):
    """Draw 2 to 7 symbols with common and own moves, each return missing with a drawn chance."""
    n_symbols = draw(st.integers(2, 7))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    loading = draw(arrays(float, (n_symbols, 1), elements=st.floats(-3, 3)))
    returns = 0.01 * (loading * random.normal(size=N_SESSIONS) + random.normal(size=(n_symbols, N_SESSIONS)))
    returns[random.random(returns.shape) < draw(st.sampled_from([0.0, 0.1, 0.5]))] = np.nan
    return returns


@given(returns_with_gaps())
@settings(max_examples=60, deadline=None)
def test_pairs_are_those_of_pandas(returns):
    frame = pd.DataFrame(returns.T)

    correlation, observations = pairwise_correlation(returns)

    np.testing.assert_allclose(correlation, frame.corr(), atol=1e-9)
    known = frame.notna().astype(int)
    np.testing.assert_array_equal(observations, known.T @ known)


@given(returns_with_gaps())
@settings(max_examples=60, deadline=None)
def test_every_matrix_is_symmetric_with_unit_diagonal_and_positive_semidefinite(returns):
    correlation, observations = pairwise_correlation(returns)
    if np.isnan(correlation).any():
        return

    matrix = correlation_matrix(correlation, observations)

    np.testing.assert_array_equal(matrix.correlation, matrix.correlation.T)
    np.testing.assert_array_equal(np.diag(matrix.correlation), 1.0)
    assert np.abs(matrix.correlation).max() <= 1.0
    assert np.linalg.eigvalsh(matrix.correlation)[0] > -1e-10
    assert matrix.is_repaired == (np.linalg.eigvalsh(correlation)[0] < -1e-10)
    if not matrix.is_repaired:
        np.testing.assert_array_equal(matrix.correlation, correlation)


@pytest.mark.parametrize("n_symbols", [2, 5, 30])
def test_complete_returns_give_the_matrix_of_numpy(n_symbols: int):
    random = np.random.default_rng(n_symbols)
    returns = random.normal(0, 0.01, (n_symbols, 90)) + random.normal(0, 0.01, 90)

    correlation, observations = pairwise_correlation(returns)
    matrix = correlation_matrix(correlation, observations)

    expected = np.corrcoef(returns)
    np.testing.assert_allclose(matrix.correlation, expected, atol=1e-13)
    assert matrix.condition_number == pytest.approx(np.linalg.cond(expected), rel=1e-9)
    assert (observations == 90).all()


def test_an_indefinite_matrix_is_repaired():
    """A goes with B and C, which go against each other: no returns can do that (least eigenvalue 1 - 2 x 0.9)."""
    impossible = np.array([[1.0, 0.9, 0.9], [0.9, 1.0, -0.9], [0.9, -0.9, 1.0]])

    matrix = correlation_matrix(impossible, np.full((3, 3), 30))

    assert matrix.is_repaired
    assert np.isnan(matrix.condition_number)
    # The eigenvalues are -0.8, 1.9, 1.9: clipped, 1.9 (I - u u') with u = (1, -1, -1) / sqrt(3), rescaled by 1.9 x 2/3.
    np.testing.assert_allclose(matrix.correlation, [[1, 0.5, 0.5], [0.5, 1, -0.5], [0.5, -0.5, 1]], atol=1e-12)


def test_singular_matrices_have_no_condition_number():
    path = np.random.default_rng(1).normal(0, 0.01, 90)
    for returns in (np.stack([path, 2 * path]), np.random.default_rng(2).normal(0, 0.01, (120, 90))):
        matrix = correlation_matrix(*pairwise_correlation(returns))

        assert np.isnan(matrix.condition_number)
        assert not matrix.is_repaired


def test_symbols_that_do_not_vary_have_no_correlation():
    path = np.random.default_rng(3).normal(0, 0.01, 90)
    steady = np.full(90, 0.0004) + np.where(np.arange(90) % 2, 1, -1) * 2.2e-16

    correlation, _ = pairwise_correlation(np.stack([path, np.zeros(90), steady]))

    assert correlation[0, 0] == 1.0
    assert np.isnan(correlation[1:]).all()


def test_clusters_are_connected_components():
    """A-B and B-C are linked, so A-C belong together; D-E by a negative correlation; F stands alone."""
    correlation = np.eye(6)
    for first, second, value in [(0, 1, 0.8), (1, 2, 0.7), (0, 2, 0.3), (3, 4, -0.9), (4, 5, 0.69)]:
        correlation[first, second] = correlation[second, first] = value

    found = clusters(correlation, np.array([1.0, 5.0, 2.0, 10.0, 11.0, 99.0]), 0.7)

    assert [members.tolist() for members in found] == [[4, 3], [1, 2, 0]]


def test_equal_clusters_and_members_come_in_alphabetical_order():
    correlation = np.kron(np.eye(2), np.ones((2, 2)))

    assert [members.tolist() for members in clusters(correlation, np.ones(4), 0.7)] == [[0, 1], [2, 3]]


def test_no_links_no_clusters():
    assert clusters(np.eye(3), np.ones(3), 0.7) == []
