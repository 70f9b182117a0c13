"""XIRR: the published example, closed forms, and scipy's root of the same equation."""

import numpy as np
import pytest
from scipy.optimize import brentq

from sigma_assets.analytics.performance.money_weighted import Cash, money_weighted_returns


def money_weighted_return(*of_one: np.ndarray) -> np.ndarray:
    return money_weighted_returns([Cash(*of_one)])[0]


def days(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[D]")


def test_the_example_of_the_usual_spreadsheet():
    """-10000 on 2008-01-01, then 2750, 4250, 3250, 2750: its help page prints 0.373362535, exact to 1e-8."""
    flow_days = days("2008-01-01", "2008-03-01", "2008-10-30", "2009-02-15")

    found = money_weighted_return(
        np.array([10_000.0, -2_750.0, -4_250.0, -3_250.0]), flow_days, np.array([2_750.0]), days("2009-04-01")
    )

    assert found[0] == pytest.approx(0.373362535, abs=1e-8)


def test_a_flow_of_the_last_day_has_earned_nothing():
    """1,000 become 1,100 in a year, and 100 are added on its last day: 10 %."""
    found = money_weighted_return(
        np.array([1_000.0, 100.0]), days("2023-01-03", "2024-01-03"), np.array([1_200.0]), days("2024-01-03")
    )

    assert found[0] == pytest.approx(0.10, rel=1e-10)


def test_of_several_rates_it_is_the_one_nearest_to_none():
    """Built from its roots: in x = 1 + r, 1000 (x - 1.02) (x - 1.15) (x - 1.5) = 0."""
    roots = np.array([1.02, 1.15, 1.5])
    amounts = 1_000 * np.poly(roots)
    flow_days = days("2021-01-04", "2022-01-04", "2023-01-04", "2024-01-04")

    found = money_weighted_return(amounts[:3], flow_days[:3], -amounts[3:], flow_days[3:])

    assert found[0] == pytest.approx(0.02, abs=1e-9)


def test_without_flows_it_is_the_growth_to_the_power_of_365_days():
    start = days("2023-01-03")
    sessions = days("2023-01-03", "2023-01-04", "2024-01-03", "2025-01-02")

    found = money_weighted_return(np.array([100.0]), start, np.array([100.0, 101.0, 110.0, 121.0]), sessions)

    np.testing.assert_allclose(found, [np.nan, 1.01**365 - 1, 0.10, 0.10], rtol=1e-10)


def test_money_that_earned_nothing_has_a_rate_of_exactly_0():
    """What was paid in is there, no more and no less: 0, not -7e-16. In binary 0.1 + 0.2 is not 0.3."""
    sessions = days("2023-01-04", "2023-07-03", "2026-01-05")

    idle = money_weighted_return(np.array([100_000.0]), days("2023-01-03"), np.full(3, 100_000.0), sessions)
    in_and_out = money_weighted_return(
        np.array([100_000.1, 5_000.2, -3_000.0]),
        days("2023-01-03", "2023-02-01", "2023-03-01"),
        np.array([102_000.3]),
        sessions[2:],
    )
    a_cent = money_weighted_return(np.array([1e9]), days("2023-01-03"), np.array([1e9 + 0.01]), days("2024-01-03"))

    assert idle.tolist() == [0.0, 0.0, 0.0]
    assert in_and_out.tolist() == [0.0]
    assert a_cent[0] == pytest.approx(1e-11, rel=1e-4)


@pytest.mark.parametrize("equity", [0.0, -5.0])
def test_nothing_left_has_no_rate(equity: float):
    found = money_weighted_return(np.array([100.0]), days("2023-01-03"), np.array([equity]), days("2024-01-03"))

    assert np.isnan(found[0])


def test_a_total_loss_but_for_a_cent_is_nearly_minus_one():
    found = money_weighted_return(np.array([100.0]), days("2023-01-03"), np.array([0.01]), days("2024-01-03"))

    assert found[0] == pytest.approx(-0.9999, rel=1e-9)


def test_flows_that_leave_no_change_of_sign_have_no_rate():
    """100 in, 150 out, and 60 there although nothing is left to earn it: the sum has no root with equity -60."""
    flow_days = days("2023-01-03", "2023-07-03")

    found = money_weighted_return(np.array([100.0, 50.0]), flow_days, np.array([-60.0]), days("2024-01-03"))

    assert np.isnan(found[0])


@pytest.mark.parametrize("seed", range(8))
def test_it_solves_its_equation_where_scipy_finds_the_root(seed: int):
    random = np.random.default_rng(seed)
    flow_days = days("2020-01-02") + np.r_[0, np.sort(random.integers(1, 900, 6))]
    amounts = np.r_[10_000.0, random.normal(300, 800, 6)]
    session = flow_days[-1:] + 200
    equity = np.array([amounts.sum() * random.uniform(0.6, 2.0)])

    found = money_weighted_return(amounts, flow_days, equity, session)[0]

    years = (session[0] - flow_days).astype(float) / 365
    assert found == pytest.approx(brentq(lambda r: (amounts * (1 + r) ** years).sum() - equity[0], -0.9, 10), abs=1e-10)


def test_a_session_alone_has_the_same_bits_and_later_flows_do_not_count():
    flow_days, amounts = days("2020-01-02", "2020-05-04", "2021-03-01"), np.array([1000.0, 500.0, -200.0])
    sessions = days("2020-01-03", "2020-06-01", "2021-02-26", "2021-06-01")
    equity = np.array([990.0, 1600.0, 1800.0, 1500.0])

    together = money_weighted_return(amounts, flow_days, equity, sessions)
    alone = [money_weighted_return(amounts, flow_days, equity[n : n + 1], sessions[n : n + 1])[0] for n in range(4)]
    unaware = money_weighted_return(amounts[:2], flow_days[:2], equity[:3], sessions[:3])

    assert together.tolist() == alone
    assert together[:3].tolist() == unaware.tolist()


def test_portfolios_that_are_solved_together_have_the_returns_that_each_has_alone():
    """Portfolios of one, three and one flows, of several sessions and of one: to the last bit, in their order."""
    random = np.random.default_rng(3)
    days = np.arange(np.datetime64("2024-01-02"), np.datetime64("2024-12-31"))
    portfolios = []
    for n_flows, n_sessions in ((1, 40), (3, 7), (1, 1), (2, 12), (3, 1), (1, 13)):
        amounts = np.concatenate([[1_000.0], random.normal(0.0, 300.0, n_flows - 1)])
        ends = np.sort(random.choice(days[20:], n_sessions, replace=False))
        portfolios.append(Cash(amounts, days[:n_flows] + 7, random.uniform(500.0, 2_000.0, n_sessions), ends))

    together = money_weighted_returns(portfolios)

    assert [len(rates) for rates in together] == [40, 7, 1, 12, 1, 13]
    for cash, rates in zip(portfolios, together, strict=True):
        assert np.isfinite(rates).all()
        for number, rate in enumerate(rates):
            alone = money_weighted_return(cash.amounts, cash.days, cash.equity[[number]], cash.sessions[[number]])
            assert alone.tolist() == [rate]
    assert money_weighted_returns([]) == []


@pytest.mark.parametrize(("growth", "is_known"), [(6.9, True), (7.0, False), (40.0, False)])
def test_a_rate_that_is_too_large_for_a_number_is_unknown(growth: float, is_known: bool):
    """6.9^365 is 1.5e306, and 7^365 beyond 1.8e308."""
    at = days("2026-01-07", "2026-01-08")

    found = money_weighted_return(np.array([100.0]), at[:1], np.array([100.0 * growth]), at[1:])

    assert np.isfinite(found).tolist() == [is_known]
    assert not is_known or found[0] == pytest.approx(growth**365.0, rel=1e-9)
